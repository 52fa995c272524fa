"""Make the page that says how each DICOM test file at hand is read, or why it is refused.

python tools/dicom_table.py            write docs/reference/dicom-test-files.md
python tools/dicom_table.py --check    say whether the page is out of date

The files are pydicom's own (in its wheel) and those beside the project (../shared/data); each is read alone. Where
pydicom can decode a file too, its pixels are compared with ours, voxel by voxel.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isocenter.core.errors import IsocenterError
from isocenter.core.image import Image, ImageFacts, Intensity
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.dicom import FORMAT
from isocenter.data.formats.dicom.syntaxes import SYNTAXES

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
PAGE = ROOT / "docs" / "reference" / "dicom-test-files.md"
MANY = 4
"""More neighbours than this with the same outcome share a row."""
_SYNTAX_NAMES = {one.uid: one.name for one in SYNTAXES}
_OTHER_ENDINGS = frozenset((".py", ".pyc", ".json", ".md", ".txt", ".gz", ".nii", ".dump", ".icc", ".jpeg"))


class Row(NamedTuple):
    """One file: its name, what it is, how it was read, and whether pydicom's pixels are the same."""

    name: str
    what: str
    outcome: str
    checked: str


def main(arguments: list[str] | None = None) -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is out of date")
    options = parser.parse_args(arguments)
    text = page()
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.relative_to(ROOT).as_posix()}: is not what the code does; run `python tools/dicom_table.py`")
    return 1


def page() -> str:
    """The whole page."""
    rows = list(collapsed([row for name, path in sources() for row in rows_of(name, path)]))
    read = sum("refused" not in row.outcome for row in rows)
    lines = [
        "# DICOM test files",
        "",
        "<!-- Made by tools/dicom_table.py from the code. -->",
        "",
        "How each DICOM file of pydicom's own test set and of the public collections used in development is read, or",
        "why it is refused. Each was read alone. *Same* in the last column: pydicom decodes it too, and every voxel",
        "(after rescaling, colour conversion and inversion) is equal.",
        "",
        f"{read} rows are read, {len(rows) - read} are refused.",
        "",
        "| file | what it is | outcome | pydicom |",
        "|---|---|---|---|",
        *(f"| {row.name} | {row.what} | {row.outcome} | {row.checked} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def pydicom_folder() -> Path:
    """Where pydicom is installed."""
    import pydicom

    return Path(pydicom.__file__).parent


def sources() -> Iterator[tuple[str, Path]]:
    """Every file with the name under which it is listed."""
    own = pydicom_folder() / "data"
    for label, folder in (("pydicom", own), ("dicom", SHARED / "dicom"), ("dicom_odd", SHARED / "dicom_odd")):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in _OTHER_ENDINGS and path.name != "LICENSE":
                yield f"{label}/{path.relative_to(folder).as_posix()}", path


def rows_of(name: str, path: Path) -> Iterator[Row]:
    """How one file is read: a row per image in it, or one for its refusal."""
    with path.open("rb") as file:
        head = file.read(1024)
    if not FORMAT.sniff(head, path.name.lower()):
        yield Row(name, "", "refused: not recognised as DICOM", "")
        return
    found = FORMAT.describe([path])
    what = what_it_is(path)
    for refusal in found.refused:
        yield Row(name, what, f"refused: {plain(refusal.reason)}", "")
    for facts in found.images:
        try:
            image = FORMAT.read(facts, ReadOptions())
        except IsocenterError as error:
            yield Row(name, what, f"refused: {plain(error.reason)}", "")
        else:
            yield Row(name, what, outcome_of(image), checked(path, facts, image))


def what_it_is(path: Path) -> str:
    """The kind of object and how its pixels are packed."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        kind = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")
        syntax = dataset.file_meta.get("TransferSyntaxUID")
    name = getattr(kind, "name", "").removesuffix(" Storage") if kind else "no class"
    return f"{name}, {_SYNTAX_NAMES.get(syntax, syntax)}" if syntax else f"{name}, no transfer syntax"


def outcome_of(image: Image) -> str:
    """Axes, shape, numbers and meaning."""
    shape = " x ".join(map(str, image.array.shape))
    place = "" if image.geometry.placed else ", without a place"
    return f"`{image.axes}` {shape} {image.array.dtype}, {image.intensity}{place}"


def plain(text: str) -> str:
    """A reason that fits a table and names no path of this machine."""
    return " ".join(text.replace("|", "/").replace(f"{pydicom_folder()}", "pydicom").split())[:200]


def checked(path: Path, facts: ImageFacts, image: Image) -> str:
    """`same` where pydicom decodes the same voxels, empty where the comparison has no meaning or cannot be made."""
    if facts.role == "mask" or image.modality == "SM" or (image.size[2] > 1 and image.modality == "MR"):
        return ""
    try:
        theirs = by_pydicom(path)
    except (RuntimeError, ValueError, AttributeError, KeyError, NotImplementedError):
        return ""
    ours = image.array if image.intensity == Intensity.RGB else image.array[0]
    if ours.shape != theirs.shape:
        return f"**shape {theirs.shape}**"
    return "same" if np.allclose(ours, theirs, rtol=1e-6, atol=1e-6) else "**differs**"


def by_pydicom(path: Path) -> Any:
    """The voxels as pydicom alone gives them; colour first, dark and bright turned round where the file asks for it."""
    import pydicom
    from pydicom.pixels import apply_color_lut, pixel_array

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        pixels = pixel_array(dataset)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            colours = apply_color_lut(pixels, dataset)
            pixels = colours >> 8 if colours.dtype == np.uint16 and colours.max() > 255 else colours
        if pixels.ndim > 2 and pixels.shape[-1] == 3:
            return np.moveaxis(pixels, -1, 0)
        return brightened(rescaled(pixels, dataset), dataset)


def rescaled(pixels: Any, dataset: Any) -> Any:
    """Measured values, in double precision."""
    from pydicom.pixels import apply_modality_lut

    if "DoseGridScaling" in dataset:
        return pixels * float(dataset.DoseGridScaling)
    return apply_modality_lut(pixels, dataset)


def brightened(values: Any, dataset: Any) -> Any:
    """Larger is brighter."""
    if dataset.PhotometricInterpretation != "MONOCHROME1":
        return values
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return (low + high) * slope + 2 * intercept - values


def collapsed(rows: list[Row]) -> Iterator[Row]:
    """Many neighbours of one folder with the same outcome become one row."""
    for (folder, *_), members in groupby(rows, key=lambda row: (row.name.rsplit("/", 1)[0], *row[1:])):
        same = list(members)
        if len(same) <= MANY:
            yield from same
        else:
            yield same[0]._replace(name=f"{folder}/ ({len(same)} files)")


if __name__ == "__main__":
    sys.exit(main())
