"""How large a pixel is, and from which tag that is known; what is not measured in the patient is said in a note."""

from __future__ import annotations

from typing import NamedTuple

from isocenter.data.formats.dicom.records import Common


class PixelSize(NamedTuple):
    """Millimetres along x (between columns) and y (between rows), and what a person should know of them."""

    x: float
    y: float
    note: str = ""


def pixel_size(common: Common) -> PixelSize | None:
    """The size of a pixel, or None where the file does not say."""
    if _sound(common.pixel_spacing):
        return _of(common.pixel_spacing)
    if _sound(common.imager_spacing):
        return _at_detector(common)
    if _sound(common.nominal_spacing):
        return _of(common.nominal_spacing, "pixel size is the nominal one of the scanner (NominalScannedPixelSpacing)")
    if common.calibration:
        x, y = common.calibration
        return PixelSize(x, y, "pixel size is from the ultrasound region calibration")
    return None


def _sound(spacing: tuple[float, ...] | None) -> bool:
    return spacing is not None and len(spacing) == 2 and min(spacing) > 0


def _of(spacing: tuple[float, ...] | None, note: str = "") -> PixelSize:
    """DICOM names the distance between rows (y) first."""
    assert spacing is not None
    return PixelSize(spacing[1], spacing[0], note)


def _at_detector(common: Common) -> PixelSize:
    size = _of(common.imager_spacing)
    factor = common.magnification
    if factor is not None and factor > 0 and factor != 1:
        note = f"pixel size is that at the detector (ImagerPixelSpacing) divided by the magnification of {factor:g}"
        return PixelSize(size.x / factor, size.y / factor, note)
    return size._replace(note="pixel size is that at the detector (ImagerPixelSpacing), not in the patient")
