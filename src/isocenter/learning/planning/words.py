"""What the names of labels and classes say: which class is the finding, which the absence of one."""

from __future__ import annotations

import re
from collections.abc import Sequence

NEGATION = ("no", "non", "not", "without", "无", "非", "未见")
"""Words before a finding that say that it is not there; some are written as one word with it (`nontumour`)."""

ABSENCE = {
    *("normal", "none", "negative", "neg", "healthy", "absent", "absence", "false", "clear"),
    *("control", "free", "unremarkable", "0"),
    *("正常", "阴性", "健康"),
    *NEGATION,
}
"""Words that say that nothing was found; the list is ours and may grow."""

HARMLESS = {"benign", "良性"}
"""Words for a finding that does no harm: the absence of a worse one, and itself a finding beside a healthy class."""


def positive_class(classes: Sequence[str]) -> str | None:
    """Of two classes, the one whose presence is asked for; None where their names do not tell."""
    if len(classes) != 2:
        return None
    first, second = classes
    for one, other in ((first, second), (second, first)):
        if _compact(one) in {negation + _compact(other) for negation in NEGATION}:
            # "not normal" is a finding and "non-tumour" is none: it depends on what is negated.
            return one if _absence(other) else other
    absence = [_absence(first), _absence(second)]
    return None if absence[0] == absence[1] else classes[absence.index(min(absence))]


def _absence(name: str) -> int:
    """2 for a name that says that nothing was found, 1 for a harmless finding, 0 for any other."""
    text = re.sub(r"clear[\W_]+cell", "clearcell", name.lower())  # a cell, not an image without findings
    words = {*re.split(r"[\W_]+", text), text}
    return 2 if words & ABSENCE else 1 if words & HARMLESS else 0


def _compact(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())
