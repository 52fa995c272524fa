"""The rules of a plan: each turns what is known of a cohort and a machine into one group of decisions, with its ground.

No rule knows the name of a data set. The figures that decide between two settings come from cross-validation inside
the training and validation cases of several cohorts; each rule's docstring says on what it stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from isocenter.core.durations import lasting, seconds_of
from isocenter.core.errors import OpenQuestion, UsageError
from isocenter.core.fingerprint import ChannelFacts, Fingerprint
from isocenter.core.recipe import (
    AugmentationRecipe,
    ComputeRecipe,
    DecisionRecipe,
    InputRecipe,
    ModelRecipe,
    Recipe,
    StepRecipe,
    TrainingRecipe,
    ValidationRecipe,
)
from isocenter.core.registry import unknown
from isocenter.core.words import counted, listed
from isocenter.learning.planning.variations import BOTH, strengths, varied, views
from isocenter.learning.planning.wishes import Wishes
from isocenter.learning.planning.words import positive_class

SMALL_SIDE = 64
"""Images up to this size are taken as they are."""

MIDDLE_SIDE = 128
"""The longest side that larger images are brought to."""

LARGEST_VOLUME = 48**3
"""Voxels of a prepared volume on a processor; eight times as many on a GPU."""

FEW_CASES = 2000
"""Below this many cases, training and validation cases are used together in folds."""

FEWEST_JUDGED, FEWEST_OF_CLASS = 200, 30
"""A validation split judges alone from so many cases on, of each of two classes, between which a threshold is set."""

WIDTHS = (16, 24, 32, 48, 64)
"""Base widths of a residual network that are tried."""

COST_OF_WIDTH = 1.6
"""The power of its width that a network's step takes, measured on processors."""

SHARE_OF_BUDGET = 0.85
"""The rest is for validation, calibration and packaging."""

FEWEST_IMAGES = {2: 25_600, 3: 12_000}
"""Images, or volumes, that each member sees at least."""

FOLDS = 5
"""Parts into which few cases are divided; each member leaves one of them out."""

UNITS = ("hu", "suv")
"""Meanings of values that are the same on every scanner: Hounsfield units, standardised uptake."""

COLOURS = ("red", "green", "blue", "alpha")

Pace = Callable[[Recipe], float]
"""Seconds for one step of a recipe on this machine."""


@dataclass(slots=True)
class Reasons:
    """Why, by the dotted name of the decision."""

    given: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, why: str) -> None:
        """Write a reason down."""
        self.given[name] = why


def task_for(fingerprint: Fingerprint, wishes: Wishes, reasons: Reasons) -> str:
    """The question follows from the form of the label; grades in order are only taken as such when asked."""
    natural = {"class": "classify", "classes": "multilabel", "number": "regress"}[fingerprint.kind]
    if wishes.task in (None, natural) or (wishes.task == "classify" and natural == "multilabel"):
        reasons.note("task", f"The label `{fingerprint.label}` holds a {fingerprint.kind} for each case.")
        return natural
    if wishes.task == "ordinal" and fingerprint.kind == "class":
        reasons.note("task", "Asked for: the classes are grades in the order of the schema.")
        return "ordinal"
    raise UsageError(
        f"`{wishes.task}` cannot be learned from the label `{fingerprint.label}`",
        why=f"it holds a {fingerprint.kind} for each case",
        remedy=f"Use `--task {natural}`, or another label with `--label`",
    )


def positive_for(fingerprint: Fingerprint, wishes: Wishes, reasons: Reasons) -> str | None:
    """Of two classes the finding: as a person says, else by the names, else the second, which is then only a guess."""
    classes = fingerprint.classes
    if fingerprint.kind != "class" or len(classes) != 2:
        if wishes.positive is not None:
            raise UsageError(
                f"`--positive` is for two classes, got {counted(len(classes), 'class')}", remedy="Leave it out"
            )
        return None
    if wishes.positive is not None:
        if wishes.positive not in classes:
            raise unknown("class", wishes.positive, classes)
        reasons.note("positive", "Asked for.")
        return wishes.positive
    told = positive_class(classes)
    if told is not None:
        other = classes[1 - classes.index(told)]
        reasons.note("positive", f"`{other}` is named as the absence of a finding, or as the lesser one.")
        return told
    if wishes.sensitivity is not None:
        raise OpenQuestion(
            f"Which class is to be found with a sensitivity of {wishes.sensitivity:g} is not clear",
            why=f"the names `{classes[0]}` and `{classes[1]}` do not tell which of them is the finding",
            remedy=f"Say it with `--positive {classes[1]}` or `--positive {classes[0]}`",
        )
    reasons.note("positive", f"A guess, as the names do not tell: the second. `--positive {classes[0]}` for the other.")
    return classes[1]


