"""An image: pixels with their geometry, what their values mean, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.geometry import Geometry


class Intensity(StrEnum):
    """What a pixel's value means."""

    RAW = "raw"  # the scanner's or camera's own numbers, no unit (MR, most PNGs)
    HU = "hu"  # Hounsfield units (CT)
    SUV = "suv"  # standardised uptake value by body weight (PET)
    ACTIVITY = "activity"  # Bq/ml (PET whose SUV cannot be computed)
    RGB = "rgb"  # three colour channels
    NAMED = "named"  # several channels that have names of their own: sequences, stains, wavelengths
    QUANTITY = "quantity"  # a measured quantity with a unit (parametric maps)
    LABEL = "label"  # a mask: 0 is background, other whole numbers are classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an image came from, enough to put a result back on the right slices.

    Attributes:
        format: the plug-in that read it, such as `dicom`.
        files: the files, in the order of the slices where there is one file per slice.
        part: which part of the file(s): a page, an array of an archive, a sub-series; empty where there is one.
        uids: DICOM identifiers: `study`, `series`, `frame_of_reference`, `sop_class`.
        slices: per slice (z, then t) the SOP instance UID and frame number that it was read from.
        header: the header subset that SEG, SR and a PACS need to place a result.
    """

    format: str
    files: tuple[str, ...] = ()
    part: str = ""
    uids: Mapping[str, str] = field(default_factory=dict)
    slices: tuple[tuple[str, int], ...] = ()
    header: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Pixels with their geometry.

    Attributes:
        array: in the order of `axes`.
        axes: `CYX`, `CZYX`, `CTYX` or `CTZYX`: channel, time, slice, row, column. The channel is always there.
        geometry: where the grid lies in the patient.
        intensity: what the values mean.
        channels: one name per channel.
        modality: DICOM's word (CT, MR, US, DX, XC, SM ...), or None where nobody said.
        times: seconds of each frame from the first, where there is a time axis and its times are known.
        origin: where it came from.
        notes: what the reader found and a person should know ("gantry tilt of 12 degrees resampled").
        classes: for a mask, value to name.
    """

    array: NDArray[Any]
    axes: str
    geometry: Geometry
    intensity: Intensity = Intensity.RAW
    channels: tuple[str, ...] = ()
    modality: str | None = None
    times: tuple[float, ...] | None = None
    origin: Origin = field(default_factory=lambda: Origin(format="memory"))
    notes: tuple[str, ...] = ()
    classes: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.axes not in {"CYX", "CZYX", "CTYX", "CTZYX"}:
            raise ValueError(f"axes must be CYX, CZYX, CTYX or CTZYX, got {self.axes}")
        if self.array.ndim != len(self.axes):
            raise ValueError(
                f"an image with axes {self.axes} must have {len(self.axes)} dimensions, got {self.array.ndim}"
            )
        if not self.channels:
            object.__setattr__(self, "channels", default_channels(self.intensity, self.array.shape[0]))
        if len(self.channels) != self.array.shape[0]:
            raise ValueError(f"an image of {self.array.shape[0]} channels must name each, got {self.channels}")
        if self.times is not None and len(self.times) != self.extent("T"):
            raise ValueError(f"an image of {self.extent('T')} frames must have as many times, got {len(self.times)}")

    def extent(self, axis: str) -> int:
        """How many steps the image has along C, T, Z, Y or X; 1 where it has no such axis."""
        return int(self.array.shape[self.axes.index(axis)]) if axis in self.axes else 1

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along x, y and z."""
        return self.extent("X"), self.extent("Y"), self.extent("Z")

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """Millimetres along x, y and z, or None where the file does not say."""
        return self.geometry.spacing if self.geometry.spacing_known else None

    def oriented(self, orientation: str = "LPS") -> Image:
        """The same image with its axes taken and flipped so that x, y, z grow towards `orientation`."""
        if "Z" not in self.axes:
            raise ValueError("only a volume can be reoriented: a single slice has no third axis to turn into")
        order, flips = self.geometry.steps_to(orientation)
        lead = len(self.axes) - 3
        # index axis x is the last array axis, y the one before, z the one before that
        source = [lead + 2 - axis for axis in order]
        array = self.array.transpose([*range(lead), source[2], source[1], source[0]])
        flipped = [lead + 2 - position for position, flip in enumerate(flips) if flip]
        array = np.flip(array, tuple(flipped)) if flipped else array
        return replace(self, array=array, geometry=self.geometry.rearranged(order, flips, self.size))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What is known of an image from its header alone, before any pixel is decoded.

    Attributes:
        format: the plug-in that can read it.
        files: absolute POSIX paths; one per slice for a DICOM series, in the order of the slices.
        part: which part of the file(s); empty where there is one.
        axes, shape: as the read image will have them.
        affine: 16 numbers, row by row, LPS; None where the place in the patient is unknown.
        spacing: millimetres along x, y, z; None where unknown.
        role: `image` or `mask` (a SEG, an RTSTRUCT, a label map that says so).
        group: what files belong to the same whole (a series UID); new files of a known group are read with the old.
        patient, study, series, instances, date, description, device, body_part, laterality, sex, age: from the
            header, where the format has them; `instances` are SOP instance UIDs in the order of `files`.
        refers_to: for a mask, the series or instance UIDs of the images that it was drawn on.
        classes: for a mask that names its values.
        problem: why reading will refuse it as it is; empty where the headers are sound.
        notes: what a person should know.
    """

    format: str
    files: tuple[str, ...]
    axes: str
    shape: tuple[int, ...]
    dtype: str = ""
    part: str = ""
    affine: tuple[float, ...] | None = None
    spacing: tuple[float, float, float] | None = None
    intensity: str = "raw"
    channels: tuple[str, ...] = ()
    modality: str | None = None
    times: tuple[float, ...] | None = None
    role: str = "image"
    group: str = ""
    patient: str | None = None
    study: str | None = None
    series: str | None = None
    instances: tuple[str, ...] = ()
    date: str | None = None
    description: str | None = None
    device: str | None = None
    body_part: str | None = None
    laterality: str | None = None
    sex: str | None = None
    age: float | None = None
    refers_to: tuple[str, ...] = ()
    classes: Mapping[int, str] = field(default_factory=dict)
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A name that stays the same when the image is seen again."""
        lead = self.group or (self.files[0] if self.files else "")
        return f"{lead}#{self.part}" if self.part else lead

    def extent(self, axis: str) -> int:
        """Steps along C, T, Z, Y or X; 1 where there is no such axis."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1


def default_channels(intensity: Intensity | str, count: int) -> tuple[str, ...]:
    """Names for channels that nobody named."""
    if intensity == Intensity.RGB and count in (3, 4):
        return ("red", "green", "blue", "alpha")[:count]
    return ("intensity",) if count == 1 else tuple(f"channel{number}" for number in range(count))


def facts_of(image: Image, *, files: Sequence[str], format: str, part: str = "", **known: Any) -> ImageFacts:
    """The facts of an image that had to be read whole to be known."""
    geometry = image.geometry
    return ImageFacts(
        format=format,
        files=tuple(files),
        part=part,
        axes=image.axes,
        shape=tuple(int(step) for step in image.array.shape),
        dtype=str(image.array.dtype),
        affine=tuple(float(value) for value in geometry.affine.ravel()) if geometry.placed else None,
        spacing=image.spacing,
        intensity=str(image.intensity),
        channels=image.channels,
        modality=image.modality,
        times=image.times,
        notes=image.notes,
        classes=dict(image.classes),
        **known,
    )
