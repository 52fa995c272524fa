"""The evidence folder: the numbers, what was said of each case, the pictures, and the report that holds them all."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from isocenter.core.optional import version
from isocenter.core.progress import Progress, tracked
from isocenter.core.reading import Measure
from isocenter.core.record import now
from isocenter.core.run import LOG_FILE, MODEL_FILE
from isocenter.data.catalogue.drafts import ALONE
from isocenter.delivery.modelfile.package import Package
from isocenter.delivery.reader import Reader
from isocenter.delivery.reports.evaluation import ChoiceView, EvaluationView, Note, evaluation_report
from isocenter.evidence.metrics._shared import Answers
from isocenter.evidence.outcome import mistaken
from isocenter.learning.training.log import read_log
from isocenter.stages.evaluate.bench import Bench
from isocenter.stages.evaluate.pictures import figures, gallery, named
from isocenter.stages.evaluate.results import Results
from isocenter.storage.atomic import atomic_write, make_folder, write_text

METRICS, PREDICTIONS, REPORT = "metrics.json", "predictions.csv", "report.html"
_CHOICES = ("task", "model.name", "model.settings", "input.channels", "input.shape", "preparation", "training.steps")
_SHOWN_VALUE = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is known once the cases are judged."""

    model: Path
    package: Package
    reader: Reader
    bench: Bench
    answers: Answers
    results: Results
    split: str
    look: int
    seen: bool
    warnings: list[Note]


def default_folder(model: Path, *, cohort: str, own: bool, split: str) -> Path:
    """Where the evidence goes: into the run, or beside the model; another cohort or split has a folder of its own."""
    in_run = model.name == MODEL_FILE
    parts = ["evidence" if in_run else f"{model.stem}-evidence"]
    parts += [] if own else ["".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in cohort)]
    parts += [] if split == "test" else [split]
    return model.parent / "-".join(parts)