def preparation_for(
    fingerprint: Fingerprint, wishes: Wishes, reasons: Reasons
) -> tuple[tuple[StepRecipe, ...], tuple[int, ...], str]:
    """Bring every case to one grid with as little change as its pixels allow.

    Stands on: images of 64 pixels and less lose by any resampling; on larger ones the published MedMNIST+ series shows
    no gain beyond 128 pixels for most sets; 8-bit pixels stay 8-bit, so that nothing is lost and the cache is small.
    """
    volume = fingerprint.dimensions == 3
    steps = [StepRecipe(step="orient", settings={"dimensions": fingerprint.dimensions})]
    eight_bit = all(set(one.dtypes) == {"uint8"} for one in fingerprint.channels)
    if any(_colour(one.name) for one in fingerprint.channels):
        coloured = any(one.colours == 3 for one in fingerprint.channels)
        steps.append(StepRecipe(step="colour" if coloured else "grey"))
        if not coloured:
            reasons.note("preparation.grey", "The colour images hold the same value in every colour.")
    if volume and fingerprint.spacing_known == 1.0 and _uneven(fingerprint):
        spacing = [fingerprint.spacing[axis].middle for axis in "xyz"]
        steps.append(StepRecipe(step="resample", settings={"spacing": spacing}))
        reasons.note("preparation.resample", "Spacing differs between scans: all are brought to the middle one.")
    stored = "uint8"
    if not eight_bit:
        steps.append(_intensity_step(fingerprint.channels, reasons))
        stored = "float32" if steps[-1].settings.get("scale") == "unit" else "uint8"
    shape = shape_for(fingerprint, wishes, reasons)
    steps.append(StepRecipe(step="resize", settings={"shape": list(shape), "method": _manner(fingerprint, reasons)}))
    return tuple(steps), shape, stored


def shape_for(fingerprint: Fingerprint, wishes: Wishes, reasons: Reasons) -> tuple[int, ...]:
    """The prepared size: that of small images as it is, at most 128 pixels of larger ones, volumes by their voxels."""
    axes = "xyz"[: fingerprint.dimensions]
    middle = [fingerprint.sizes[axis].middle for axis in axes]
    longest = max(middle)
    if wishes.size:
        factor = wishes.size / longest
        reasons.note("input.shape", "The size was asked for.")
    elif fingerprint.dimensions == 3:
        allowed = LARGEST_VOLUME * (8 if fingerprint.machine.gpu else 1)
        factor = min(1.0, (allowed / math.prod(middle)) ** (1 / 3))
        reasons.note("input.shape", f"The middle size of the volumes, kept to {allowed:,} voxels for this machine.")
    else:
        factor = 1.0 if longest <= SMALL_SIDE else min(1.0, MIDDLE_SIDE / longest)
        kept = (
            "the images are small and taken as they are" if factor == 1.0 else "more pixels cost more than they bring"
        )
        reasons.note("input.shape", f"Middle size {'x'.join(f'{one:.0f}' for one in middle)}: {kept}.")
    return tuple(max(8, round(one * factor)) for one in reversed(middle))


def model_for(fingerprint: Fingerprint, wishes: Wishes, reasons: Reasons) -> ModelRecipe:
    """A residual network with a stem for the size of the image.

    Stands on: on images of 28 pixels a 3x3 stem without pooling is worth two points (published, and seen again); a
    base width of 16 learns as well as wider ones in the minutes that a processor has.
    """
    if wishes.model and wishes.model != "resnet":
        reasons.note("model.name", "The model was asked for.")
        return ModelRecipe(name=wishes.model)
    reasons.note("model.name", "A residual network, narrow enough for many passes over the cases in the time there is.")
    return ModelRecipe(name="resnet", settings={"depth": 18, "width": 64 if fingerprint.machine.gpu else 16})


def augmentation_for(fingerprint: Fingerprint, members: int, reasons: Reasons) -> AugmentationRecipe:
    """Mirrored where no side is told apart, blended, and for every other member strongly varied (`variations`).

    Stands on: mirroring is worth one to two points on small cohorts; tissue on a slide has no up and no left.
    """
    sides: tuple[Any, ...] = () if fingerprint.sided else ("x",)
    if set(fingerprint.modalities) == {"SM"} and not fingerprint.sided:
        sides = ("x", "y")
    if fingerprint.sided:
        reasons.note("augmentation.mirrored", "A label is named for a side: mirroring would make it wrong.")
    given = AugmentationRecipe(mirrored=sides, channel_drop=0.1 if _lacking(fingerprint) else 0.0)
    reasons.note("augmentation", strengths(members))
    return varied(given, members)


