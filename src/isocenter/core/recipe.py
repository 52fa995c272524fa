"""A recipe: every decision of a training run in one readable YAML file, refused when it holds an unknown key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from isocenter.core.errors import UsageError
from isocenter.core.registry import unknown

Scalar = bool | int | float | str | None
Plain = Scalar | list[Scalar]

_SHOWN = 120
"""Of a value that is refused, the characters that are shown."""


class _Part(BaseModel):
    """A part of a recipe: frozen, every field explained, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StepRecipe(_Part):
    """One step of the way that every image takes, with what it learned from the training cases."""

    step: str
    """Its name on the shelf of preparation steps."""
    settings: dict[str, Any] = {}
    """What it was given or learned."""


class InputRecipe(_Part):
    """The array that a model is given."""

    channels: tuple[str, ...] = Field(min_length=1)
    """Names of the channels, in order."""
    shape: tuple[int, ...] = Field(min_length=2, max_length=3)
    """Rows and columns; slices, rows and columns of a volume."""
    stored: Literal["uint8", "float32"] = "float32"
    """How prepared arrays are kept; 8-bit images stay 8-bit."""
    mean: tuple[float, ...]
    """Mean of each channel over the training cases; taken away inside the network."""
    deviation: tuple[float, ...]
    """Standard deviation of each channel over the training cases; divided by inside the network."""
    modalities: tuple[str, ...] = ()
    """DICOM's words for the kinds of image that were trained on; empty where no file said."""
    missing: bool = False
    """Whether a case may lack channels: some are then blanked in training, and an empty channel stands for none."""

    features: dict[str, dict[str, Any]] = {}
    """What is measured of each prepared image and given to the model in place of its pixels: families with settings."""
    measured: int = Field(default=0, ge=0)
    """How many numbers that makes."""

    @property
    def dimensions(self) -> int:
        """2 for images, 3 for volumes."""
        return len(self.shape)

    @property
    def array_shape(self) -> tuple[int, ...]:
        """The form of a prepared image: channels, [slices,] rows, columns."""
        return (len(self.channels), *self.shape)

    @property
    def given_shape(self) -> tuple[int, ...]:
        """The form of what a model is given of one case: a prepared image, or a row of features."""
        return (1, 1, self.measured) if self.features else self.array_shape

    @property
    def given_type(self) -> str:
        """The kind of number that a model is given."""
        return "float32" if self.features else self.stored


class ModelRecipe(_Part):
    """What learns."""

    name: str
    """Its name on the shelf of models."""
    settings: dict[str, Any] = {}
    """Its own settings; what is not given stands at the model's default."""
    members: int = Field(default=1, ge=1, le=20)
    """How many are trained and averaged."""
    weights: str | None = None
    """What a network begins with: a file or address of weights, a model file or a run; null to begin from chance."""
    weights_sha256: str | None = None
    """What those weights were when the plan was made; other ones are refused."""


Strength = Annotated[float, Field(ge=0.0, le=1.0)]


class AugmentationRecipe(_Part):
    """How training images are varied, whole batches at a time; 0 switches a variation off."""

    in_turn: tuple[Strength, ...] = Field(default=(1.0,), min_length=1)
    """Share of the reaches from rotation to erased that each member has, one after the other; [0, 1]: none, all."""

    rotation: float = Field(default=0.0, ge=0.0, le=180.0)
    """Degrees to either side."""
    scaling: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of enlargement or reduction."""
    stretching: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share by which one axis is stretched against the other."""
    shift: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the image's extent."""
    shear: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the image's extent that opposite edges slide apart."""
    mirrored: tuple[Literal["x", "y", "z"], ...] = ()
    """Axes along which half of the images are mirrored."""
    brightness: float = Field(default=0.0, ge=0.0)
    """Standard deviations to either side."""
    contrast: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share to either side."""
    gamma: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Bend of the grey scale to either side."""
    noise: float = Field(default=0.0, ge=0.0)
    """Standard deviations of noise, at most."""
    blur: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of images that are blurred."""
    erased: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of images of which a square is blanked."""
    mixup: float = Field(default=0.0, ge=0.0, le=4.0)
    """Two images and their labels are blended by a Beta(a, a) share of this a."""
    channel_drop: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of images of which one channel is blanked, so that a missing one is bearable."""

    def of_member(self, number: int) -> AugmentationRecipe:
        """The variations that one member's images go through."""
        share = self.in_turn[number % len(self.in_turn)]
        reaches = {name: share * getattr(self, name) for name in REACHES}
        return self.model_copy(update={**reaches, "in_turn": (1.0,)})


REACHES = (
    *("rotation", "scaling", "stretching", "shift", "shear"),
    *("brightness", "contrast", "gamma", "noise", "blur", "erased"),
)
"""What members have a share of."""


