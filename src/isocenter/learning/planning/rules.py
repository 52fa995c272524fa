"""The rules of a plan: each turns what is known of a cohort and a machine into one group of decisions, with its ground.

No rule knows the name of a data set. The figures that decide between two settings come from cross-validation inside
the training and validation cases of several cohorts; each rule's docstring says on what it stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from isocenter.core import registry
from isocenter.core.durations import lasting, seconds_of
from isocenter.core.errors import OpenQuestion, UsageError
from isocenter.core.fingerprint import Fingerprint
from isocenter.core.recipe import (
    AugmentationRecipe,
    ComputeRecipe,
    DecisionRecipe,
    InputRecipe,
    ModelRecipe,
    Recipe,
    TrainingRecipe,
    ValidationRecipe,
)
from isocenter.core.registry import unknown
from isocenter.core.words import counted
from isocenter.learning.build import model_named
from isocenter.learning.planning.preparing import channel_names, preparation_for
from isocenter.learning.planning.reasons import Reasons
from isocenter.learning.planning.variations import BOTH, strengths, varied, views
from isocenter.learning.planning.wishes import Wishes
from isocenter.learning.planning.words import positive_class
from isocenter.pathway import features as shelf

FEW_CASES = 2000
"""Below this many cases, training and validation cases are used together in folds."""

FEWEST_JUDGED, FEWEST_OF_CLASS = 200, 30
"""A validation split judges alone from so many cases on, of each of two classes, between which a threshold is set."""

WIDTHS = (16, 24, 32, 48, 64)
"""Base widths of a residual network that are tried."""

COST_OF_WIDTH = 1.6
"""The power of its width that a network's step takes, measured on processors."""

PASSES_BEFORE_WIDTH = 4
"""How many times the images that it must see a member sees before time goes into a wider network instead."""

SHARE_OF_BUDGET = 0.85
"""The rest is for validation, calibration and packaging."""

FEWEST_IMAGES = {2: 25_600, 3: 12_000}
"""Images, or volumes, that each member sees at least."""

RATE_OF_GIVEN = 0.3
"""Rate of layers that begin with given weights, as a share of the others'; between what is common, 0.1 and 1."""

FOLDS = 5
"""Parts into which few cases are divided; each member leaves one of them out."""

Pace = Callable[[Recipe], float]
"""Seconds for one step of a recipe on this machine."""


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


def model_for(fingerprint: Fingerprint, wishes: Wishes, begun: ModelRecipe | None, reasons: Reasons) -> ModelRecipe:
    """A residual network with a stem for the size of the image; that of the model whose weights it begins with.

    Stands on: on images of 28 pixels a 3x3 stem without pooling is worth two points (published, and seen again); a
    base width of 16 learns as well as wider ones in the minutes that a processor has.
    """
    if wishes.weights:
        _require_beginning(wishes, begun)
        reasons.note("model.weights", "Asked for: what was learned before is learned on.")
    if wishes.features:
        return _of_rows(wishes, reasons)
    if begun is not None and wishes.model in (None, begun.name):
        reasons.note("model.name", "The network of the model whose weights it begins with.")
        return ModelRecipe(name=begun.name, settings=begun.settings, weights=wishes.weights)
    if wishes.model and wishes.model != "resnet":
        reasons.note("model.name", "The model was asked for.")
        return ModelRecipe(name=wishes.model, weights=wishes.weights)
    if wishes.weights:
        reasons.note("model.name", "A residual network of the width of the well-known weights.")
        return ModelRecipe(name="resnet", weights=wishes.weights)
    reasons.note("model.name", "A residual network, narrow enough for many passes over the cases in the time there is.")
    return ModelRecipe(name="resnet", settings={"depth": 18, "width": 64 if fingerprint.machine.gpu else 16})


def _require_beginning(wishes: Wishes, begun: ModelRecipe | None) -> None:
    """Refuse weights for what begins with none, rather than leave them out in silence."""
    if wishes.features:
        raise UsageError(
            "`--weights` cannot stand beside `--features`",
            why="a model of features learns from the numbers alone",
            remedy="Leave one of them out",
        )
    name = wishes.model or (begun.name if begun is not None else "resnet")
    if model_named(name).kind != "network":
        raise UsageError(
            f"`{name}` begins with no weights",
            why="it learns at once, from the cases alone",
            remedy="Leave `--weights` out, or choose a network with `--model`",
        )


