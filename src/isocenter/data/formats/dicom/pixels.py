"""The pixels of a file, decoded: as the file stores them, colours as red, green and blue."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable
from isocenter.data.formats._shared import check_size
from isocenter.data.formats.dicom import sandbox
from isocenter.data.formats.dicom.header import open_whole
from isocenter.data.formats.dicom.records import Common
from isocenter.data.formats.dicom.syntaxes import named, refuse_undecodable

Array = NDArray[Any]

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
RISKY = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203))
"""Syntaxes whose decoders are written in C or C++ and are handed the file's bytes as they are."""

_BATCH_BYTES = 256 * 1024**2
_LEGACY = {
    (False, True): "1.2.840.10008.1.2.1",
    (True, True): "1.2.840.10008.1.2",
    (False, False): "1.2.840.10008.1.2.2",
}


def frames(dataset: Any, path: str, common: Common, wanted: Sequence[int]) -> Iterator[Array]:
    """The wanted frames in that order, each (rows, columns) or (rows, columns, 3)."""
    refuse_undecodable(common.syntax, path)
    _check(dataset, path)
    _complete(dataset)
    decoded = _elsewhere(path, common, wanted) if common.syntax in RISKY else _decoded(dataset, path, wanted)
    for frame in decoded:
        yield _coloured(frame, dataset)


