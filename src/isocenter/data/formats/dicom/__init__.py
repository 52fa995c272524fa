"""DICOM: the format of scanners and hospital archives; series, moving pictures, slides, segmentations, outlines."""

from __future__ import annotations

from pathlib import Path

from isocenter.core.image import Image
from isocenter.data.formats._shared import Format
from isocenter.data.formats.dicom.describe import describe
from isocenter.data.formats.dicom.reading import read
from isocenter.data.formats.dicom.sniffing import sniff


def _write(image: Image, path: Path) -> list[Path]:
    from isocenter.data.formats.dicom import writing

    return writing.write(image, path)


FORMAT = Format(
    title="DICOM",
    suffixes=(".dcm", ".dicom"),
    sniff=sniff,
    describe=describe,
    read=read,
    write=_write,
    writes_whole=True,
    rank=10,
)
