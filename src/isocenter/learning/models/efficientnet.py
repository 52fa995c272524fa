"""EfficientNet B0 to B7: narrow layers that look at each channel by itself and weigh the channels by one another.

The layers are MONAI's, and so are the names of their weights. After Tan and Le, "EfficientNet: rethinking model scaling
for convolutional neural networks", 2019.
"""

from __future__ import annotations

from math import ceil
from typing import Literal, NamedTuple

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from isocenter.learning.models._shared import (
    InputForm,
    Model,
    ModelSettings,
    Network,
    Stem,
    average_over_places,
    stem_for,
)

NORMALISATION = ("batch", {"eps": 1e-3, "momentum": 0.1})
"""As published, but that means over the training cases follow ten times faster, because trainings here are short."""


class Size(NamedTuple):
    """How many times wider and deeper than B0, and what share of the embedding is blanked while training."""

    width: float
    depth: float
    dropout: float


SIZES: dict[str, Size] = {
    "b0": Size(1.0, 1.0, 0.2),
    "b1": Size(1.0, 1.1, 0.2),
    "b2": Size(1.1, 1.2, 0.3),
    "b3": Size(1.2, 1.4, 0.3),
    "b4": Size(1.4, 1.8, 0.4),
    "b5": Size(1.6, 2.2, 0.4),
    "b6": Size(1.8, 2.6, 0.5),
    "b7": Size(2.0, 3.1, 0.5),
}


class Stage(NamedTuple):
    """Blocks of one kind, one after the other; the first of them makes the map smaller by `stride`."""

    blocks: int
    kernel: int
    stride: int
    widen: int
    given: int
    width: int


STAGES = (
    Stage(blocks=1, kernel=3, stride=1, widen=1, given=32, width=16),
    Stage(blocks=2, kernel=3, stride=2, widen=6, given=16, width=24),
    Stage(blocks=2, kernel=5, stride=2, widen=6, given=24, width=40),
    Stage(blocks=3, kernel=3, stride=2, widen=6, given=40, width=80),
    Stage(blocks=3, kernel=5, stride=1, widen=6, given=80, width=112),
    Stage(blocks=4, kernel=5, stride=2, widen=6, given=112, width=192),
    Stage(blocks=1, kernel=3, stride=1, widen=6, given=192, width=320),
)
"""Those of B0."""

SQUEEZE = 0.25
"""Share of a block's channels by which all of them are weighed."""

WAY = ("_conv_stem", "_bn0", "_swish", "_blocks", "_conv_head", "_bn1", "_swish")
"""The layers of an image's way through MONAI's network, up to its average over places."""


class EfficientNetSettings(ModelSettings):
    """What can be set of an EfficientNet."""

    size: Literal["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"] = "b0"
    """From the smallest to the largest of the family, each wider and deeper than the one before."""
    width: float = Field(default=1.0, gt=0.0)
    """How many times wider than `size` says; 0.5 or less for a machine without a graphics card."""
    blocks: tuple[PositiveInt, ...] | None = Field(default=None, min_length=1, max_length=7)
    """Blocks of each stage, where they shall differ from those of `size`; fewer stages for small images."""
    stem: Literal["auto", "small", "medium", "large"] = "auto"
    """How soon the image is made smaller: not at all, by 2, by 4; `auto` goes by the size of the input."""
    dropout: float | None = Field(default=None, ge=0.0, lt=1.0)
    """Share of the embedding that is blanked while training; by default what `size` says."""
    skipped: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of the cases that pass the last block by while training; the earlier a block, the fewer."""


class EfficientNet(Network):
    """Stages of narrow blocks, and a wide convolution of single places after them."""

    def __init__(self, settings: EfficientNetSettings, form: InputForm, outputs: int) -> None:
        super().__init__(form)
        # Here, because MONAI takes seconds to import.
        from monai.networks.nets import EfficientNet as Whole

        size = SIZES[settings.size]
        stem = stem_for(form.shape, settings.stem)
        whole = Whole(
            blocks_args_str=_spelled(settings.blocks or _counts(size.depth), stem),
            spatial_dims=form.dimensions,
            in_channels=form.channels,
            num_classes=outputs,
            width_coefficient=settings.width * size.width,
            drop_connect_rate=settings.skipped,
            norm=NORMALISATION,
        )
        _bear_every_extent(whole)
        if stem == "small":
            whole._conv_stem.stride = (1,) * form.dimensions
        for name in dict.fromkeys(WAY):
            self.add_module(name, whole.get_submodule(name))
        self.dropout = nn.Dropout(size.dropout if settings.dropout is None else settings.dropout)
        self._fc: nn.Linear = whole._fc
        # MONAI draws weights the larger, the fewer the outputs, which for two or three are far too large.
        nn.init.trunc_normal_(self._fc.weight, std=0.01)

    def features(self, normalised: Tensor) -> Tensor:
        """What the last convolution sees."""
        seen = normalised
        for name in WAY:
            seen = self.get_submodule(name)(seen)
        return seen

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the average over all places, and that average."""
        embedding = average_over_places(features)
        return self._fc(self.dropout(embedding)), embedding


def _counts(deeper: float) -> tuple[int, ...]:
    """Blocks of each stage of a network so many times deeper than B0."""
    return tuple(ceil(deeper * stage.blocks) for stage in STAGES)


def _spelled(counts: tuple[int, ...], stem: Stem) -> list[str]:
    """The stages as MONAI spells them; unless the stem is large, the second does not make the map smaller."""
    strides = [1 if stem != "large" and stage is STAGES[1] else stage.stride for stage in STAGES]
    return [
        f"r{count}_k{stage.kernel}_s{stride}_e{stage.widen}_i{stage.given}_o{stage.width}_se{SQUEEZE}"
        for count, stride, stage in zip(counts, strides, STAGES, strict=False)
    ]


def _bear_every_extent(whole: nn.Module) -> None:
    """Let each convolution fill the edges by half its kernel, and let activations be torch's.

    MONAI fills them by layers that are made for images as high as wide, and of one size; where extents are odd that is
    the same. Its own activation cannot be exported.
    """
    for part in whole.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            part.padding = tuple(extent // 2 for extent in part.kernel_size)
        for name, layer in part.named_children():
            if isinstance(layer, nn.ConstantPad2d | nn.ConstantPad3d):
                part.add_module(name, nn.Identity())
            elif name == "_swish":
                part.add_module(name, nn.SiLU())


def build(settings: EfficientNetSettings, form: InputForm, outputs: int) -> Network:
    """An EfficientNet for an input."""
    return EfficientNet(settings, form, outputs)


MODEL = Model(kind="network", settings=EfficientNetSettings, build=build)
