"""Files of many frames without functional groups, pixel sizes, and slides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_phantoms import (
    AXIAL,
    OBLIQUE,
    SPACING,
    assert_in_place,
    base,
    described,
    item,
    normal_of,
    only,
    plane,
    positions,
    read,
    save,
    write_slice,
)
from numpy.typing import NDArray

from isocenter.core.image import Intensity
from isocenter.data.formats.dicom.records import Common
from isocenter.data.formats.dicom.spacing import pixel_size

US_MOVING = "1.2.840.10008.5.1.4.1.1.3.1"
DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
MOVIE = np.arange(4 * 35).reshape(4, 5, 7)


def movie(path: Path, pixels: NDArray[Any] = MOVIE, sop_class: str = US_MOVING, **changes: Any) -> Path:
    """A file of many frames."""
    known = {"Rows": pixels.shape[1], "Columns": pixels.shape[2], "NumberOfFrames": len(pixels), "Modality": "US"}
    return save(base(sop_class, **{**known, **changes}), path, pixels)


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ({"FrameTime": 40.0}, (0, 0.04, 0.08, 0.12)),
        ({"FrameTimeVector": [0.0, 10.0, 30.0, 20.0]}, (0, 0.01, 0.04, 0.06)),
        ({"RecommendedDisplayFrameRate": 20}, (0, 0.05, 0.1, 0.15)),
        ({"CineRate": 10}, (0, 0.1, 0.2, 0.3)),
        ({"FrameTimeVector": [0.0, 10.0], "FrameTime": 5.0}, (0, 0.005, 0.01, 0.015)),
        ({}, None),
    ],
)
def test_moving_pictures(tmp_path: Path, changes: dict[str, Any], times: tuple[float, ...] | None) -> None:
    image = read(only(movie(tmp_path / "a", **changes)))
    assert image.axes == "CTYX"
    assert image.times == (None if times is None else pytest.approx(times))
    np.testing.assert_array_equal(image.array[0], MOVIE)
    assert not image.geometry.placed
    assert image.origin.slices == tuple((image.origin.slices[0][0], number) for number in (1, 2, 3, 4))


def test_a_moving_picture_at_a_known_place(tmp_path: Path) -> None:
    pixels = np.stack([plane((1, 2, 3)) + 1000 * time for time in range(3)])
    place = {"PixelSpacing": list(SPACING), "ImagePositionPatient": [1, 2, 3], "ImageOrientationPatient": list(AXIAL)}
    image = read(only(movie(tmp_path / "a", pixels, FrameTime=50.0, **place)))
    assert image.axes == "CTYX"
    assert image.times == (0.0, 0.05, 0.1)
    assert_in_place(image, image.array[0, 0])


@pytest.mark.parametrize("offsets", [[0.0, 2.5, 5.0, 7.5], [30.0, 32.5, 35.0, 37.5]])
def test_a_dose_lies_where_its_offsets_say(tmp_path: Path, offsets: list[float]) -> None:
    places = positions(4, step=2.5)
    path = movie(
        tmp_path / "dose",
        np.stack([plane(place) for place in places]),
        DOSE,
        Modality="RTDOSE",
        PixelSpacing=list(SPACING),
        ImagePositionPatient=[float(value) for value in places[0]],
        ImageOrientationPatient=list(AXIAL),
        GridFrameOffsetVector=offsets,
        DoseGridScaling=0.5,
    )
    image = read(only(path))
    assert image.axes == "CZYX"
    assert image.intensity == Intensity.QUANTITY
    assert_in_place(image, image.array[0] * 2)


def test_a_dose_without_offsets_is_refused(tmp_path: Path) -> None:
    path = movie(tmp_path / "dose", sop_class=DOSE, DoseGridScaling=0.5)
    assert "(3004,000C)" in described(path).refused[0].reason


def test_a_nuclear_tomogram(tmp_path: Path) -> None:
    places = positions(4, step=2.0, orientation=OBLIQUE)
    detector = item(ImagePositionPatient=[float(value) for value in places[0]], ImageOrientationPatient=list(OBLIQUE))
    known = {
        "FrameIncrementPointer": 0x00540080,
        "PixelSpacing": list(SPACING),
        "SpacingBetweenSlices": 2.0,
        "Modality": "NM",
    }
    pixels = np.stack([plane(place, OBLIQUE) for place in places])
    path = movie(tmp_path / "nm", pixels, NUCLEAR, DetectorInformationSequence=[detector], **known)
    image = read(only(path))
    assert_in_place(image)
    np.testing.assert_allclose(image.geometry.direction[:, 2], normal_of(OBLIQUE), atol=1e-9)
    lost = movie(tmp_path / "lost", pixels, NUCLEAR, **known)
    assert "where its slices lie" in described(lost).refused[0].reason


def test_planar_nuclear_frames_follow_one_another(tmp_path: Path) -> None:
    pointers = [0x00540010, 0x00540020]
    image = read(only(movie(tmp_path / "nm", sop_class=NUCLEAR, FrameIncrementPointer=pointers, Modality="NM")))
    assert image.axes == "CTYX"


def test_fewer_frames_than_announced(tmp_path: Path) -> None:
    path = movie(tmp_path / "a", NumberOfFrames=9)
    assert "is cut short" in described(path).refused[0].reason


@pytest.mark.parametrize(
    ("common", "size", "said"),
    [
        ({"pixel_spacing": (0.2, 0.1), "imager_spacing": (0.4, 0.3)}, (0.1, 0.2), ""),
        ({"imager_spacing": (0.4, 0.3)}, (0.3, 0.4), "at the detector"),
        ({"imager_spacing": (0.4, 0.3), "magnification": 2.0}, (0.15, 0.2), "divided by the magnification of 2"),
        ({"nominal_spacing": (0.4, 0.3)}, (0.3, 0.4), "nominal"),
        ({"nominal_spacing": (0.4, 0.3), "imager_spacing": (0.2, 0.2)}, (0.2, 0.2), "at the detector"),
        ({"calibration": (0.5, 0.6)}, (0.5, 0.6), "ultrasound"),
        ({"pixel_spacing": (0.0, 0.0), "calibration": (0.5, 0.6)}, (0.5, 0.6), "ultrasound"),
    ],
)
def test_pixel_sizes_in_the_order_of_trust(common: dict[str, Any], size: tuple[float, float], said: str) -> None:
    found = pixel_size(Common(**common))
    assert found is not None
    assert (found.x, found.y) == pytest.approx(size)
    assert said in found.note
    assert bool(said) == bool(found.note)


def test_a_pixel_size_nobody_gave() -> None:
    assert pixel_size(Common()) is None
    assert pixel_size(Common(pixel_spacing=(1.0,))) is None


def region(delta: float, units: int = 3, kind: int = 1) -> Any:
    """A region of an ultrasound picture."""
    return item(
        PhysicalUnitsXDirection=units,
        PhysicalUnitsYDirection=units,
        PhysicalDeltaX=delta,
        PhysicalDeltaY=delta,
        RegionSpatialFormat=kind,
    )


@pytest.mark.parametrize(
    ("regions", "known"),
    [
        ([region(0.05)], True),
        ([region(0.05), region(0.2, units=4), region(0.01, kind=3)], True),  # a trace beside the picture
        ([region(0.05), region(0.07)], False),
        ([region(0.05, units=1)], False),
    ],
)
def test_ultrasound_regions_give_the_pixel_size_where_they_agree(
    tmp_path: Path, regions: list[Any], known: bool
) -> None:
    image = read(only(movie(tmp_path / "a", SequenceOfUltrasoundRegions=regions)))
    assert image.spacing == (pytest.approx((0.5, 0.5, 1.0)) if known else None)


def slide(path: Path, whole: NDArray[Any], order: list[tuple[int, int]] | None = None, **changes: Any) -> Path:
    """A slide of 5 x 7 tiles, every tile there or only those in `order`."""
    rows, columns = whole.shape[:2]
    padded = np.zeros((-(-rows // 5) * 5, -(-columns // 7) * 7, *whole.shape[2:]), whole.dtype)
    padded[:rows, :columns] = whole
    places = order or [(top, left) for top in range(0, rows, 5) for left in range(0, columns, 7)]
    known: dict[str, Any] = {
        "Rows": 5,
        "Columns": 7,
        "NumberOfFrames": len(places),
        "TotalPixelMatrixRows": rows,
        "TotalPixelMatrixColumns": columns,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "Modality": "SM",
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "SharedFunctionalGroupsSequence": [item(PixelMeasuresSequence=[item(PixelSpacing=[0.002, 0.001])])],
    }
    if whole.ndim == 3:
        known |= {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    if order is None:
        known["DimensionOrganizationType"] = "TILED_FULL"
    else:
        known["PerFrameFunctionalGroupsSequence"] = [
            item(
                PlanePositionSlideSequence=[
                    item(RowPositionInTotalImagePixelMatrix=top + 1, ColumnPositionInTotalImagePixelMatrix=left + 1)
                ]
            )
            for top, left in places
        ]
    tiles = np.stack([padded[top : top + 5, left : left + 7] for top, left in places])
    return save(base(SLIDE, **{**known, **changes}), path, tiles)


WHOLE = np.random.default_rng(3).integers(0, 255, (12, 17, 3)).astype(np.uint8)


def test_a_full_slide_is_put_together(tmp_path: Path) -> None:
    image = read(only(slide(tmp_path / "a", WHOLE)))
    np.testing.assert_array_equal(np.moveaxis(image.array, 0, -1), WHOLE)
    assert image.spacing == pytest.approx((0.001, 0.002, 1.0))
    assert not image.geometry.placed


def test_a_sparse_slide_is_put_together(tmp_path: Path) -> None:
    image = read(only(slide(tmp_path / "a", WHOLE, [(5, 7), (0, 0)])))
    seen = np.moveaxis(image.array, 0, -1)
    np.testing.assert_array_equal(seen[5:10, 7:14], WHOLE[5:10, 7:14])
    np.testing.assert_array_equal(seen[:5, :7], WHOLE[:5, :7])
    assert seen[10:].min() == 255


def test_levels_of_a_slide_have_names(tmp_path: Path) -> None:
    slide(tmp_path / "a", WHOLE)
    slide(tmp_path / "b", WHOLE[::2, ::2])
    slide(tmp_path / "c", WHOLE, ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    found = {facts.part: facts for facts in described(tmp_path).images}
    assert sorted(found) == ["label", "volume-17x12", "volume-9x6"]
    assert read(found["volume-9x6"]).size == (9, 6, 1)


def test_optical_paths_become_channels(tmp_path: Path) -> None:
    whole = np.random.default_rng(5).integers(0, 255, (2, 2, 10, 14)).astype(np.uint8)  # path, depth, row, column
    tiles = whole.reshape(4, 2, 5, 2, 7).swapaxes(2, 3).reshape(16, 5, 7)
    path = slide(
        tmp_path / "a",
        whole[0, 0],
        NumberOfFrames=16,
        TotalPixelMatrixFocalPlanes=2,
        OpticalPathSequence=[item(OpticalPathIdentifier="DAPI"), item(OpticalPathIdentifier="FITC")],
    )
    from pydicom import dcmread

    dataset = dcmread(path)
    image = read(only(save(dataset, path, tiles)))
    assert image.axes == "CZYX"
    assert image.channels == ("DAPI", "FITC")
    assert image.intensity == Intensity.NAMED
    np.testing.assert_array_equal(image.array, whole)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"TotalPixelMatrixRows": 300}, "tiles where its size asks for"),
        ({"TotalPixelMatrixRows": 100_000, "TotalPixelMatrixColumns": 100_000}, "tiles where its size asks for"),
    ],
)
def test_slides_that_contradict_themselves_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert said in described(slide(tmp_path / "a", WHOLE, **changes)).refused[0].reason


def test_a_slide_too_large_to_read_at_once_is_refused(tmp_path: Path) -> None:
    path = slide(tmp_path / "a", WHOLE, [(0, 0)], TotalPixelMatrixRows=90_000, TotalPixelMatrixColumns=90_000)
    assert "use a lower level" in described(path).refused[0].reason


def test_a_sparse_slide_with_a_tile_outside_is_refused(tmp_path: Path) -> None:
    from isocenter.core.errors import Unreadable
    from isocenter.data.formats._shared import ReadOptions
    from isocenter.data.formats.dicom import FORMAT

    path = slide(tmp_path / "a", WHOLE, [(0, 0), (5, 7)], TotalPixelMatrixRows=5)
    with pytest.raises(Unreadable, match="outside its picture"):
        FORMAT.read(only(path), ReadOptions())
    lost = slide(tmp_path / "b", WHOLE, [(0, 0)], PerFrameFunctionalGroupsSequence=[item(StackID="1")])
    assert "where tile 1 belongs" in described(lost).refused[0].reason


def test_a_plain_film(tmp_path: Path) -> None:
    path = write_slice(
        tmp_path / "film",
        (0, 0, 0),
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PixelSpacing=None,
        ImagerPixelSpacing=[0.2, 0.1],
        Modality="DX",
    )
    image = read(only(path))
    assert image.spacing == pytest.approx((0.1, 0.2, 1.0))
    assert any("at the detector" in note for note in image.notes)
