"""Structure sets: outlines in millimetres become exactly the voxels whose centres they enclose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from isocenter.core.errors import GeometryRefused, Unreadable
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, ImageFacts
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.dicom import rtstruct
from isocenter.data.formats.dicom.contours import polygon

STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
SERIES = "1.5"
TURN = np.radians(30)
OBLIQUE = Geometry.from_parts(
    origin=(-12.5, 7, 100),
    spacing=(0.5, 0.75, 3),
    direction=[[np.cos(TURN), -np.sin(TURN), 0], [np.sin(TURN), np.cos(TURN), 0], [0, 0, 1]],
)

Outline = tuple[str, list[tuple[float, float, float]], str]


def reference(series: str = SERIES, geometry: Geometry = OBLIQUE, **changes: Any) -> ImageFacts:
    """The facts of a series of four slices."""
    known: dict[str, Any] = {
        "format": "dicom",
        "files": tuple(f"/{series}/{number}" for number in range(4)),
        "axes": "CZYX",
        "shape": (1, 4, 8, 10),
        "affine": tuple(geometry.affine.ravel()),
        "spacing": geometry.spacing,
        "series": series,
        "group": series,
        "instances": tuple(f"{series}.{number}" for number in range(4)),
    }
    return ImageFacts(**{**known, **changes})


def item(**elements: Any) -> Dataset:
    """A sequence item."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def square(z: float, left: float, top: float, right: float, bottom: float, *, on: str = "") -> Outline:
    """A rectangle in voxels of the grid; `on` names the image that it was drawn on."""
    return "CLOSED_PLANAR", [(left, top, z), (right, top, z), (right, bottom, z), (left, bottom, z)], on


