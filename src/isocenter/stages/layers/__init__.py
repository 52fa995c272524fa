"""Look inside a network: its layers and what they cost, how far it sees, its filters and its maps.

`subject` finds what is meant, `material` what it is shown, `sight` how far it sees, `pictures` draws, and `results` is
the document.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from isocenter.core.anatomy import Layer
from isocenter.core.cohort import Cohort
from isocenter.core.errors import UsageError
from isocenter.core.progress import Progress
from isocenter.core.settings import Settings, verb
from isocenter.core.settings import Subject as About
from isocenter.data.catalogue.folder import is_cohort
from isocenter.data.catalogue.store import open_cohort
from isocenter.delivery.layers import graph_layers
from isocenter.delivery.modelfile.package import GRAPH
from isocenter.pathway.preparation import Prepared
from isocenter.stages._shared.home import home_of
from isocenter.stages.layers import pictures
from isocenter.stages.layers.material import cases_of, one_image
from isocenter.stages.layers.results import LayersShown
from isocenter.stages.layers.sight import seen
from isocenter.stages.layers.subject import Subject, Wanted, subject_of
from isocenter.storage.atomic import make_folder


class LayersSettings(Settings):
    """What to look into, and what to draw of it."""

    model: About[Path]
    """A model file (.isomodel), the run that made it, or a name from `isocenter list models`."""
    image: Path | None = None
    """An image, or the folder of its slices: its maps are drawn, and how far a place of the last one sees in it."""
    into: Path | None = None
    """A folder for the pictures: layers, filters, maps and receptive field; nothing is written unless given."""
    size: int | None = Field(default=None, ge=8, le=1024)
    """Of a model given by its name: extent of its input along each axis; 224, and 64 of a volume, unless given."""
    channels: int | None = Field(default=None, ge=1, le=64)
    """Of a model given by its name: channels of its input; 1 unless given."""
    volume: bool = False
    """Of a model given by its name: its input is a volume."""
    set: tuple[str, ...] = ()
    """Of a model given by its name: its settings, such as model.settings.depth=34; may be given several times."""


@verb(LayersSettings)
def layers(settings: LayersSettings, progress: Progress) -> LayersShown:
    """Look inside a network: its layers and what they cost, how far it sees, its filters and its maps.

    The receptive field is told twice: what a place of a map could see by the layers, and what it heeds by the weights.
    Where the cohort that the model learned from is at hand, that is held against the size of what is marked in it.
    """
    wanted = Wanted(size=settings.size, channels=settings.channels, volume=settings.volume, set=settings.set)
    subject = subject_of(settings.model, wanted)
    given = _given(settings, subject, progress)
    if settings.into is not None:
        make_folder(settings.into)
    if subject.network is None:
        return _of_graph(subject, settings.into)
    return _of_network(subject, given, settings.into, progress)


def _given(settings: LayersSettings, subject: Subject, progress: Progress) -> Prepared | None:
    """The image that was given, as the model is shown it."""
    if settings.image is None:
        return None
    if subject.package is None or subject.network is None:
        what = "a model that has not learned" if subject.package is None else "this model"
        why = "nothing says how its images are prepared" if subject.package is None else "its maps are not known"
        raise UsageError(f"An image cannot be shown to {what}", why=why, remedy="Leave `--image` out")
    return one_image(settings.image, subject.recipe, progress)


def _of_network(subject: Subject, given: Prepared | None, into: Path | None, progress: Progress) -> LayersShown:
    from isocenter.learning.anatomy import anatomy
    from isocenter.learning.build import input_form

    assert subject.network is not None
    found = anatomy(subject.network, input_form(subject.recipe))
    cohort = _cohort(subject)
    material = None if cohort is None else cases_of(cohort, subject.recipe, progress)
    progress.start("Asking what a place heeds")
    far = seen(subject, found, given, material)
    rows = list(found.layers)
    if subject.recipe.input.features:
        # A row of numbers has no pixels that could be seen.
        rows = [one.model_copy(update={"receptive_field": None}) for one in rows]
    shown = _shown(subject, rows, parameters=found.parameters, resting=found.resting)
    shown = shown.model_copy(update={"sight": None if far is None else far.sight})
    if into is None:
        return shown
    image = given or (material.prepared[0] if material is not None else None)
    return shown.model_copy(update={"files": pictures.drawn(shown, subject.network, image, far, into)})


def _of_graph(subject: Subject, into: Path | None) -> LayersShown:
    assert subject.package is not None
    rows = graph_layers(subject.package.graphs[GRAPH])
    shown = _shown(subject, rows, parameters=sum(one.parameters for one in rows))
    unknown = sum(not one.output for one in rows)
    if unknown:
        note = f"The graph leaves open what {unknown} of {len(rows)} layers give: what they cost is not counted."
        shown = shown.model_copy(update={"notes": [*shown.notes, note]})
    return shown if into is None else shown.model_copy(update={"files": pictures.of_table(shown, into)})


def _shown(subject: Subject, rows: list[Layer], *, parameters: int, resting: int = 0) -> LayersShown:
    recipe, network = subject.recipe, subject.network
    notes = list(subject.notes)
    members = 1 if network is None else recipe.model.members
    if members > 1:
        notes.append(f"It is the mean of {members} networks of this form: the layers are those of one of them.")
    foreign = subject.package is not None and subject.package.weights is None
    return LayersShown(
        name=subject.name,
        model=subject.place,
        network="" if foreign else recipe.model.name,
        by="graph" if network is None else "network",
        input=recipe.input.given_shape,
        members=members,
        layers=rows,
        parameters=parameters,
        resting=resting,
        multiply_adds=sum(one.multiply_adds for one in rows),
        megabytes=sum(one.megabytes for one in rows),
        notes=notes,
    )


def _cohort(subject: Subject) -> Cohort | None:
    """The cohort that the model learned from, where it is at hand."""
    if subject.package is None:
        return None
    home = home_of(Path(subject.place), subject.package)
    return open_cohort(home) if home is not None and is_cohort(home) else None
