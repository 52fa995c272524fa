"""A pixel's value and its place in the patient stay together through every step that moves pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from step_samples import PLACE, applied, edges, ramp, told

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.pathway.prepare._shared import centred, regridded, space

EXTENTS = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 12), st.integers(1, 20), st.integers(1, 20)),
)


@st.composite
def two_extents(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    old = draw(EXTENTS)
    return old, tuple(draw(st.integers(1, 40)) for _ in old)


def inside(image: Image, old: tuple[int, ...]) -> tuple[slice, ...]:
    """What is far enough from the edge for the filter to lie wholly within the old image."""
    parts = []
    for steps, was in zip(space(image), old, strict=True):
        # a shrinking axis is averaged over a new pixel to either side, a growing one reaches one old pixel
        least = int(np.ceil(1.5 if steps < was else steps / was))
        parts.append(slice(least, steps - least) if steps != was else slice(None))
    return tuple(parts)


def slack(made: Image) -> float:
    """A triangle laid over whole pixels is not quite even: its centre is off by a few hundredths of a pixel."""
    return 0.04 * float(abs(np.array([1, 2, 3]) @ made.geometry.affine[:3, :3]).sum())


@given(two_extents())
def test_a_regridded_pixel_shows_what_lies_at_its_place(extents: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    old, new = extents
    image = ramp(old)
    made = regridded(image, new)
    kept = inside(made, old)
    shrinks = any(one < other for one, other in zip(new, old, strict=True))
    atol = slack(made) if shrinks else 2e-3
    np.testing.assert_allclose(made.array[0][kept], told(made.geometry, new)[kept], rtol=0, atol=atol)


@given(two_extents())
def test_a_regridded_image_has_the_same_edges(extents: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    old, new = extents
    image = ramp(old)
    np.testing.assert_allclose(edges(regridded(image, new)), edges(image), atol=1e-9)


@given(two_extents())
def test_what_is_cut_or_padded_keeps_its_place(extents: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    old, new = extents
    made = centred(ramp(old), new, fill=-9999.0)
    known = made.array[0] != -9999
    assert known.sum() == np.prod([min(one, other) for one, other in zip(old, new, strict=True)])
    np.testing.assert_allclose(made.array[0][known], told(made.geometry, new)[known], rtol=0, atol=1e-3)


@given(two_extents())
def test_cutting_undoes_padding(extents: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    old, more = extents
    image = ramp(old)
    back = centred(centred(image, [a + b for a, b in zip(old, more, strict=True)], None), old, None)
    np.testing.assert_array_equal(back.array, image.array)
    assert back.geometry.matches(image.geometry, tolerance=1e-9)


@pytest.mark.parametrize("method", ["stretch", "fit", "crop"])
@pytest.mark.parametrize("old", [(40, 30), (9, 40, 30)])
def test_a_resized_pixel_shows_what_lies_at_its_place(method: str, old: tuple[int, ...]) -> None:
    new = (12, 24, 24)[-len(old) :]
    made = applied("resize", ramp(old), shape=new, method=method, fill=-9999.0)
    assert space(made) == new
    seen, meant = made.array[0], told(made.geometry, new)
    known = seen != -9999
    inner = _eroded(known)
    assert inner.any()
    np.testing.assert_allclose(seen[inner], meant[inner], rtol=0, atol=slack(made))


def _eroded(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is two pixels away from the edge of what is known."""
    from scipy.ndimage import binary_erosion

    return np.asarray(binary_erosion(known, np.ones((3,) * known.ndim), iterations=2))


def test_a_crop_to_the_foreground_keeps_places() -> None:
    image = ramp((9, 30, 40))
    array = image.array.copy()
    ground = array.min() - 500
    array[0, :2], array[0, :, :5], array[0, ..., 30:] = ground, ground, ground
    made = applied("foreground", Image(array=array, axes="CZYX", geometry=PLACE), margin=0.0)
    assert space(made) == (7, 25, 30)
    np.testing.assert_allclose(made.array[0], told(made.geometry, (7, 25, 30)), rtol=0, atol=1e-3)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.75, 5.0), (0.3, 0.3, 0.3), (100.0, 100.0, 100.0)])
def test_a_resampled_volume_has_about_the_spacing_and_exactly_the_place(spacing: tuple[float, ...]) -> None:
    image = ramp((10, 40, 60))
    made = applied("resample", image, spacing=spacing)
    for true, wanted, steps in zip(made.geometry.spacing, spacing, made.size, strict=True):
        assert true == pytest.approx(wanted, rel=0.5 / steps) or steps == 1
    np.testing.assert_allclose(edges(made), edges(image), atol=1e-9)
    np.testing.assert_allclose(made.array.mean(), image.array.mean(), rtol=1e-3)


def test_a_turned_volume_keeps_places() -> None:
    placed = Geometry.from_parts(origin=(3, 4, 5), spacing=(0.5, 0.75, 2.0), direction=np.diag([-1.0, 1.0, -1.0]))
    made = applied("orient", ramp((4, 5, 6), placed))
    assert made.geometry.orientation == "LPS"
    np.testing.assert_allclose(made.array[0], told(made.geometry, (4, 5, 6)), atol=1e-4)
