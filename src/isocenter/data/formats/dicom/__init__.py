"""DICOM: the format of scanners and hospital archives; series, moving pictures, slides, segmentations, outlines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isocenter.core.image import Image, ImageFacts
from isocenter.data.formats._shared import Described, Format, ReadOptions
from isocenter.data.formats.dicom.sniffing import sniff

# Every format is asked about every file: what only a DICOM file needs is loaded with the first one.


def _describe(paths: Sequence[Path]) -> Described:
    from isocenter.data.formats.dicom.describe import describe

    return describe(paths)


def _read(facts: ImageFacts, options: ReadOptions) -> Image:
    from isocenter.data.formats.dicom.reading import read

    return read(facts, options)


def _write(image: Image, path: Path) -> list[Path]:
    from isocenter.data.formats.dicom import writing

    return writing.write(image, path)


FORMAT = Format(
    title="DICOM",
    suffixes=(".dcm", ".dicom"),
    sniff=sniff,
    describe=_describe,
    read=_read,
    write=_write,
    writes_whole=True,
    rank=10,
)
