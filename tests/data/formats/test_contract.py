"""What every file format must keep, asked of everything that stands in the folder."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isocenter.core import registry
from isocenter.core.errors import IsocenterError, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.data import files, formats
from isocenter.data.formats._shared import HEAD_BYTES, Described, Format, ReadOptions

NAMES = registry.names(formats)
RANDOM = np.random.default_rng(7)
PLACE = Geometry.from_parts(origin=(-12.5, 30.0, 7.25), spacing=(0.5, 0.75, 2.0), direction=np.eye(3))

SAMPLES = {
    "grey picture": Image(array=RANDOM.integers(0, 255, (1, 12, 10)).astype(np.uint8), axes="CYX", geometry=PLACE),
    "colour picture": Image(
        array=RANDOM.integers(0, 255, (3, 12, 10)).astype(np.uint8),
        axes="CYX",
        geometry=Geometry.unknown(),
        intensity=Intensity.RGB,
    ),
    "volume": Image(array=RANDOM.integers(-999, 999, (1, 4, 12, 10)).astype(np.int16), axes="CZYX", geometry=PLACE),
    "beating volume": Image(
        array=RANDOM.integers(0, 999, (1, 3, 4, 12, 10)).astype(np.int16),
        axes="CTZYX",
        geometry=PLACE,
        times=(0.0, 0.5, 1.0),
    ),
    "two sequences": Image(array=RANDOM.normal(size=(2, 4, 12, 10)).astype(np.float32), axes="CZYX", geometry=PLACE),
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def form(name: str) -> Format:
    return registry.get(formats, name)


def test_has_a_title_suffixes_and_a_blurb(name: str, form: Format) -> None:
    assert isinstance(form, Format)
    assert form.title
    assert form.suffixes
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in form.suffixes)
    assert registry.blurb(formats, name).endswith(".")


def test_sniff_answers_any_bytes(form: Format) -> None:
    chance = random.Random(11)
    heads = [b"", b"\0" * HEAD_BYTES, *(chance.randbytes(chance.randrange(HEAD_BYTES)) for _ in range(200))]
    for head in heads:
        for file_name in ("scan", "scan.txt", *(f"scan{suffix}" for suffix in form.suffixes)):
            assert form.sniff(head, file_name) in (True, False)


def test_random_bytes_are_of_no_format(form: Format) -> None:
    chance = random.Random(12)
    assert not any(form.sniff(chance.randbytes(HEAD_BYTES), "scan") for _ in range(100))


def test_describe_refuses_garbage_by_name(form: Format, tmp_path: Path) -> None:
    chance = random.Random(13)
    garbage = [tmp_path / f"{number}{suffix}" for number in range(4) for suffix in form.suffixes]
    for path in garbage:
        path.write_bytes(chance.randbytes(chance.randrange(3000)))
    garbage += [tmp_path / f"gone{form.suffixes[0]}", tmp_path / f"empty{form.suffixes[0]}"]
    garbage[-1].touch()

    described = form.describe(garbage)

    assert isinstance(described, Described)
    assert not described.images
    known = {refusal.path for refusal in described.refused} | {table.path for table in described.tables}
    assert {path.name for path in garbage} == {Path(path).name for path in known}
    assert all(refusal.reason for refusal in described.refused)


def _written(form: Format, sample: Image, place: Path) -> list[Path]:
    assert form.write is not None
    try:
        return form.write(sample, place)
    except UsageError:  # what a format cannot hold, it says
        return []


def _writers() -> list[tuple[str, str]]:
    found = []
    for name in NAMES:
        form = registry.get(formats, name)
        found += [(name, suffix) for suffix in form.suffixes if form.write is not None]
    return found


@pytest.mark.parametrize(("name", "suffix"), _writers())
def test_what_is_written_is_read_back(name: str, suffix: str, tmp_path: Path) -> None:
    form = registry.get(formats, name)
    for title, sample in SAMPLES.items():
        place = tmp_path / f"{title.replace(' ', '_')}{suffix}"
        written = _written(form, sample, place)
        if not written:
            continue
        assert files.identify(written[0]) == name
        found = files.describe(written)
        assert not found.refused, found.refused
        (facts,) = found.images
        image = form.read(facts, ReadOptions())
        assert image.array.shape == facts.shape
        assert image.axes == facts.axes
        assert str(image.array.dtype) == facts.dtype
        assert image.channels == facts.channels
        assert image.times == facts.times
        assert image.modality == facts.modality
        assert str(image.intensity) == facts.intensity
        assert image.spacing == facts.spacing
        assert image.geometry.placed == (facts.affine is not None)
        if facts.affine is not None:
            assert np.array_equal(image.geometry.affine.ravel(), facts.affine)
            assert image.geometry.matches(sample.geometry)
        assert np.array_equal(image.array.ravel(), sample.array.ravel()), title


def test_every_writer_holds_one_of_the_samples(name: str, form: Format, tmp_path: Path) -> None:
    if form.write is None:
        return
    held = [title for title, sample in SAMPLES.items() if _written(form, sample, tmp_path / f"x{form.suffixes[0]}")]
    assert held


def test_a_file_that_is_gone_is_refused(form: Format, tmp_path: Path) -> None:
    if form.write is None:
        return
    for sample in SAMPLES.values():
        written = _written(form, sample, tmp_path / f"x{form.suffixes[0]}")
        if written:
            break
    facts = form.describe(written).images[0]
    changed = replace(facts, files=tuple(f"{path}.elsewhere" for path in facts.files))
    with pytest.raises(IsocenterError):
        form.read(changed, ReadOptions())
