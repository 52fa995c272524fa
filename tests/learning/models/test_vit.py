"""The vision transformer: its patches, where they lie, and blocks that are those of the textbooks."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from isocenter.learning.models._shared import InputForm
from isocenter.learning.models.vit import Block, ViT, ViTSettings, patch_for, sine_positions

NARROW: dict[str, Any] = {"width": 16, "depth": 2, "heads": 2}


@pytest.fixture(autouse=True)
def _the_same_chance() -> None:
    torch.manual_seed(1)


def form_of(*shape: int, channels: int = 1) -> InputForm:
    return InputForm(channels=channels, shape=shape, mean=(0.0,) * channels, deviation=(1.0,) * channels)


@pytest.mark.parametrize(
    ("shape", "patch"),
    [
        ((8, 8), 1),
        ((13, 10), 2),
        ((28, 28), 4),
        ((64, 64), 8),
        ((64, 200), 16),
        ((224, 224), 32),
        ((2000, 2000), 32),
        ((8, 8, 8), 1),
        ((28, 28, 28), 4),
        ((64, 64, 64), 8),
        ((16, 200, 200), 16),
    ],
)
def test_patches_are_as_small_as_can_be_borne(shape: tuple[int, ...], patch: int) -> None:
    assert patch_for(shape) == patch


@pytest.mark.parametrize("shape", [(9, 7), (33, 16), (5, 8, 3)])
@pytest.mark.parametrize("patch", [1, 2, 4, 16])
def test_any_extent_is_parted_into_patches(shape: tuple[int, ...], patch: int) -> None:
    network = ViT(ViTSettings.model_validate({**NARROW, "patch": patch}), form_of(*shape, channels=2), 3).eval()
    logits, features, embedding = network(torch.rand(2, 2, *shape))
    assert features.shape == (2, 16, *(math.ceil(extent / patch) for extent in shape))
    assert torch.allclose(embedding, features.flatten(2).mean(2), atol=1e-6)
    assert logits.shape == (2, 3)


@pytest.mark.parametrize("place", [(2, 1), (1, 4), (0, 3, 2), (2, 1, 0)])
def test_the_map_keeps_every_patch_in_its_place_and_all_others_hear_of_it(place: tuple[int, ...]) -> None:
    shape = (4, 6) if len(place) == 2 else (3, 5, 4)
    network = ViT(ViTSettings.model_validate({**NARROW, "patch": 1}), form_of(*shape), 2).eval()
    plain, bright = torch.zeros(1, 1, *shape), torch.zeros(1, 1, *shape)
    bright[0, 0][place] = 5.0
    changed = (network(bright)[1] - network(plain)[1]).norm(dim=1)[0]
    assert changed.argmax() == torch.arange(changed.numel()).reshape(changed.shape)[place]
    assert (changed > 1e-4).all()


@pytest.mark.parametrize(("extents", "width"), [((3, 5), 8), ((2, 3, 4), 12), ((2, 3, 2), 16), ((3,), 4)])
def test_positions_are_sines_and_cosines_along_each_axis(extents: tuple[int, ...], width: int) -> None:
    waves = width // (2 * len(extents))
    rows = []
    for place in itertools.product(*(range(extent) for extent in extents)):
        row: list[float] = []
        for step in place:
            angles = [step / 10000 ** (number / waves) for number in range(waves)]
            row += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
        rows.append(row + [0.0] * (width - len(row)))
    assert torch.allclose(sine_positions(extents, width), torch.tensor(rows), atol=1e-6)


def test_patches_that_look_alike_are_told_apart_by_where_they_lie() -> None:
    network = ViT(ViTSettings.model_validate({**NARROW, "patch": 1}), form_of(4, 5), 2).eval()
    found = network(torch.ones(1, 1, 4, 5))[1].detach().flatten(2)[0].T
    apart = torch.cdist(found, found) + torch.eye(20)
    assert float(apart.min()) > 0.01


def test_positions_are_made_not_learned_and_not_stored() -> None:
    network = ViT(ViTSettings(**NARROW), form_of(9, 9), 2)
    assert "positions" not in network.state_dict()
    assert torch.equal(network.positions, sine_positions((5, 5), 16))


def test_a_block_of_full_strength_is_torchs_encoder_layer() -> None:
    block = Block(12, 3, skipped=0.5).eval()
    nn.init.ones_(block.scale1)
    nn.init.ones_(block.scale2)
    theirs = nn.TransformerEncoderLayer(12, 3, 24, activation="gelu", batch_first=True, norm_first=True).eval()
    parts = (block.attend.query, block.attend.key, block.attend.value)
    theirs.self_attn.in_proj_weight = nn.Parameter(torch.cat([part.weight for part in parts]))
    theirs.self_attn.in_proj_bias = nn.Parameter(torch.cat([part.bias for part in parts]))
    theirs.self_attn.out_proj.load_state_dict(block.attend.out.state_dict())
    theirs.linear1.load_state_dict(block.dense[0].state_dict())
    theirs.linear2.load_state_dict(block.dense[2].state_dict())
    tokens = torch.randn(2, 7, 12)
    assert torch.allclose(block(tokens), theirs(tokens), atol=1e-5)


def test_what_is_left_out_by_chance_is_made_up_for() -> None:
    block = Block(12, 3, skipped=0.25)
    nn.init.zeros_(block.scale2)  # only what is gathered is left, so that it can be told whether it was added
    tokens = torch.randn(1, 7, 12).expand(400, -1, -1)
    found = block.eval()(tokens) - tokens
    added = block.train()(tokens) - tokens
    kept = added.abs().amax((1, 2)) > 0
    assert torch.allclose(added[kept], found[kept] / 0.75, atol=1e-5)
    assert 250 < int(kept.sum()) < 350


def test_later_blocks_are_left_out_more_often() -> None:
    network = ViT(ViTSettings(width=8, depth=5, heads=1, skipped=0.2), form_of(8, 8), 2)
    rates = [part.skipped for part in network.modules() if isinstance(part, Block)]
    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])


def test_a_case_is_answered_alike_alone_and_among_others_while_training() -> None:
    network = ViT(ViTSettings(**NARROW, skipped=0.0), form_of(12, 12), 2).train()
    images = torch.rand(4, 1, 12, 12)
    assert torch.allclose(network(images)[0][:1], network(images[:1])[0], atol=1e-6)


def test_dropout_leaves_the_embedding_alone() -> None:
    network = ViT(ViTSettings(**NARROW, dropout=0.9), form_of(8, 8), 2).train()
    features = torch.rand(2, 16, 2, 2)
    assert torch.allclose(network.head(features)[1], features.mean((2, 3)))


@pytest.mark.parametrize(("width", "heads", "remedy"), [(50, 4, "48 or 52"), (5, 8, "8 or 16")])
def test_a_width_that_cannot_be_divided_is_refused(width: int, heads: int, remedy: str) -> None:
    with pytest.raises(ValidationError, match=f"divided among {heads} `heads`: {remedy}"):
        ViTSettings(width=width, heads=heads)
