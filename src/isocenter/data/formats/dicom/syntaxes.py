"""Every transfer syntax, what decodes it here, and the table of them for the docs."""

from __future__ import annotations

from typing import NamedTuple

from isocenter.core.errors import Unreadable

NATIVE = "pydicom"
GDCM = "python-gdcm, else Pillow"
GDCM_ALONE = "python-gdcm"
JPEG2000 = "python-gdcm, else Pillow or pylibjpeg-openjpeg"
OPENJPEG = "pylibjpeg-openjpeg"
ZLIB = "zlib of Python itself"


class Syntax(NamedTuple):
    """One transfer syntax: its identifier, its name, and what decodes it; None where nothing here does."""

    uid: str
    name: str
    decoder: str | None


SYNTAXES: tuple[Syntax, ...] = (
    Syntax("1.2.840.10008.1.2", "Implicit VR Little Endian", NATIVE),
    Syntax("1.2.840.10008.1.2.1", "Explicit VR Little Endian", NATIVE),
    Syntax("1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian", NATIVE),
    Syntax("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", NATIVE),
    Syntax("1.2.840.10008.1.2.2", "Explicit VR Big Endian", NATIVE),
    Syntax("1.2.840.10008.1.2.5", "RLE Lossless", NATIVE),
    Syntax("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression", ZLIB),
    Syntax("1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", GDCM),
    Syntax("1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)", GDCM),
    Syntax("1.2.840.10008.1.2.4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", GDCM_ALONE),
    Syntax("1.2.840.10008.1.2.4.70", "JPEG Lossless, First-Order Prediction (Process 14 SV1)", GDCM_ALONE),
    Syntax("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", GDCM_ALONE),
    Syntax("1.2.840.10008.1.2.4.81", "JPEG-LS Lossy (Near-Lossless)", GDCM_ALONE),
    Syntax("1.2.840.10008.1.2.4.90", "JPEG 2000 (Lossless Only)", JPEG2000),
    Syntax("1.2.840.10008.1.2.4.91", "JPEG 2000", JPEG2000),
    Syntax("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Multi-component (Lossless Only)", None),
    Syntax("1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2 Multi-component", None),
    Syntax("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 (Lossless Only)", OPENJPEG),
    Syntax("1.2.840.10008.1.2.4.202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)", OPENJPEG),
    Syntax("1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000", OPENJPEG),
    Syntax("1.2.840.10008.1.2.4.94", "JPIP Referenced", None),
    Syntax("1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", None),
    Syntax("1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced", None),
    Syntax("1.2.840.10008.1.2.4.205", "JPIP HTJ2K Referenced Deflate", None),
    Syntax("1.2.840.10008.1.2.4.110", "JPEG XL Lossless", None),
    Syntax("1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression", None),
    Syntax("1.2.840.10008.1.2.4.112", "JPEG XL", None),
    Syntax("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile at Main Level", None),
    Syntax("1.2.840.10008.1.2.4.101", "MPEG2 Main Profile at High Level", None),
    Syntax("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile", None),
    Syntax("1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile", None),
    Syntax("1.2.840.10008.1.2.4.104", "MPEG-4 AVC/H.264 High Profile for 2D Video", None),
    Syntax("1.2.840.10008.1.2.4.105", "MPEG-4 AVC/H.264 High Profile for 3D Video", None),
    Syntax("1.2.840.10008.1.2.4.106", "MPEG-4 AVC/H.264 Stereo High Profile", None),
    Syntax("1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile", None),
    Syntax("1.2.840.10008.1.2.4.108", "HEVC/H.265 Main 10 Profile", None),
    Syntax("1.2.840.10008.1.2.7.1", "SMPTE ST 2110-20 Uncompressed Progressive Active Video", None),
    Syntax("1.2.840.10008.1.2.7.2", "SMPTE ST 2110-20 Uncompressed Interlaced Active Video", None),
    Syntax("1.2.840.10008.1.2.7.3", "SMPTE ST 2110-30 PCM Digital Audio", None),
)

_BY_UID = {syntax.uid: syntax for syntax in SYNTAXES}


def named(uid: str | None) -> str:
    """The name of a transfer syntax, or its identifier where nobody knows it."""
    known = _BY_UID.get(uid or "")
    return known.name if known else uid or "no transfer syntax"


def refuse_undecodable(uid: str | None, path: str) -> None:
    """Refuse pixels in a transfer syntax that nothing here decodes, by its name."""
    if uid is None:
        return
    known = _BY_UID.get(uid)
    if known is None or known.decoder is None:
        name = f"{known.name} ({uid})" if known else f"an unknown one ({uid})"
        raise Unreadable(
            path,
            why=f"its transfer syntax is {name}, which nothing here decodes",
            remedy="Convert it to an uncompressed or JPEG 2000 file with another tool",
        )


def table() -> str:
    """The table of the docs."""
    lines = [
        "# DICOM transfer syntaxes",
        "",
        "How pixels may be packed in a DICOM file, and what unpacks them here. All decoders carry a permissive",
        "licence. A file in a syntax without a decoder is refused, and the syntax is named. Made from",
        "`isocenter.data.formats.dicom.syntaxes`.",
        "",
        "| identifier | name | decoder |",
        "|---|---|---|",
    ]
    lines += [f"| `{one.uid}` | {one.name} | {one.decoder or 'none: refused'} |" for one in SYNTAXES]
    return "\n".join(lines) + "\n"
