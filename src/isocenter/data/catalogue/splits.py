"""Who trains, who tunes, who judges: splits by patient, stratified by label, repeatable from a seed.

Cases that share a patient or a group (near-duplicates) are one block and never part company. Official splits stay as
they are; where a data set brings a test part but no validation part, validation is taken from its training part.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isocenter.core.case import Case
from isocenter.core.errors import UsageError
from isocenter.core.words import counted

SHARES: dict[str, float] = {"train": 0.70, "val": 0.15, "test": 0.15}
FEWEST_BLOCKS = 3
"""With fewer patients than splits there is nothing to divide."""

FEWEST_IN_STRATUM = 7
"""A stratum smaller than this cannot give each split its share: all such strata are divided as one."""


@dataclass(frozen=True, slots=True)
class Member:
    """A case as the split sees it: what ties it to others, what it should be balanced by, where it already is."""

    key: str
    patient: str
    group: str | None
    stratum: str
    split: str | None


def assign(members: Sequence[Member], *, seed: int) -> dict[str, str]:
    """A split for each case that has none, by key.

    Blocks with a member whose split is known follow it. The rest go, stratum by stratum and in seeded order, to the
    split that is furthest below its share, so that growing a cohort fills up the same shares.
    """
    official = {member.split for member in members if member.split}
    shares = _missing_shares(official, grown=any(member.split is None for member in members))
    blocks = _blocks(members)
    if not shares or len(blocks) < FEWEST_BLOCKS:
        return {}
    given: dict[str, str] = {}
    free: list[list[Member]] = []
    filled: dict[str, Counter[str]] = defaultdict(Counter)
    for block in blocks:
        known = Counter(member.split for member in block if member.split)
        if known:
            _follow(block, known, given, filled)
        else:
            free.append(block)
    _deal(free, shares, filled, given, np.random.default_rng(seed))
    return given


def carve_validation(members: Sequence[Member], *, seed: int) -> dict[str, str]:
    """Validation cases taken from an official training part, where the official split has a test part but none."""
    parts = {member.split for member in members if member.split}
    if "test" not in parts or "train" not in parts or "val" in parts:
        return {}
    training = [Member(one.key, one.patient, one.group, one.stratum, None) for one in members if one.split == "train"]
    shares = {"train": 0.85, "val": 0.15}
    blocks = _blocks(training)
    if len(blocks) < FEWEST_BLOCKS:
        return {}
    given: dict[str, str] = {}
    _deal(blocks, shares, defaultdict(Counter), given, np.random.default_rng(seed))
    return {key: split for key, split in given.items() if split == "val"}


def folds(members: Sequence[Member], *, count: int, seed: int) -> dict[str, int]:
    """Which of so many equal parts each case belongs to, by key; what is tied together stays together."""
    free = [Member(one.key, one.patient, one.group, one.stratum, None) for one in members]
    blocks = _blocks(free)
    if len(blocks) < count:
        raise UsageError(
            f"{counted(len(blocks), 'patient')} cannot be divided into {count} parts",
            remedy="Ask for fewer folds, or validate on a split: `--set validation.design=split`",
        )
    given: dict[str, str] = {}
    shares = {str(number): 1.0 / count for number in range(count)}
    _deal(blocks, shares, defaultdict(Counter), given, np.random.default_rng(seed))
    return {key: int(number) for key, number in given.items()}


def blocks_of(cases: Sequence[Case]) -> NDArray[np.int64]:
    """The number of the block of each case: those of one patient or with near-duplicates count as one for intervals."""
    # By place and not by key: cases may be given twice.
    members = [Member(f"{row:012}", case.patient, case.group, "", None) for row, case in enumerate(cases)]
    given = np.zeros(len(members), dtype=np.int64)
    for number, block in enumerate(_blocks(members)):
        given[[int(member.key) for member in block]] = number
    return given


def _missing_shares(official: set[str], *, grown: bool) -> dict[str, float]:
    """The shares to fill: all of them for a new cohort or a growing one, none where everything is official."""
    if not grown:
        return {}
    if official and official <= set(SHARES) and len(official) > 1:
        total = sum(SHARES[name] for name in official)
        return {name: SHARES[name] / total for name in SHARES if name in official}
    return dict(SHARES)


def _follow(block: list[Member], known: Counter[str], given: dict[str, str], filled: dict[str, Counter[str]]) -> None:
    target = known.most_common(1)[0][0]
    for member in block:
        filled[member.stratum][member.split or target] += 1
        if member.split is None:
            given[member.key] = target


def _deal(
    blocks: list[list[Member]],
    shares: dict[str, float],
    filled: dict[str, Counter[str]],
    given: dict[str, str],
    rng: np.random.Generator,
) -> None:
    """Hand out blocks, the largest first within a seeded order, to the split that lacks most of their stratum."""
    shuffled = [blocks[position] for position in rng.permutation(len(blocks))]
    totals: Counter[str] = Counter()
    for stratum_counts in filled.values():
        totals.update(stratum_counts)
    sizes = Counter(_stratum(block) for block in blocks)
    rare = {stratum for stratum, size in sizes.items() if size < FEWEST_IN_STRATUM}
    together: Counter[str] = Counter()
    for stratum in rare:
        together.update(filled[stratum])
    for block in sorted(shuffled, key=lambda one: (-len(one), _stratum(one))):
        counts = together if _stratum(block) in rare else filled[_stratum(block)]
        target = max(shares, key=lambda name: _lack(name, counts, totals, shares, len(block)))
        for member in block:
            given[member.key] = target
            totals[target] += 1
        counts[target] += len(block)


def _lack(
    name: str, counts: Counter[str], totals: Counter[str], shares: dict[str, float], size: int
) -> tuple[float, float]:
    """How far a split is below its share, in this stratum first and over all strata to break ties."""
    in_stratum = shares[name] * (sum(counts[one] for one in shares) + size) - counts[name]
    over_all = shares[name] * (sum(totals[one] for one in shares) + size) - totals[name]
    return in_stratum, over_all


def _stratum(block: list[Member]) -> str:
    return Counter(member.stratum for member in block).most_common(1)[0][0]


def _blocks(members: Sequence[Member]) -> list[list[Member]]:
    """Cases tied together by patient or group, directly or through others, in a stable order."""
    parent: dict[Hashable, Hashable] = {}

    def root(item: Hashable) -> Hashable:
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for member in members:
        for tie in _ties(member):
            parent[root(tie)] = root(member.key)
    blocks: dict[Hashable, list[Member]] = defaultdict(list)
    for member in sorted(members, key=lambda one: one.key):
        blocks[root(member.key)].append(member)
    return list(blocks.values())


def _ties(member: Member) -> Iterable[tuple[str, str]]:
    yield ("patient", member.patient)
    if member.group:
        yield ("group", member.group)