def write_evidence(
    folder: Path, evidence: Evidence, document: Mapping[str, Any], *, languages: Sequence[str], progress: Progress
) -> None:
    """Write the folder; the report comes last, so that where it is, everything is.

    Args:
        folder: where to.
        evidence: what is known.
        document: the content of `metrics.json`.
        languages: of the report, the first also of the pictures; another one has a report of its own, since the same
            look at the cases must not be counted twice.
        progress: told of each picture.
    """
    make_folder(folder)
    log = _log(evidence.model)
    drawings = figures(evidence.answers, evidence.results, evidence.package, log)
    embedded: dict[str, dict[str, bytes]] = {lang: {} for lang in languages}
    for name, drawing in tracked(drawings.items(), progress, "Drawing", len(drawings)):
        with atomic_write(folder / f"{name}.png") as temporary:
            temporary.write_bytes(drawing(languages[0], "png"))
        for lang in languages:
            embedded[lang][name] = drawing(lang, "svg")
    write_text(folder / PREDICTIONS, predictions(evidence.bench, evidence.answers))
    write_text(folder / METRICS, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    for lang in reversed(languages):
        name = REPORT if lang == languages[0] else f"report.{lang}.html"
        write_text(folder / name, evaluation_report(_view(evidence, embedded[lang], lang), lang))


def predictions(bench: Bench, answers: Answers) -> str:
    """A row for each case: what was true, what was said, and how probable each class."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if answers.form == "number":
        writer.writerow(["case", "patient", "truth", "called", "error"])
        for case, true, said in zip(bench.cases, answers.truth, answers.scores, strict=True):
            writer.writerow([case.key, case.patient, *(f"{one:.6g}" for one in (true, said, said - true))])
        return stream.getvalue()
    writer.writerow(
        ["case", "patient", "truth", "called", *(f"probability_{one}" for one in answers.classes), "correct"]
    )
    wrong = mistaken(answers)
    for row, case in enumerate(bench.cases):
        said = [named(answers, answers.truth[row]), named(answers, answers.called[row])]
        given = [f"{one:.6f}" for one in answers.scores[row]]
        writer.writerow([case.key, case.patient, *said, *given, int(not wrong[row])])
    return stream.getvalue()


def _log(model: Path) -> list[dict[str, Any]]:
    """The log of the run that a model lies in; empty where it lies elsewhere."""
    path = model.with_name(LOG_FILE)
    entries = read_log(path) if model.name == MODEL_FILE and path.is_file() else []
    return [one for one in entries if "step" in one]


def _view(evidence: Evidence, embedded: Mapping[str, bytes], lang: str) -> EvaluationView:
    package, bench, results = evidence.package, evidence.bench, evidence.results
    recipe = package.recipe
    mistakes, unsure = gallery(bench, evidence.answers, package)
    matrix = results.matrix
    return EvaluationView(
        model=package.manifest.name,
        cohort=bench.cohort.name,
        split=evidence.split,
        task=recipe.task,
        label=recipe.label,
        classes=recipe.classes,
        positive=recipe.classes[evidence.answers.positive] if len(recipe.classes) == 2 else None,
        unit=package.label.unit,
        look=evidence.look,
        seen=evidence.seen,
        cases=len(bench.cases),
        patients=len(np.unique(bench.patients)),
        metrics=results.metrics,
        per_class=results.per_class,
        validation=validation(package),
        plain=results.plain,
        confusion=[] if matrix is None else [[int(count) for count in row] for row in matrix],
        operating=results.operating,
        figures=embedded,
        balance=results.balance,
        prevalence=package.reference.prevalence,
        splits=bench.cohort.splits,
        left_out=_left_out(bench, lang),
        mistakes=mistakes,
        unsure=unsure,
        choices=_choices(package),
        warnings=evidence.warnings,
        limits=limits(evidence),
        provenance=_provenance(evidence),
        made=now()[:16].replace("T", " ") + " UTC",
        version=version("isocenter") or "",
    )


def validation(package: Package) -> dict[str, Measure]:
    """What was measured on the model's own validation cases, by name."""
    return {one.name: one for one in package.reference.validation}


def _left_out(bench: Bench, lang: str) -> dict[str, int]:
    said: Counter[str] = Counter()
    for reason, count in bench.left_out:
        said[reason if isinstance(reason, str) else reason.said(lang)] += count
    return dict(said)


def left_out(bench: Bench) -> dict[str, int]:
    """How many cases were left out, by reason, in English."""
    return _left_out(bench, "en")


def limits(evidence: Evidence) -> list[Note]:
    """What the numbers do not say."""
    bench = evidence.bench
    patients = len(np.unique(bench.patients))
    devices = {image.device for case in bench.cases for image in case.images.values() if image.device}
    found = [Note("limit_size", {"cases": f"{len(bench.cases):,}", "patients": f"{patients:,}"})]
    if any(case.patient.startswith(ALONE) for case in bench.cases):
        found.append(Note("limit_patients"))
    found.append(Note("limit_same_source" if bench.own else "limit_other_source"))
    if not devices:
        found.append(Note("limit_unknown_device"))
    elif len(devices) == 1:
        found.append(Note("limit_device", {"name": next(iter(devices))}))
    else:
        found.append(Note("limit_devices", {"count": len(devices)}))
    recipe = evidence.package.recipe
    if evidence.package.reference.validation and recipe.validation.design == "folds" and recipe.model.members > 1:
        found.append(Note("limit_folds"))
    if evidence.look > 1:
        found.append(Note("limit_looks", {"look": evidence.look}))
    if evidence.answers.form != "number":
        found.append(Note("limit_balance"))
    return [*found, Note("limit_labels"), Note("limit_first")]


def _provenance(evidence: Evidence) -> dict[str, str]:
    package, record = evidence.package, evidence.package.record
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    return {
        "model": evidence.model.name,
        "digest": package.digest,
        "trained": record.started,
        "versions": versions,
        "seed": str(record.seed),
        "data": record.data,
        "cohort": evidence.bench.cohort.folder.as_posix(),
        "evaluated": f"isocenter {version('isocenter')}",
        "runtime": f"{evidence.reader.runtime} {evidence.reader.precision}",
    }


def _choices(package: Package) -> list[ChoiceView]:
    """The decisions that have a reason, after those that everybody asks for."""
    recipe = package.recipe
    plain = recipe.model_dump(mode="json")
    names = dict.fromkeys([*_CHOICES, *recipe.reasons])
    rows = [ChoiceView(name=one, value=_valued(plain, one), reason=recipe.reasons.get(one, "")) for one in names]
    thresholds = package.decision.thresholds
    if thresholds:
        said = ", ".join(f"{name} {value:.3f}" for name, value in thresholds.items())
        rows.append(ChoiceView(name="decision.thresholds", value=said))
    if package.decision.shift:
        pairs = zip(recipe.classes, package.decision.shift, strict=False)
        rows.append(ChoiceView(name="decision.shift", value=", ".join(f"{name} {one:+.3f}" for name, one in pairs)))
    if package.decision.temperature != 1:
        rows.append(ChoiceView(name="decision.temperature", value=f"{package.decision.temperature:.3f}"))
    return [one for one in rows if one.value or one.reason]


def _valued(plain: Any, name: str) -> str:
    """The value of a dotted name, as people write it."""
    value = plain
    for part in name.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return _written(value)[:_SHOWN_VALUE]


def _written(value: Any) -> str:
    if isinstance(value, dict):
        if "step" in value:
            return str(value["step"])
        return ", ".join(f"{name} {_written(one)}" for name, one in value.items())
    if isinstance(value, list):
        numbers = all(isinstance(one, int) for one in value)
        steps = any(isinstance(one, dict) for one in value)
        return (" × " if numbers else " → " if steps else ", ").join(_written(one) for one in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
