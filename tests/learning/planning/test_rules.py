"""The rules of a plan: sound for every kind of cohort, told in reasons, and open to a person's wishes."""

from __future__ import annotations

from typing import Any

import pytest

from isocenter.core.errors import OpenQuestion, UsageError
from isocenter.core.fingerprint import ChannelFacts, Fingerprint, Machine, Spread
from isocenter.core.recipe import ModelRecipe, Recipe, recipe_from
from isocenter.learning.planning.overrides import overridden
from isocenter.learning.planning.rules import plan
from isocenter.learning.planning.wishes import Wishes
from isocenter.learning.planning.words import positive_class

GB = 1_000_000_000


def spread(value: float, low: float | None = None, high: float | None = None) -> Spread:
    return Spread(low=value if low is None else low, middle=value, high=value if high is None else high)


def fingerprint(**given: Any) -> Fingerprint:
    """A cohort of small grey images of two classes."""
    plain: dict[str, Any] = {
        "label": "class",
        "kind": "class",
        "classes": ("benign", "malignant"),
        "counts": {"benign": 300, "malignant": 100},
        "cases": {"train": 400, "val": 80, "test": 90},
        "patients": {"train": 400, "val": 80, "test": 90},
        "dimensions": 2,
        "sizes": {"x": spread(28), "y": spread(28)},
        "channels": (ChannelFacts(name="intensity", intensity="raw", dtypes=("uint8",), present=480),),
        "machine": Machine(cores=2, free_memory=8 * GB),
    }
    return Fingerprint.model_validate(plain | given)


def steps(recipe: Recipe) -> list[str]:
    return [one.step for one in recipe.preparation]


def test_small_images_stay_as_they_are() -> None:
    recipe = plan(fingerprint(), Wishes())
    assert recipe.input.shape == (28, 28)
    assert recipe.input.stored == "uint8"
    assert steps(recipe) == ["orient", "resize"]
    assert recipe.positive == "malignant"
    assert recipe.training.balance == "root_weights"
    assert recipe.validation.design == "folds"
    assert recipe.model.members == recipe.validation.folds == 5
    assert recipe.augmentation.mirrored == ("x",)
    assert "mirror_x" in recipe.decision.views


def test_large_images_are_brought_down_with_their_aspect() -> None:
    sizes = {"x": spread(1000, 500, 2000), "y": spread(500, 250, 1000)}
    recipe = plan(fingerprint(sizes=sizes), Wishes())
    assert recipe.input.shape == (64, 128)
    assert recipe.preparation[-1].settings["method"] == "fit"
    assert plan(fingerprint(sizes=sizes), Wishes(size=224)).input.shape == (112, 224)


def test_volumes_are_kept_to_what_the_machine_can_bear() -> None:
    sizes = {axis: spread(size) for axis, size in (("x", 512), ("y", 512), ("z", 100))}
    channels = (ChannelFacts(name="ct", intensity="hu", dtypes=("int16",), present=480),)
    spacing = {"x": spread(0.7, 0.5, 0.9), "y": spread(0.7, 0.5, 0.9), "z": spread(2.5, 1.0, 5.0)}
    given = fingerprint(dimensions=3, sizes=sizes, channels=channels, spacing=spacing, spacing_known=1.0)
    recipe = plan(given, Wishes())
    depth, height, width = recipe.input.shape
    assert depth * height * width <= 1.1 * 48**3
    assert height == width > depth
    assert steps(recipe) == ["orient", "resample", "window", "resize"]
    assert recipe.input.stored == "float32"


def test_sides_are_not_mirrored() -> None:
    recipe = plan(fingerprint(sided=True), Wishes())
    assert recipe.augmentation.mirrored == ()
    assert recipe.decision.views == ("plain",)
    assert "side" in recipe.reasons["augmentation.mirrored"]


def test_many_cases_keep_their_validation_split() -> None:
    many = fingerprint(cases={"train": 5000, "val": 500}, counts={"benign": 2500, "malignant": 2500})
    recipe = plan(many, Wishes())
    assert recipe.validation.design == "split"
    assert recipe.training.balance == "none"


def test_a_class_of_one_case_does_not_break_the_folds() -> None:
    recipe = plan(fingerprint(counts={"benign": 399, "malignant": 1}), Wishes())
    assert recipe.validation.folds == 2


