"""From stored numbers to measured ones: rescale, tables, windows, colours, and what is bright."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_phantoms import (
    CT,
    assert_in_place,
    base,
    item,
    only,
    plane,
    positions,
    read,
    save,
    write_series,
    write_slice,
)
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable
from isocenter.core.image import Intensity
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.dicom import FORMAT
from isocenter.data.formats.dicom.values import Window

RAMP = np.arange(35).reshape(5, 7)


def picture(path: Path, pixels: NDArray[Any] = RAMP, **changes: Any) -> Path:
    """A picture without a place."""
    known = {"Rows": pixels.shape[0], "Columns": pixels.shape[1], "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    return save(base(**{**known, "PixelRepresentation": 0, **changes}), path, pixels)


def test_ct_is_in_hounsfield_units(tmp_path: Path) -> None:
    pixels = plane((0, 0, 0))
    path = write_slice(
        tmp_path / "ct",
        (0, 0, 0),
        sop_class=CT,
        pixels=pixels + 1024,
        RescaleSlope=1,
        RescaleIntercept=-1024,
        RescaleType="HU",
        PixelRepresentation=0,
        BitsStored=12,
        HighBit=11,
    )
    image = read(only(path))
    assert image.intensity == Intensity.HU
    assert image.array.dtype == np.int16
    np.testing.assert_array_equal(image.array[0], pixels)


@pytest.mark.parametrize(
    ("changes", "kind", "intensity"),
    [
        ({"RescaleSlope": 1, "RescaleIntercept": -1024, "PixelRepresentation": 0}, "int32", Intensity.HU),
        ({"RescaleSlope": 0.5, "RescaleIntercept": 3}, "float32", Intensity.HU),
        ({"RescaleSlope": 100000, "RescaleIntercept": 0}, "float32", Intensity.HU),
        ({"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "MGML"}, "int16", Intensity.QUANTITY),
        ({}, "int16", Intensity.HU),
        ({"PixelRepresentation": 0}, "uint16", Intensity.RAW),
    ],
)
def test_whole_numbers_stay_whole(tmp_path: Path, changes: dict[str, Any], kind: str, intensity: Intensity) -> None:
    image = read(only(write_slice(tmp_path / "ct", (0, 0, 0), sop_class=CT, **changes)))
    assert image.array.dtype == kind
    assert image.intensity == intensity
    wanted = plane((0, 0, 0)) * changes.get("RescaleSlope", 1) + changes.get("RescaleIntercept", 0)
    np.testing.assert_allclose(image.array[0], wanted)


def test_slices_of_one_volume_may_be_scaled_apart(tmp_path: Path) -> None:
    for index, place in enumerate(positions(3)):
        slope = (index + 1) / 4
        stored = np.rint(plane(place) / slope)
        write_slice(tmp_path / str(index), place, pixels=stored, RescaleSlope=slope, RescaleIntercept=0)
    image = read(only(tmp_path))
    assert image.array.dtype == np.float32
    assert_in_place(image, tolerance=0.5)


def test_monochrome1_is_turned_round(tmp_path: Path) -> None:
    image = read(only(picture(tmp_path / "a", PhotometricInterpretation="MONOCHROME1", BitsStored=6, HighBit=5)))
    np.testing.assert_array_equal(image.array[0], 63 - RAMP)
    assert any("MONOCHROME1" in note for note in image.notes)


def test_monochrome1_is_turned_round_after_rescaling(tmp_path: Path) -> None:
    changes = {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": 2, "RescaleIntercept": -10}
    image = read(only(picture(tmp_path / "a", **changes)))
    np.testing.assert_array_equal(image.array[0], (0 * 2 - 10) + (255 * 2 - 10) - (RAMP * 2 - 10))
    changes["RescaleSlope"] = 0.5
    image = read(only(picture(tmp_path / "b", SOPInstanceUID="1.9", **changes)))
    np.testing.assert_allclose(image.array[0], -10 + 117.5 - (RAMP * 0.5 - 10))


def test_signed_monochrome1(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a", (0, 0, 0), PhotometricInterpretation="MONOCHROME1", pixels=RAMP - 10)
    np.testing.assert_array_equal(read(only(path)).array[0], -1 - (RAMP - 10))


def test_a_modality_table_is_applied(tmp_path: Path) -> None:
    table = item(LUTDescriptor=[64, 0, 16], ModalityLUTType="US", LUTData=[1000 - 3 * value for value in range(64)])
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    image = read(only(picture(tmp_path / "a", ModalityLUTSequence=[table])))
    np.testing.assert_array_equal(image.array[0], 1000 - 3 * RAMP)
    dark = picture(
        tmp_path / "b", ModalityLUTSequence=[table], PhotometricInterpretation="MONOCHROME1", SOPInstanceUID="1.9"
    )
    np.testing.assert_array_equal(read(only(dark)).array[0], 811 + 1000 - (1000 - 3 * RAMP))


def test_the_window_is_applied_only_on_request(tmp_path: Path) -> None:
    path = picture(tmp_path / "a", WindowCenter=[18, 5], WindowWidth=[10, 2], RescaleSlope=1, RescaleIntercept=0)
    np.testing.assert_array_equal(read(only(path)).array[0], RAMP)
    image = read(only(path), window=True)
    assert image.array.dtype == np.uint8
    # PS3.3 C.11.2.1.2: below c - 0.5 - (w - 1) / 2 black, above c - 0.5 + (w - 1) / 2 white.
    flat = image.array[0].ravel()
    assert flat[:14].max() == 0
    assert flat[22:].min() == 255
    assert (np.diff(flat[13:23].astype(int)) > 0).all()


def test_windows_of_other_shapes() -> None:
    values = np.asarray([0.0, 40, 50, 60, 100])
    assert Window(50, 20, "LINEAR_EXACT").apply(values).tolist() == [0, 0, 128, 255, 255]
    assert Window(50, 20, "SIGMOID").apply(values).tolist() == [0, 30, 128, 225, 255]
    assert Window(50, 1).apply(values).tolist() == [0, 0, 128, 255, 255]


def test_a_window_on_what_is_dark_when_large(tmp_path: Path) -> None:
    changes = {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 18, "WindowWidth": 10}
    flat = read(only(picture(tmp_path / "a", **changes)), window=True).array[0].ravel()
    assert flat[0] == 255
    assert flat[-1] == 0


def test_a_voi_table_stands_in_for_a_window(tmp_path: Path) -> None:
    table = item(LUTDescriptor=[16, 10, 16], LUTData=[value * 17 for value in range(16)])
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    flat = read(only(picture(tmp_path / "a", VOILUTSequence=[table])), window=True).array[0].ravel()
    assert flat[:11].tolist() == [0] * 11
    assert flat[12] == 34
    assert flat[25:].tolist() == [255] * 10


def test_without_a_window_values_stay_as_measured(tmp_path: Path) -> None:
    image = read(only(picture(tmp_path / "a")), window=True)
    np.testing.assert_array_equal(image.array[0], RAMP)
    assert any("no window of its own" in note for note in image.notes)


def test_one_window_serves_all_slices(tmp_path: Path) -> None:
    for index, place in enumerate(positions(2)):
        write_slice(tmp_path / str(index), place, WindowCenter=800 + 500 * index, WindowWidth=400, InstanceNumber=index)
    facts = only(tmp_path)
    measured, shown = read(facts).array, read(facts, window=True).array
    np.testing.assert_array_equal(shown, Window(800, 400).apply(measured))


def test_a_window_of_one_frame(tmp_path: Path) -> None:
    from dicom_phantoms import frame_groups, write_enhanced

    window = item(WindowCenter=700, WindowWidth=200, VOILUTFunction="LINEAR_EXACT")
    frames = [frame_groups(place, FrameVOILUTSequence=window) for place in positions(2)]
    path = write_enhanced(tmp_path / "e", frames, np.stack([plane(place) for place in positions(2)]))
    facts = only(path)
    expected = Window(700, 200, "LINEAR_EXACT").apply(read(facts).array)
    np.testing.assert_array_equal(read(facts, window=True).array, expected)


@pytest.mark.parametrize("planar", [0, 1])
def test_colour(tmp_path: Path, planar: int) -> None:
    colours = np.stack([RAMP, RAMP + 100, 200 - RAMP], axis=0 if planar else -1)
    changes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": planar}
    path = picture(tmp_path / "a", colours, **changes, Rows=5, Columns=7)
    image = read(only(path))
    assert image.intensity == Intensity.RGB
    assert image.channels == ("red", "green", "blue")
    np.testing.assert_array_equal(image.array, np.stack([RAMP, RAMP + 100, 200 - RAMP]))
    np.testing.assert_array_equal(read(only(path), window=True).array, image.array)


def test_luminance_and_chroma_become_red_green_and_blue(tmp_path: Path) -> None:
    colours = np.stack([RAMP * 5, np.full_like(RAMP, 128), np.full_like(RAMP, 128)], axis=-1)
    changes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL", "PlanarConfiguration": 0}
    image = read(only(picture(tmp_path / "a", colours, **changes)))
    np.testing.assert_array_equal(image.array, np.stack([RAMP * 5] * 3))


def palette(bits: int, scale: int) -> dict[str, Any]:
    """A table of 64 colours."""
    changes: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, shift in (("Red", 0), ("Green", 1), ("Blue", 2)):
        values = np.asarray([(value + shift) * scale for value in range(64)], "<u2" if bits == 16 else "u1")
        changes[f"{name}PaletteColorLookupTableDescriptor"] = [64, 0, bits]
        changes[f"{name}PaletteColorLookupTableData"] = values.tobytes()
    return changes


@pytest.mark.parametrize(("bits", "scale"), [(16, 256), (16, 1)])
def test_a_palette_becomes_colour(tmp_path: Path, bits: int, scale: int) -> None:
    path = picture(tmp_path / "a", **palette(bits, scale))
    image = read(only(path))
    assert image.array.dtype == np.uint8
    np.testing.assert_array_equal(image.array, np.stack([RAMP, RAMP + 1, RAMP + 2]))


def test_a_palette_may_keep_its_numbers(tmp_path: Path) -> None:
    facts = only(picture(tmp_path / "a", **palette(16, 256)))
    image = FORMAT.read(facts, ReadOptions(indices=True))
    np.testing.assert_array_equal(image.array, RAMP[None])
    assert image.channels == ("intensity",)


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_floating_pixels(tmp_path: Path, keyword: str, kind: str) -> None:
    values = (RAMP / 7).astype(kind)
    bits = values.itemsize * 8
    dataset = base("1.2.840.10008.5.1.4.1.1.30", Rows=5, Columns=7, BitsAllocated=bits, PixelRepresentation=None)
    for name in ("BitsStored", "HighBit"):
        delattr(dataset, name)
    setattr(dataset, keyword, values.tobytes())
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    image = read(only(tmp_path / "a"))
    assert image.array.dtype == values.dtype
    assert image.intensity == Intensity.QUANTITY
    np.testing.assert_array_equal(image.array[0], values)


def test_long_integers(tmp_path: Path) -> None:
    values = RAMP.astype(np.int64) * 100_000_000
    path = picture(tmp_path / "a", values, BitsAllocated=32, BitsStored=32, HighBit=31)
    image = read(only(path))
    assert image.array.dtype == np.uint32
    np.testing.assert_array_equal(image.array[0], values)


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
)
def test_uncompressed_syntaxes(tmp_path: Path, syntax: str) -> None:
    write_series(tmp_path, positions(3), syntax=syntax)
    assert_in_place(read(only(tmp_path)))


def test_one_value_everywhere_is_a_failed_decode(tmp_path: Path) -> None:
    path = picture(tmp_path / "a", np.full((5, 7), 3))
    with pytest.raises(Unreadable, match="every pixel decodes to 3"):
        FORMAT.read(only(path), ReadOptions())


def test_an_empty_slice_in_a_volume_is_fine(tmp_path: Path) -> None:
    for index, place in enumerate(positions(3)):
        write_slice(tmp_path / str(index), place, pixels=plane(place) * (index != 1))
    assert read(only(tmp_path)).array[0, 1].max() == 0


def test_philips_values_are_its_precise_ones(tmp_path: Path) -> None:
    dataset = base(Manufacturer="Philips Healthcare", Rows=5, Columns=7, RescaleSlope=2, RescaleIntercept=8)
    dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 4.0)
    image = read(only(save(dataset, tmp_path / "a", RAMP)))
    np.testing.assert_allclose(image.array[0], RAMP / 4 + 1)
    assert any("2005,100E" in note for note in image.notes)
    dataset.RealWorldValueMappingSequence = [item(RealWorldValueSlope=0.25, RealWorldValueIntercept=-1.0)]
    image = read(only(save(dataset, tmp_path / "b", RAMP)))
    np.testing.assert_allclose(image.array[0], RAMP / 4 - 1)
    dataset.Manufacturer = "Another"
    np.testing.assert_allclose(read(only(save(dataset, tmp_path / "c", RAMP))).array[0], RAMP * 2 + 8)
