"""Which readings the demonstration shows: never one for what it is not."""

from __future__ import annotations

from isocenter.workflows.demo.cases import Judged, Picked, judged_cases, picked

TABLE = """case,patient,truth,called,probability_clear,probability_nodule,correct
1.2,P1,nodule,nodule,0.100000,0.900000,1
1.3,P2,clear,clear,0.990000,0.010000,1
1.4,P3,nodule,clear,0.800000,0.200000,0
1.5,P4,nodule,clear,0.600000,0.400000,0
1.6,P5,clear,clear,0.550000,0.450000,1
"""


def _shown(found: Picked) -> list[tuple[str, str]]:
    return [(kind, one.case) for kind, one in found.cases]


def _judged(number: int, truth: str, probability: float) -> Judged:
    called = "nodule" if probability >= 0.5 else "clear"
    return Judged(case=str(number), patient=f"P{number}", truth=truth, called=called, probability=probability)


def test_a_find_a_mistake_and_the_least_certain_case_are_shown() -> None:
    found = picked(judged_cases(TABLE, "nodule"), "nodule", 0.5)
    assert _shown(found) == [("right", "1.2"), ("wrong", "1.4"), ("uncertain", "1.6")]
    assert found.missing == ()


def test_certainty_is_the_distance_from_the_threshold() -> None:
    judged = [_judged(1, "nodule", 0.9), _judged(2, "nodule", 0.6), _judged(3, "clear", 0.8), _judged(4, "clear", 0.3)]
    assert _shown(picked(judged, "nodule", 0.5))[-1] == ("uncertain", "2")
    assert _shown(picked(judged, "nodule", 0.35))[-1] == ("uncertain", "4")


def test_without_a_mistake_two_uncertain_cases_are_shown_and_that_is_told() -> None:
    judged = [_judged(1, "nodule", 0.9), _judged(2, "clear", 0.1), _judged(3, "clear", 0.4), _judged(4, "clear", 0.3)]
    found = picked(judged, "nodule", 0.5)
    assert _shown(found) == [("right", "1"), ("uncertain", "3"), ("uncertain", "4")]
    assert found.missing == ("wrong",)


def test_a_right_reading_of_a_clear_case_stands_in_where_nothing_was_found() -> None:
    found = picked([_judged(1, "clear", 0.1), _judged(2, "nodule", 0.3)], "nodule", 0.5)
    assert _shown(found) == [("right", "1"), ("wrong", "2")]
    assert found.missing == ("uncertain",)


def test_where_all_are_wrong_none_is_called_right() -> None:
    found = picked([_judged(1, "clear", 0.9), _judged(2, "nodule", 0.3)], "nodule", 0.5)
    assert _shown(found) == [("wrong", "1"), ("uncertain", "2")]
    assert found.missing == ("right",)
