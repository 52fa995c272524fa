"""The whole path on built-in phantom scans: made as real DICOM, catalogued, learned from, judged and explained."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from isocenter.core.cohort import Cohort, IngestReport
from isocenter.core.errors import UsageError
from isocenter.core.progress import Progress
from isocenter.core.run import Run
from isocenter.core.settings import Settings, Subject, verb
from isocenter.core.words import LANGUAGES
from isocenter.data.phantoms import SPREAD, write_scans
from isocenter.data.phantoms.scans import NODULE
from isocenter.data.summary import Summary
from isocenter.delivery.modelfile.read import read_model
from isocenter.stages.evaluate import Evaluation, evaluate
from isocenter.stages.ingest import ingest
from isocenter.stages.show import show
from isocenter.stages.train import train
from isocenter.storage.atomic import atomic_write, make_folder, write_text
from isocenter.workflows.demo.cases import EVEN, Example, Kind, Picked, explained, judged_cases, picked
from isocenter.workflows.demo.page import demo_page

PIXELS, SIDE = 64, 32
"""Rows and columns of a slice, and the longest side of what the model is given: coarse, so that minutes are enough."""

LEARNER = (
    "model.settings.kernels=[16, 32]",
    "model.settings.head=pyramid",
    "model.settings.levels=[1]",
    "model.settings.hidden=0",
    "training.learning_rate=0.003",
    "augmentation.in_turn=[0]",
)
"""A small network that keeps the strongest answer from anywhere in the volume: a nodule fills a thousandth of a chest,
and in an average over all places it would drown."""


class DemoSettings(Settings):
    """Where to put the demonstration, and how large it is."""

    into: Subject[Path] = Path("demo")
    """The folder for scans, cohort, run and pages; `demo` unless given."""
    patients: int = Field(default=240, ge=12, le=2000)
    """How many made-up patients are scanned."""
    steps: int = Field(default=400, ge=1, le=100_000)
    """For how many steps the model learns."""
    seed: int = Field(default=0, ge=0)
    """The only source of chance: the same seed makes the same scans, byte for byte."""


class Demonstration(BaseModel):
    """What the demonstration made."""

    version: int = 2
    scans: str
    cohort: str
    run: str
    model: str
    pages: list[str]
    """The page that leads to everything, in each language."""
    report: IngestReport
    summary: Summary
    evaluation: Evaluation
    examples: list[Example]
    """A reading that was right, one that was wrong, and the least certain one, with their maps."""
    missing: list[Kind] = []
    """Which of these do not occur among the test cases."""


@verb(DemoSettings)
def demo(settings: DemoSettings, progress: Progress) -> Demonstration:
    """Scan phantom patients, learn to find their nodules, judge the model on unseen ones, and explain three readings.

    The scans are real DICOM and belong to nobody: they are computed. What a folder holds already is used as it is.
    """
    home = settings.into
    scans = home / f"scans-{settings.patients}-{settings.seed}"
    _check(home, scans)
    make_folder(home)
    cohort, summary = _cohort(scans, home, settings, progress)
    assert cohort.report is not None
    run = train(
        home / "cohort",
        into=home / "run",
        name="Phantom nodules",
        model="cnn",
        size=SIDE,
        members=1,
        seed=settings.seed,
        threads=1,  # the same model whatever the number of cores
        set=(*LEARNER, f"training.steps={settings.steps}"),
        progress=progress,
    )
    judged = _judged(run, progress)
    threshold = judged.thresholds.get(NODULE, EVEN)
    table = (Path(judged.folder) / "predictions.csv").read_text(encoding="utf-8")
    chosen = picked(judged_cases(table, NODULE), NODULE, threshold)
    examples = explained(chosen, judged, cohort, home / "cases", NODULE, threshold, progress)
    return Demonstration(
        scans=scans.as_posix(),
        cohort=(home / "cohort").as_posix(),
        run=run.folder.as_posix(),
        model=judged.model,
        pages=_pages(home, cohort.report, judged, examples, chosen),
        report=cohort.report,
        summary=summary,
        evaluation=judged,
        examples=examples,
        missing=list(chosen.missing),
    )


def _cohort(scans: Path, home: Path, settings: DemoSettings, progress: Progress) -> tuple[Cohort, Summary]:
    """The scans, catalogued and shown."""
    if scans.is_dir():
        progress.say(f"The scans in {scans} are used as they are.")
    else:
        progress.say("Scanning made-up patients.")
        with atomic_write(scans) as temporary:
            write_scans(
                temporary,
                patients=settings.patients,
                seed=settings.seed,
                progress=progress,
                pixels=PIXELS,
                disease=SPREAD,
            )
    cohort = ingest(scans, into=home / "cohort", name="Phantom chests", label="class", progress=progress)
    summaries = [
        show(home / "cohort", into=home / _named("cohort", language), language=language, progress=progress)
        for language in LANGUAGES
    ]
    return cohort, summaries[0]


def _judged(run: Run, progress: Progress) -> Evaluation:
    """The evaluation of this very model where there is one: looking again would wear the test out."""
    evidence = run.folder / "evidence"
    try:
        known = Evaluation.model_validate_json((evidence / "metrics.json").read_bytes())
    except (OSError, ValidationError):
        known = None
    reports = [evidence / _named("report", language) for language in LANGUAGES]
    whole = known is not None and all(one.is_file() for one in reports)
    if known is not None and whole and known.digest == read_model(run.model.path).digest:
        progress.say(f"The evaluation in {evidence} is used as it is.")
        # Its paths are those of the folder in which it was asked for.
        here = {"folder": evidence.as_posix(), "model": run.model.path.as_posix(), "report": reports[0].as_posix()}
        return known.model_copy(update=here)
    return evaluate(run.folder, into=evidence, language="both", progress=progress)


def _pages(home: Path, report: IngestReport, judged: Evaluation, examples: list[Example], chosen: Picked) -> list[str]:
    """The page that leads to everything, in each language."""
    paths = []
    for language in LANGUAGES:
        other = next(one for one in LANGUAGES if one != language)
        page = demo_page(
            report=report,
            judged=judged,
            examples=examples,
            missing=chosen.missing,
            links={
                "cohort": _named("cohort", language),
                "report": f"run/evidence/{_named('report', language)}",
                "recipe": "run/recipe.yaml",
                "model": "run/model.isomodel",
                "other": _named("index", other),
            },
            lang=language,
        )
        path = home / _named("index", language)
        write_text(path, page)
        paths.append(path.as_posix())
    return paths


def _named(page: str, language: str) -> str:
    return f"{page}.html" if language == LANGUAGES[0] else f"{page}.{language}.html"


def _check(home: Path, scans: Path) -> None:
    """A folder with somebody's work in it, or with another demonstration, is not ours to fill."""
    there = [one for one in sorted(home.iterdir()) if not one.name.startswith(".")] if home.is_dir() else []
    other = next((one.name for one in there if one.name.startswith("scans-") and one != scans), None)
    if other is not None:
        raise UsageError(
            f"{home} holds another demonstration ({other})",
            remedy=f"Remove {home}, or give another folder: `isocenter demo FOLDER`",
        )
    # Scans come first: what lies there without them, a cohort or a run, is somebody's own.
    pages = {_named(page, language) for page in ("cohort", "index") for language in LANGUAGES}
    ours = {scans.name, "cohort", "run", "cases", *pages} if scans.is_dir() else set()
    stranger = next((one.name for one in there if one.name not in ours), None)
    if stranger is not None:
        raise UsageError(
            f"{home} holds other things ({stranger})", remedy="Give another folder: `isocenter demo FOLDER`"
        )