@pytest.mark.parametrize(
    ("kind", "asked", "given"),
    [
        ("class", None, "classify"),
        ("class", "ordinal", "ordinal"),
        ("classes", None, "multilabel"),
        ("classes", "classify", "multilabel"),
        ("number", None, "regress"),
    ],
)
def test_the_task_follows_the_label(kind: str, asked: str | None, given: str) -> None:
    assert plan(fingerprint(kind=kind), Wishes(task=asked)).task == given


def test_a_task_that_the_label_cannot_teach_is_refused() -> None:
    with pytest.raises(UsageError, match=r"regress.*Use `--task classify`"):
        plan(fingerprint(), Wishes(task="regress"))


@pytest.mark.parametrize("seconds", [0.01, 0.1, 1.0, 30.0])
def test_a_budget_bounds_members_and_width(seconds: float) -> None:
    recipe = plan(fingerprint(), Wishes(budget="10m"), pace=lambda _: seconds)
    assert recipe.compute.budget == 600
    assert 1 <= recipe.model.members <= 5
    assert recipe.model.settings["width"] == 16 or seconds < 1
    assert (recipe.validation.design == "split") == (recipe.model.members == 1)
    assert recipe.validation.folds == 5
    assert recipe.augmentation.in_turn == ((0.5,) if recipe.model.members == 1 else (0.0, 1.0))


def test_time_goes_into_passes_first_and_into_width_after_that() -> None:
    def width(budget: str) -> int:
        return int(plan(fingerprint(), Wishes(budget=budget), pace=lambda _: 0.1).model.settings["width"])

    assert width("10m") == 16
    assert width("10m") < width("1h") < width("5h")


def test_members_are_varied_in_turn_hardly_and_strongly() -> None:
    given = plan(fingerprint(), Wishes()).augmentation
    hardly, strongly, again = (given.of_member(number) for number in range(3))
    assert hardly == again
    assert (hardly.rotation, hardly.noise, hardly.erased) == (0.0, 0.0, 0.0)
    assert (strongly.rotation, strongly.noise, strongly.erased) == (given.rotation, given.noise, given.erased)
    assert (hardly.mirrored, hardly.mixup) == (strongly.mirrored, strongly.mixup) == (("x",), given.mixup)
    alone = plan(fingerprint(), Wishes(members=1)).augmentation
    assert alone.of_member(0).rotation == alone.rotation / 2 > 0
    many = plan(fingerprint(cases={"train": 5000, "val": 500}, counts={"benign": 2500, "malignant": 2500}), Wishes())
    assert many.model.members == 2
    assert many.augmentation.of_member(0) == many.augmentation.of_member(1)
    assert many.augmentation.of_member(0).rotation > 0


def test_of_two_classes_the_positive_one_is_called_from_its_share_on() -> None:
    assert plan(fingerprint(), Wishes()).decision.threshold == "prevalence"
    screening = plan(fingerprint(), Wishes(sensitivity=0.95)).decision
    assert (screening.threshold, screening.sensitivity) == ("argmax", 0.95)
    three = fingerprint(classes=("a", "b", "c"), counts={"a": 200, "b": 100, "c": 100})
    assert plan(three, Wishes()).decision.threshold == "argmax"
    assert plan(fingerprint(kind="number", classes=(), counts={}), Wishes()).decision.threshold == "argmax"


@pytest.mark.parametrize(
    ("bf16", "model", "precision"),
    [
        (True, None, "bf16"),
        (False, None, "fp32"),
        (True, "logistic", "fp32"),
        (True, "mlp", "fp32"),
        (True, "cnn", "bf16"),
    ],
)
def test_half_precision_follows_from_the_machine_alone(bf16: bool, model: str | None, precision: str) -> None:
    here = Machine(cores=2, free_memory=8 * GB, bf16=bf16)
    recipe = plan(fingerprint(machine=here), Wishes(model=model))
    assert recipe.training.precision == precision
    assert ("training.precision" in recipe.reasons) is (precision == "bf16")


