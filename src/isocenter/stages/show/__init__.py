"""Show anything: a cohort, images, a run, a model or readings.

Each kind of thing has a file of its own: `gallery` (cohorts, folders, images), `model`, `run`, `readings`; `design`
holds what models and runs have in common. A file is loaded when its kind of thing is met: for a model no database, for
a cohort no model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from isocenter.core.errors import UsageError
from isocenter.core.progress import Progress
from isocenter.core.reading import READINGS_FILE, READINGS_TABLE, Readings
from isocenter.core.run import CHECKPOINTS, ENDING, LOG_FILE, MODEL_FILE, RECIPE_FILE, RECORD_FILE
from isocenter.core.settings import Settings, Subject, verb
from isocenter.core.words import language
from isocenter.data.catalogue.folder import is_cohort
from isocenter.storage.atomic import write_text

if TYPE_CHECKING:
    from isocenter.data.summary import Summary
    from isocenter.delivery.modelfile.package import Package
    from isocenter.stages.show.model import ModelShown
    from isocenter.stages.show.run import RunShown

    Shown = Summary | ModelShown | RunShown | Readings
    """What a place is shown as. `show` itself is typed `Any`: whoever names a cohort knows that a summary comes back,
    and would otherwise have to ask for it."""

CARD = ".md"


class ShowSettings(Settings):
    """What to show, and how."""

    place: Subject[Path]
    """A cohort, a folder of images, an image, a run, a model file (.isomodel), or what `predict --into DIR` wrote."""
    into: Path | None = None
    """Of images: draw a page (.html) with everything, or the contact sheet alone (.png). Of a model: its card (.md)."""
    language: Literal["en", "zh"] | None = None
    """Language of the page or the card: en or zh; that of the machine unless given."""
    tiles: int = Field(default=48, ge=1, le=400)
    """How many images the contact sheet shows."""
    resample: bool = False
    """Lay uneven, tilted or gappy slices onto a regular grid so that they can be drawn."""


@verb(ShowSettings)
def show(settings: ShowSettings, progress: Progress) -> Any:
    """Show anything: what images a place holds, what a model is, how far a run has come, or what readings say.

    Of a cohort, a folder or an image it tells counts, class balance, sizes, spacings, and what could not be read; of a
    model what it answers, how it decides and how well it did; of a run that has not finished, the command that goes on.
    """
    return _shown(settings, progress)


def _shown(settings: ShowSettings, progress: Progress) -> Shown:
    place = settings.place
    if not is_cohort(place):
        if place.is_file() and place.suffix.lower() == ENDING:
            return _model(settings)
        if _is_run(place):
            return _run(settings)
        written = _readings_at(place)
        if written is not None:
            return _readings(settings, written)
    from isocenter.stages.show import gallery

    return gallery.shown(
        place,
        into=settings.into,
        lang=settings.language,
        tiles=settings.tiles,
        resample=settings.resample,
        progress=progress,
    )


def _is_run(place: Path) -> bool:
    """Whether a folder holds a model, or two at least of what a training writes: one name alone may be an accident."""
    begun = [(place / name).exists() for name in (RECIPE_FILE, RECORD_FILE, LOG_FILE, CHECKPOINTS)]
    return (place / MODEL_FILE).is_file() or sum(begun) > 1


def _readings_at(place: Path) -> Path | None:
    """The file of readings that is meant by its path or its folder; none where the folder holds other things too."""
    if place.suffix.lower() == ".json" and place.is_file():
        return place
    inside = place / READINGS_FILE
    if not inside.is_file():
        return None
    # Whoever keeps readings beside images still sees the images, and is told of the readings.
    others = [one for one in place.iterdir() if not one.name.startswith(".")]
    return inside if {one.name for one in others} <= {READINGS_FILE, READINGS_TABLE} else None


def _model(settings: ShowSettings) -> ModelShown:
    from isocenter.delivery.modelfile.read import read_model
    from isocenter.stages.show import model

    _require_card(settings, "a model")
    package = read_model(settings.place)
    return model.shown(settings.place, package).model_copy(update={"files": _written_card(settings, package)})


def _run(settings: ShowSettings) -> RunShown:
    from isocenter.stages.show import run

    _require_card(settings, "a run")
    found, package = run.shown(settings.place)
    if package is None and settings.into is not None:
        remedy = f"Go on with `{found.command}`" if found.command else "Wait until it has finished"
        raise UsageError(f"{settings.place} has no model card", why="its training has not finished", remedy=remedy)
    return found if package is None else found.model_copy(update={"files": _written_card(settings, package)})


def _readings(settings: ShowSettings, written: Path) -> Readings:
    from isocenter.stages.show import readings

    _require_images(settings, "readings")
    if settings.into is not None:
        table = written.with_name(READINGS_TABLE)
        remedy = f"They are in {table} as a table" if table.is_file() else "Leave `--into` out"
        raise UsageError(f"{settings.into} cannot be written", why="readings are no picture", remedy=remedy)
    return readings.read(written)


def _require_card(settings: ShowSettings, what: str) -> None:
    """Refuse what belongs to images, and any other ending than that of a card, before a large file is read."""
    _require_images(settings, what)
    if settings.into is not None and settings.into.suffix.lower() != CARD:
        why = f"{what} has a model card, and that is a text"
        raise UsageError(f"{settings.into} cannot be written", why=why, remedy=f"End it in {CARD}")


def _require_images(settings: ShowSettings, what: str) -> None:
    for name in sorted({"tiles", "resample"} & settings.model_fields_set):
        why = f"{settings.place} holds {what}"
        raise UsageError(f"`{name}` is for images", why=why, remedy=f"Leave `--{name}` out")


def _written_card(settings: ShowSettings, package: Package) -> list[str]:
    """Write the card where that is asked for; returns the files written."""
    if settings.into is None:
        return []
    from isocenter.delivery.modelfile.card import model_card

    write_text(settings.into, model_card(package, language(settings.language)))
    return [settings.into.as_posix()]
