"""The two records that describe a slice: what it shares with its neighbours, and what is its own.

`Common` is kept once however many slices share it. A file of many frames becomes many slices of one `Common`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Vector = tuple[float, ...]


@dataclass(slots=True, unsafe_hash=True, kw_only=True)
class Common:
    """What the slices of a series share; field by field as in `tags.COMMON`, and what was worked out of sequences.

    Never changed once made, only replaced. (A frozen dataclass would say so, and take three times as long to make.)
    """

    syntax: str | None = None
    charset: tuple[str, ...] | None = None
    image_type: tuple[str, ...] | None = None
    sop_class: str | None = None
    study_date: str | None = None
    series_date: str | None = None
    series_time: str | None = None
    modality: str | None = None
    manufacturer: str | None = None
    description: str | None = None
    model: str | None = None
    display_rate: int | None = None
    complex_component: str | None = None
    patient: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    age: str | None = None
    weight: float | None = None
    body_part: str | None = None
    scanning_sequence: tuple[str, ...] | None = None
    cine_rate: int | None = None
    thickness: float | None = None
    repetition_time: float | None = None
    echo_time: float | None = None
    echo_number: tuple[int, ...] | None = None
    slice_spacing: float | None = None
    frame_time: float | None = None
    frame_time_vector: Vector | None = None
    magnification: float | None = None
    imager_spacing: Vector | None = None
    nominal_spacing: Vector | None = None
    study: str | None = None
    series: str | None = None
    series_number: int | None = None
    orientation: Vector | None = None
    frame_of_reference: str | None = None
    laterality: str | None = None
    image_laterality: str | None = None
    temporal_positions: int | None = None
    temporal_resolution: float | None = None
    concatenation: str | None = None
    samples: int | None = None
    photometric: str | None = None
    frames: int | None = None
    rows: int | None = None
    columns: int | None = None
    pixel_spacing: Vector | None = None
    bits_allocated: int | None = None
    bits_stored: int | None = None
    signed: int | None = None
    rescale_type: str | None = None
    modality_lut: bool = False
    matrix_columns: int | None = None
    grid_slices: float | None = None
    philips_scale: float | None = None
    units: str | None = None
    decay_correction: str | None = None
    dose_scaling: float | None = None
    functional_groups: bool = False
    philips_suv_factor: float | None = None
    philips_activity_factor: float | None = None
    pixels: str | None = None
    """`integer`, `float`, `double`, or None where the file holds no pixels."""
    calibration: tuple[float, float] | None = None
    """Millimetres per pixel along x and y, from the regions of an ultrasound image."""
    tracer: Tracer | None = None
    real_world: tuple[float, float] | None = None
    """Slope and intercept from stored to real-world values, where the header gives one such line."""
    kind: str = "plain"
    """How the frames are laid out: `plain`, `mosaic`, `enhanced`, `stack`, `cine` or `slide`."""
    stack: str = ""
    """The stack that a frame belongs to, where a file holds several."""


class Tracer(NamedTuple):
    """What a PET header says of the injected dose."""

    dose: float | None
    half_life: float | None
    start: str | None
    start_datetime: str | None


class Moment(NamedTuple):
    """When a slice was taken, in every way in which DICOM may say so; seconds, save for the plain numbers."""

    temporal_position: float | None = None
    trigger_time: float | None = None
    frame_reference_time: float | None = None
    acquisition_time: float | None = None
    content_time: float | None = None
    acquisition_number: float | None = None
    b_value: float | None = None


NEVER = Moment()


@dataclass(slots=True)
class Slice:
    """One plane of pixels in one file.

    Attributes:
        path: the file, absolute.
        uid: its SOP instance UID.
        frame: which frame (or tile of a mosaic), from 0.
        position: the centre of its first pixel, LPS millimetres.
        instance: the instance number.
        moment: when it was taken.
        rescale: slope and intercept, or None where the file has none.
        common: what it shares with its neighbours.
    """

    path: str
    uid: str
    frame: int
    position: Vector | None
    instance: int | None
    moment: Moment
    rescale: tuple[float, float] | None
    common: Common
