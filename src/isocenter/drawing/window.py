"""Grey or colour for the eye: which range of an image's values is shown, and the picture that this makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.core.image import Image, Intensity
from isocenter.drawing.look import colour

Pixels = NDArray[np.uint8]
"""A picture: (row, column) in grey, or (row, column, 3) in red, green and blue."""

_SAMPLE = 400_000
"""How many values are looked at to choose a window: the choice must not cost more than the drawing."""


@dataclass(frozen=True, slots=True)
class Window:
    """The range of values that is spread from black to white."""

    low: float
    high: float

    @classmethod
    def centred(cls, centre: float, width: float) -> Window:
        """A window as radiologists name it, by its centre and width."""
        return cls(centre - width / 2, centre + width / 2)

    def grey(self, values: NDArray[Any]) -> Pixels:
        """Values as grey levels; what is not a number is black."""
        width = max(self.high - self.low, 1e-12)
        # one step at a time in 32 bits: a slide's tile should not need eight bytes a pixel
        levels = (np.asarray(values, dtype=np.float32) - np.float32(self.low)) * np.float32(255 / width)
        return np.asarray(np.rint(np.clip(np.nan_to_num(levels, nan=0.0), 0, 255)), dtype=np.uint8)


PRESETS: dict[str, Window] = {
    "lung": Window.centred(-600, 1500),
    "soft": Window.centred(40, 400),
    "mediastinum": Window.centred(50, 350),
    "liver": Window.centred(60, 160),
    "brain": Window.centred(40, 80),
    "bone": Window.centred(400, 1800),
}
"""Windows for CT in Hounsfield units, by name."""


def window_for(image: Image, *, preset: str | None = None) -> Window:
    """The range of values that a reader would want to see first.

    CT with lungs in it gets the lung window, other CT the soft-tissue window; PET is shown from 0 to 10 SUV; anything
    else from its 0.5th to its 99.5th percentile without the background.

    Args:
        image: any image that is not a label map or in colour.
        preset: the name of a window in `PRESETS`, for images in Hounsfield units.
    """
    if preset is not None:
        return _preset(image, preset)
    values = _sample(image.array[0])
    if image.intensity == Intensity.HU:
        return PRESETS["lung"] if _shows_lungs(values) else PRESETS["soft"]
    if image.intensity == Intensity.SUV:
        return Window(0.0, 10.0)
    low, high = _robust(values)
    return Window(0.0, high) if image.intensity == Intensity.ACTIVITY and high > 0 else Window(low, high)


def picture(image: Image, plane: NDArray[Any], window: Window | None = None) -> Pixels:
    """The picture of one plane.

    Args:
        image: the image that the plane is of: it says what the values mean.
        plane: (channel, row, column), as cut from `image.array`.
        window: the range to show; chosen by `window_for` if not given.
    """
    if image.intensity == Intensity.LABEL:
        return coloured(plane[0])
    if image.intensity == Intensity.RGB and plane.shape[0] in (3, 4):
        return _photograph(plane)
    return (window or window_for(image)).grey(plane[0])


def coloured(labels: NDArray[Any]) -> Pixels:
    """A label map in colours that everybody can tell apart; background is black."""
    values = np.asarray(np.nan_to_num(labels.astype(np.float64)), dtype=np.int64)
    table = np.array([colour(position) for position in range(8)], dtype=np.uint8)
    painted = table[(values - 1) % len(table)]
    painted[values == 0] = 0
    return np.asarray(painted, dtype=np.uint8)


def _preset(image: Image, name: str) -> Window:
    if name not in PRESETS:
        raise UsageError(f"`{name}` is not a window", remedy=f"Known windows: {', '.join(PRESETS)}")
    if image.intensity != Intensity.HU:
        raise UsageError(
            f"The window `{name}` is for CT in Hounsfield units, got values of the kind `{image.intensity}`",
            remedy="Leave the window out",
        )
    return PRESETS[name]


def _sample(array: NDArray[Any]) -> NDArray[np.float32]:
    """A sample of the finite values, spread over the whole array."""
    flat = array[..., :: _step(array), :: _step(array)] if array.size > _SAMPLE else array
    values = np.asarray(flat, dtype=np.float32).ravel()
    return values[np.isfinite(values)]


def _step(array: NDArray[Any]) -> int:
    return int(np.ceil(np.sqrt(array.size / _SAMPLE)))


def _shows_lungs(values: NDArray[np.float32]) -> bool:
    """Whether a good part of the body is aerated tissue; the air around it is emptier than any lung."""
    lung = np.count_nonzero((values > -940) & (values < -500))
    solid = np.count_nonzero((values > -200) & (values < 2000))
    return bool(lung > 0.12 * (lung + solid))


def _robust(values: NDArray[np.float32]) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile of what is not background."""
    if not values.size:
        return 0.0, 1.0
    lowest = values.min()
    shown = values[values != lowest]
    # one value that fills a tenth of the picture at its dark end is the ground it lies on, not part of it
    if shown.size < 0.02 * values.size or shown.size > 0.9 * values.size:
        shown = values
    low, high = (float(one) for one in np.percentile(shown, (0.5, 99.5)))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _photograph(plane: NDArray[Any]) -> Pixels:
    """Colours as they are; deeper than 8 bits is scaled down, see-through parts are laid on white."""
    pixels = np.moveaxis(plane, 0, -1)
    if np.issubdtype(pixels.dtype, np.floating):
        scaled = np.clip(np.nan_to_num(pixels), 0, 1) * 255 if pixels.max() <= 1 else np.clip(pixels, 0, 255)
    elif pixels.dtype == np.uint8:
        scaled = pixels
    else:
        scaled = pixels * (255.0 / max(int(pixels.max()), 255))
    if pixels.shape[-1] == 4:
        cover = scaled[..., 3:].astype(np.float32) / 255
        scaled = scaled[..., :3] * cover + 255 * (1 - cover)
    return np.asarray(np.rint(scaled), dtype=np.uint8)
