"""The pictures of what is inside a network: its layers, its first filters, its maps, and how far it sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.image import Image, Intensity
from isocenter.drawing.insight import MOST_FILTERS, Plane, filter_sheet, map_sheet, sight_sheet
from isocenter.drawing.layers import layer_chart
from isocenter.drawing.window import Pixels, picture, window_for
from isocenter.pathway.preparation import Prepared
from isocenter.stages.layers.results import LayersShown
from isocenter.stages.layers.sight import Seen
from isocenter.storage.atomic import atomic_write

if TYPE_CHECKING:
    from isocenter.learning.models._shared import Network

LAYERS, FILTERS, MAPS, SIGHT = "layers", "filters", "maps", "receptive_field"

_PLANES = ("across the slices", "across the rows", "across the columns")

_GREY = 60
"""Of the ground on which is drawn what a place heeds where there is no image."""


def drawn(
    shown: LayersShown, network: Network, image: Prepared | None, far: Seen | None, folder: Path
) -> dict[str, str]:
    """Draw what there is to be drawn of a network; returns name and path of each picture."""
    from isocenter.learning.inside import first_filters, maps_of

    pictures = {LAYERS: _chart(shown)}
    filters = first_filters(network)
    if filters is not None:
        count = len(filters.kernels)
        several = f"the first {MOST_FILTERS} of {count}" if count > MOST_FILTERS else f"all {count}"
        several += ", middle slice" if filters.kernels.ndim == 5 else ""
        colours = image is not None and image.image.intensity == Intensity.RGB
        title = f"{shown.name}: filters of {filters.name}, {several}"
        pictures[FILTERS] = filter_sheet(_middle(filters.kernels, 2), colour=colours, title=title)
    if image is not None:
        stages = maps_of(network, image.array)
        if stages:
            maps = {stage.name: _middle(stage.values, 1) for stage in stages}
            plane = _drawn(image.image, 0, image.array.shape[1] // 2)
            what = "one image" if image.array.ndim == 3 else "one volume, middle slice"
            pictures[MAPS] = map_sheet(plane, maps, title=f"{shown.name}: maps of {what}")
    if far is not None and far.strength.any():
        pictures[SIGHT] = _sight(shown, image, far)
    return _written(pictures, folder)


def of_table(shown: LayersShown, folder: Path) -> dict[str, str]:
    """Draw the layers that a graph tells."""
    return _written({LAYERS: _chart(shown)}, folder)


def _chart(shown: LayersShown) -> bytes:
    extents = " × ".join(str(extent) for extent in shown.input)
    return layer_chart(shown.layers, extent=max(shown.input[1:]), title=f"{shown.name}: one case of {extents}")


def _sight(shown: LayersShown, image: Prepared | None, far: Seen) -> bytes:
    """What the middle place of the last map heeds, over the image where there is one."""
    from isocenter.learning.inside import centre, heeded

    strength, shape = far.strength, far.strength.shape
    marked = _Marked(
        image=None if image is None else image.image,
        # The root, because what is heeded falls off as steeply as a bell.
        level=np.sqrt(strength / strength.max()),
        heeded=heeded(strength),
        window=far.sight.theory.window(centre(far.sight.map[1:]), shape),
    )
    strongest = np.unravel_index(int(strength.argmax()), shape)
    planes = [marked.plane(axis, int(strongest[axis])) for axis in range(3)] if len(shape) == 3 else [marked.plane()]
    title = f"{shown.name}: what the middle place of its last map sees"
    return sight_sheet(planes, far.sight.words, plain=image is not None, title=title)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Marked:
    """An image, if there is one, and on its grid what a place heeds and what it could see."""

    image: Image | None
    level: NDArray[np.float64]
    heeded: NDArray[np.bool_]
    window: tuple[tuple[int, int], ...]

    def plane(self, axis: int = 0, at: int = 0) -> Plane:
        """A plane of it, the head up where that is known; of a flat image all of it."""
        level, heeded, frame, name = self.level, self.heeded, list(self.window), ""
        if level.ndim == 3:
            level, heeded = (np.take(one, at, axis=axis) for one in (level, heeded))
            name = f"{_PLANES[axis]}, {at + 1} / {self.level.shape[axis]}"
            del frame[axis]
        pixels = np.full(level.shape, _GREY, np.uint8) if self.image is None else _drawn(self.image, axis, at)
        if axis and self.image is not None and self.image.geometry.orientation.endswith("S"):
            pixels, level, heeded = pixels[::-1], level[::-1], heeded[::-1]
            frame[0] = (len(level) - 1 - frame[0][1], len(level) - 1 - frame[0][0])
        return Plane(
            pixels=pixels,
            strength=level,
            heeded=heeded,
            frame=(frame[0], frame[1]),
            proportion=self._proportion(axis),
            name=name,
        )

    def _proportion(self, axis: int) -> float:
        """How much taller than wide a pixel is."""
        if self.image is None:
            return 1.0
        x, y, z = self.image.geometry.spacing
        return (y / x, z / x, z / y)[axis]


def _drawn(image: Image, axis: int, at: int) -> Pixels:
    """A plane of an image as a picture; of a flat one all of it."""
    plane = np.take(image.array, at, axis=axis + 1) if "Z" in image.axes else image.array
    grey = image.intensity not in (Intensity.LABEL, Intensity.RGB)
    return picture(image, plane, window_for(image) if grey else None)


def _middle(values: NDArray[Any], lead: int) -> NDArray[Any]:
    """Of maps or kernels of volumes the middle slice."""
    return np.take(values, values.shape[lead] // 2, axis=lead) if values.ndim == lead + 3 else values


def _written(pictures: dict[str, bytes], folder: Path) -> dict[str, str]:
    files = {}
    for name, content in pictures.items():
        path = folder / f"{name}.png"
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
        files[name] = path.as_posix()
    return files
