"""TIFF: pages, bands, metadata of microscopes, compressions, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from isocenter.core.errors import IsocenterError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.data import files
from isocenter.data.formats import tiff
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.tiff import FORMAT

RANDOM = np.random.default_rng(6)
GREY = RANDOM.integers(0, 255, (40, 30), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 255, (40, 30, 3), dtype=np.uint8)
STACK = RANDOM.integers(0, 999, (3, 2, 20, 30), dtype=np.uint16)


def only(path: Path) -> Image:
    (image,) = files.read(path)
    return image


def refusal(path: Path) -> str:
    found = FORMAT.describe([path])
    assert not found.images
    return found.refused[0].reason


def written(path: Path, array: np.ndarray, **options: object) -> Path:
    tifffile.imwrite(path, array, **options)
    return path


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8", "f2"])
def test_every_kind_of_number_is_kept(tmp_path: Path, kind: str) -> None:
    array = (GREY // 2).astype(kind)
    image = only(written(tmp_path / "x.tif", array))
    assert image.array.dtype == kind
    assert np.array_equal(image.array[0], array)
    assert image.spacing is None


@pytest.mark.parametrize("packing", ["raw", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR, GREY.astype(np.uint16) * 257])
def test_lossless_compressions(tmp_path: Path, packing: str, pixels: np.ndarray) -> None:
    Pillow.fromarray(pixels).save(tmp_path / "x.tif", compression=packing)
    expected = pixels[np.newaxis] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    assert np.array_equal(only(tmp_path / "x.tif").array, expected)


@pytest.mark.parametrize("packing", ["raw", "group4"])
def test_one_bit_keeps_its_numbers(tmp_path: Path, packing: str) -> None:
    Pillow.fromarray(GREY > 99).save(tmp_path / "x.tif", compression=packing)
    image = only(tmp_path / "x.tif")
    assert image.array.dtype == np.uint8
    assert np.array_equal(image.array[0], GREY > 99)


@pytest.mark.parametrize("packing", ["raw", "tiff_lzw"])
def test_white_as_zero_is_turned_round_once(tmp_path: Path, packing: str) -> None:
    Pillow.fromarray(GREY).save(tmp_path / "x.tif", compression=packing, tiffinfo={262: 0})
    image = only(tmp_path / "x.tif")
    with Pillow.open(tmp_path / "x.tif") as reference:
        assert np.array_equal(image.array[0], np.asarray(reference))
    assert any("white as 0" in note for note in image.notes)


def test_a_palette_gives_colours_or_on_request_its_numbers(tmp_path: Path) -> None:
    picture = Pillow.fromarray(GREY % 3).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "x.tif")
    (facts,) = FORMAT.describe([tmp_path / "x.tif"]).images
    assert np.array_equal(FORMAT.read(facts, ReadOptions()).array[0] == 255, GREY % 3 == 1)
    assert np.array_equal(FORMAT.read(facts, ReadOptions(indices=True)).array[0], GREY % 3)


def test_pages_without_explanation_are_slices_and_said_to_be(tmp_path: Path) -> None:
    pages = [Pillow.fromarray(GREY), Pillow.fromarray(255 - GREY)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    image = only(tmp_path / "x.tif")
    assert (image.axes, image.array.shape, image.spacing) == ("CZYX", (1, 2, 40, 30), None)
    assert np.array_equal(image.array[0, 1], 255 - GREY)
    assert any("taken for slices" in note for note in image.notes)


def test_pages_of_different_size_are_images_of_their_own(tmp_path: Path) -> None:
    pages = [Pillow.fromarray(GREY), Pillow.fromarray(GREY[:20])]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    found = FORMAT.describe([tmp_path / "x.tif"])
    assert [(facts.part, facts.shape) for facts in found.images] == [
        ("series0", (1, 40, 30)),
        ("series1", (1, 20, 30)),
    ]
    assert np.array_equal(files.read_facts(found.images[1]).array[0], GREY[:20])


def test_imagej_says_axes_sizes_and_times(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x.tif",
        STACK,
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "ZCYX", "unit": "um", "spacing": 2.0},
    )
    image = only(path)
    assert (image.axes, image.spacing) == ("CZYX", pytest.approx((0.00025, 0.0005, 0.002)))
    assert np.array_equal(image.array.swapaxes(0, 1), STACK)
    path = written(tmp_path / "t.tif", STACK[:, 0], imagej=True, metadata={"axes": "TYX", "finterval": 0.5})
    assert (only(path).times, only(path).spacing) == ((0.0, 0.5, 1.0), None)
    path = written(
        tmp_path / "z.tif", STACK[:, 0], imagej=True, resolution=(4, 4), metadata={"axes": "ZYX", "unit": "mm"}
    )
    assert only(path).spacing is None
    path = written(
        tmp_path / "c.tif",
        STACK[0],
        imagej=True,
        metadata={"axes": "CYX", "mode": "composite", "Labels": ["DAPI", "GFP"]},
    )
    assert only(path).channels == ("DAPI", "GFP")


def test_ome_says_axes_sizes_times_and_names(tmp_path: Path) -> None:
    said = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2, "Channel": {"Name": ["DAPI", "GFP"]}}
    image = only(written(tmp_path / "x.tif", STACK, ome=True, metadata={"axes": "ZCYX", **said}))
    assert (image.axes, image.channels) == ("CZYX", ("DAPI", "GFP"))
    assert image.spacing == pytest.approx((0.0005, 0.0005, 0.002))
    assert image.intensity == Intensity.NAMED
    said = {"TimeIncrement": 250, "TimeIncrementUnit": "ms", "PhysicalSizeX": 1, "PhysicalSizeXUnit": "parsec"}
    image = only(written(tmp_path / "t.tif", STACK[:, 0], ome=True, metadata={"axes": "TYX", **said}))
    assert (image.times, image.spacing) == ((0.0, 0.25, 0.5), None)


def test_bands_become_channels(tmp_path: Path) -> None:
    bands = RANDOM.integers(0, 9, (7, 40, 30), dtype=np.uint16)
    image = only(written(tmp_path / "x.tif", bands, planarconfig="separate", photometric="minisblack"))
    assert np.array_equal(image.array, bands)
    assert image.channels[6] == "channel6"
    planes = np.moveaxis(COLOUR, -1, 0)
    image = only(written(tmp_path / "y.tif", planes, planarconfig="separate", photometric="rgb"))
    assert (image.intensity, image.array.tolist()) == (Intensity.RGB, planes.tolist())


def test_only_the_finest_level_of_a_pyramid_is_an_image(tmp_path: Path) -> None:
    large = RANDOM.integers(0, 9, (256, 256), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(large, subifds=1, tile=(64, 64))
        file.write(large[::2, ::2], subfiletype=1, tile=(64, 64))
        file.write(large[::4, ::4], subfiletype=1)
    assert np.array_equal(only(tmp_path / "x.tif").array[0], large)


def test_an_axis_that_nobody_understands_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.tif", STACK[:, 0], photometric="minisblack", metadata={"axes": "EYX"})
    assert "axis `E` of 3" in refusal(path)
    path = written(tmp_path / "y.tif", STACK, photometric="minisblack", metadata={"axes": "ZQYX"})
    assert "two axes that mean Z" in refusal(path)
    assert "complex64" in refusal(written(tmp_path / "z.tif", GREY.astype(np.complex64)))


def test_too_many_pages_and_missing_pieces_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "x.tif", np.zeros((400, 300), np.uint8), rowsperstrip=1, compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageLength"].overwrite(4000)
    assert "pieces of a page announced" in refusal(path)
    monkeypatch.setattr(tiff, "_MOST_PAGES", 1)
    assert "2 pages" in refusal(written(tmp_path / "y.tif", STACK[:2, 0], photometric="minisblack"))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.tif", np.zeros((4, 4), np.uint8), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        for name in ("ImageLength", "ImageWidth"):
            file.pages[0].tags[name].overwrite(40_000)
    assert "decompression bomb" in refusal(path)


def test_values_and_sizes_survive_writing(tmp_path: Path) -> None:
    geometry = Geometry.sized((0.5, 0.25, 2.0))
    volume = Image(
        array=RANDOM.normal(size=(2, 3, 4, 5, 6)).astype(np.float32),
        axes="CTZYX",
        geometry=geometry,
        channels=("DAPI", "GFP"),
        times=(0.0, 0.5, 1.0),
    )
    files.write(volume, tmp_path / "x.tif")
    read = only(tmp_path / "x.tif")
    assert np.array_equal(read.array, volume.array)
    assert (read.axes, read.channels, read.times, read.spacing) == (
        "CTZYX",
        ("DAPI", "GFP"),
        volume.times,
        volume.spacing,
    )


@pytest.mark.parametrize(("kind", "expected"), [("int64", "int32"), ("uint64", "uint32"), ("bool", "uint8")])
def test_wide_numbers_are_written_narrower_where_nothing_is_lost(tmp_path: Path, kind: str, expected: str) -> None:
    image = Image(array=np.ones((1, 4, 4), kind), axes="CYX", geometry=Geometry.unknown())
    files.write(image, tmp_path / "x.tif")
    assert only(tmp_path / "x.tif").array.dtype == expected
    if kind == "int64":
        far = Image(array=np.full((1, 4, 4), 2**40), axes="CYX", geometry=Geometry.unknown())
        with pytest.raises(IsocenterError, match="int64"):
            FORMAT.write(far, tmp_path / "y.tif")
