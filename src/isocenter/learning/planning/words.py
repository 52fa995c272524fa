"""What the names of labels and classes say: which class is the finding, which the absence of one."""

from __future__ import annotations

import re
from collections.abc import Sequence

ABSENCE = {
    *("normal", "no", "none", "negative", "neg", "benign", "healthy", "absent", "absence", "false", "clear"),
    *("control", "without", "free", "unremarkable", "0"),
    *("正常", "阴性", "良性", "无", "健康", "未见"),
}
"""Words that say that nothing was found; the list is ours and may grow."""


def positive_class(classes: Sequence[str]) -> str | None:
    """Of two classes, the one whose presence is asked for; the second where the names do not tell."""
    if len(classes) != 2:
        return None
    absent = [bool(_words(name) & ABSENCE) for name in classes]
    return classes[0] if absent[1] and not absent[0] else classes[1]


def _words(name: str) -> set[str]:
    return set(re.split(r"[^\w]+|_", name.lower())) | {name}
