"""What every file format offers, and the guards that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isocenter.core.cohort import Refusal
from isocenter.core.errors import IsocenterError, Unreadable
from isocenter.core.image import Image, ImageFacts
from isocenter.core.words import sized

HEAD_BYTES = 1024
"""How much of a file's beginning `sniff` is shown."""

MOST_PIXEL_BYTES = 4 * 1024**3
"""The largest array a header may announce before it is taken for a decompression bomb."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was read: text cells, empty where missing."""

    path: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """The cells of one column."""
        position = self.columns.index(name)
        return [row[position] for row in self.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the headers of some files say: images and tables found, and the files refused with their reasons."""

    images: tuple[ImageFacts, ...] = ()
    tables: tuple[Table, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read pixels.

    Attributes:
        resample: lay unevenly spaced, tilted or gappy slices onto a regular grid instead of refusing them.
        window: apply the file's own window (VOI LUT) instead of keeping the measured values.
    """

    resample: bool = False
    window: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One file format.

    Attributes:
        title: as people call it.
        suffixes: usual endings in lower case with the dot; the first is used for writing.
        sniff: whether the first bytes (at most `HEAD_BYTES`) and the file's lower-case name are of this format. It
            decides by content wherever the format has a signature.
        describe: what the headers say, without decoding pixels; never raises for one bad file.
        read: the pixels. Raises `Unreadable` or `GeometryRefused`.
        write: an image to a file, or to a folder where the format keeps one file per slice; returns what was written.
            None where writing makes no sense. Refuses what the format cannot hold.
        rank: formats are asked in ascending order; one whose signature is weak asks late.
    """

    title: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes, str], bool]
    describe: Callable[[Sequence[Path]], Described]
    read: Callable[[ImageFacts, ReadOptions], Image]
    write: Callable[[Image, Path], list[Path]] | None = None
    rank: int = 50


@dataclass
class Collected:
    """A `Described` in the making."""

    images: list[ImageFacts] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def refuse(self, path: Path | str, reason: str | IsocenterError) -> None:
        """Write down that a file was not taken, and why."""
        text = reason.reason if isinstance(reason, IsocenterError) else reason
        self.refused.append(Refusal(path=Path(path).as_posix(), reason=text))

    def done(self) -> Described:
        """The finished description."""
        return Described(images=tuple(self.images), tables=tuple(self.tables), refused=tuple(self.refused))


def one_by_one(describe_file: Callable[[Path], list[ImageFacts]]) -> Callable[[Sequence[Path]], Described]:
    """`describe` for a format whose files do not know one another."""

    def describe(paths: Sequence[Path]) -> Described:
        collected = Collected()
        for path in paths:
            try:
                with guarded(path):
                    collected.images.extend(describe_file(path))
            except IsocenterError as error:
                collected.refuse(path, error)
        return collected.done()

    return describe


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn whatever a library throws at a damaged file into our `Unreadable`."""
    try:
        yield
    except IsocenterError:
        raise
    except FileNotFoundError as error:
        raise Unreadable(f"{path}", why="the file is gone", remedy="Ingest the folder again") from error
    except PermissionError as error:
        raise Unreadable(f"{path}", why="may not be read by this user", remedy="Change its permissions") from error
    except MemoryError as error:
        raise Unreadable(f"{path}", why="more memory is needed than this machine has free") from error
    except RecursionError as error:
        raise Unreadable(f"{path}", why="is nested too deeply to be sound") from error
    except Exception as error:  # a decoder may throw anything at damaged bytes; all of it means the same to the user
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise Unreadable(f"{path}", why=f"is damaged or not of its kind ({text})") from error


def check_size(path: Path, shape: Sequence[int], dtype: np.dtype | str, *, stored: int | None = None) -> int:
    """Refuse a header that announces more pixels than can be meant; returns the bytes of the array.

    `stored` is how many bytes the file holds for an uncompressed array: fewer than announced means it is cut short.
    """
    steps = [int(step) for step in shape]
    if not steps or min(steps) < 1:
        raise Unreadable(f"{path}", why=f"announces an image without pixels ({'x'.join(map(str, steps))})")
    count = 1
    for step in steps:
        count *= step
    needed = count * np.dtype(dtype).itemsize
    if needed > MOST_PIXEL_BYTES:
        raise Unreadable(
            f"{path}", why=f"announces {sized(needed)} of pixels", remedy=f"At most {sized(MOST_PIXEL_BYTES)} are read"
        )
    if stored is not None and stored < needed:
        raise Unreadable(f"{path}", why=f"is cut short: {sized(needed)} of pixels announced, {sized(stored)} there")
    return needed


def refuse_constant(path: Path | str, array: NDArray[np.generic]) -> None:
    """A decoder that fails silently gives one value everywhere: take that for a failed decode."""
    if array.size > 1 and bool((array == array.flat[0]).all()):
        raise Unreadable(
            f"{path}",
            why=f"every pixel decodes to {array.flat[0]}, which is how a failed decode looks",
            remedy="Open it in another viewer; if it is meant to be empty, leave it out",
        )


def absolute(path: Path) -> str:
    """The path as the catalogue writes it: absolute, with forward slashes."""
    return Path(path).absolute().as_posix()


def with_channel(array: NDArray[np.generic]) -> tuple[NDArray[np.generic], str]:
    """A plain 2-D or 3-D array (Y, X or Z, Y, X) with its channel axis in front, and the axes."""
    if array.ndim == 2:
        return array[np.newaxis], "CYX"
    if array.ndim == 3:
        return array[np.newaxis], "CZYX"
    if array.ndim == 4:
        return array[np.newaxis], "CTZYX"
    raise ValueError(f"an image has 2, 3 or 4 dimensions, got {array.ndim}")
