"""From activity in a PET image to the standardised uptake value by body weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from isocenter.core.image import Intensity
from isocenter.data.formats.dicom.records import Common, Slice, Tracer
from isocenter.data.formats.dicom.tags import seconds_of_date, seconds_of_datetime, seconds_of_day

_DAY = 86400.0


class Uptake(NamedTuple):
    """By what to multiply rescaled values, what they then mean, and what a person should know."""

    factor: float
    intensity: Intensity
    note: str


def uptake(slices: Sequence[Slice]) -> Uptake:
    """What the values of a PET image mean once they are multiplied."""
    common = slices[0].common
    units = (common.units or "").upper()
    if units == "GML":
        return Uptake(1.0, Intensity.SUV, "values are SUV as the scanner wrote them (units GML)")
    if units == "CNTS":
        return _philips(common)
    if units != "BQML":
        said = f"units {units}" if units else "no units (0054,1001)"
        return Uptake(1.0, Intensity.RAW, f"SUV cannot be computed: {said}; the scanner's own numbers are kept")
    factor, lacking = _factor(slices)
    if factor is None:
        return Uptake(1.0, Intensity.ACTIVITY, f"SUV cannot be computed: {lacking}; values are activity in Bq/ml")
    return Uptake(factor, Intensity.SUV, "values are SUV by body weight")


def _philips(common: Common) -> Uptake:
    """Philips counts carry their factors in private tags."""
    factor = common.philips_suv_factor
    if factor and factor > 0 and "PHILIPS" in (common.manufacturer or "").upper():
        return Uptake(factor, Intensity.SUV, "values are SUV by the scale factor of Philips")
    return Uptake(1.0, Intensity.RAW, "SUV cannot be computed: values are counts; the scanner's own numbers are kept")


def _factor(slices: Sequence[Slice]) -> tuple[float | None, str]:
    """SUV per Bq/ml, or what is lacking: body weight in grams over the dose that was left at the time of the scan."""
    common = slices[0].common
    tracer = common.tracer
    if not common.weight or common.weight <= 0:
        return None, "the patient's weight is missing"
    if tracer is None or not tracer.dose or tracer.dose <= 0:
        return None, "the injected dose is missing"
    if common.decay_correction == "ADMIN":
        return common.weight * 1000 / tracer.dose, ""
    if common.decay_correction != "START":
        return None, f"decay correction is {common.decay_correction or 'not given'}, not START or ADMIN"
    if not tracer.half_life or tracer.half_life <= 0:
        return None, "the half-life is missing"
    passed = _passed(slices, tracer)
    if passed is None:
        return None, "the time of injection or of the scan is missing"
    if passed < 0:
        return None, "the injection is later than the scan"
    left = tracer.dose * 2 ** (-passed / tracer.half_life)
    return common.weight * 1000 / left, ""


def _passed(slices: Sequence[Slice], tracer: Tracer) -> float | None:
    """Seconds from the injection to the moment to which the values are corrected."""
    scan = _scan_start(slices)
    if scan is None:
        return None
    injected = seconds_of_datetime(tracer.start_datetime)
    if injected is not None and scan >= _DAY:
        return scan - injected
    time = seconds_of_day(tracer.start)
    if time is None:
        return None
    # Only a time of day: the last such moment before the scan, for a scan may run past midnight.
    return (scan - time) % _DAY


def _scan_start(slices: Sequence[Slice]) -> float | None:
    """The start of the series, or of its first slice where the series was made later than that."""
    common = slices[0].common
    acquired = [one.moment.acquisition_time for one in slices if one.moment.acquisition_time is not None]
    first = min(acquired) if acquired else None
    time, day = seconds_of_day(common.series_time), seconds_of_date(common.series_date)
    series = time + (day or 0.0) if time is not None else None
    if series is None or first is None:
        return first if series is None else series
    comparable = (series >= _DAY) == (first >= _DAY)
    return first if comparable and series > first else series
