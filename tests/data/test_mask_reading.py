"""Masks of any spelling become label maps with the classes that were understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from isocenter.core.errors import GeometryRefused, Unreadable
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.core.labels import MaskValue
from isocenter.data.mask_reading import laid_on, read_mask_value


def mask(path: Path, array: np.ndarray, mapping: dict[int, str], **how: object) -> MaskValue:
    Picture.fromarray(array).save(path, **how)
    return MaskValue(format="raster", files=(path.as_posix(),), mapping=mapping)


def test_0_and_255_become_background_and_the_class(tmp_path: Path) -> None:
    pixels = np.zeros((6, 5), np.uint8)
    pixels[2:4, 1:3] = 255
    image = read_mask_value(mask(tmp_path / "m.png", pixels, {0: "background", 255: "vessels"}))
    assert image.intensity == Intensity.LABEL
    assert image.classes == {1: "vessels"}
    np.testing.assert_array_equal(image.array[0], pixels // 255)


def test_gaps_in_the_numbers_close_and_keep_their_names(tmp_path: Path) -> None:
    pixels = np.array([[0, 2, 7], [7, 7, 0]], np.uint8)
    image = read_mask_value(mask(tmp_path / "m.png", pixels, {2: "liver", 7: "spleen"}))
    assert image.classes == {1: "liver", 2: "spleen"}
    np.testing.assert_array_equal(image.array[0], [[0, 1, 2], [2, 2, 0]])


def test_jpeg_noise_counts_as_the_nearest_class(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32), np.uint8)
    pixels[8:24, 8:24] = 255
    value = mask(tmp_path / "m.jpg", pixels, {0: "background", 255: "lesion"}, quality=60)
    noisy = read_mask_value(value.model_copy(update={"noisy": True}))
    assert set(np.unique(noisy.array)) == {0, 1}
    assert np.mean(noisy.array[0] == pixels // 255) > 0.98


def test_an_unknown_value_in_a_clean_mask_is_refused(tmp_path: Path) -> None:
    value = mask(tmp_path / "m.png", np.array([[0, 1, 3, 4]], np.uint8), {1: "a", 2: "b", 3: "c"})
    with pytest.raises(Unreadable, match=r"pixel value 4 is not among those that ingest understood \(0, 1, 2 and 3\)"):
        read_mask_value(value)


def test_a_value_without_mapping_is_kept_and_a_lost_file_is_told(tmp_path: Path) -> None:
    value = mask(tmp_path / "m.png", np.array([[0, 3]], np.uint8), {})
    np.testing.assert_array_equal(read_mask_value(value).array[0], [[0, 3]])
    (tmp_path / "m.png").unlink()
    with pytest.raises(Unreadable):
        read_mask_value(value)


def grid(shape: tuple[int, ...], origin: tuple[float, float, float] = (0, 0, 0)) -> Image:
    geometry = Geometry.from_parts(origin=origin, spacing=(1, 1, 2), direction=np.eye(3))
    return Image(array=np.ones((1, *shape), np.uint8), axes="CZYX", geometry=geometry, intensity=Intensity.LABEL)


def test_a_mask_of_some_slices_is_laid_where_they_lie() -> None:
    image, part = grid((6, 4, 5)), grid((2, 4, 5), (0, 0, 6))
    laid = laid_on(part, image)
    assert [int(plane.any()) for plane in laid.array[0]] == [0, 0, 0, 1, 1, 0]
    assert laid.geometry == image.geometry
    turned = laid_on(part.oriented("RAI"), image)
    np.testing.assert_array_equal(turned.array, laid.array)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (grid((2, 4, 5), (0, 0, 1)), "between"),
        (grid((2, 4, 5), (0, 0, 10)), "beyond"),
    ],
)
def test_a_mask_that_lies_elsewhere_is_refused(mask: Image, words: str) -> None:
    with pytest.raises(GeometryRefused, match=words):
        laid_on(mask, grid((6, 4, 5)))


def test_flat_masks_fit_by_size_alone() -> None:
    flat = Image(array=np.ones((1, 4, 5), np.uint8), axes="CYX", geometry=Geometry.unknown())
    assert laid_on(flat, flat).size == (5, 4, 1)
    single = Image(array=np.ones((1, 1, 4, 5), np.uint8), axes="CZYX", geometry=Geometry.unknown())
    assert laid_on(single, flat).axes == "CYX"
    with pytest.raises(GeometryRefused, match="5 x 3 x 1"):
        laid_on(Image(array=np.ones((1, 3, 5), np.uint8), axes="CYX", geometry=Geometry.unknown()), flat)


def test_regions_in_files_of_their_own_are_joined(tmp_path: Path) -> None:
    one, two = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    one[0], two[3] = 255, 255
    first, second = mask(tmp_path / "m.png", one, {255: "lesion"}), mask(tmp_path / "m_1.png", two, {255: "lesion"})
    joined = read_mask_value(first.model_copy(update={"files": (*first.files, *second.files)}))
    np.testing.assert_array_equal(joined.array[0].any(axis=1), [True, False, False, True])
    assert joined.classes == {1: "lesion"}
