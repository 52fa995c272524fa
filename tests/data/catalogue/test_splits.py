"""Patients stay whole, shares are met, the same seed gives the same split, growing keeps what was."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.data.catalogue.splits import Member, assign, carve_validation


def cases(count: int, *, per_patient: int = 1, classes: int = 2) -> list[Member]:
    return [
        Member(f"case{n}", f"patient{n // per_patient}", None, f"class{(n // per_patient) % classes}", None)
        for n in range(count)
    ]


def test_shares_are_met_in_every_class() -> None:
    members = cases(200)
    given_splits = assign(members, seed=0)
    for stratum in ("class0", "class1"):
        counts = Counter(given_splits[one.key] for one in members if one.stratum == stratum)
        assert counts == {"train": 70, "val": 15, "test": 15}


@given(st.integers(1, 5), st.integers(3, 60), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_a_patient_is_never_on_two_sides(per_patient: int, patients: int, seed: int) -> None:
    members = cases(per_patient * patients, per_patient=per_patient)
    given_splits = assign(members, seed=seed)
    sides: dict[str, set[str]] = {}
    for member in members:
        sides.setdefault(member.patient, set()).add(given_splits[member.key])
    assert all(len(side) == 1 for side in sides.values())
    assert given_splits == assign(list(reversed(members)), seed=seed)


def test_many_small_strata_still_give_every_split_its_share() -> None:
    members = [Member(f"case{n}", f"patient{n}", None, f"combination{n}", None) for n in range(120)]
    assert Counter(assign(members, seed=0).values()) == {"train": 84, "val": 18, "test": 18}
    few = [Member(f"case{n}", f"patient{n}", None, f"class{n % 2}", None) for n in range(6)]
    assert Counter(assign(few, seed=0).values()) == {"train": 4, "val": 1, "test": 1}


def test_ties_reach_through_groups_and_patients() -> None:
    chain = [
        Member("a", "p1", "g1", "x", None),
        Member("b", "p2", "g1", "x", None),
        Member("c", "p2", "g2", "x", None),
        Member("d", "p3", "g2", "x", None),
    ]
    given_splits = assign([*chain, *cases(40)], seed=3)
    assert len({given_splits[one.key] for one in chain}) == 1


def test_a_growing_cohort_keeps_its_splits_and_its_shares() -> None:
    first = cases(100)
    before = assign(first, seed=0)
    known = [Member(one.key, one.patient, None, one.stratum, before[one.key]) for one in first]
    fresh = [Member(f"new{n}", f"newcomer{n}", None, f"class{n % 2}", None) for n in range(100)]
    sibling = Member("sibling", "patient0", None, "class0", None)
    after = assign([*known, *fresh, sibling], seed=0)
    assert not set(after) & set(before)
    assert after["sibling"] == before["case0"]
    counts = Counter([*before.values(), *after.values()])
    assert abs(counts["test"] - 30) <= 2
    assert abs(counts["train"] - 141) <= 2


def test_official_splits_are_left_alone_and_two_patients_are_not_divided() -> None:
    official = [Member(one.key, one.patient, None, one.stratum, "train") for one in cases(10)]
    assert assign(official, seed=0) == {}
    assert assign(cases(2), seed=0) == {}
    assert assign([], seed=0) == {}


def test_validation_comes_from_an_official_training_part_by_patient() -> None:
    members = [
        Member(one.key, one.patient, None, one.stratum, "test" if int(one.patient[7:]) >= 40 else "train")
        for one in cases(100, per_patient=2)
    ]
    carved = carve_validation(members, seed=0)
    assert set(carved.values()) == {"val"}
    assert len(carved) == 12
    assert all(int(key[4:]) < 80 for key in carved)
    assert len({int(key[4:]) // 2 for key in carved}) == 6
    with_validation = [*members, Member("v", "v", None, "class0", "val")]
    assert carve_validation(with_validation, seed=0) == {}