def _of_rows(wishes: Wishes, reasons: Reasons) -> ModelRecipe:
    """What learns from features: logistic regression, or what was asked for, if it can."""
    name = wishes.model or "logistic"
    family = model_named(name)
    if family.kind == "network" and not family.takes_rows:
        raise UsageError(
            f"`{name}` looks at images and cannot learn from features",
            remedy="Leave `--features` out, or take a model of rows, such as `--model logistic` or `--model forest`",
        )
    reasons.note("model.name", "The model was asked for." if wishes.model else "The plain answer to a row of numbers.")
    return ModelRecipe(name=name)


def augmentation_for(fingerprint: Fingerprint, members: int, reasons: Reasons) -> AugmentationRecipe:
    """Mirrored where no side is told apart, blended, and varied as `variations` tells.

    Stands on: mirroring is worth one to two points on small cohorts; tissue on a slide has no up and no left.
    """
    sides: tuple[Any, ...] = () if fingerprint.sided else ("x",)
    if set(fingerprint.modalities) == {"SM"} and not fingerprint.sided:
        sides = ("x", "y")
    if fingerprint.sided:
        reasons.note("augmentation.mirrored", "A label is named for a side: mirroring would make it wrong.")
    given = AugmentationRecipe(mirrored=sides, channel_drop=0.1 if _lacking(fingerprint) else 0.0)
    many = _usable(fingerprint) >= FEW_CASES
    reasons.note("augmentation", strengths(members, many=many))
    return varied(given, members, many=many)


def _usable(fingerprint: Fingerprint) -> int:
    """Cases that may be learned from."""
    return fingerprint.cases.get("train", 0) + fingerprint.cases.get("val", 0)


def features_for(wishes: Wishes, reasons: Reasons) -> dict[str, dict[str, Any]]:
    """Families of features, each once, in the order in which they were asked for."""
    for name in wishes.features:
        if name not in registry.names(shelf):
            raise unknown("family of features", name, registry.names(shelf))
    if wishes.features:
        reasons.note("input.features", "Asked for: measured of each image as it is, which is not varied.")
    return {name: {} for name in wishes.features}


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
    judged, usable = fingerprint.cases.get("val", 0), _usable(fingerprint)
    patients = fingerprint.patients.get("train", 0) + fingerprint.patients.get("val", 0)
    smallest = min((count for count in fingerprint.counts.values() if count), default=usable)
    parts = min(max(FOLDS, wishes.members or 0), patients, max(smallest, 2))
    apart = usable >= FEW_CASES and _can_judge(fingerprint, judged, smallest)
    if wishes.members == 1 or apart or parts < 2:
        reasons.note("validation.design", f"{counted(judged, 'validation case')} are kept apart.")
        return ValidationRecipe(design="split"), wishes.members or _of_one_split(wishes, reasons)
    few = f"With {counted(usable, 'case')} none is spared"
    if usable >= FEW_CASES:
        few = f"{counted(judged, 'validation case')} are too few to judge by"
    reasons.note("validation.design", f"{few}: each member leaves out another part, by which it is judged.")
    if wishes.members and wishes.members > parts:
        reasons.note("model.members", f"{wishes.members} were asked for, and the cases can be parted {parts} times.")
    return ValidationRecipe(design="folds", folds=parts), min(wishes.members or parts, parts)


def _of_one_split(wishes: Wishes, reasons: Reasons) -> int:
    """Members that learn from the same cases: networks differ by chance, an estimator that learns at once does not."""
    if wishes.model is not None and model_named(wishes.model).kind != "network":
        return 1
    reasons.note("model.members", "Two that differ by chance alone: their mean is steadier than either.")
    return len(BOTH)


def _can_judge(fingerprint: Fingerprint, judged: int, smallest: int) -> bool:
    """Whether a threshold and a temperature that are found on the validation split mean anything."""
    expected = smallest * judged / max(fingerprint.cases.get("train", 0), 1)
    even = fingerprint.kind == "class" and len(fingerprint.classes) == 2
    return judged >= FEWEST_JUDGED and (not even or expected >= FEWEST_OF_CLASS)