def balance_for(fingerprint: Fingerprint, reasons: Reasons) -> str:
    """Rare classes count more, by the square root of how rare they are, from a ratio of 1.5 on."""
    counts = [count for count in fingerprint.counts.values() if count]
    if fingerprint.kind == "number" or len(counts) < 2 or max(counts) < 1.5 * min(counts):
        return "none"
    reasons.note(
        "training.balance", f"The largest class has {max(counts) / min(counts):.1f} times the cases of the least."
    )
    return "root_weights"


def design_for(fingerprint: Fingerprint, wishes: Wishes, reasons: Reasons) -> tuple[ValidationRecipe, int]:
    """Folds for few cases, the validation split where it is large enough to judge by.

    Stands on: a threshold or temperature chosen on a hundred cases is noise; in folds every case is judged once by a
    network that has not seen it, and none is lost to training.
    """
    judged = fingerprint.cases.get("val", 0)
    usable = fingerprint.cases.get("train", 0) + judged
    patients = fingerprint.patients.get("train", 0) + fingerprint.patients.get("val", 0)
    smallest = min((count for count in fingerprint.counts.values() if count), default=usable)
    parts = min(max(FOLDS, wishes.members or 0), patients, max(smallest, 2))
    apart = usable >= FEW_CASES and _can_judge(fingerprint, judged, smallest)
    if wishes.members == 1 or apart or parts < 2:
        reasons.note("validation.design", f"{counted(judged, 'validation case')} are kept apart.")
        return ValidationRecipe(design="split"), wishes.members or len(BOTH)
    few = f"With {counted(usable, 'case')} none is spared"
    if usable >= FEW_CASES:
        few = f"{counted(judged, 'validation case')} are too few to judge by"
    reasons.note("validation.design", f"{few}: each member leaves out another part, by which it is judged.")
    if wishes.members and wishes.members > parts:
        reasons.note("model.members", f"{wishes.members} were asked for, and the cases can be parted {parts} times.")
    return ValidationRecipe(design="folds", folds=parts), min(wishes.members or parts, parts)


def _can_judge(fingerprint: Fingerprint, judged: int, smallest: int) -> bool:
    """Whether a threshold and a temperature that are found on the validation split mean anything."""
    expected = smallest * judged / max(fingerprint.cases.get("train", 0), 1)
    even = fingerprint.kind == "class" and len(fingerprint.classes) == 2
    return judged >= FEWEST_JUDGED and (not even or expected >= FEWEST_OF_CLASS)


def training_for(fingerprint: Fingerprint, balance: str, reasons: Reasons) -> TrainingRecipe:
    """Batches, rates and length by the number of cases.

    Stands on: on ultrasound of 28 pixels, in three folds, 25,600 images for each member were worth one to three points
    of AUROC over 12,800, with little variation and with much.
    """
    usable = max(fingerprint.cases.get("train", 0), 1)
    batch = 16 if fingerprint.dimensions == 3 else 64 if usable >= 400 else 32
    least = FEWEST_IMAGES[fingerprint.dimensions]
    seen = min(max(30 * usable, least), 300_000)
    reasons.note("training.steps", f"Each member sees {seen:,} images: 30 times each case, and {least:,} at least.")
    return TrainingRecipe.model_validate(
        {
            "batch": min(batch, max(usable, 2)),
            "steps": math.ceil(seen / batch),
            "balance": balance,
            "smoothing": 0.0 if fingerprint.kind == "number" else 0.1,
        }
    )


def plan(fingerprint: Fingerprint, wishes: Wishes, *, pace: Pace | None = None) -> Recipe:
    """A recipe before its steps have learned anything: mean and deviation are those of the raw channels."""
    reasons = Reasons()
    task = task_for(fingerprint, wishes, reasons)
    steps, shape, stored = preparation_for(fingerprint, wishes, reasons)
    names = _channel_names(fingerprint, steps)
    validation, members = design_for(fingerprint, wishes, reasons)
    model = model_for(fingerprint, wishes, reasons).model_copy(update={"members": members})
    augmentation = augmentation_for(fingerprint, members, reasons)
    machine = fingerprint.machine
    training = training_for(fingerprint, balance_for(fingerprint, reasons), reasons)
    recipe = Recipe(
        task=task,
        label=fingerprint.label,
        classes=fingerprint.classes,
        positive=positive_for(fingerprint, wishes, reasons),
        preparation=steps,
        input=InputRecipe(
            channels=names,
            shape=shape,
            stored="uint8" if stored == "uint8" else "float32",
            mean=tuple(0.0 for _ in names),
            deviation=tuple(1.0 for _ in names),
            modalities=fingerprint.modalities,
            missing=_lacking(fingerprint),
        ),
        model=model,
        augmentation=augmentation,
        training=training,
        validation=validation,
        decision=DecisionRecipe(views=views(augmentation), sensitivity=wishes.sensitivity),
        compute=ComputeRecipe(
            threads=wishes.threads or machine.cores,
            device="cuda" if machine.gpu else "cpu",
            budget=seconds_of(wishes.budget) if wishes.budget else None,
        ),
        seed=wishes.seed,
        reasons=reasons.given,
    )
    return recipe if pace is None or not wishes.budget else _within_budget(recipe, wishes, pace)


