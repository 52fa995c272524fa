"""Pixels never part from their geometry, and an image that does not fit itself cannot be made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, ImageFacts, Intensity, default_channels, facts_of

PLACE = Geometry.from_parts(origin=(-12.5, 30, 7.25), spacing=(0.5, 0.75, 2), direction=np.eye(3))


def volume(**other: Any) -> Image:
    """A volume of 2 channels, 3 slices, 4 rows and 5 columns, in which every value is another."""
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    return Image(**{"array": array, "axes": "CZYX", "geometry": PLACE, **other})


def test_extent_and_size_follow_the_axes() -> None:
    image = volume()
    assert [image.extent(axis) for axis in "CTZYX"] == [2, 1, 3, 4, 5]
    assert image.size == (5, 4, 3)
    assert image.spacing == (0.5, 0.75, 2)


def test_a_picture_without_scale_has_no_spacing() -> None:
    assert volume(geometry=Geometry.unknown()).spacing is None


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "SPL", "ARI", "ILP"])
def test_a_turned_image_has_the_same_value_at_the_same_place(orientation: str) -> None:
    image = volume()
    turned = image.oriented(orientation)
    assert turned.geometry.orientation == orientation
    for z, y, x in np.ndindex(*image.array.shape[1:]):
        there = turned.geometry.indices(image.geometry.points((x, y, z))).round().astype(int)
        assert turned.array[:, there[2], there[1], there[0]].tolist() == image.array[:, z, y, x].tolist()


def test_time_stays_in_front_when_a_beating_volume_turns() -> None:
    array = np.arange(2 * 3 * 4 * 5).reshape(1, 2, 3, 4, 5)
    image = Image(array=array, axes="CTZYX", geometry=PLACE, times=(0.0, 0.1))
    turned = image.oriented("RAS")
    assert turned.array.shape == (1, 2, 3, 4, 5)
    np.testing.assert_array_equal(turned.array, array[:, :, :, ::-1, ::-1])


def test_turning_forth_and_back_is_the_same_image() -> None:
    image = volume()
    again = image.oriented("SRA").oriented("LPS")
    np.testing.assert_array_equal(again.array, image.array)
    assert again.geometry.matches(image.geometry, tolerance=1e-9)


def test_a_single_slice_cannot_be_turned() -> None:
    with pytest.raises(ValueError, match="only a volume"):
        Image(array=np.zeros((1, 4, 5)), axes="CYX", geometry=PLACE).oriented()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"axes": "ZYX"}, "axes must be"),
        ({"axes": "CYX"}, "must have 3 dimensions, got 4"),
        ({"channels": ("t1",)}, "2 channels must name each"),
        ({"times": (0.0, 1.0)}, "as many times"),
    ],
)
def test_an_image_that_does_not_fit_itself_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        volume(**wrong)


def test_channels_get_names_that_a_person_understands() -> None:
    assert default_channels(Intensity.RAW, 1) == ("intensity",)
    assert default_channels(Intensity.RAW, 2) == ("channel0", "channel1")
    assert default_channels(Intensity.RGB, 3) == ("red", "green", "blue")
    assert default_channels("rgb", 4) == ("red", "green", "blue", "alpha")
    assert volume().channels == ("channel0", "channel1")
    assert volume(channels=("t1", "t2")).channels == ("t1", "t2")


def test_facts_say_what_the_image_is_and_claim_no_more() -> None:
    facts = facts_of(volume(modality="MR", notes=("told",)), files=["/a.nrrd"], format="nrrd", patient="P1")
    assert (facts.shape, facts.axes, facts.spacing, facts.modality) == ((2, 3, 4, 5), "CZYX", (0.5, 0.75, 2.0), "MR")
    assert facts.affine == tuple(PLACE.affine.ravel())
    assert (facts.patient, facts.notes, facts.channels) == ("P1", ("told",), ("channel0", "channel1"))
    assert facts.extent("Z") == 3
    assert facts.extent("T") == 1
    unplaced = facts_of(volume(geometry=Geometry.unknown()), files=["/a.png"], format="raster")
    assert (unplaced.affine, unplaced.spacing) == (None, None)


@pytest.mark.parametrize(
    ("known", "key"),
    [
        ({"files": ("/a.png", "/b.png")}, "/a.png"),
        ({"files": ("/a.npz",), "part": "train"}, "/a.npz#train"),
        ({"files": ("/a.dcm",), "group": "1.2.3"}, "1.2.3"),
        ({"files": ("/a.dcm",), "group": "1.2.3", "part": "2"}, "1.2.3#2"),
        ({"files": ()}, ""),
    ],
)
def test_the_key_of_an_image_stays_when_it_is_seen_again(known: dict[str, Any], key: str) -> None:
    assert ImageFacts(format="raster", axes="CYX", shape=(1, 1, 1), **known).key == key
