"""The page at the end of the demonstration: what was done, how well it went, three cases, and where everything is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isocenter.core.cohort import IngestReport
from isocenter.core.reading import Measure
from isocenter.core.words import LANGUAGES
from isocenter.delivery.reports.evaluation import interval, short_name, valued
from isocenter.drawing.template import inlined, rendered, sentences
from isocenter.stages.evaluate import Evaluation
from isocenter.workflows.demo.cases import Example, Kind

SHOWN = ("auroc", "sensitivity", "specificity")


def demo_page(
    *,
    report: IngestReport,
    judged: Evaluation,
    examples: Sequence[Example],
    missing: Sequence[Kind],
    links: Mapping[str, str],
    lang: str,
) -> str:
    """The page, in English or Chinese, as the text of one HTML file.

    Args:
        report: what was taken into the cohort.
        judged: how the model did on the test cases.
        examples: the explained readings.
        missing: kinds of example that do not occur among the test cases.
        links: name of a thing to its path from this page: `cohort`, `report`, `recipe`, `model`, `other` language.
        lang: `en` or `zh`.
    """
    sentence = sentences("demo", lang)
    known = {one.name: one for one in judged.metrics}
    return rendered(
        "page.html.j2",
        package="isocenter.workflows.demo",
        lang=lang,
        t=sentence,
        report=report,
        judged=judged,
        measures=[_measure(known[name], lang) for name in SHOWN if name in known],
        notes=[sentence(f"no_{kind}") for kind in missing],
        cases=[_case(one, lang, sentence) for one in examples],
        links=links,
        other=next(one for one in LANGUAGES if one != lang),
    )


def _measure(one: Measure, lang: str) -> dict[str, str]:
    return {"name": short_name(one.name, lang), "value": valued(one.value), "interval": interval(one)}


def _case(one: Example, lang: str, sentence: Any) -> dict[str, Any]:
    said = {"truth": one.truth, "called": one.called, "asked": one.asked}
    return {
        "title": sentence(one.kind),
        "what": sentence(f"{one.kind}_note"),
        "name": one.patient,
        "said": sentence("said", **said, probability=one.likelihood, threshold=f"{one.threshold:.2f}"),
        "picture": inlined(Path(one.pictures[lang]).read_bytes()),
        "alt": " ".join((sentence("picture", **said), *one.words[lang])),
    }
