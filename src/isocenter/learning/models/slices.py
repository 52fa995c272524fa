"""Network for volumes that looks at slices as at images, and says how much each of them counts in its answer.

One residual network sees every slice; what it saw is joined by gated attention, after Ilse and others, "Attention-based
deep multiple instance learning", 2018, by the mean, or by the largest. Names of weights are torchvision's, so that
weights that were learned from images load by key.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from isocenter.learning.models._shared import InputForm, Model, Network, fewer
from isocenter.learning.residual import Residual, ResidualSettings

PLANES = ("axial", "coronal", "sagittal")
"""Ways to cut a volume: across its slices, its rows, its columns."""

FIRST, LAST = 2, 4
"""The axes of slices and of columns in a batch of volumes, after cases and channels."""


class SlicesSettings(ResidualSettings):
    """What can be set of a network that looks at slices."""

    width: int = Field(default=16, ge=1)
    """Channels of the first stage, doubled by each further one; 64 for weights that were learned from images."""
    join: Literal["attention", "mean", "max"] = "attention"
    """What makes one answer of what was seen of the slices: a mean in which each counts as much as the network finds
    (`attention`), the mean of all, or the largest of each channel."""
    hidden: int = Field(default=128, ge=1)
    """Numbers by which the attention judges a slice."""
    neighbours: int = Field(default=0, ge=0)
    """Slices on each side that are seen together with one, as its channels; 0 to look at each alone."""
    planes: Literal["axial", "all"] = "axial"
    """Whether volumes are cut into axial slices, or into coronal and sagittal ones as well, all seen by one network."""


class Slices(Residual):
    """Residual blocks that look at slices, and what joins the slices' maps.

    All slices of a batch go through the network at once: 16 volumes of 64 slices cost the memory, and about the time,
    of a batch of 1024 images, and three times that with all planes of a cube. A training divides batches that do not
    fit; `training.batch` and `training.accumulate` say it from the start.

    The last map is the slices' maps side by side, each times how many times its even share it counts. So its average
    over all places is what was joined, and each place holds its part of the answer: what a slice adds to it can be
    asked of the exported graphs, and Grad-CAM shows nothing of a slice that does not count. Maps of all planes, whose
    extents differ, are averaged to one coarse grid and added, which keeps that average.
    """

    def __init__(self, settings: SlicesSettings, form: InputForm, outputs: int) -> None:
        super().__init__(settings, form, seen=_slice_form(settings, form))
        self.neighbours = settings.neighbours
        self.planes = PLANES if settings.planes == "all" else PLANES[:1]
        self.slices = form.shape[: len(self.planes)]
        self.join = _join(settings, self.channels, sum(self.slices))
        self.grids = nn.ModuleList()
        if len(self.planes) > 1:
            cells = fewer(form.shape, self.shrinks)
            self.grids.extend(
                EvenCells(*sizes, axis) for axis, sizes in enumerate(zip(form.shape, cells, strict=True), FIRST)
            )
        self.add_answer(settings, outputs)
        if isinstance(self.join, GatedAttention):
            self.join.begin_evenly()

    def features(self, normalised: Tensor) -> Tensor:
        """What the last stage sees of each slice, as much as the slice counts.

        Places are slices, rows and columns; of all planes together, cells of a grid that is coarse along each axis.
        """
        maps = self._maps(normalised)
        shares = self._shares(maps)
        times = [count * share for count, share in zip(self.slices, shares, strict=True)]
        weighted = [one * often[..., None, None] for one, often in zip(maps, times, strict=True)]
        laid = [one.transpose(1, 2).movedim(FIRST, FIRST + place) for place, one in enumerate(weighted)]
        if len(laid) == 1:
            return laid[0]
        return torch.stack([grid(one) for grid, one in zip(self.grids, laid, strict=True)]).sum(0)

    @torch.no_grad()
    def slice_weights(self, pixels: Tensor) -> dict[str, Tensor]:
        """How much each slice counts in the answer for stored pixels: for each plane (batch, slices), 1 altogether.

        Of the largest of each channel it is the share of the channels that a slice gives.
        """
        shares = self._shares(self._maps(self.normalise(pixels)))
        return {plane: share.mean(2).expand(len(pixels), -1) for plane, share in zip(self.planes, shares, strict=True)}

    def _maps(self, volumes: Tensor) -> list[Tensor]:
        """What is seen in each plane (batch, slices, channels, rows, columns)."""
        maps = []
        for place, count in enumerate(self.slices):
            stacked = with_neighbours(volumes.movedim(FIRST + place, FIRST), self.neighbours)
            seen = super().features(stacked.transpose(1, 2).flatten(0, 1))
            maps.append(torch.unflatten(seen, 0, (-1, count)))
        return maps

    def _shares(self, maps: list[Tensor]) -> list[Tensor]:
        """How much slices count in each channel: for each plane (batch or 1, slices, channels or 1), 1 altogether."""
        summaries = torch.cat([one.mean((3, 4)) for one in maps], dim=1)
        shares: Tensor = self.join(summaries)
        return list(torch.split(shares, list(self.slices), dim=1))


class GatedAttention(nn.Module):
    """A mean in which each slice counts as much as what was seen of it is found to matter."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.content = nn.Linear(channels, hidden)
        self.gate = nn.Linear(channels, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def begin_evenly(self) -> None:
        """Draw the weights so that all slices count alike at first."""
        nn.init.xavier_uniform_(self.content.weight)
        nn.init.xavier_uniform_(self.gate.weight)
        nn.init.zeros_(self.score.weight)

    def forward(self, summaries: Tensor) -> Tensor:
        """Shares (batch, slices, 1) of what was seen of slices (batch, slices, channels)."""
        judged: Tensor = self.score(torch.tanh(self.content(summaries)) * torch.sigmoid(self.gate(summaries)))
        return judged.softmax(1)


class Mean(nn.Module):
    """All slices count alike."""

    def __init__(self, slices: int) -> None:
        super().__init__()
        self.slices = slices

    def forward(self, summaries: Tensor) -> Tensor:
        """Shares (1, slices, 1), whatever was seen of slices (batch, slices, channels)."""
        return torch.full((1, self.slices, 1), 1 / self.slices, device=summaries.device)


class Largest(nn.Module):
    """In each channel that slice counts in which it is largest; several that are equal share it."""

    def forward(self, summaries: Tensor) -> Tensor:
        """Shares (batch, slices, channels) of what was seen of slices (batch, slices, channels)."""
        largest = (summaries == summaries.amax(1, keepdim=True)).to(summaries.dtype)
        return largest / largest.sum(1, keepdim=True)


class EvenCells(nn.Module):
    """A map averaged to cells of equal extent along one axis; what lies on a border is divided among two.

    So the average over the cells is that over the places, which a grid of whole places would not keep.
    """

    cells: Tensor

    def __init__(self, places: int, cells: int, axis: int) -> None:
        super().__init__()
        self.axis = axis
        extent = places / cells
        place, begin = torch.arange(places)[:, None], torch.arange(cells) * extent
        overlap = torch.minimum(place + 1, begin + extent) - torch.maximum(place, begin)
        self.register_buffer("cells", overlap.clamp(min=0) / extent, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """The map with cells for places."""
        return (features.movedim(self.axis, LAST) @ self.cells).movedim(LAST, self.axis)


def with_neighbours(volumes: Tensor, count: int) -> Tensor:
    """Volumes (batch, channels, slices, rows, columns) with the slices before and after each as further channels.

    Beyond the first and the last slice these are seen again: weights that were learned from images, and laid into more
    channels, answer to slices that are alike as they did to one image.
    """
    if count == 0:
        return volumes
    # Written out, because the exporter warns of padding that repeats what is at the edge.
    longer = torch.cat([volumes[:, :, :1]] * count + [volumes] + [volumes[:, :, -1:]] * count, dim=FIRST)
    return torch.cat([longer[:, :, start : start - 2 * count or None] for start in range(2 * count + 1)], dim=1)


def _slice_form(settings: SlicesSettings, form: InputForm) -> InputForm:
    """A slice as an image: its neighbours are channels; with all planes it is as large as the largest of them."""
    together = 2 * settings.neighbours + 1
    shape = (max(form.shape),) * 2 if settings.planes == "all" else form.shape[1:]
    return InputForm(
        channels=form.channels * together,
        shape=shape,
        mean=form.mean * together,
        deviation=form.deviation * together,
    )


def _join(settings: SlicesSettings, channels: int, slices: int) -> nn.Module:
    if settings.join == "attention":
        return GatedAttention(channels, settings.hidden)
    return Mean(slices) if settings.join == "mean" else Largest()


def build(settings: SlicesSettings, form: InputForm, outputs: int) -> Network:
    """A network that looks at the slices of a volume."""
    return Slices(settings, form, outputs)


MODEL = Model(kind="network", settings=SlicesSettings, dimensions=(3,), build=build)
