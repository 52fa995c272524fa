"""Whole-slide images: the level that is read, tiles, spacing, and what happens without OpenSlide."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from isocenter.core.errors import UsageError
from isocenter.core.image import Intensity
from isocenter.data import files
from isocenter.data.formats import slide
from isocenter.data.formats.slide import FORMAT, tile

SIZES = [(600, 400), (300, 200)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small slide of two levels, in the way that Aperio's scanners write them."""
    path = tmp_path_factory.mktemp("slide") / "x.svs"
    rows, columns = np.mgrid[0:400, 0:600]
    pixels = np.stack([rows // 2, columns // 3, np.full_like(rows, 90)], axis=-1).astype(np.uint8)
    about = "Aperio Image Library v1\n600x400 (240x240) |AppMag = 20|MPP = 0.5"
    with tifffile.TiffWriter(path) as file:
        for step in (1, 2):
            size = {"tile": (128, 128), "photometric": "rgb", "metadata": None, "description": about}
            file.write(pixels[::step, ::step], **size)
    return path


def test_a_slide_is_recognised_before_plain_tiff(made: Path) -> None:
    assert files.identify(made) == "slide"


def test_the_finest_level_that_fits_is_read(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (facts,) = FORMAT.describe([made]).images
    assert (facts.shape, facts.modality, facts.intensity) == ((3, 400, 600), "SM", Intensity.RGB)
    assert facts.spacing == pytest.approx((0.0005, 0.0005, 1.0))
    assert any("600x400 pixels at 20x" in note for note in facts.notes)
    image = files.read_facts(facts)
    assert image.array[:, 100, 300].tolist() == [50, 100, 90]

    monkeypatch.setattr(slide, "LARGEST_SIDE", 350)
    (coarse,) = FORMAT.describe([made]).images
    assert coarse.shape == (3, 200, 300)
    assert coarse.spacing == pytest.approx((0.001, 0.001, 1.0))
    assert any("level 1 is read" in note for note in coarse.notes)


def test_a_slide_without_a_small_level_is_reduced(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = files.read_facts(FORMAT.describe([made]).images[0])
    monkeypatch.setattr(slide, "LARGEST_SIDE", 100)
    monkeypatch.setattr(slide, "_STRIP", 64)
    (facts,) = FORMAT.describe([made]).images
    assert facts.shape == (3, 67, 100)
    assert facts.spacing == pytest.approx((0.003, 0.003, 1.0))
    assert any("reduced 3 times" in note for note in facts.notes)
    small = files.read_facts(facts)
    assert small.array[:, 33, 50] == pytest.approx(whole.array[:, 200, 303], abs=2)


def test_tiles_are_read_on_demand(made: Path) -> None:
    image = tile(made, x=300, y=100, width=32, height=16)
    assert (image.array.shape, image.array[:, 0, 0].tolist()) == ((3, 16, 32), [50, 100, 90])
    assert tile(made, x=0, y=0, width=8, height=8, level=1).spacing == pytest.approx((0.001, 0.001, 1.0))
    beyond = tile(made, x=596, y=396, width=8, height=8)
    assert beyond.array[:, 7, 7].tolist() == [255, 255, 255]


@pytest.mark.parametrize(("changed", "reason"), [({"level": 2}, "level must be"), ({"width": 0}, "must have sides")])
def test_tiles_that_cannot_be_meant_are_refused(made: Path, changed: dict[str, int], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        tile(made, **{"x": 0, "y": 0, "width": 8, "height": 8, **changed})


def test_without_openslide_the_extra_is_named(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openslide", None)
    (refused,) = FORMAT.describe([made]).refused
    assert "isocenter[slides]" in refused.reason


def test_names_tell_where_there_is_no_signature() -> None:
    assert FORMAT.sniff(b"\xff\xd8\xff", "x.mrxs")
    assert FORMAT.sniff(b"II*\0 Aperio", "x.tif")
    assert not FORMAT.sniff(b"II*\0", "x.tif")
    assert not FORMAT.sniff(b"\xff\xd8\xff", "x.svs")


@pytest.mark.needs_shared
def test_real_slides(shared: Path) -> None:
    found = FORMAT.describe(sorted((shared / "histology_wsi").glob("*.svs")))
    assert not found.refused
    assert any("label" in note and "not read" in note for facts in found.images for note in facts.notes)
    for facts in found.images:
        array = files.read_facts(facts).array
        assert array.shape == facts.shape
        assert array.std() > 10
