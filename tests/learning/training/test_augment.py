"""Variations of images: drawn again they are the same, they keep what must be kept, and none changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isocenter.core.recipe import AugmentationRecipe
from isocenter.learning.planning.variations import varied
from isocenter.learning.training import augment


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 9, 15), (1, 6, 8, 10)])
def test_variations_keep_shape_and_can_be_drawn_again(shape: tuple[int, ...]) -> None:
    axes = ("x", "y", "z") if len(shape) == 4 else ("x", "y")
    given = AugmentationRecipe.model_validate({"mirrored": axes, "channel_drop": 0.5, "blur": 0.5})
    strong = varied(given, 2, many=False).of_member(1)
    images = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))

    def drawn_once() -> torch.Tensor:
        drawn = augment.draw(strong, 6, shape, np.random.default_rng(5))
        return augment.apply(drawn, images.clone())

    once = drawn_once()
    assert once.shape == images.shape
    assert torch.equal(once, drawn_once())
    assert torch.isfinite(once).all()
    assert not torch.equal(once, images)


def test_no_variation_changes_nothing() -> None:
    images = torch.randn(3, 1, 8, 8)
    drawn = augment.draw(AugmentationRecipe(), 3, (1, 8, 8), np.random.default_rng(0))
    assert torch.equal(augment.apply(drawn, images.clone()), images)


def test_mirroring_is_exact() -> None:
    images = torch.randn(16, 1, 5, 7)
    drawn = augment.draw(AugmentationRecipe(mirrored=("x",)), 16, (1, 5, 7), np.random.default_rng(0))
    varied = augment.apply(drawn, images.clone())
    for row in range(16):
        wanted = images[row].flip(-1) if drawn.mirrored[row, 0] else images[row]
        assert torch.equal(varied[row], wanted)
    assert 0 < drawn.mirrored[:, 0].sum() < 16


def test_turning_keeps_a_square_square_in_oblong_images() -> None:
    """Turning happens in pixels and not in shares of the image, which are longer along one side."""
    images = torch.zeros(64, 1, 20, 40)
    images[:, :, 8:12, 18:22] = 1.0
    drawn = augment.draw(AugmentationRecipe(rotation=30.0), 64, (1, 20, 40), np.random.default_rng(0))
    varied = augment.apply(drawn, images)
    assert varied.sum((1, 2, 3)).numpy() == pytest.approx(np.full(64, 16.0), rel=0.1)


def test_blending_keeps_the_sum_of_targets() -> None:
    images, targets = torch.randn(4, 1, 3, 3), torch.eye(4)
    blended, soft = augment.mix(images, targets, 0.4, np.random.default_rng(1))
    assert soft.sum(1).numpy() == pytest.approx(np.ones(4))
    assert blended.shape == images.shape
    assert augment.mix(images, targets, 0.0, np.random.default_rng(1))[0] is images