def decision_for(task: str, fingerprint: Fingerprint, wishes: Wishes, reasons: Reasons) -> DecisionRecipe:
    """Of two classes the positive one is called from its share of the cases on, so that both mistakes weigh alike.

    Stands on: in folds of breast ultrasound and of brain MRI, six trainings, that was worth one to ten points of
    balanced accuracy over calling the likelier class, and changed accuracy by one point down to four up. How common a
    finding is in a cohort is an accident of its making.
    """
    if task != "classify" or len(fingerprint.classes) != 2 or wishes.sensitivity is not None:
        return DecisionRecipe(sensitivity=wishes.sensitivity)
    reasons.note("decision.threshold", "From its share of the cases on, the positive class is likelier than by chance.")
    return DecisionRecipe(threshold="prevalence")


def precision_for(fingerprint: Fingerprint, model: ModelRecipe, reasons: Reasons) -> str:
    """Half precision wherever the machine has instructions for it, and the model gains by it.

    Stands on: convolutional networks of width 4 to 64, images and volumes, on a processor with AMX: a step took between
    the time of single precision, for the smallest, and less than half of it; of an MLP, more. A timing of each network
    would decide the smallest by chance, and the same seed would give other weights.
    """
    family = model_named(model.name)
    if family.kind != "network" or not family.gains_by_half or not fingerprint.machine.bf16:
        return "fp32"
    reasons.note("training.precision", "This machine has instructions for half precision.")
    return "bf16"


def training_for(fingerprint: Fingerprint, balance: str, precision: str, reasons: Reasons) -> TrainingRecipe:
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
            "precision": precision,
            "smoothing": 0.0 if fingerprint.kind == "number" else 0.1,
        }
    )


def plan(
    fingerprint: Fingerprint, wishes: Wishes, *, pace: Pace | None = None, begun: ModelRecipe | None = None
) -> Recipe:
    """A recipe before its steps have learned anything: mean and deviation are those of the raw channels.

    Args:
        fingerprint: what is known of the cohort and the machine.
        wishes: what a person asked for.
        pace: seconds for a step, where a budget is to be turned into steps.
        begun: the network of the model that was asked to begin with, if one was.
    """
    reasons = Reasons()
    task = task_for(fingerprint, wishes, reasons)
    steps, shape, stored = preparation_for(fingerprint, wishes, reasons)
    names = channel_names(fingerprint, steps)
    features = features_for(wishes, reasons)
    validation, members = design_for(fingerprint, wishes, reasons)
    model = model_for(fingerprint, wishes, begun, reasons).model_copy(update={"members": members})
    augmentation = augmentation_for(fingerprint, members, reasons) if not features else AugmentationRecipe()
    machine = fingerprint.machine
    precision = precision_for(fingerprint, model, reasons)
    training = training_for(fingerprint, balance_for(fingerprint, reasons), precision, reasons)
    if wishes.weights:
        training = training.model_copy(update={"weights_rate": RATE_OF_GIVEN})
        reasons.note("training.weights_rate", "What was learned before is kept more of than of what chance gave.")
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
            features=features,
        ),
        model=model,
        augmentation=augmentation,
        training=training,
        validation=validation,
        decision=decision_for(task, fingerprint, wishes, reasons).model_copy(update={"views": views(augmentation)}),
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
    """The most members of which each sees enough images in the time there is; what is left over goes into width.

    Stands on: passes over the cases were worth more than width wherever both could not be had. On ultrasound they were
    worth nothing more from twice the images on that a member must see.
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
        ample = PASSES_BEFORE_WIDTH * wanted
        slower = [one for one in WIDTHS if one > width and total / members / (one / width) ** COST_OF_WIDTH >= ample]
        if slower:
            width = max(slower)
            reasons["model.settings.width"] = f"The widest that sees {ample * training.batch:,} images in time."
    model = recipe.model.model_copy(
        update={"members": members, "settings": recipe.model.settings | ({"width": width} if width else {})}
    )
    validation = recipe.validation
    if validation.design == "folds" and members == 1:
        validation = ValidationRecipe(design="split")
        reasons["validation.design"] = "There is time for one member, judged by what validation cases there are."
    reasons["training.steps"] = f"What fits into {lasting(recipe.compute.budget)}."
    augmentation = recipe.augmentation
    if members == 1 and augmentation.in_turn == BOTH:
        augmentation = varied(augmentation, members, many=False)
        reasons["augmentation"] = strengths(members, many=False)
    changed = {"model": model, "validation": validation, "augmentation": augmentation, "reasons": reasons}
    return recipe.model_copy(update=changed)


def _lacking(fingerprint: Fingerprint) -> bool:
    """Whether some training cases lack a channel."""
    return any(one.present < fingerprint.cases.get("train", 0) for one in fingerprint.channels)