def _within_budget(recipe: Recipe, wishes: Wishes, pace: Pace) -> Recipe:
    """The widest network, and the most members, of which each still sees enough images in the time there is.

    Stands on: passes over the cases were worth more than width wherever both could not be had.
    """
    assert recipe.compute.budget is not None
    training, reasons = recipe.training, dict(recipe.reasons)
    wanted, step = training.steps, pace(recipe)
    if step <= 0:
        reasons["compute.budget"] = f"None: `{recipe.model.name}` does not learn in steps, so that none can be counted."
        return recipe.changed("compute", budget=None).model_copy(update={"reasons": reasons})
    total = recipe.compute.budget * SHARE_OF_BUDGET / step
    members = recipe.model.members
    while members > 1 and total / members < wanted / 2 and not wishes.members:
        members -= 1
    if members != recipe.model.members:
        reasons["model.members"] = f"In {lasting(recipe.compute.budget)} more members would each learn too little."
    width = recipe.model.settings.get("width")
    if width is not None:
        slower = [one for one in WIDTHS if one > width and total / members / (one / width) ** COST_OF_WIDTH >= wanted]
        width = max(slower, default=width)
        reasons["model.settings.width"] = f"The widest network that sees {wanted * training.batch:,} images in time."
    model = recipe.model.model_copy(
        update={"members": members, "settings": recipe.model.settings | ({"width": width} if width else {})}
    )
    validation = recipe.validation
    if validation.design == "folds" and members == 1:
        validation = ValidationRecipe(design="split")
        reasons["validation.design"] = "There is time for one member, which the validation cases judge."
    reasons["training.steps"] = f"What fits into {lasting(recipe.compute.budget)}."
    reasons["augmentation"] = strengths(members)
    augmentation = varied(recipe.augmentation, members)
    changed = {"model": model, "validation": validation, "augmentation": augmentation, "reasons": reasons}
    return recipe.model_copy(update=changed)


def _lacking(fingerprint: Fingerprint) -> bool:
    """Whether some training cases lack a channel."""
    return any(one.present < fingerprint.cases.get("train", 0) for one in fingerprint.channels)


def _uneven(fingerprint: Fingerprint) -> bool:
    """Whether spacing differs by more than a tenth between the scans of a cohort."""
    return any(one.high > 1.1 * one.low for one in fingerprint.spacing.values())


def _manner(fingerprint: Fingerprint, reasons: Reasons) -> str:
    """Stretch where all images have nearly one shape; else keep the aspect and pad."""
    sizes = fingerprint.sizes
    ratios = [sizes["x"].low / sizes["y"].high, sizes["x"].high / sizes["y"].low]
    if ratios[1] / max(ratios[0], 1e-6) < 1.3:
        return "stretch"
    reasons.note("preparation.resize", "The images have different shapes: their aspect is kept and the rest filled up.")
    return "fit"


def _intensity_step(channels: tuple[ChannelFacts, ...], reasons: Reasons) -> StepRecipe:
    """Units mean the same on every scanner; values without one are scaled by what each image holds."""
    own = [one.intensity not in UNITS for one in channels]
    if not any(own):
        reasons.note("preparation.window", "Values with a unit, between percentiles of the training cases.")
        return StepRecipe(step="window", settings={"scale": "unit"})
    if all(own) or any(_colour(one.name) for one in channels):
        reasons.note("preparation.window", "Values without a unit: each image between percentiles of its own.")
        return StepRecipe(step="window", settings={"each_image": True})
    without = listed([one.name for one, alone in zip(channels, own, strict=True) if alone])
    reasons.note("preparation.window", f"{without}: no unit, each image between percentiles of its own.")
    return StepRecipe(step="window", settings={"each_image": own, "scale": "unit"})


def _channel_names(fingerprint: Fingerprint, steps: tuple[StepRecipe, ...]) -> tuple[str, ...]:
    """The channels after colours were joined or parted; each of several images carries its name before a dot."""
    used = {one.step for one in steps}
    names = [one.name for one in fingerprint.channels]
    if not used & {"grey", "colour"}:
        return tuple(names)
    images = list(dict.fromkeys(name.rpartition(".")[0] if _colour(name) else name for name in names))
    alone = len(images) == 1 or not any("." in name for name in names)
    if "grey" in used:
        return ("intensity",) if alone else tuple(images)
    return COLOURS[:3] if alone else tuple(f"{image}.{colour}" for image in images for colour in COLOURS[:3])


def _colour(name: str) -> bool:
    return name.rpartition(".")[2] in COLOURS
