"""How far training images are varied: three strengths, of which a trial keeps the strongest that costs nothing.

Stands on: on a small ultrasound cohort in five folds, mirroring and blending helped (AUROC 0.90 to 0.92) while turning
and shifting cost three points, because where a finding lies was part of what it is; on radiographs from one hospital
judged on later ones, strong variation is known to be worth two points and more. No figure in a fingerprint tells the
two apart, so the cohort is asked.
"""

from __future__ import annotations

from typing import Literal

from isocenter.core.recipe import AugmentationRecipe

NAMES = ("mild", "middle", "strong")

View = Literal["plain", "mirror_x", "mirror_y", "mirror_z"]

_REACH = {"mild": 0.0, "middle": 0.5, "strong": 1.0}


def views(given: AugmentationRecipe) -> tuple[View, ...]:
    """How an image is read at work: as it is, and mirrored along each axis that training mirrored."""
    mirrored: dict[str, View] = {"x": "mirror_x", "y": "mirror_y", "z": "mirror_z"}
    return ("plain", *(mirrored[axis] for axis in given.mirrored))


def variation(strength: str, given: AugmentationRecipe) -> AugmentationRecipe:
    """The given variations at one strength; mirrored axes and channel drop stay as they were decided."""
    reach = _REACH[strength]
    return given.model_copy(
        update={
            "rotation": 15.0 * reach,
            "scaling": round(0.15 * reach, 3),
            "stretching": round(0.08 * reach, 3),
            "shift": round(0.08 * reach, 3),
            "shear": round(0.1 * reach, 3),
            "brightness": round(0.2 * reach, 3),
            "contrast": round(0.25 * reach, 3),
            "gamma": round(0.2 * reach, 3),
            "noise": round(0.1 * reach, 3),
            "erased": 0.5 if strength == "strong" else 0.0,
            "mixup": 0.2,
        }
    )
