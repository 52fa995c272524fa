"""Several registered series of one examination, which become the channels of one case."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from fnmatch import fnmatch

from isocenter.core.errors import OpenQuestion, UsageError
from isocenter.core.words import counted, listed
from isocenter.data.layouts._shared import CaseDraft, Draft, Layout, Survey, Wishes, same_grid, stem
from isocenter.data.naming import SEQUENCES

_FEWEST_PATIENTS = 2


def _understand(survey: Survey, wishes: Wishes, draft: Draft) -> None:
    if "none" in wishes.channels:
        return
    examinations = _examinations(survey, draft)
    if wishes.channels:
        _join_wished(draft, examinations, _patterns(wishes.channels))
    else:
        _join_evident(draft, examinations)


def _examinations(survey: Survey, draft: Draft) -> dict[Hashable, dict[str, list[CaseDraft]]]:
    """Cases of one image by examination, then by what the series is called."""
    found: dict[Hashable, dict[str, list[CaseDraft]]] = defaultdict(lambda: defaultdict(list))
    for case in draft.cases.values():
        if len(case.images) != 1 or case.first.part:
            continue
        image = case.first
        if image.study and image.description:
            found[image.patient or "", image.study][image.description.strip()].append(case)
        elif "Z" in image.axes and image.series is None:
            base, _, ending = stem(image.files[0]).rpartition("_")
            if base and ending.lower() in SEQUENCES:
                found[survey.place(image.files[0]).rpartition("/")[0], base][ending].append(case)
    return found


def _join_evident(draft: Draft, examinations: Mapping[Hashable, Mapping[str, list[CaseDraft]]]) -> None:
    """Join where at least two patients have the same series on one grid each; say which miss one."""
    complete: Counter[frozenset[str]] = Counter()
    people: dict[frozenset[str], set[Hashable]] = defaultdict(set)
    for examination, series in examinations.items():
        single = {name: cases[0] for name, cases in series.items() if len(cases) == 1}
        together = _on_one_grid(single)
        if len(together) > 1:
            complete[frozenset(together)] += 1
            people[frozenset(together)].add(_person(examination, together))
    fitting = [names for names in complete if len(people[names]) >= _FEWEST_PATIENTS]
    if not fitting:
        return
    names = max(fitting, key=lambda one: (complete[one], len(one), sorted(one)))
    order = sorted(names)
    joined, missing = 0, Counter[str]()
    for examination, series in examinations.items():
        there = _on_one_grid({name: series[name][0] for name in order if len(series.get(name, ())) == 1})
        if not there or (len(there) < 2 and len(series) > 1):
            continue
        _join(draft, examination, {name: there[name] for name in order if name in there})
        joined += 1
        missing.update(name for name in order if name not in there)
    draft.understood(
        "channels",
        f"{counted(joined, 'examination')} with the series {listed(order)} on one grid: they are the channels of one "
        "case each. `--channels none` keeps the series apart.",
    )
    _tell_missing(draft, missing)


def _on_one_grid(series: Mapping[str, CaseDraft]) -> dict[str, CaseDraft]:
    """The largest part of the series that lies on one grid."""
    best: dict[str, CaseDraft] = {}
    left = dict(series)
    while left:
        first = next(iter(left.values()))
        together = {name: case for name, case in left.items() if same_grid(first.first, case.first)}
        left = {name: case for name, case in left.items() if name not in together}
        if len(together) > len(best):
            best = together
    return best


def _person(examination: Hashable, series: Mapping[str, CaseDraft]) -> Hashable:
    return next(iter(series.values())).patient or examination


def _join(draft: Draft, examination: Hashable, series: Mapping[str, CaseDraft]) -> None:
    """One case with the series as channels and everything that was said of any of them."""
    cases = list(series.values())
    for case in cases:
        del draft.cases[case.key]
    lead, name = examination if isinstance(examination, tuple) else ("", examination)
    key = "/".join(str(part) for part in (lead, name) if part)
    joined = draft.add(key, {channel: case.first for channel, case in series.items()})
    for case in cases:
        joined.patient = joined.patient or case.patient
        joined.split = joined.split or case.split
        joined.twice |= case.twice
        for claim in case.claims:
            joined.claim(claim.name, claim.value, claim.reader)
    if joined.patient is None:
        joined.patient = str(name)


def _patterns(wished: Sequence[str]) -> dict[str, str]:
    patterns = {}
    for one in wished:
        name, sign, pattern = one.partition("=")
        if not sign or not name.strip() or not pattern.strip():
            raise UsageError(
                f"A channel must be written NAME=PATTERN, got `{one}`",
                remedy="For example `--channels T1=*t1* --channels FLAIR=*flair*`, or `--channels none`",
            )
        patterns[name.strip()] = pattern.strip().lower()
    return patterns


def _join_wished(
    draft: Draft, examinations: Mapping[Hashable, Mapping[str, list[CaseDraft]]], patterns: Mapping[str, str]
) -> None:
    joined, missing, apart = 0, Counter[str](), 0
    seen: set[str] = set()
    for examination, series in examinations.items():
        chosen: dict[str, CaseDraft] = {}
        for channel, pattern in patterns.items():
            fitting = [case for name, cases in series.items() if _fits(name, pattern) for case in cases]
            if len(fitting) > 1:
                names = [name for name in series if _fits(name, pattern)]
                question = OpenQuestion(
                    f"{channel}={pattern} fits {len(fitting)} series of one examination ({listed(names)})",
                    why="one channel holds one series",
                    remedy=f"Write a narrower pattern, such as `--channels {channel}={_narrow(names[0])}`",
                )
                draft.questions.append(question)
                return
            if fitting:
                chosen[channel] = fitting[0]
        seen.update(chosen)
        if not chosen:
            continue
        if len(_on_one_grid(chosen)) < len(chosen):
            apart += 1
            continue
        _join(draft, examination, chosen)
        joined += 1
        missing.update(channel for channel in patterns if channel not in chosen)
    for channel in patterns.keys() - seen:
        raise UsageError(
            f"No series fits the channel {channel}={patterns[channel]}",
            remedy=f"Series here are called: {listed(sorted({name for one in examinations.values() for name in one}))}",
        )
    draft.understood("channels", f"{counted(joined, 'case')} with the channels {listed(list(patterns))}, as asked.")
    _tell_missing(draft, missing)
    if apart:
        draft.warnings.append(
            f"{counted(apart, 'examination')} whose series lie on different grids: not joined, each series is a case."
        )


def _fits(name: str, pattern: str) -> bool:
    lower = name.lower()
    return fnmatch(lower, pattern) if re.search(r"[*?\[]", pattern) else pattern in lower


def _narrow(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _tell_missing(draft: Draft, missing: Mapping[str, int]) -> None:
    for channel, count in sorted(missing.items()):
        draft.warnings.append(f"The channel {channel} is missing in {counted(count, 'case')}.")


LAYOUT = Layout(rank=55, understand=_understand)
