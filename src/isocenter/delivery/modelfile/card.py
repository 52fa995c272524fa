"""The model card: what a model was made for, from what, how well it did, and where it must not be trusted.

It is written from what is known; what nobody recorded is shown as a gap, so that a person fills it or doubts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import exp

from isocenter.core.reading import Measure
from isocenter.core.words import listed, say
from isocenter.delivery.modelfile.package import Package

_OWN = "isocenter"
_COLOURS = ("red", "green", "blue")


def model_card(package: Package, language: str = "en") -> str:
    """The card of a package, in Markdown."""
    sections = {
        "purpose": _purpose(package, language),
        "data": _data(package, language),
        "measured": _measured(package, language),
        "decision": _decision(package, language),
        "limits": _limits(package, language),
        "use": _use(package, language),
        "provenance": _provenance(package, language),
    }
    parts = [f"# {_plain(package.manifest.name)}"]
    for name, lines in sections.items():
        parts.append("\n".join([f"## {say(f'card.{name}', language)}", "", *lines]))
    return "\n\n".join(parts) + "\n"


def _purpose(package: Package, lang: str) -> Iterator[str]:
    recipe = package.recipe
    classes = listed([_plain(name) for name in recipe.classes], most=40)
    yield _point(lang, "task", task=recipe.task, label=_plain(recipe.label))
    if classes:
        yield _point(lang, "classes", classes=classes)
    if recipe.positive:
        yield _point(lang, "positive", positive=_plain(recipe.positive))
    modalities = listed(recipe.input.modalities) or _gap(lang)
    yield _point(lang, "modalities", modalities=modalities)
    extent = " x ".join(str(steps) for steps in recipe.input.shape)
    yield _point(lang, "input", channels=listed([_plain(name) for name in recipe.input.channels]), extent=extent)
    yield _point(lang, "intended", intended=_gap(lang))


def _data(package: Package, lang: str) -> Iterator[str]:
    record, reference = package.record, package.reference
    yield _point(lang, "cohort", cohort=_plain(record.cohort_name) or _gap(lang))
    yield _point(lang, "cases", cases=_counts(record.cases) or _gap(lang))
    if record.left_out:
        yield _point(lang, "left_out", left_out=_counts(record.left_out))
    shares = [f"{_plain(name)} {share:.1%}" for name, share in reference.prevalence.items()]
    if package.recipe.classes:
        yield _point(lang, "prevalence", prevalence=listed(shares, most=40) or _gap(lang))
    yield _point(lang, "people", people=_gap(lang))


def _measured(package: Package, lang: str) -> Iterator[str]:
    measures = package.reference.validation
    if not measures:
        yield say("card.unmeasured", lang)
        return
    yield say("card.validation_folds" if _folded(package) else "card.validation", lang)
    yield ""
    titles = [say(f"card.{name}", lang) for name in ("metric", "value", "interval", "n")]
    yield from _table(titles, [_row(measure, lang) for measure in measures])


def _folded(package: Package) -> bool:
    """Whether what was measured is that of single members, and the model is their mean."""
    return package.recipe.validation.design == "folds" and package.recipe.model.members > 1


def _row(measure: Measure, lang: str) -> Sequence[str]:
    interval = _gap(lang)
    if measure.low is not None and measure.high is not None:
        level = "" if measure.level is None else f" ({measure.level:.0%})"
        interval = f"{measure.low:.3f} – {measure.high:.3f}{level}"
    value = (
        measure.rule or _gap(lang) if measure.value is None else f"{measure.value:.3f} {measure.unit or ''}".rstrip()
    )
    return measure.name, value, interval, f"{measure.n:,}"


def _decision(package: Package, lang: str) -> Iterator[str]:
    decision = package.decision
    calibrated = "calibrated" if decision.temperature != 1.0 else "uncalibrated"
    if package.recipe.classes:
        yield _point(lang, calibrated, temperature=f"{decision.temperature:.3g}")
        if decision.shift:
            pairs = zip(package.recipe.classes, decision.shift, strict=False)
            counted = ", ".join(f"{_plain(name)} {exp(shift):.2f}" for name, shift in pairs)
            yield _point(lang, "shift", counted=counted)
        if _folded(package) and package.reference.validation:
            yield _point(lang, "calibrated_folds")
    for name, threshold in decision.thresholds.items():
        yield _point(lang, "threshold", label=_plain(name), threshold=f"{threshold:.3f}")
    if package.recipe.classes and not decision.thresholds:
        yield _point(lang, "no_threshold")
    yield _point(lang, "abstains")


def _limits(package: Package, lang: str) -> Iterator[str]:
    for name in ("limit_kind", "limit_external", "limit_device"):
        yield _point(lang, name)
    if package.manifest.origin != _OWN:
        yield _point(lang, "limit_origin", origin=_plain(package.manifest.origin))
    channels = package.recipe.input.channels
    if not package.recipe.input.missing and len(channels) > 1 and tuple(channels) != _COLOURS:
        yield _point(lang, "limit_channels")


def _use(package: Package, lang: str) -> Iterator[str]:
    name = _plain(package.manifest.name)
    yield say("card.use_note", lang)
    yield ""
    yield f"    isocenter verify {name}.isomodel"
    yield f"    isocenter predict {name}.isomodel IMAGE --into DIR"
    yield f"    isocenter evaluate {name}.isomodel COHORT"


def _provenance(package: Package, lang: str) -> Iterator[str]:
    manifest, record = package.manifest, package.record
    yield _point(lang, "made", made=manifest.made, program=manifest.program, person=_plain(record.person) or _gap(lang))
    yield _point(lang, "seed", seed=record.seed, data=record.data or _gap(lang))
    if manifest.runtimes:
        yield ""
        titles = [say(f"card.{name}", lang) for name in ("runtime", "precision", "milliseconds", "difference", "n")]
        rows = [
            (one.name, one.precision, f"{one.milliseconds:.2f}", f"{one.difference:.1e}", f"{one.cases:,}")
            for one in manifest.runtimes
        ]
        yield from _table(titles, rows)


def _point(lang: str, name: str, **values: object) -> str:
    return "- " + say(f"card.{name}", lang, **values)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(titles) + " |"
    yield "|" + "---|" * len(titles)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{_plain(name)} {count:,}" for name, count in counts.items())


def _gap(lang: str) -> str:
    return f"**{say('card.gap', lang)}**"


def _plain(text: str) -> str:
    """A name as it is, without what Markdown or HTML would make of it."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|!" else letter for letter in " ".join(text.split()))