@pytest.mark.parametrize(
    ("wishes", "begun", "reason"),
    [
        ({"model": "forest"}, None, "`forest` begins with no weights"),
        ({}, ModelRecipe(name="svm"), "`svm` begins with no weights"),
        ({"features": "hog"}, None, "cannot stand beside `--features`"),
    ],
)
def test_weights_that_nothing_begins_with_are_refused(wishes: Any, begun: ModelRecipe | None, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        plan(fingerprint(), Wishes(weights="other.isomodel", **wishes), begun=begun)


def test_every_plan_is_a_file_that_reads_back() -> None:
    import yaml

    recipe = plan(fingerprint(), Wishes(budget="1h", seed=7))
    assert recipe_from(yaml.safe_load(recipe.to_yaml()), source="here") == recipe
    assert all(reason.endswith(".") for reason in recipe.reasons.values())


def test_single_decisions_can_be_made_by_hand() -> None:
    recipe = overridden(plan(fingerprint(), Wishes()), ["training.batch=8", "model.settings.depth=34"])
    assert recipe.training.batch == 8
    assert recipe.model.settings["depth"] == 34
    assert recipe.reasons["training.batch"] == "Set by hand."


@pytest.mark.parametrize("pair", ["training.bath=8", "training.batch", "training.batch=no", "task.name=1"])
def test_a_decision_that_cannot_be_is_refused(pair: str) -> None:
    with pytest.raises(UsageError):
        overridden(plan(fingerprint(), Wishes()), [pair])


def test_what_follows_from_a_decision_by_hand_is_decided_anew() -> None:
    both = plan(fingerprint(), Wishes())
    turned = overridden(both, ["augmentation.rotation=30"])
    assert {turned.augmentation.of_member(number).rotation for number in range(3)} == {30.0}
    alone = overridden(both, ["validation.design=split", "model.members=1"])
    assert alone.augmentation.of_member(0).rotation == both.augmentation.rotation / 2
    assert "one member" in alone.reasons["augmentation"]
    asked = overridden(both, ["augmentation.in_turn=[0]", "augmentation.rotation=30", "model.members=1"])
    assert asked.augmentation.of_member(0).rotation == 0.0
    assert "decision.threshold" not in overridden(both, ["decision.sensitivity=0.9"]).reasons


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="batch"):
        overridden(plan(fingerprint(), Wishes()), ["training.bath=8"])


@pytest.mark.parametrize(
    ("classes", "positive"),
    [
        (("malignant", "normal, benign"), "malignant"),
        (("no", "yes"), "yes"),
        (("yes", "no"), "yes"),
        (("PNEUMONIA", "NORMAL"), "PNEUMONIA"),
        (("a", "b"), None),
        (("disease", "non disease"), "disease"),
        (("tumor", "non-tumor"), "tumor"),
        (("nontumour", "tumour"), "tumour"),
        (("not normal", "normal"), "not normal"),
        (("benign", "normal"), "benign"),
        (("no finding", "finding"), "finding"),
        (("非肿瘤", "肿瘤"), "肿瘤"),
        (("clear cell", "papillary"), None),
        (("abnormal", "control"), "abnormal"),
        (("肺炎", "正常"), "肺炎"),
        (("a", "b", "c"), None),
    ],
)
def test_the_positive_class_is_the_finding(classes: tuple[str, ...], positive: str | None) -> None:
    assert positive_class(classes) == positive


def test_where_the_names_do_not_tell_the_guess_is_told_and_never_screens() -> None:
    recipe = plan(fingerprint(classes=("a", "b"), counts={"a": 200, "b": 200}), Wishes())
    assert recipe.positive == "b"
    assert recipe.reasons["positive"].startswith("A guess")
    assert "`--positive a`" in recipe.reasons["positive"]
    unclear = fingerprint(classes=("a", "b"), counts={"a": 200, "b": 200})
    with pytest.raises(OpenQuestion, match=r"--positive b.*--positive a"):
        plan(unclear, Wishes(sensitivity=0.95))
    asked = plan(unclear, Wishes(sensitivity=0.95, positive="a"))
    assert (asked.positive, asked.reasons["positive"]) == ("a", "Asked for.")
    assert "benign" in plan(fingerprint(), Wishes(sensitivity=0.95)).reasons["positive"]