class TrainingRecipe(_Part):
    """How it learns."""

    steps: int = Field(default=0, ge=0)
    """Batches that each member sees; 0 until the budget was turned into steps."""
    batch: int = Field(default=32, ge=1)
    """Cases in one batch."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are added before one step of the optimiser."""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """The rule by which weights move."""
    learning_rate: float = Field(default=1e-3, gt=0.0)
    """The highest rate of the schedule."""
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    """How the rate rises and falls."""
    weight_decay: float = Field(default=0.05, ge=0.0)
    """How strongly large weights are drawn back."""
    clip: float = Field(default=5.0, ge=0.0)
    """Longest gradient that is allowed; 0 for any."""
    smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of each label that is spread over all classes."""
    balance: Literal["none", "weights", "root_weights"] = "none"
    """How rare classes are made to count more."""
    average: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Decay of the running average of the weights; 0 for none."""
    patience: int = Field(default=0, ge=0)
    """Looks at the validation cases without a better one after which a member stops; 0 to go on to the end."""
    looks: int = Field(default=10, ge=0)
    """How often each member looks at its validation cases."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the network while it learns."""
    weights_rate: float = Field(default=1.0, ge=0.0, le=1.0)
    """Rate of layers that begin with given weights, as a share of that of the others; 0 leaves them as they are."""
    layer_decay: float = Field(default=1.0, gt=0.0, le=1.0)
    """Rate of each such layer as a share of that of the next one towards the answer."""
    unfreeze: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the steps over which such layers begin to learn one by one, the last first; 0 for all at once."""


class ValidationRecipe(_Part):
    """Which cases tell how well it learns. The test split is never among them."""

    design: Literal["split", "folds"] = "split"
    """`split`: the validation split. `folds`: training and validation cases together; each member omits one part."""
    folds: int = Field(default=5, ge=2, le=20)
    """How many parts there are, by patient and balanced by label."""


class DecisionRecipe(_Part):
    """How outputs become findings."""

    views: tuple[Literal["plain", "mirror_x", "mirror_y", "mirror_z"], ...] = ("plain",)
    """Views of each image whose outputs are averaged."""
    calibrate: bool = True
    """Whether probabilities are scaled by a temperature found on validation cases."""
    threshold: Literal["argmax", "prevalence", "youden"] | float = "argmax"
    """`argmax`: the likeliest class. Else the positive class is called from a probability on: its share of the cases
    (`prevalence`), where sensitivity and specificity together are best (`youden`), or a number."""
    sensitivity: float | None = Field(default=None, gt=0.0, le=1.0)
    """For screening: the threshold that finds this share of the positive validation cases."""


class ComputeRecipe(_Part):
    """What the machine is asked for."""

    threads: int = Field(default=1, ge=1)
    """Processor cores; another number gives other last bits."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the network runs while it learns."""
    budget: float | None = Field(default=None, gt=0.0)
    """Seconds that training may take; turned into `training.steps` by a probe before the first step."""


class Recipe(_Part):
    """Every decision of a training run."""

    version: Literal[1] = 1
    """The version of this file's form."""
    task: str
    """What is asked: a name on the shelf of tasks."""
    label: str
    """Which label of the cohort is learned."""
    classes: tuple[str, ...] = ()
    """The classes in the order of the outputs; none for a number."""
    positive: str | None = None
    """Of two classes, the one whose presence is being asked for."""
    preparation: tuple[StepRecipe, ...] = ()
    """The way every image takes, in training and at work alike."""
    input: InputRecipe
    model: ModelRecipe
    augmentation: AugmentationRecipe = AugmentationRecipe()
    training: TrainingRecipe = TrainingRecipe()
    validation: ValidationRecipe = ValidationRecipe()
    decision: DecisionRecipe = DecisionRecipe()
    compute: ComputeRecipe = ComputeRecipe()
    seed: int = Field(default=0, ge=0)
    """The only source of chance."""
    reasons: dict[str, str] = {}
    """Why: dotted name of a decision to the sentence that gives its ground."""

    @model_validator(mode="after")
    def _each_member_has_a_fold(self) -> Recipe:
        members, folds = self.model.members, self.validation.folds
        if self.validation.design == "folds" and members > folds:
            raise ValueError(
                f"each member leaves out a fold of its own, and there are {members} members for {folds} folds: "
                f"set validation.folds to {members} too, or model.members to {folds} at most"
            )
        return self

    def to_yaml(self) -> str:
        """The recipe as a file for people."""
        plain = self.model_dump(mode="json")
        return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe as a file."""
        return hashlib.sha256(self.to_yaml().encode()).hexdigest()

    def changed(self, part: str, **values: Any) -> Recipe:
        """The recipe with other values in one of its parts."""
        return self.model_copy(update={part: getattr(self, part).model_copy(update=values)})


class _Loader(yaml.SafeLoader):
    """Plain values alone: a text that points back into itself could stand for more than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, which `_Loader` refuses."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def plain_from(text: str | bytes) -> object:
    """The plain values of a YAML text; raises `yaml.YAMLError`, for aliases too."""
    try:
        return _Loader(text).get_single_data()
    except (RecursionError, ValueError) as error:  # nested too deeply; a date that cannot be
        raise yaml.YAMLError(str(error)) from error


def read_recipe(path: Path) -> Recipe:
    """A recipe from its file; an unknown key is answered with the nearest known one."""
    try:
        plain = plain_from(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"{path} is not a recipe", why=str(error), remedy="`isocenter plan COHORT --into recipe.yaml` writes one"
        ) from error
    return recipe_from(plain, source=str(path))


def recipe_from(plain: object, *, source: str) -> Recipe:
    """A recipe from plain values."""
    if not isinstance(plain, Mapping):
        raise UsageError(f"{source} is not a recipe", why="it holds no named values")
    try:
        return Recipe.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise _unknown_key(place, first["loc"]) from error
        if not first["loc"]:
            raise UsageError(f"{source} contradicts itself", why=first["msg"].removeprefix("Value error, ")) from error
        given = repr(first.get("input"))
        given = given if len(given) <= _SHOWN else f"{given[:_SHOWN]} ..."
        raise UsageError(f"`{place}` in {source} must fit its rule, got {given}", why=first["msg"]) from error


def _unknown_key(place: str, location: tuple[int | str, ...]) -> UsageError:
    part: Any = Recipe
    for name in location[:-1]:
        field = part.model_fields.get(name) if isinstance(name, str) and hasattr(part, "model_fields") else None
        part = field.annotation if field else part
    known = part.model_fields if hasattr(part, "model_fields") else Recipe.model_fields
    error = unknown("recipe key", str(location[-1]), known)
    return UsageError(f"A recipe has no key `{place}`", remedy=error.remedy)
