"""What a network is made of: its layers, what each of them costs, and how much of an image a place of a map sees."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReceptiveField(_Noun):
    """The pixels of the image that a place of a map can depend on, along each axis ([slices,] rows, columns).

    What lies beyond the edge of the image, or of a map on the way, counts as if it were there.
    """

    size: tuple[int | None, ...]
    """How many they are; null where they are all of the image, however large it is."""
    stride: tuple[int | None, ...]
    """Pixels from what a place sees to what the next one sees; null where the axis has no places any more."""
    offset: tuple[float | None, ...]
    """The middle of what the first place sees, counted from the middle of the first pixel; null where it sees all."""

    @property
    def whole(self) -> bool:
        """Whether a place sees all of the image along every axis."""
        return all(size is None for size in self.size)

    def window(self, place: Sequence[int], shape: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """The first and the last pixel along each axis that a place sees of an image of that shape."""
        axes = zip(self.size, self.stride, self.offset, place, shape, strict=True)
        return tuple(_stretch(*axis) for axis in axes)


class Layer(_Noun):
    """One layer of a network, for one case."""

    name: str
    """Where it stands in the network, as its weights are named."""
    kind: str
    kernel: tuple[int, ...] = ()
    """Extent of the window that it looks through; empty where it has none."""
    output: tuple[int, ...]
    """Form of what it gives: channels, and the places of a map; empty where that is not known."""
    parameters: int
    """Numbers that were learned; of a layer that is met again, counted the first time."""
    multiply_adds: int
    """Products that are summed up in convolutions and products of matrices; each makes two FLOPs."""
    megabytes: float
    """Memory of its output in single precision; 0 where it is written over what the layer was given."""
    receptive_field: ReceptiveField | None = None
    """What each place of its output sees; null where that cannot be told."""


def _stretch(size: int | None, stride: int | None, offset: float | None, place: int, extent: int) -> tuple[int, int]:
    if size is None or stride is None or offset is None:
        return 0, extent - 1
    first = round(offset - (size - 1) / 2) + stride * place
    return max(first, 0), min(first + size - 1, extent - 1)
