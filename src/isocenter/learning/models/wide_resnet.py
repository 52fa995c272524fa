"""Wide residual network for small images: few layers with many channels, and no early loss of detail.

After Zagoruyko and Komodakis, "Wide residual networks", 2016.
"""

from __future__ import annotations

from pydantic import Field, field_validator
from torch import Tensor, nn

from isocenter.learning.attention import Attention, attention_layer
from isocenter.learning.models._shared import (
    InputForm,
    Layers,
    Model,
    ModelSettings,
    Network,
    average_over_places,
    initialise,
    layers,
)


class WideResNetSettings(ModelSettings):
    """What can be set of a wide residual network."""

    depth: int = Field(default=16, ge=10)
    """Layers: 10, 16, 22, 28 and so on by 6."""
    widen: int = Field(default=2, ge=1)
    """How many times wider than 16, 32 and 64 channels."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of numbers that is blanked between the convolutions of a block while training."""
    attention: Attention = "none"
    """What is weighted in each block before its shortcut is added: channels (`squeeze`), channels and places (`cbam`);
    or whether each place gathers from all others after the last stage (`self`): the ones before have many places."""

    @field_validator("depth")
    @classmethod
    def _whole_blocks(cls, depth: int) -> int:
        if (depth - 4) % 6:
            lower = depth - (depth - 4) % 6
            raise ValueError(f"three stages of blocks make 6n + 4 layers: {lower} or {lower + 6}")
        return depth


class WideBlock(nn.Module):
    """Normalise, activate and look around, twice, and a shortcut."""

    def __init__(
        self, kinds: Layers, given: int, width: int, *, stride: int, dropout: float, attention: nn.Module
    ) -> None:
        super().__init__()
        self.bn1 = kinds.normalisation(given)
        self.conv1 = kinds.convolution(given, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = kinds.normalisation(width)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = kinds.convolution(width, width, 3, padding=1, bias=False)
        self.attention = attention
        self.relu = nn.ReLU(inplace=True)
        changes = stride > 1 or given != width
        self.shortcut = kinds.convolution(given, width, 1, stride=stride, bias=False) if changes else None

    def forward(self, given: Tensor) -> Tensor:
        """Add what two convolutions see to what was given."""
        active = self.relu(self.bn1(given))
        kept = given if self.shortcut is None else self.shortcut(active)
        seen = self.relu(self.bn2(self.conv1(active)))
        answer: Tensor = self.attention(self.conv2(self.dropout(seen))) + kept
        return answer


class WideResNet(Network):
    """Three stages of wide blocks."""

    def __init__(self, settings: WideResNetSettings, form: InputForm, outputs: int) -> None:
        super().__init__(form)
        kinds = layers(form)
        count = (settings.depth - 4) // 6
        given = 16
        self.conv1 = kinds.convolution(form.channels, given, 3, padding=1, bias=False)
        within = "none" if settings.attention == "self" else settings.attention
        blocks: list[nn.Module] = []
        for stage in range(3):
            width = 16 * settings.widen * 2**stage
            for place in range(count):
                stride = 2 if stage > 0 and place == 0 else 1
                attention = attention_layer(within, width, form.dimensions)
                blocks.append(
                    WideBlock(kinds, given, width, stride=stride, dropout=settings.dropout, attention=attention)
                )
                given = width
        if settings.attention == "self":
            blocks.append(attention_layer(settings.attention, given, form.dimensions))
        self.blocks = nn.Sequential(*blocks)
        self.bn = kinds.normalisation(given)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(given, outputs)
        initialise(self)
        nn.init.trunc_normal_(self.fc.weight, std=0.01)

    def features(self, normalised: Tensor) -> Tensor:
        """What the last block sees, normalised and active."""
        seen: Tensor = self.relu(self.bn(self.blocks(self.conv1(normalised))))
        return seen

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the average over all places, and that average."""
        embedding = average_over_places(features)
        return self.fc(embedding), embedding


def build(settings: WideResNetSettings, form: InputForm, outputs: int) -> Network:
    """A wide residual network for an input."""
    return WideResNet(settings, form, outputs)


MODEL = Model(kind="network", settings=WideResNetSettings, build=build)
