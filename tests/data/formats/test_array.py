"""NumPy arrays: what their axes mean, archives of many images, and nothing that would run code."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from isocenter.core.errors import IsocenterError, Unreadable
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.data import files
from isocenter.data.formats.array import FORMAT, arrays, load

RANDOM = np.random.default_rng(8)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def refusal(path: Path) -> str:
    found = FORMAT.describe([path])
    assert not found.images
    return found.refused[0].reason


@pytest.mark.parametrize(
    ("shape", "kind", "axes", "ours"),
    [
        ((12, 10), "uint8", "CYX", (1, 12, 10)),
        ((5, 12, 10), "int16", "CZYX", (1, 5, 12, 10)),
        ((12, 10, 3), "uint8", "CYX", (3, 12, 10)),
        ((12, 10, 1), "uint8", "CYX", (1, 12, 10)),
        ((12, 10, 2), "float32", "CYX", (2, 12, 10)),
        ((6, 12, 10, 3), "uint8", "CZYX", (3, 6, 12, 10)),
        ((2, 5, 12, 10), "float64", "CTZYX", (1, 2, 5, 12, 10)),
        ((2, 5, 12, 10, 3), "float64", "CTZYX", (3, 2, 5, 12, 10)),
        ((12, 10), "bool", "CYX", (1, 12, 10)),
        ((12, 10), ">i4", "CYX", (1, 12, 10)),
    ],
)
def test_shapes_tell_the_axes(
    tmp_path: Path, shape: tuple[int, ...], kind: str, axes: str, ours: tuple[int, ...]
) -> None:
    array = RANDOM.integers(0, 2, shape).astype(kind)
    (image,) = files.read(saved(tmp_path / "x.npy", array))
    assert (image.axes, image.array.shape, image.spacing) == (axes, ours, None)
    assert image.array.sum() == array.sum()
    assert image.array.dtype.isnative
    assert image.intensity == (Intensity.RGB if (ours[0], kind) == (3, "uint8") else image.intensity)


def test_column_order_is_understood(tmp_path: Path) -> None:
    array = np.asfortranarray(RANDOM.integers(0, 99, (12, 10)))
    (image,) = files.read(saved(tmp_path / "x.npy", array))
    assert np.array_equal(image.array[0], array)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(5), "no array that is an image"),
        (np.zeros((2, 2, 2, 2, 2)), "meaning cannot be known"),
        (np.zeros((9, 9), complex), "complex128"),
        (np.zeros((9, 9), "U3"), "<U3"),
        (np.zeros((9, 0, 9)), "without pixels"),
    ],
)
def test_arrays_that_are_no_image_are_refused(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    assert reason in refusal(saved(tmp_path / "x.npy", array))


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_pickled_objects_are_refused_and_never_run(tmp_path: Path, ending: str) -> None:
    trapped = np.array([Trap(str(tmp_path / "ran"))] * 4, dtype=object).reshape(2, 2)
    path = tmp_path / f"x{ending}"
    if ending == ".npy":
        np.save(path, trapped)
    else:
        np.savez(path, images=trapped)
    assert "could run code" in refusal(path)
    assert "numpy.savez" in refusal(path)
    with pytest.raises(Unreadable, match="could run code"):
        load(path, "images" if ending == ".npz" else "")
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    np.savez_compressed(
        tmp_path / "x.npz",
        train_images=RANDOM.integers(0, 255, (6, 28, 28), dtype=np.uint8),
        train_masks=RANDOM.integers(0, 2, (6, 28, 28), dtype=np.uint8),
        train_labels=np.zeros((6, 1), np.uint8),
        test_images=RANDOM.integers(0, 255, (2, 28, 28, 3), dtype=np.uint8),
        test_labels=np.zeros((2, 14), np.uint8),
        weights=np.zeros((6, 4)),
        volume=np.zeros((5, 16, 16), np.int16),
    )
    return tmp_path / "x.npz"


def test_an_archive_gives_one_image_per_entry_of_its_lists(collection: Path) -> None:
    found = FORMAT.describe([collection]).images
    parts = [facts.part for facts in found]
    assert parts == [
        *(f"train_images/{number}" for number in range(6)),
        *(f"train_masks/{number}" for number in range(6)),
        *(f"test_images/{number}" for number in range(2)),
        "volume",
    ]
    assert {facts.role for facts in found if "masks" in facts.part} == {"mask"}
    assert (found[-1].axes, found[12].intensity) == ("CZYX", Intensity.RGB)
    assert np.array_equal(files.read_facts(found[3]).array[0], load(collection, "train_images")[3])


def test_the_layout_may_ask_for_arrays_by_name(collection: Path) -> None:
    known = arrays(collection)
    assert known["train_labels"] == ((6, 1), np.dtype(np.uint8))
    assert load(collection, "test_labels").shape == (2, 14)
    with pytest.raises(Unreadable):
        load(collection, "nothing")
    assert list(arrays(saved(collection.parent / "y.npy", np.zeros((9, 9))))) == [""]


def test_an_array_is_unpacked_once_and_again_when_it_changed(collection: Path) -> None:
    first = load(collection, "train_images")
    assert load(collection, "train_images") is first
    assert not first.flags.writeable
    np.savez(collection, train_images=np.zeros((7, 28, 28), np.uint8))
    assert load(collection, "train_images").shape == (7, 28, 28)


def test_headers_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npy", np.zeros((20, 20)))
    path.write_bytes(path.read_bytes()[:-8])
    (facts,) = FORMAT.describe([path]).images
    with pytest.raises(Unreadable, match="cut short"):
        files.read_facts(facts)
    big = saved(tmp_path / "y.npy", np.zeros((20, 20))).read_bytes().replace(b"(20, 20), }", b"(9999,99999), }"[:11])
    (tmp_path / "y.npy").write_bytes(big)
    assert refusal(tmp_path / "y.npy")
    header = big[:10] + b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999, 9999), }".ljust(117) + b"\n"
    (tmp_path / "z.npy").write_bytes(header)
    assert "decompression bomb" in refusal(tmp_path / "z.npy")


def test_an_archive_without_images_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", y=np.zeros(4))
    assert "y 4" in refusal(tmp_path / "x.npz")
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as file:
        file.writestr("readme.txt", "nothing")
    assert "it is empty" in refusal(tmp_path / "e.npz")


def test_other_zips_are_not_arrays() -> None:
    assert not FORMAT.sniff(b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.txt", "x.zip")
    assert FORMAT.sniff(b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.npy", "x.zip")


def test_writing(tmp_path: Path) -> None:
    colours = Image(
        array=np.ones((3, 8, 9), np.uint8), axes="CYX", geometry=Geometry.unknown(), intensity=Intensity.RGB
    )
    files.write(colours, tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").shape == (8, 9, 3)
    files.write(colours, tmp_path / "x.npz")
    assert np.load(tmp_path / "x.npz")["image"].shape == (8, 9, 3)
    with pytest.raises(IsocenterError, match="Python objects"):
        FORMAT.write(
            Image(array=np.empty((1, 2, 2), object), axes="CYX", geometry=Geometry.unknown()), tmp_path / "y.npy"
        )


@pytest.mark.needs_shared
def test_medmnist_is_read_whole(shared: Path) -> None:
    path = shared / "medmnist" / "breastmnist.npz"
    found = FORMAT.describe([path]).images
    assert len(found) == 780
    assert np.array_equal(files.read_facts(found[545]).array[0], np.load(path)["train_images"][545])
