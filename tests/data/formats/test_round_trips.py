"""An image written and read again has the same value at the same place in the patient, whatever the format and grid.

Not the array is compared but the patient: every voxel's position in millimetres, and what is found there. ITK and
nibabel read the same files by code of their own and must find the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.data import files

ENDINGS = (".dcm", ".nii", ".nrrd", ".mha")
SIZE = (5, 4, 3)
SPACING = (0.75, 1.25, 3.5)
ORIGIN = (-31.25, 12.5, -104.125)
ORIENTATIONS = ["".join(letters) for axes in permutations(("RL", "AP", "IS")) for letters in product(*axes)]
TURNS = [(0.3, 0, 0), (0, -0.4, 0.1), (0.2, 0.7, -1.1), (2.5, -0.6, 0.9)]

# What a format can say of a position: NIfTI keeps 32-bit numbers, DICOM 16 characters, MetaImage and NRRD all digits.
TOLERANCE = 1e-4

Look = Callable[[np.ndarray], np.ndarray]
"""Points (N, 3) in LPS millimetres to the values that lie there."""


def axes_of(orientation: str) -> np.ndarray:
    """The directions of x, y, z for three letters such as LPS."""
    towards = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    return np.stack([towards[letter] for letter in orientation], axis=1).astype(float)


def turned(angles: tuple[float, float, float]) -> np.ndarray:
    """A rotation about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = (other for other in range(3) if other != axis)
        step = np.eye(3)
        step[first, first] = step[second, second] = np.cos(angle)
        step[first, second], step[second, first] = -np.sin(angle), np.sin(angle)
        matrix = step @ matrix
    return matrix


GRIDS = {
    **{name: axes_of(name) for name in ORIENTATIONS},
    **{f"turned{number}": turned(angles) for number, angles in enumerate(TURNS)},
    **{f"turned{number}mirrored": turned(angles) * [1, 1, -1] for number, angles in enumerate(TURNS)},
}


def phantom(direction: np.ndarray) -> Image:
    """An L in a grid of noise-free ramps: no turn or flip of it looks like another."""
    z, y, x = np.indices(SIZE[::-1])
    array = (x + 10 * y + 100 * z).astype(np.int16)
    array[:, :, 0] += 1000  # the long arm of the L
    array[0, -1, :3] += 2000  # the short arm
    geometry = Geometry.from_parts(origin=ORIGIN, spacing=SPACING, direction=direction)
    return Image(array=array[np.newaxis], axes="CZYX", geometry=geometry, modality="MR")


def places(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """The position of every voxel, and its value."""
    indices = np.argwhere(np.ones(image.size, bool))
    return image.geometry.points(indices), image.array[0][tuple(indices[:, ::-1].T)]


def looked_up(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The values of a (z, y, x) array at indices (x, y, z), which must be whole."""
    nearest = np.rint(indices).astype(int)
    assert np.abs(indices - nearest).max() < TOLERANCE
    return array[tuple(nearest[:, ::-1].T)]


def by_isocenter(image: Image) -> Look:
    """What our reader finds."""
    return lambda points: looked_up(image.array[0], image.geometry.indices(points))


def by_itk(path: Path) -> Look:
    """What ITK finds in the same file or folder."""
    if path.is_dir():
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
        image = reader.Execute()
    else:
        image = sitk.ReadImage(str(path))
    geometry = Geometry.from_parts(origin=image.GetOrigin(), spacing=image.GetSpacing(), direction=image.GetDirection())
    array = sitk.GetArrayFromImage(image)
    return lambda points: looked_up(array, geometry.indices(points))


def by_nibabel(path: Path) -> Look:
    """What nibabel finds in the same NIfTI file; it counts to the right and to the front."""
    image = nibabel.load(path)
    geometry = Geometry(np.diag([-1, -1, 1, 1]) @ image.affine)
    array = np.asarray(image.dataobj).T
    return lambda points: looked_up(array, geometry.indices(points))


def test_there_are_48_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 48
    assert {phantom(axes_of(name)).geometry.orientation for name in ORIENTATIONS} == set(ORIENTATIONS)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_value_at_the_same_place(tmp_path: Path, ending: str, grid: str) -> None:
    image = phantom(GRIDS[grid])
    points, values = places(image)
    path = tmp_path / f"image{ending}"
    files.write(image, path)
    [found] = files.read(path)

    np.testing.assert_array_equal(by_isocenter(found)(points), values)
    np.testing.assert_array_equal(by_itk(path)(points), values)
    if ending == ".nii":
        np.testing.assert_array_equal(by_nibabel(path)(points), values)

    np.testing.assert_allclose(found.geometry.spacing, SPACING, atol=TOLERANCE)
    expected = image.geometry
    if ending == ".dcm" and np.linalg.det(GRIDS[grid]) < 0:
        # DICOM slices are counted along their normal, so a left-handed grid comes back with its slices in that order.
        expected = expected.rearranged((0, 1, 2), (False, False, True), SIZE)
    assert found.geometry.matches(expected, tolerance=TOLERANCE)


@pytest.mark.parametrize("grid", ["LPS", "RAS", "PIR", "turned2", "turned3mirrored"])
def test_the_same_after_every_format_in_turn(tmp_path: Path, grid: str) -> None:
    image = phantom(GRIDS[grid])
    points, values = places(image)
    for number, ending in enumerate((*ENDINGS, *reversed(ENDINGS))):
        path = tmp_path / f"step{number}{ending}"
        files.write(image, path)
        [image] = files.read(path)
    np.testing.assert_array_equal(by_isocenter(image)(points), values)
    upright, before = image.oriented("LPS"), phantom(GRIDS[grid]).oriented("LPS")
    np.testing.assert_array_equal(upright.array, before.array)
    assert upright.geometry.matches(before.geometry, tolerance=TOLERANCE)


@pytest.mark.parametrize("ending", ENDINGS)
def test_left_stays_left(tmp_path: Path, ending: str) -> None:
    upright = phantom(axes_of("LPS"))
    array = np.zeros_like(upright.array)
    array[0, 1, :, -1] = 7  # the long arm of an L, on the patient's left
    array[0, 1, -1, 2:] = 7  # its short arm, at the back
    for orientation in ("LPS", "RAS", "ASL", "IRP"):
        path = tmp_path / f"{orientation}{ending}"
        files.write(replace(upright, array=array).oriented(orientation), path)
        [found] = files.read(path)
        seen = found.oriented("LPS").array[0, 1]
        assert (seen[:, -1] == 7).all()
        assert not seen[:, :2].any()
        assert (seen[-1, 2:] == 7).all()
        assert not seen[:-1, :-1].any()
