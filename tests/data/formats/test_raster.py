"""Pictures: colours, palettes, frames, orientation, and what is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.data import files
from isocenter.data.formats import raster
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.raster import FORMAT

RANDOM = np.random.default_rng(5)
GREY = RANDOM.integers(0, 255, (8, 6), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 255, (8, 6, 3), dtype=np.uint8)


def saved(path: Path, pixels: np.ndarray | Pillow.Image, **options: object) -> Path:
    picture = pixels if isinstance(pixels, Pillow.Image) else Pillow.fromarray(pixels)
    picture.save(path, **options)
    return path


def only(path: Path) -> Image:
    (image,) = files.read(path)
    return image


def refusal(path: Path) -> str:
    found = FORMAT.describe([path])
    assert not found.images
    return found.refused[0].reason


@pytest.mark.parametrize("ending", [".png", ".bmp", ".gif", ".webp"])
def test_lossless_pictures_keep_every_value(tmp_path: Path, ending: str) -> None:
    image = only(saved(tmp_path / f"x{ending}", COLOUR if ending != ".gif" else GREY, lossless=True))
    if ending == ".gif":
        assert np.array_equal(image.array[0], GREY)
    else:
        assert np.array_equal(np.moveaxis(image.array, 0, -1), COLOUR)
    assert image.spacing is None
    assert image.modality is None


def test_dots_per_inch_are_no_spacing(tmp_path: Path) -> None:
    assert only(saved(tmp_path / "x.jpg", GREY, dpi=(300, 300))).spacing is None


def test_sixteen_bits_and_one_bit_keep_their_numbers(tmp_path: Path) -> None:
    deep = GREY.astype(np.uint16) * 257
    assert np.array_equal(only(saved(tmp_path / "deep.png", deep)).array[0], deep)
    flat = only(saved(tmp_path / "flat.png", GREY > 100))
    assert flat.array.dtype == np.uint8
    assert np.array_equal(flat.array[0], GREY > 100)


def test_a_palette_gives_colours_or_on_request_its_numbers(tmp_path: Path) -> None:
    picture = Pillow.fromarray(GREY % 3)
    picture = picture.convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    path = saved(tmp_path / "mask.png", picture)
    (facts,) = FORMAT.describe([path]).images
    assert any("palette" in note for note in facts.notes)
    image = FORMAT.read(facts, ReadOptions())
    assert np.array_equal(image.array[0] == 255, GREY % 3 == 1)
    numbers = FORMAT.read(facts, ReadOptions(indices=True))
    assert (numbers.intensity, numbers.channels) == (Intensity.LABEL, ("intensity",))
    assert np.array_equal(numbers.array[0], GREY % 3)


def test_a_grey_picture_is_the_same_with_or_without_indices(tmp_path: Path) -> None:
    (facts,) = FORMAT.describe([saved(tmp_path / "x.png", GREY)]).images
    assert np.array_equal(FORMAT.read(facts, ReadOptions(indices=True)).array[0], GREY)


@pytest.mark.parametrize("colours", [GREY[..., np.newaxis], COLOUR])
def test_transparency_is_kept_only_where_there_is_some(tmp_path: Path, colours: np.ndarray) -> None:
    count = colours.shape[-1]
    opaque = only(saved(tmp_path / "a.png", np.dstack([colours, np.full(GREY.shape, 255, np.uint8)])))
    assert opaque.array.shape[0] == count
    partly = only(saved(tmp_path / "b.png", np.dstack([colours, GREY])))
    assert partly.channels[-1] == "alpha"
    assert np.array_equal(np.moveaxis(partly.array, 0, -1), np.dstack([colours, GREY]))
    assert any("transparent" in note for note in partly.notes)


def test_printers_colours_are_converted_and_told(tmp_path: Path) -> None:
    image = only(saved(tmp_path / "x.jpg", Pillow.fromarray(COLOUR).convert("CMYK")))
    assert (image.intensity, image.array.shape[0]) == (Intensity.RGB, 3)
    assert any("CMYK" in note for note in image.notes)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", [3, 6, 77])
def test_a_photograph_is_turned_upright(tmp_path: Path, ending: str, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[274] = orientation
    left_bright = np.zeros((8, 16), np.uint8)
    left_bright[:, :8] = 255
    image = only(saved(tmp_path / f"x{ending}", left_bright, exif=exif))
    if orientation == 6:  # a quarter turn clockwise: what was left is above
        assert image.array.shape == (1, 16, 8)
        assert image.array[0, 2, 4] > 200 > 50 > image.array[0, 13, 4]
    else:
        assert image.array.shape == (1, 8, 16)
        assert (image.array[0, 4, 2] > 200) == (orientation != 3)
    assert any("upright" in note for note in image.notes) == (orientation != 77)


@pytest.mark.parametrize("ending", [".gif", ".png", ".webp"])
def test_frames_become_time(tmp_path: Path, ending: str) -> None:
    frames = [Pillow.fromarray(COLOUR), Pillow.fromarray(255 - COLOUR), Pillow.fromarray(COLOUR // 2)]
    options = {"save_all": True, "append_images": frames[1:], "duration": [100, 200, 300], "lossless": True}
    image = only(saved(tmp_path / f"x{ending}", frames[0], **options))
    assert image.axes == "CTYX"
    assert image.array.shape == (3, 3, 8, 6)
    assert image.times == (0.0, 0.1, 0.3)
    if ending != ".gif":
        assert np.array_equal(np.moveaxis(image.array[:, 2], 0, -1), COLOUR // 2)


def test_frames_without_lengths_have_no_times(tmp_path: Path) -> None:
    frames = [Pillow.fromarray(GREY), Pillow.fromarray(255 - GREY)]
    image = only(saved(tmp_path / "x.gif", frames[0], save_all=True, append_images=frames[1:]))
    assert (image.axes, image.times) == ("CTYX", None)


def test_too_many_frames_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster, "_MOST_FRAMES", 1)
    frames = [Pillow.fromarray(GREY), Pillow.fromarray(255 - GREY)]
    path = saved(tmp_path / "x.gif", frames[0], save_all=True, append_images=frames[1:])
    assert "2 frames" in refusal(path)


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, data: bytes = b"") -> bytes:
    """A PNG with whatever header."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_sixteen_bits_of_colour_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png(1, 1, depth=16, colour=2, data=b"\0" + b"\x80\x01" * 3))
    image = only(tmp_path / "x.png")
    assert image.array.ravel().tolist() == [128, 128, 128]
    assert any("16 bits" in note for note in image.notes)


