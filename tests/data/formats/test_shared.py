"""The guards that all formats share."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.data.formats._shared import (
    Careful,
    check_ratio,
    frame_step,
    guarded,
    inflate,
    native,
    plain,
    refuse_constant,
)

DATA = bytes(range(256)) * 9000


@pytest.mark.parametrize(("codec", "pack"), [("gzip", gzip.compress), ("zlib", zlib.compress), ("bzip2", bz2.compress)])
def test_inflate_gives_what_was_asked_for_and_no_more(codec: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(DATA)
    assert bytes(inflate(io.BytesIO(packed), len(DATA), codec)) == DATA
    assert bytes(inflate(io.BytesIO(packed), 1000, codec)) == DATA[:1000]
    assert bytes(inflate(io.BytesIO(packed), len(DATA) + 9, codec)) == DATA
    short = inflate(io.BytesIO(packed[: len(packed) // 2]), len(DATA), codec)
    assert bytes(short) == DATA[: len(short)]
    assert len(short) < len(DATA)


@pytest.mark.parametrize(("codec", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress)])
def test_streams_joined_end_to_end_are_one(codec: str, pack: Callable[[bytes], bytes]) -> None:
    joined = pack(DATA[:5000]) + pack(DATA[5000:])
    assert bytes(inflate(io.BytesIO(joined), len(DATA), codec)) == DATA


def test_a_careful_file_is_never_asked_for_more_than_it_holds(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"twelve bytes")
    with Careful(tmp_path / "x") as file:
        assert file.read(2**40) == b"twelve bytes"
        file.seek(7)
        assert file.read() == b"bytes"
        file.seek(99)
        assert file.read(1) == b""


@pytest.mark.parametrize(
    ("thrown", "reason"),
    [
        (FileNotFoundError(), "is gone"),
        (PermissionError(), "may not be read"),
        (MemoryError(), "more memory"),
        (RecursionError(), "nested too deeply"),
        (ValueError("bad  byte\n7"), "bad byte 7"),
        (KeyError(), "KeyError"),
    ],
)
def test_whatever_a_library_throws_becomes_one_kind_of_refusal(thrown: Exception, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason), guarded(Path("x")):
        raise thrown


def test_an_empty_mask_may_shrink_a_thousandfold_and_a_bomb_may_not(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(1000))
    check_ratio(tmp_path / "x", 100_000_000)
    with pytest.raises(Unreadable, match="decompression bomb"):
        check_ratio(tmp_path / "x", 1_000_000_000)


def test_numbers_change_kind_only_where_no_value_changes() -> None:
    path = Path("x.ext")
    assert plain(np.array([True]), path, ("u1",)).dtype == np.uint8
    assert plain(np.array([2**20]), path, ("i4",)).dtype == np.int32
    with pytest.raises(UsageError, match="int64"):
        plain(np.array([2**40]), path, ("i4",))
    with pytest.raises(UsageError, match="float64"):
        plain(np.array([1.0]), path, ("f4",))


def test_native_arrays_can_be_written_to() -> None:
    array = native(np.frombuffer(b"\0\1\0\2", ">i2"))
    assert array.tolist() == [1, 2]
    assert array.dtype.isnative
    assert array.flags.writeable


@pytest.mark.parametrize(
    ("times", "step"), [((0.0, 0.5, 1.0), 0.5), ((0.0, 0.5, 3.0), None), ((0.0,), None), (None, None)]
)
def test_only_even_frames_have_a_step(times: tuple[float, ...] | None, step: float | None) -> None:
    frames = len(times or (0,))
    image = Image(array=np.zeros((1, frames, 2, 2)), axes="CTYX", geometry=Geometry.unknown(), times=times)
    assert frame_step(image) == step


def test_a_constant_decode_is_refused() -> None:
    refuse_constant("x", np.array([1, 2]))
    with pytest.raises(Unreadable, match="failed decode"):
        refuse_constant("x", np.ones(4))
