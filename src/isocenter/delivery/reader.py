"""A model at work: the packaged graph, the way an image takes to it, and how its outputs become a reading.

Several views of an image are averaged as several members of a model are: in probabilities, given back as logits, so
that calibration and thresholds mean the same with and without views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.image import Image
from isocenter.core.optional import present
from isocenter.core.reading import Finding, Reading
from isocenter.core.words import say
from isocenter.delivery import runtimes
from isocenter.delivery.modelfile.package import GRAPH, HEAD, INT8, Package
from isocenter.delivery.runtimes._shared import Runtime, Session
from isocenter.pathway import decide, tasks
from isocenter.pathway.entrance import Entrance
from isocenter.pathway.given import given_to_model
from isocenter.pathway.preparation import Prepared
from isocenter.pathway.tasks._shared import Floats, Task
from isocenter.pathway.views import MIRRORED

Answer = Mapping[str, NDArray[np.float32]]
"""`logits` of a batch, and `features` and `embedding` where the graph has them."""

_BATCH_BYTES = 8_000_000
_MOST_CASES = 128
"""A batch holds at most so many bytes of pixels as float32 and so many cases: maps inside the network are larger."""

_SMALLEST = {"softmax": 1e-9, "sigmoid": 1e-7}


class Reader:
    """Reads cases with one model."""

    def __init__(
        self, package: Package, *, runtime: str | None = None, precision: str | None = None, threads: int = 0
    ) -> None:
        """Make a model ready.

        Args:
            package: the model file, read.
            runtime: which program computes; the first checked one that is installed unless asked.
            precision: `fp32`, `bf16` or `int8`; that of the first checked runtime unless asked.
            threads: processor cores; 0 for all.
        """
        self.package = package
        self.runtime, self.precision = chosen(package, runtime, precision)
        self._engine: Runtime = registry.get(runtimes, self.runtime)
        self._threads = threads
        name = INT8 if self.precision == "int8" else GRAPH
        self._session: Session = self._engine.load(package.graphs[name], self.precision, threads)
        self._head: Session | None = None
        self._entrance = Entrance(package.recipe)
        self._task: Task = registry.get(tasks, package.recipe.task)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What `run` can give; without `features` there are no maps and without `embedding` no similar cases."""
        given = self._session.outputs
        return tuple(name for name in given if name != "features") if self.package.recipe.input.features else given

    @property
    def key(self) -> str:
        """A text that names the preparation and what is refused: the same text, the same arrays of the same cases."""
        return self._entrance.key

    @property
    def batch(self) -> int:
        """How many cases are computed at once, so that memory stays bounded however many are given."""
        wanted = self.package.recipe.input
        one = 4 * len(wanted.channels) * int(np.prod(wanted.shape))
        return max(1, min(_MOST_CASES, _BATCH_BYTES // one))

    def prepare(self, channels: Mapping[str, Image]) -> Prepared:
        """One case as the model is given it; refuses with `UsageError` what the model was not made for."""
        return self._entrance.prepare(channels)

    def warnings(self, prepared: Prepared) -> tuple[str, ...]:
        """What a person should know of a case before believing its reading."""
        found = [say("reader.missing", channel=name) for name in prepared.missing]
        if prepared.array.min() == prepared.array.max():
            found.append(say("reader.constant"))
        return tuple(found)

    def logits(self, pixels: NDArray[Any]) -> Floats:
        """Outputs of prepared cases (cases, channels, ...), as many as there are; the mean over the recipe's views."""
        views = [self._all_logits(pixels, MIRRORED[view]) for view in self.package.recipe.decision.views]
        return views[0] if len(views) == 1 else _mean_view(np.stack(views), self._task.combine)

    def run(self, pixels: NDArray[Any]) -> Answer:
        """Logits, features and embedding of one batch, plain view; an output that the graph lacks is absent."""
        return self._session(given_to_model(pixels, self.package.recipe.input), self.outputs)

    def head(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of features: the graph after the last map."""
        if self._head is None:
            graph = self.package.graphs.get(HEAD)
            if graph is None:
                raise UsageError("This model cannot be explained", why="its graph has no last map that can be told")
            self._head = self._engine.load(graph, "fp32", self._threads)
        return self._head(features)["logits"]

    def scores(self, logits: Floats) -> Floats:
        """Probabilities, calibrated, or numbers in their unit: (cases, classes) or (cases, 1)."""
        return self._task.decode(logits, self.package.decision)

    def called(self, scores: Floats) -> NDArray[Any]:
        """What is decided: a class index per case, a 0/1 matrix for several findings, or the numbers."""
        return decide.called(scores, self.package.recipe, self.package.decision, self._task.form)

    def findings(self, scores: Floats) -> tuple[Finding, ...]:
        """What is said of one case, from its row of scores."""
        package = self.package
        return self._task.findings(scores, package.recipe, package.decision, package.label)

    def readings(self, logits: Floats, cases: Sequence[tuple[str, str]]) -> list[Reading]:
        """Readings of cases, given as key and source; a case whose outputs are no numbers abstains."""
        said = []
        for row, reason, (case, source) in zip(logits, decide.reasons_to_abstain(logits), cases, strict=True):
            findings = () if reason else self.findings(self.scores(row[None])[0])
            said.append(
                Reading(
                    case=case,
                    source=source,
                    task=self.package.recipe.task,
                    model=self.package.digest,
                    findings=findings,
                    abstained=reason is not None,
                    reason=reason,
                )
            )
        return said

    def _all_logits(self, pixels: NDArray[Any], mirrored: int | None) -> Floats:
        parts = []
        for start in range(0, len(pixels), self.batch):
            part = pixels[start : start + self.batch]
            part = part if mirrored is None else np.flip(part, mirrored)
            parts.append(self._session(given_to_model(part, self.package.recipe.input))["logits"])
        return np.concatenate(parts) if parts else np.zeros((0, self._task.outputs(self.package.recipe)), np.float32)


def chosen(package: Package, runtime: str | None, precision: str | None) -> tuple[str, str]:
    """The runtime and precision that are meant: the first checked ones that are here and fit what was asked."""
    if runtime is not None and runtime not in registry.names(runtimes):
        raise registry.unknown("runtime", runtime, registry.names(runtimes))
    if precision == "int8" and INT8 not in package.graphs:
        raise UsageError(
            "This model has no 8-bit graph", remedy="`isocenter package RUN --into NAME.isomodel --int8` makes one"
        )
    for choice in package.manifest.runtimes:
        fits = runtime in (None, choice.name) and precision in (None, choice.precision)
        if fits and _usable(choice.name, choice.precision, package):
            return choice.name, choice.precision
    # What was not checked here may be asked for; where nothing has it, what is always installed says so.
    able = [one for one in registry.names(runtimes) if precision is None or _usable(one, precision, package)]
    return runtime or ("onnxruntime" if "onnxruntime" in able or not able else able[0]), precision or "fp32"


def _usable(name: str, precision: str, package: Package) -> bool:
    if name not in registry.names(runtimes) or (precision == "int8" and INT8 not in package.graphs):
        return False
    engine: Runtime = registry.get(runtimes, name)
    return present(engine.package) and (precision == "fp32" or precision in engine.precisions())


def _mean_view(logits: Floats, combine: str) -> Floats:
    """Logits (views, cases, outputs) as one (cases, outputs): the mean of what they say as probabilities."""
    wide = logits.astype(np.float64)
    if combine == "softmax":
        with np.errstate(invalid="ignore"):  # outputs that are no numbers stay so, and the case abstains
            raised = np.exp(wide - wide.max(axis=2, keepdims=True))
            shares = raised / raised.sum(axis=2, keepdims=True)
        mean: Floats = np.log(np.maximum(shares.mean(axis=0), _SMALLEST[combine]))
    elif combine == "sigmoid":
        shares = (0.5 + 0.5 * np.tanh(wide / 2)).mean(axis=0)
        shares = np.clip(shares, _SMALLEST[combine], 1 - _SMALLEST[combine])
        mean = np.log(shares / (1 - shares))
    else:
        mean = wide.mean(axis=0)
    return mean.astype(np.float32)
