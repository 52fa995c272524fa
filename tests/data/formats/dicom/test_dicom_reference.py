"""Real files: series agree with the NIfTI that dcm2niix made of them, and every odd file is read right or refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import pytest
from dicom_phantoms import described, read
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from isocenter.core.image import Image
from isocenter.data.formats.dicom.header import open_header

PROJECT = Path(__file__).resolve().parents[4]


def reference_of(folder: Path, number: int, manufacturer: str) -> Path:
    """The NIfTI of a series: the one whose side-car names its number and maker."""
    for document in sorted(folder.glob("*.json")):
        said = json.loads(document.read_text(encoding="utf-8"))
        maker = said.get("Manufacturer", manufacturer).upper()
        if said["SeriesNumber"] == number and manufacturer.upper().startswith(maker):
            return next(path for path in folder.glob(f"{document.stem}.nii*"))
    raise AssertionError(f"no reference of series {number}")


def assert_same(image: Image, reference: Path) -> None:
    """The same value at the same place in the patient, whichever way the axes run."""
    theirs = nibabel.load(reference)
    order = image.axes.replace("C", "")
    ours = image.array[0].transpose([order.index(axis) for axis in "XYZT" if axis in order])
    affine = image.geometry.to_ras()
    turn = io_orientation(np.linalg.inv(theirs.affine) @ affine)
    np.testing.assert_allclose(affine @ inv_ornt_aff(turn, ours.shape[:3]), theirs.affine, atol=1e-3)
    np.testing.assert_array_equal(apply_orientation(ours, turn), np.asanyarray(theirs.dataobj))
    if image.times is not None:
        step = float(theirs.header.get_zooms()[3])
        assert image.times == pytest.approx(np.arange(len(image.times)) * step, abs=2e-3)


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("folder", "count"),
    [("dcm_qa_nih/In/20180918GE", 4), ("dcm_qa_nih/In/20180918Si", 4), ("dicom/transfer_syntaxes/In", 9)],
)
def test_series_agree_with_their_reference(shared: Path, folder: str, count: int) -> None:
    found = described(*(path for path in (shared / folder).rglob("*.dcm")))
    assert not found.refused
    assert len(found.images) == count
    for facts in found.images:
        header = open_header(facts.files[0]).dataset
        references = next(parent / "Ref" for parent in Path(facts.files[0]).parents if (parent / "Ref").is_dir())
        assert_same(read(facts), reference_of(references, int(header.SeriesNumber), str(header.Manufacturer)))


@pytest.mark.needs_shared
def test_the_order_of_the_files_does_not_matter(shared: Path) -> None:
    paths = sorted((shared / "hippocampus_dicom" / "study1").iterdir())
    there = described(*paths).images[0]
    back = described(*reversed(paths)).images[0]
    assert there == back
    image = read(there)
    assert image.spacing == pytest.approx((1, 1, 1))
    # The files are named and numbered like their positions, which run from 1 upwards.
    assert [Path(path).stem for path in there.files] != sorted(Path(path).stem for path in there.files)


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The script that makes the page."""
    spec = importlib.util.spec_from_file_location("dicom_table", PROJECT / "tools" / "dicom_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_of_pydicom_is_read_right_or_refused(tool: ModuleType) -> None:
    outcomes = [row for name, path in tool.sources() if name.startswith("pydicom/") for row in tool.rows_of(name, path)]
    assert len(outcomes) > 150
    assert sum(row.checked == "same" for row in outcomes) > 70
    assert not [row for row in outcomes if "**" in row.checked]


@pytest.mark.needs_shared
def test_the_page_of_test_files_is_up_to_date(tool: ModuleType, shared: Path) -> None:
    text = tool.page()
    assert "**" not in text
    assert str(PROJECT.parent) not in text
    assert tool.PAGE.read_text(encoding="utf-8") == text
