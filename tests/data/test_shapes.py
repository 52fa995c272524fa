"""The made-up pictures: the same every time, understood without a word, and told apart by shape alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import isocenter as iso
from isocenter.data.phantoms import write_pictures


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_same_numbers_give_the_same_files(tmp_path: Path, dimensions: int) -> None:
    made = [
        contents(write_pictures(tmp_path / name, cases=6, seed=seed, size=12, dimensions=dimensions))
        for name, seed in (("one", 4), ("two", 4), ("other", 5))
    ]
    assert made[0] == made[1]
    assert not set(made[0].values()) & set(made[2].values())
    more = contents(write_pictures(tmp_path / "more", cases=8, seed=4, size=12, dimensions=dimensions))
    assert made[0].items() <= more.items()


@pytest.mark.parametrize(("dimensions", "axes", "shape"), [(2, "CYX", (1, 16, 16)), (3, "CZYX", (1, 16, 16, 16))])
def test_the_folder_is_understood(tmp_path: Path, dimensions: int, axes: str, shape: tuple[int, ...]) -> None:
    names = ("round", "lobed", "star")
    folder = write_pictures(tmp_path / "made", cases=21, classes=names, size=16, dimensions=dimensions)
    cohort = iso.ingest(folder, into=tmp_path / "cohort")
    assert cohort.report is not None
    assert cohort.report.labels == {"class": dict.fromkeys(sorted(names), 7)}
    assert {(case.first.axes, case.first.shape, case.first.dtype) for case in cohort.cases} == {(axes, shape, "uint8")}
    assert cohort.report.warnings == []


def read_class(folder: Path, name: str) -> NDArray[np.float64]:
    return np.stack([iso.read(path)[0].array[0] for path in sorted((folder / name).iterdir())]).astype(float)


def test_shape_tells_and_brightness_does_not(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path, cases=200, size=32)
    round_, lobed = read_class(folder, "round"), read_class(folder, "lobed")
    for figure in (np.mean, np.std, np.max, np.min):
        one, other = (figure(images, axis=(1, 2)) for images in (round_, lobed))
        error = np.sqrt(one.var() / len(one) + other.var() / len(other))
        assert abs(one.mean() - other.mean()) < 4 * error
    one, other = (_solidity(images) for images in (round_, lobed))
    assert np.mean(one[:, np.newaxis] > other) > 0.8


def _solidity(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of its hull a blob fills: a round one nearly all of it."""
    from skimage.filters import gaussian, threshold_otsu
    from skimage.measure import label, regionprops

    found = []
    for image in images:
        difference = np.abs(gaussian(image, 1.0) - np.median(image))
        parts = regionprops(label(difference > threshold_otsu(difference)))
        found.append(max(parts, key=lambda part: part.area).solidity)
    return np.array(found)


def test_classes_are_few(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two to 8 classes, got 1"):
        write_pictures(tmp_path, classes=("round",))