def structures(
    path: Path,
    regions: dict[str, Sequence[Outline]],
    *,
    series: Sequence[str] = (SERIES,),
    geometry: Geometry = OBLIQUE,
) -> Path:
    """A small structure set whose outlines are given in voxels."""
    drawn = []
    for number, outlines in enumerate(regions.values(), start=1):
        contours = []
        for kind, corners, on in outlines:
            points = geometry.points(corners).ravel()
            contour = item(ContourGeometricType=kind, ContourData=[f"{value:.9f}"[:16] for value in points])
            if on:
                contour.ContourImageSequence = [item(ReferencedSOPInstanceUID=on)]
            contours.append(contour)
        drawn.append(item(ReferencedROINumber=number, ContourSequence=contours))
    images = {uid: [item(ReferencedSOPInstanceUID=f"{uid}.{n}") for n in range(4)] for uid in series}
    referenced = [item(SeriesInstanceUID=uid, ContourImageSequence=images[uid]) for uid in series]
    study = item(RTReferencedSeriesSequence=referenced)
    dataset = item(
        SOPClassUID=STRUCTURES,
        SOPInstanceUID="1.2.3",
        SeriesInstanceUID="1.7",
        StudyInstanceUID="1.2",
        Modality="RTSTRUCT",
        ReferencedFrameOfReferenceSequence=[item(FrameOfReferenceUID="1.8", RTReferencedStudySequence=[study])],
        StructureSetROISequence=[
            item(ROINumber=number, ROIName=name.strip("'"), ReferencedFrameOfReferenceUID="1.8")
            for number, name in enumerate(regions, start=1)
        ],
        ROIContourSequence=drawn,
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    dataset.file_meta.MediaStorageSOPClassUID = STRUCTURES
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def read(path: Path, references: Sequence[ImageFacts] | None = None) -> tuple[ImageFacts, Image]:
    """Facts and image, which must agree."""
    [facts] = rtstruct.describe_file(path, references or [reference()])
    image = rtstruct.read(facts, ReadOptions())
    assert (image.array.shape, str(image.array.dtype)) == (facts.shape, facts.dtype)
    return facts, image


def voxels(image: Image, channel: int = 0) -> list[tuple[int, ...]]:
    """The voxels (z, y, x) of a region."""
    return [tuple(int(step) for step in place) for place in np.argwhere(image.array[channel])]


def test_an_outline_fills_the_voxels_whose_centres_it_encloses(tmp_path: Path) -> None:
    path = structures(tmp_path / "a.dcm", {"lung": [square(2, 2.6, 0.5, 5.4, 2.4)], "gut": [square(0, 0, 0, 2, 2)]})
    facts, image = read(path)
    assert voxels(image) == [(2, y, x) for y in (1, 2) for x in (3, 4, 5)]
    assert voxels(image, 1) == [(0, y, x) for y in (0, 1) for x in (0, 1)]
    assert np.unique(image.array[1]).tolist() == [0, 2]
    assert facts.classes == {1: "lung", 2: "gut"}
    assert facts.channels == ("lung", "gut")
    assert (facts.role, facts.refers_to[0], image.notes) == ("mask", SERIES, ())
    assert image.geometry.matches(OBLIQUE)
    assert image.origin.uids["sop_class"] == STRUCTURES


def test_an_outline_within_an_outline_is_a_hole(tmp_path: Path) -> None:
    hole, island = square(1, 2.5, 2.5, 5.5, 5.5), square(1, 3.5, 3.5, 4.5, 4.5)
    path = structures(tmp_path / "a.dcm", {"ring": [island, hole, square(1, 0.5, 0.5, 7.5, 7.5)]})
    _, image = read(path)
    ring = image.array[0, 1]
    assert ring.sum() == 7 * 7 - 3 * 3 + 1
    assert (ring[4, 4], ring[3, 3], ring[1, 1]) == (1, 0, 1)
    assert image.notes == ()


def test_a_keyhole_is_a_hole(tmp_path: Path) -> None:
    outer, inner = square(1, 0.5, 0.5, 7.5, 7.5)[1], square(1, 2.5, 2.5, 5.5, 5.5)[1]
    keyhole = [*outer, outer[0], inner[0], *reversed(inner), outer[0]]
    path = structures(tmp_path / "a.dcm", {"ring": [("CLOSED_PLANAR", keyhole, "")]})
    other = structures(tmp_path / "b.dcm", {"ring": [("CLOSEDPLANAR_XOR", outer, ""), ("CLOSEDPLANAR_XOR", inner, "")]})
    np.testing.assert_array_equal(read(path)[1].array, read(other)[1].array)
    assert read(path)[1].array.sum() == 49 - 9


def test_neighbours_share_no_voxel_and_leave_no_gap(tmp_path: Path) -> None:
    regions = {"left": [square(0, 1, 1, 4, 6)], "right": [square(0, 4, 1, 8, 6)]}
    _, image = read(structures(tmp_path / "a.dcm", regions))
    assert not (image.array[0] & image.array[1]).any()
    assert (image.array > 0).any(axis=0).sum() == 7 * 5


def test_the_same_outline_twice_is_one(tmp_path: Path) -> None:
    _, image = read(structures(tmp_path / "a.dcm", {"lung": [square(0, 1, 1, 4, 6)] * 2}))
    assert image.array.sum() == 15


def test_what_a_person_should_know_is_said(tmp_path: Path) -> None:
    regions = {
        "crossed": [square(0, 0, 0, 4, 4), square(0, 2, 2, 6, 6)],
        "beside": [square(1.3, 0, 0, 4, 4)],
        "gappy": [square(0, 0, 0, 4, 4), square(3, 0, 0, 4, 4)],
        "speck": [square(0, 0.2, 0.2, 0.4, 0.4)],
    }
    _, image = read(structures(tmp_path / "a.dcm", regions))
    assert [note.split("`")[1] for note in image.notes] == list(regions)
    assert "cross on 1 slice" in image.notes[0]
    assert "0.9 mm beside" in image.notes[1]
    assert "no outline on 2 slices" in image.notes[2]
    assert "no voxel" in image.notes[3] or "centre" in image.notes[3]


def test_points_and_empty_regions_are_left_out_and_named(tmp_path: Path) -> None:
    point: Outline = ("POINT", [(1, 1, 1)], "")
    path = structures(tmp_path / "a.dcm", {"iso": [point], "none": [], "lung": [point, square(0, 1, 1, 4, 6)]})
    facts, _ = read(path)
    assert facts.channels == ("lung",)
    assert sum("`iso`" in note for note in facts.notes) == 2
    assert any("`none` has no closed outline" in note for note in facts.notes)
    assert any("`lung`" in note and "1 of type POINT" in note for note in facts.notes)


def test_namesakes_get_numbers(tmp_path: Path) -> None:
    path = structures(tmp_path / "a.dcm", {"ptv": [square(0, 1, 1, 4, 6)], "'ptv'": [square(1, 1, 1, 4, 6)]})
    assert read(path)[0].channels == ("ptv 1", "ptv 2")


def test_an_outline_may_name_its_slice(tmp_path: Path) -> None:
    path = structures(tmp_path / "a.dcm", {"lung": [square(1.45, 1, 1, 4, 6, on=f"{SERIES}.1")]})
    assert {place[0] for place in voxels(read(path)[1])} == {1}


def test_outlines_on_a_single_slice(tmp_path: Path) -> None:
    alone = reference(axes="CYX", shape=(1, 8, 10), files=("/0",), instances=(f"{SERIES}.0",))
    facts, image = read(structures(tmp_path / "a.dcm", {"lung": [square(0, 1, 1, 4, 6)]}), [alone])
    assert facts.axes == "CYX"
    assert image.array.sum() == 15


def test_every_series_gets_its_own_mask(tmp_path: Path) -> None:
    regions = {"ct": [square(0, 1, 1, 4, 6, on="1.5.0")], "mr": [square(0, 1, 1, 2, 2, on="1.6.0")]}
    path = structures(tmp_path / "a.dcm", regions, series=("1.5", "1.6"))
    both = rtstruct.describe_file(path, [reference("1.5"), reference("1.6")])
    assert [(facts.channels, facts.refers_to[0]) for facts in both] == [(("ct",), "1.5"), (("mr",), "1.6")]
    assert len({facts.key for facts in both}) == 2
    assert [int(rtstruct.read(facts, ReadOptions()).array.sum()) for facts in both] == [15, 1]
    [one] = rtstruct.describe_file(path, [reference("1.6")])
    assert one.channels == ("mr",)
    assert "ct left out: series 1.5" in one.notes[0]


def test_of_two_stacks_the_named_one_is_taken(tmp_path: Path) -> None:
    path = structures(tmp_path / "a.dcm", {"lung": [square(0, 1, 1, 4, 6, on="1.5.0")]})
    scout = reference(instances=("1.5.7",), part="scout")
    assert read(path, [scout, reference()])[0].refers_to[1] == "1.5.0"


@pytest.mark.parametrize("reference_", [[], [reference("1.9")], [reference(affine=None)], [reference(role="mask")]])
def test_a_missing_series_is_named(tmp_path: Path, reference_: list[ImageFacts]) -> None:
    path = structures(tmp_path / "a.dcm", {"lung": [square(0, 1, 1, 4, 6)]})
    with pytest.raises(Unreadable, match=r"lung.* series 1\.5.*Ingest it together"):
        rtstruct.describe_file(path, reference_)


@pytest.mark.parametrize(
    ("outline", "words"),
    [
        (square(4.2, 1, 1, 4, 6), "outside the image"),
        (square(-1, 1, 1, 4, 6), "outside the image"),
        (square(1.6, 1, 1, 4, 6, on=f"{SERIES}.1"), "leaves slice 2 by 0.60"),
        (("CLOSED_PLANAR", [(1, 1, 0), (1, 4, 0), (1, 4, 3)], ""), "leaves slice"),
    ],
)
def test_outlines_off_the_slices_are_refused(tmp_path: Path, outline: Outline, words: str) -> None:
    with pytest.raises(GeometryRefused, match=words):
        read(structures(tmp_path / "a.dcm", {"lung": [outline]}))


def test_unsound_structure_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="outlines nothing"):
        read(structures(tmp_path / "a.dcm", {"iso": [("POINT", [(1, 1, 1)], "")]}))
    with pytest.raises(Unreadable, match=r"does not say on which series `lung`.*1\.5 and 1\.6"):
        read(structures(tmp_path / "b.dcm", {"lung": [square(0, 1, 1, 4, 6)]}, series=("1.5", "1.6")))
    path = structures(tmp_path / "c.dcm", {"lung": [square(0, 1, 1, 4, 6)]})
    [facts] = rtstruct.describe_file(path, [reference()])
    structures(path, {"lung": [square(0, 1, 1, 4, 6)], "gut": [square(0, 1, 1, 4, 6)]})
    with pytest.raises(Unreadable, match="has changed"):
        rtstruct.read(facts, ReadOptions())