def test_a_positive_class_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="no class named `malign`.*malignant"):
        plan(fingerprint(), Wishes(positive="malign"))
    with pytest.raises(UsageError, match="is for two classes"):
        plan(fingerprint(kind="number", classes=(), counts={}), Wishes(positive="b"))
    assert plan(fingerprint(kind="classes"), Wishes()).positive is None


def test_a_channel_that_some_cases_lack_may_be_missing() -> None:
    """Two channels that lack in as many cases are no less missing."""
    channels = [
        {"name": name, "intensity": "raw", "dtypes": ("int16",), "present": present}
        for name, present in (("T1", 395), ("T2", 395))
    ]
    recipe = plan(fingerprint(channels=channels), Wishes())
    assert recipe.input.missing
    assert recipe.augmentation.channel_drop > 0
    whole = [{**one, "present": 400} for one in channels]
    assert not plan(fingerprint(channels=whole), Wishes()).input.missing


@pytest.mark.parametrize(
    ("val", "counts", "design"),
    [
        (5, {"benign": 2500, "malignant": 2500}, "folds"),
        (500, {"benign": 4900, "malignant": 100}, "folds"),
        (500, {"benign": 4000, "malignant": 1000}, "split"),
    ],
)
def test_a_validation_split_that_is_too_small_judges_nothing(val: int, counts: dict[str, int], design: str) -> None:
    known = fingerprint(cases={"train": 5000, "val": val}, patients={"train": 5000, "val": val}, counts=counts)
    recipe = plan(known, Wishes())
    assert recipe.validation.design == design
    assert str(val) in recipe.reasons["validation.design"]


def test_views_follow_what_is_mirrored() -> None:
    recipe = plan(fingerprint(), Wishes())
    assert overridden(recipe, ["augmentation.mirrored=[]"]).decision.views == ("plain",)
    both = overridden(recipe, ["augmentation.mirrored=[x, y]"])
    assert both.decision.views == ("plain", "mirror_x", "mirror_y")
    assert "decision.views" in both.reasons
    own = overridden(recipe, ["augmentation.mirrored=[]", "decision.views=[plain, mirror_y]"])
    assert own.decision.views == ("plain", "mirror_y")
    assert overridden(recipe, ["training.batch=8"]).decision.views == recipe.decision.views


@pytest.mark.parametrize(
    ("intensities", "settings"),
    [
        (("suv",), {"scale": "unit"}),
        (("hu", "suv"), {"scale": "unit"}),
        (("raw", "raw"), {"each_image": True}),
        (("hu", "raw"), {"each_image": [False, True], "scale": "unit"}),
    ],
)
def test_values_keep_their_unit(intensities: tuple[str, ...], settings: dict[str, Any]) -> None:
    channels = [
        {"name": f"c{place}", "intensity": one, "dtypes": ("float32",), "present": 400}
        for place, one in enumerate(intensities)
    ]
    recipe = plan(fingerprint(channels=channels), Wishes())
    window = next(one for one in recipe.preparation if one.step == "window")
    assert window.settings == settings
    assert recipe.input.stored == ("float32" if "scale" in settings else "uint8")


def test_an_estimator_that_learns_at_once_learns_once_where_validation_cases_are_kept_apart() -> None:
    many = fingerprint(cases={"train": 5000, "val": 500}, counts={"benign": 2500, "malignant": 2500})
    assert plan(many, Wishes(model="logistic")).model.members == 1
    assert plan(many, Wishes(model="cnn")).model.members == 2
    assert "model.members" in plan(many, Wishes()).reasons


def test_no_budget_bounds_what_does_not_learn_in_steps() -> None:
    recipe = plan(fingerprint(), Wishes(model="logistic", budget="10m"), pace=lambda _: 0.0)
    assert recipe.compute.budget is None
    assert "logistic" in recipe.reasons["compute.budget"]


def test_as_many_members_as_folds() -> None:
    eight = plan(fingerprint(), Wishes(members=8))
    assert (eight.model.members, eight.validation.folds) == (8, 8)
    few = plan(fingerprint(counts={"benign": 396, "malignant": 4}), Wishes(members=8))
    assert (few.model.members, few.validation.folds) == (4, 4)
    assert "8 were asked for" in few.reasons["model.members"]
    with pytest.raises(UsageError, match=r"8 members for 5 folds"):
        overridden(plan(fingerprint(), Wishes()), ["model.members=8"])
