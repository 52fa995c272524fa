"""How far training images are varied: some members see them hardly varied, the others strongly.

Stands on: in folds of small cohorts neither is right for all. On ultrasound (AUROC 0.92 against 0.89, of three kinds
0.83 against 0.72 after few steps) strong variation costs, because where a finding lies is part of what it is; on brain
MRI of many sources (0.75 against 0.80) it pays, as it is known to on radiographs of another hospital. The mean of a
member of each came near the better of the two or above it, whichever that was (0.92, 0.80, 0.79). What strong variation
costs shrinks with what is learned from: on 4,708 radiographs it was half a point after a short training.
"""

from __future__ import annotations

from typing import Literal

from isocenter.core.recipe import AugmentationRecipe

View = Literal["plain", "mirror_x", "mirror_y", "mirror_z"]

BOTH, BETWEEN, ALL = (0.0, 1.0), (0.5,), (1.0,)
"""Strengths of several members in turn, of one that is alone, and of members that have many cases."""

_STRONGEST = {
    "rotation": 15.0,
    "scaling": 0.15,
    "stretching": 0.08,
    "shift": 0.08,
    "shear": 0.1,
    "brightness": 0.2,
    "contrast": 0.25,
    "gamma": 0.2,
    "noise": 0.1,
    "erased": 0.5,
    "mixup": 0.2,
}


def views(given: AugmentationRecipe) -> tuple[View, ...]:
    """How an image is read at work: as it is, and mirrored along each axis that training mirrored."""
    mirrored: dict[str, View] = {"x": "mirror_x", "y": "mirror_y", "z": "mirror_z"}
    return ("plain", *(mirrored[axis] for axis in given.mirrored))


def varied(given: AugmentationRecipe, members: int, *, many: bool) -> AugmentationRecipe:
    """The given variations with all others beside them, for so many members with few cases or many."""
    return given.model_copy(update={**_STRONGEST, "in_turn": ALL if many else BOTH if members > 1 else BETWEEN})


def strengths(members: int, *, many: bool) -> str:
    """Why the members are varied as they are."""
    if many:
        return "Strongly: so many cases are learned under any variation, and cases of another hospital will differ."
    if members == 1:
        return "Half as strong as it may be: one member must do for cohorts that bear variation and for others."
    return "Members in turn hardly and strongly: which of the two a cohort needs, it does not show beforehand."