def _elsewhere(path: str, common: Common, wanted: Sequence[int]) -> Iterator[Array]:
    """Frames from the child process, as many at a time as memory is well spent on."""
    size = (
        (common.rows or 1)
        * (common.columns or 1)
        * (common.samples or 1)
        * (2 if (common.bits_allocated or 8) > 8 else 1)
    )
    batch = max(1, _BATCH_BYTES // size)
    for start in range(0, len(wanted), batch):
        yield from sandbox.decode(path, wanted[start : start + batch])


def decoded_here(path: str, wanted: Sequence[int]) -> list[Array]:
    """The wanted frames of a file, decoded in this very process."""
    dataset = open_whole(path)
    _complete(dataset)
    return list(_decoded(dataset, path, wanted))


def _check(dataset: Any, path: str) -> None:
    """Refuse what announces more pixels than can be meant."""
    try:
        shape = [int(dataset[name].value) for name in ("Rows", "Columns")]
        shape.append(int(dataset.get("SamplesPerPixel") or 1))
        allocated = int(dataset.get("BitsAllocated") or 8)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(path, why="does not say how many rows, columns or bits its pixels have") from error
    try:
        int(dataset.get("NumberOfFrames") or 1)
    except (TypeError, ValueError) as error:
        raise Unreadable(path, why=f"NumberOfFrames must be a whole number ({error})") from error
    check_size(Path(path), shape, "u1" if allocated <= 8 else f"u{min(allocated // 8, 8)}")


def _complete(dataset: Any) -> None:
    """Old files may lack a few elements whose value is beyond doubt."""
    meta = dataset.file_meta
    if not meta.get("TransferSyntaxUID"):
        meta.TransferSyntaxUID = _LEGACY[dataset.original_encoding]
    if not dataset.get("SamplesPerPixel"):
        dataset.SamplesPerPixel = 1
    if not dataset.get("PhotometricInterpretation"):
        dataset.PhotometricInterpretation = "MONOCHROME2" if dataset.SamplesPerPixel == 1 else "RGB"
    if "PixelRepresentation" not in dataset:
        dataset.PixelRepresentation = 0
    if not dataset.get("BitsStored") and dataset.get("BitsAllocated"):
        dataset.BitsStored = dataset.BitsAllocated
    if "NumberOfFrames" in dataset and not dataset.get("NumberOfFrames"):
        del dataset.NumberOfFrames


def _decoded(dataset: Any, path: str, wanted: Sequence[int]) -> Iterator[Array]:
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    try:
        if syntax in (DEFLATED_FRAMES, ENCAPSULATED_UNCOMPRESSED):
            yield from _unpacked(dataset, wanted)
        elif syntax == JPEG_EXTENDED and (dataset.get("BitsStored") or 8) > 8:
            whole = _by_gdcm(path, dataset)
            yield from (whole[number] for number in wanted)
        else:
            yield from _by_pydicom(dataset, wanted)
    except RuntimeError as error:
        # What pydicom raises once every decoder has failed; its text lists what each of them said.
        first = " ".join(str(error).split())[:120]
        raise Unreadable(path, why=f"its pixels ({named(syntax)}) cannot be decoded: {first}") from error


def _by_pydicom(dataset: Any, wanted: Sequence[int]) -> Iterator[Array]:
    from pydicom.pixels import iter_pixels, pixel_array

    quiet_gdcm()
    if int(dataset.get("NumberOfFrames") or 1) == 1:
        yield pixel_array(dataset)
        return
    done = 0
    try:
        for frame in iter_pixels(dataset, indices=list(wanted)):
            yield frame
            done += 1
    except ValueError:
        # pydicom 3.0 cannot correct unused bits of a frame at a time for some decoders; of the whole it can.
        whole = pixel_array(dataset)
        yield from (whole[number] for number in list(wanted)[done:])


def _by_gdcm(path: str, dataset: Any) -> Array:
    """JPEG of 12 bits, which pydicom does not hand to gdcm though gdcm reads it: (frames, rows, columns)."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(path)
    if not reader.Read():
        raise Unreadable(path, why="its JPEG of 12 bits cannot be decoded")
    buffer = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    kind = np.int16 if dataset.get("PixelRepresentation") == 1 else np.uint16
    count = int(dataset.get("NumberOfFrames") or 1)
    return np.frombuffer(buffer, kind).reshape(count, int(dataset.Rows), int(dataset.Columns))


def quiet_gdcm() -> None:
    """gdcm writes its doubts to the error stream; what matters is raised anyway."""
    try:
        import gdcm
    except ImportError:
        return
    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()
    gdcm.Trace.DebugOff()


def _unpacked(dataset: Any, wanted: Sequence[int]) -> Iterator[Array]:
    """Frames that are each plain bytes, or such bytes deflated."""
    from pydicom.encaps import get_frame
    from pydicom.pixels.utils import unpack_bits

    count = int(dataset.get("NumberOfFrames") or 1)
    deflated = dataset.file_meta.TransferSyntaxUID == DEFLATED_FRAMES
    shape: tuple[int, ...] = (dataset.Rows, dataset.Columns)
    planar = dataset.SamplesPerPixel > 1 and dataset.get("PlanarConfiguration") == 1
    if dataset.SamplesPerPixel > 1:
        shape = (dataset.SamplesPerPixel, *shape) if planar else (*shape, dataset.SamplesPerPixel)
    size = int(np.prod(shape))
    kind = np.dtype(f"<{'i' if dataset.PixelRepresentation else 'u'}{max(dataset.BitsAllocated // 8, 1)}")
    for number in wanted:
        raw = get_frame(dataset.PixelData, number, number_of_frames=count)
        if deflated:
            raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, size * 8 + 1024)
        flat = unpack_bits(raw) if dataset.BitsAllocated == 1 else np.frombuffer(raw, kind)
        frame = np.asarray(flat)[:size].reshape(shape)
        yield np.moveaxis(frame, 0, -1) if planar else frame


def _coloured(frame: Array, dataset: Any) -> Array:
    """Palette indices become colours of 8 bits; everything else stays."""
    if dataset.PhotometricInterpretation != "PALETTE COLOR":
        return frame
    from pydicom.pixels.processing import apply_color_lut

    colours = np.asarray(apply_color_lut(frame, dataset))[..., :3]
    if colours.dtype == np.uint8:
        return colours
    # A table of 16 bits whose values stay below 256 is one of 8 bits in disguise.
    return (colours if int(colours.max()) < 256 else colours >> 8).astype(np.uint8)