def test_half_a_point_is_refused_and_a_line_encloses_nothing(tmp_path: Path) -> None:
    import pydicom

    path = structures(tmp_path / "a.dcm", {"lung": [square(0, 1, 1, 4, 6)]})
    dataset = pydicom.dcmread(path)
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = list(contour.ContourData)[:6]
    dataset.save_as(path)
    assert read(path)[1].array.sum() == 0
    for broken in (list(contour.ContourData)[:5], [1, 1, 1, 2, 2, 2, 3, 1e9, 3]):
        contour.ContourData = broken
        dataset.save_as(path)
        with pytest.raises(Unreadable, match=f"{len(broken)} coordinates"):
            read(path)


def test_any_polygon_is_filled_as_by_the_crossing_rule() -> None:
    rng = np.random.default_rng(20240229)
    for _ in range(20):
        corners = np.round(rng.uniform(-3, 15, (int(rng.integers(3, 9)), 2)) * 4) / 4
        (rows, columns), inside = polygon(corners, (10, 12))
        filled = np.zeros((10, 12), bool)
        filled[rows, columns] = inside
        expected = [[_encloses(corners, x, y) for x in range(12)] for y in range(10)]
        np.testing.assert_array_equal(filled, expected)


def _encloses(corners: np.ndarray, x: float, y: float) -> bool:
    """Whether a point lies inside, by counting the edges to its left one at a time."""
    inside = False
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if (y0 >= y + 1e-12) != (y1 >= y + 1e-12) and round(x0 + (y - y0) * (x1 - x0) / (y1 - y0), 5) <= x:
            inside = not inside
    return inside
