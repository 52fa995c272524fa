"""What every file format offers, and the guards that all of them share."""

from __future__ import annotations

import bz2
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from isocenter.core.cohort import Refusal
from isocenter.core.errors import IsocenterError, Unreadable, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, ImageFacts, Intensity, Origin
from isocenter.core.words import sized

_CHUNK = 1 << 20

HEAD_BYTES = 1024
"""How much of a file's beginning `sniff` is shown."""

MOST_PIXEL_BYTES = 4 * 1024**3
"""The largest array a header may announce before it is taken for a decompression bomb."""

MOST_FROM_SMALL = 512 * 1000**2
"""Up to here a compressed file may unpack as far as it likes: an empty mask shrinks a thousandfold."""

MOST_RATIO = 200
"""Beyond `MOST_FROM_SMALL`, so many times its own size is the most that a compressed file may unpack to."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was read: text cells, empty where missing; `notes` say what a person should know."""

    path: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

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
        indices: keep the numbers of a palette image instead of its colours, for masks; the image then has one channel.
    """

    resample: bool = False
    window: bool = False
    indices: bool = False


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
        writes_whole: whether `write` itself sees to it that what it writes is whole or not there.
        keeps_place: whether what is written says where the image lies in the patient.
        rank: formats are asked in ascending order; one whose signature is weak asks late.
    """

    title: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes, str], bool]
    describe: Callable[[Sequence[Path]], Described]
    read: Callable[[ImageFacts, ReadOptions], Image]
    write: Callable[[Image, Path], list[Path]] | None = None
    writes_whole: bool = False
    keeps_place: bool = True
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
def guarded(path: Path | str) -> Iterator[None]:
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
    place = path if isinstance(path, Path) else Path(path)
    return (place if place.is_absolute() else place.absolute()).as_posix()


class Careful(io.BufferedReader):
    """A file that is never asked for more than it holds: a header that announces gigabytes costs nothing.

    Python sets aside as much memory as a read asks for, before it looks whether so much is there.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """At most the rest of the file."""
        left = max(self._size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


def check_ratio(path: Path, needed: int) -> None:
    """Refuse a small compressed file that would unpack to a large array: real images do not shrink that far."""
    stored = path.stat().st_size
    if needed > MOST_FROM_SMALL and needed > stored * MOST_RATIO:
        raise Unreadable(
            f"{path}",
            why=f"{sized(stored)} would unpack to {sized(needed)}, which is how a decompression bomb looks",
            remedy="Save it uncompressed if it is meant to be that large",
        )


def inflate(file: BinaryIO, needed: int, codec: str) -> bytearray:
    """At most `needed` bytes out of a compressed stream (`gzip`, `zlib` or `bzip2`); fewer where it is cut short."""
    out = bytearray()
    engine = _engine(codec)
    pending = file.read(_CHUNK)
    while len(out) < needed:
        piece = engine.decompress(pending, min(_CHUNK, needed - len(out)))
        out += piece
        if engine.eof:  # gzip and bzip2 files may be joined end to end
            pending = engine.unused_data or file.read(_CHUNK)
            if codec == "zlib" or not pending.strip(b"\0"):
                break
            engine = _engine(codec)
            continue
        pending = b"" if isinstance(engine, bz2.BZ2Decompressor) else engine.unconsumed_tail
        hungry = engine.needs_input if isinstance(engine, bz2.BZ2Decompressor) else not pending
        if hungry:
            pending = file.read(_CHUNK)
            if not pending and not piece:
                break
    return out


def _engine(codec: str) -> zlib._Decompress | bz2.BZ2Decompressor:
    if codec == "bzip2":
        return bz2.BZ2Decompressor()
    return zlib.decompressobj(zlib.MAX_WBITS | (32 if codec == "zlib" else 16))


def beside(header: Path, name: str) -> Path:
    """The data file that a header names: it must be a plain file in the header's own folder."""
    if not name or name in {".", ".."} or "/" in name or "\\" in name or "\0" in name:
        raise Unreadable(
            f"{header}", why=f"names its data file as {name!r}", remedy="It must lie in the same folder, without a path"
        )
    path = header.parent / name
    if path.is_symlink():
        raise Unreadable(f"{header}", why=f"its data file {name} is a link", remedy="Put the file itself there")
    if not path.is_file():
        raise Unreadable(f"{header}", why=f"its data file {name} is missing", remedy="Put it in the same folder")
    return path


def native(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """The same numbers in this machine's byte order, contiguous and writable."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return array if array.flags.writeable else array.copy()


def geometry_of(facts: ImageFacts) -> Geometry:
    """The geometry that a header announced."""
    if facts.affine is not None:
        return Geometry(np.reshape(facts.affine, (4, 4)), spacing_known=facts.spacing is not None)
    return Geometry.unknown() if facts.spacing is None else Geometry.sized(facts.spacing)


def image_of(facts: ImageFacts, array: NDArray[np.generic], *, notes: Sequence[str] = ()) -> Image:
    """The image of these facts, now that its pixels are there; refused where they no longer fit together."""
    if array.shape != facts.shape:
        found, told = ("x".join(map(str, shape)) for shape in (array.shape, facts.shape))
        raise Unreadable(
            facts.files[0], why=f"holds {found} pixels where {told} were seen before", remedy="Ingest the folder again"
        )
    return Image(
        array=array,
        axes=facts.axes,
        geometry=geometry_of(facts),
        intensity=Intensity(facts.intensity),
        channels=facts.channels,
        modality=facts.modality,
        times=facts.times,
        origin=Origin(format=facts.format, files=facts.files, part=facts.part),
        notes=(*facts.notes, *notes),
        classes=facts.classes,
    )


def placed_at(facts: ImageFacts, geometry: Geometry) -> ImageFacts:
    """The facts with what is known of place and spacing."""
    affine = tuple(float(value) for value in geometry.affine.ravel()) if geometry.placed else None
    return replace(facts, affine=affine, spacing=geometry.spacing if geometry.spacing_known else None)


def not_numbers(array: NDArray[np.generic]) -> list[str]:
    """A note on values that are not numbers, where there are any."""
    bad = array.size - int(np.isfinite(array).sum()) if array.dtype.kind == "f" else 0
    return [f"{bad:,} values are not numbers (NaN or infinite)"] if bad else []


def plain(array: NDArray[np.generic], path: Path, kinds: Iterable[str]) -> NDArray[np.generic]:
    """The array in one of the kinds of number (`u1`, `f4`) that a format holds; no value changes."""
    known = set(kinds)
    wider = {"b1": ("u1",), "f2": ("f4",), "i8": ("i4",), "u8": ("u4",)}
    if array.dtype.str[1:] in known:
        return array
    for kind in wider.get(array.dtype.str[1:], ()):
        if kind in known and array.size and (kind[0] not in "iu" or _fits(array, kind)):
            return array.astype(kind)
    raise UsageError(
        f"{path.name} cannot hold values of kind {array.dtype}",
        remedy="Convert them first, or write .nrrd, which holds most kinds of number",
    )


def _fits(array: NDArray[np.generic], kind: str) -> bool:
    limits = np.iinfo(kind)
    return int(array.min()) >= limits.min and int(array.max()) <= limits.max


def frame_step(image: Image) -> float | None:
    """Seconds from frame to frame, where they are known and even; most formats can say no more."""
    if image.times is None or len(image.times) < 2:
        return None
    steps = np.diff(image.times)
    return float(steps[0]) if np.allclose(steps, steps[0], rtol=1e-3) else None