@pytest.mark.parametrize(("side", "reason"), [(12_000, "decompression bomb"), (60_000, "decompression bomb")])
def test_a_bomb_is_refused(tmp_path: Path, side: int, reason: str) -> None:
    (tmp_path / "x.png").write_bytes(png(side, side))
    assert reason in refusal(tmp_path / "x.png")


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp", ".gif", ".webp"])
def test_a_picture_that_is_cut_short_is_refused(tmp_path: Path, ending: str) -> None:
    noise = RANDOM.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path / f"x{ending}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Unreadable):
        files.read(path)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int32", "bool"])
@pytest.mark.parametrize("ending", [".png", ".bmp"])
def test_whole_numbers_are_written_without_loss(tmp_path: Path, kind: str, ending: str) -> None:
    array = (GREY[np.newaxis] % 2 if kind == "bool" else GREY[np.newaxis]).astype(kind)
    image = Image(array=array, axes="CYX", geometry=Geometry.unknown())
    if kind == "uint16" and ending == ".bmp":
        with pytest.raises(UsageError, match="16 bits"):
            FORMAT.write(image, tmp_path / f"x{ending}")
        return
    files.write(image, tmp_path / f"x{ending}")
    assert np.array_equal(only(tmp_path / f"x{ending}").array, array)


@pytest.mark.parametrize(
    ("array", "axes", "name", "reason"),
    [
        (np.zeros((1, 2, 2)), "CYX", "x.png", "float64"),
        (np.full((1, 2, 2), -1), "CYX", "x.png", "from 0 to 65535"),
        (np.full((1, 2, 2), 70_000), "CYX", "x.png", "from 0 to 65535"),
        (np.zeros((1, 3, 2, 2), np.uint8), "CZYX", "x.png", "a volume or frames"),
        (np.zeros((2, 2, 2), np.uint8), "CYX", "x.png", "2 channels"),
        (np.zeros((3, 2, 2), np.uint16), "CYX", "x.png", "16 bits"),
        (np.zeros((1, 2, 2), np.uint8), "CYX", "x.jpg", "would lose values"),
    ],
)
def test_what_a_picture_cannot_hold_is_refused(
    tmp_path: Path, array: np.ndarray, axes: str, name: str, reason: str
) -> None:
    intensity = Intensity.RGB if len(array) == 3 else Intensity.RAW
    image = Image(array=array, axes=axes, geometry=Geometry.unknown(), intensity=intensity)
    with pytest.raises(UsageError, match=reason):
        FORMAT.write(image, tmp_path / name)


@pytest.mark.needs_shared
def test_the_photographs_of_the_web_are_all_read(shared: Path) -> None:
    paths = [path for path in sorted((shared / "brain_mri_yesno").rglob("*")) if path.suffix.lower() != ".csv"]
    found = FORMAT.describe([path for path in paths if path.is_file()])
    assert (len(found.images), found.refused) == (253, ())
    odd = [facts for facts in found.images if facts.notes]
    assert odd
    assert all(files.read_facts(facts).array.shape == facts.shape for facts in [*odd, *found.images[::25]])
