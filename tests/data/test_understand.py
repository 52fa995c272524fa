"""How the layouts work together: their order, wishes, questions, and what is told at the end."""

from __future__ import annotations

import pytest

from isocenter.core import registry
from isocenter.core.errors import OpenQuestion, UnknownName, UsageError
from isocenter.core.image import ImageFacts
from isocenter.core.labels import ClassValue
from isocenter.data import layouts
from isocenter.data.formats._shared import Table
from isocenter.data.layouts._shared import Draft, Layout, Survey, Wishes, in_natural_order
from isocenter.data.understand import shelf, understand


def picture(place: str, **known) -> ImageFacts:
    return ImageFacts(format="raster", files=(f"/x/{place}",), axes="CYX", shape=(1, 8, 8), **known)


def survey(*places: str, tables: tuple[Table, ...] = (), **known) -> Survey:
    return Survey(root="/x", images=tuple(picture(place, **known) for place in places), tables=tables)


@pytest.mark.parametrize("name", registry.names(layouts))
def test_every_layout_keeps_the_contract(name):
    layout = registry.get(layouts, name)
    assert isinstance(layout, Layout)
    assert 0 < layout.rank < 100
    assert registry.blurb(layouts, name).endswith(".")
    for nothing in (Survey(root="/x", images=()), survey("a.png", "deep/b.png")):
        draft = Draft()
        layout.understand(nothing, Wishes(), draft)
        assert not draft.questions
        assert not draft.refused
        if layout.rank < 50:
            assert not draft.cases
            assert not draft.layouts


def test_layouts_are_asked_by_rank():
    ranks = [layout.rank for layout in shelf().values()]
    assert ranks == sorted(ranks)
    assert {"decathlon", "masks", "loose", "table"} <= set(shelf())


def test_an_empty_source_is_an_empty_draft():
    draft = understand(Survey(root="/x", images=()), Wishes())
    assert not draft.cases
    assert not draft.questions


def test_an_unknown_layout_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean `coco`|Did you mean `coco`"):
        understand(survey("a.png"), Wishes(layout="cocoo"))


def test_a_layout_that_is_not_there_is_answered():
    with pytest.raises(UsageError, match="is not laid out as `coco`"):
        understand(survey("a.png"), Wishes(layout="coco"))


def test_a_named_layout_runs_without_its_rivals():
    draft = understand(survey("yes/a.png", "yes/b.png", "no/c.png", "no/d.png"), Wishes(layout="class_folders"))
    assert draft.layouts == ["loose", "class_folders"]
    assert draft.cases["yes/a.png"].claims[0].value == ClassValue(value="yes")


def test_a_question_ends_the_search():
    rows = tuple((f"{n}.png", "ab"[n % 2], "cd"[n // 5]) for n in range(10))
    table = Table("/x/t.csv", ("file", "diagnosis", "pathology"), rows)
    draft = understand(survey(*(f"{n}.png" for n in range(10)), tables=(table,)), Wishes())
    (question,) = draft.questions
    assert isinstance(question, OpenQuestion)
    assert "feature_table" not in draft.layouts


def test_masks_without_images_are_refused_once():
    draft = understand(survey("a.png", role="mask"), Wishes())
    assert [one.path for one in draft.refused] == ["/x/a.png"]
    assert not draft.cases


def test_patients_of_the_header_are_counted():
    images = (picture("a.png", patient="P"), picture("b.png", patient="P"), picture("c.png"))
    draft = understand(Survey(root="/x", images=images), Wishes())
    assert "2 cases of 1 patient; 1 whose patient is unknown count as a patient each." in draft.evidence


def test_a_patient_in_two_split_folders_is_told():
    images = (
        picture("train/a.png", patient="P"),
        picture("test/b.png", patient="P"),
        picture("test/c.png", patient="Q"),
    )
    draft = understand(Survey(root="/x", images=images), Wishes())
    assert any("1 patient lies in more than one split (P)" in line for line in draft.warnings)


def test_a_label_of_one_class_is_told():
    rows = tuple((f"{n}.png", "a" if n else "unknown") for n in range(6))
    table = Table("/x/t.csv", ("file", "diagnosis"), rows)
    draft = understand(survey(*(f"{n}.png" for n in range(6)), tables=(table,)), Wishes())
    assert "The label `diagnosis` has one class alone: nothing can be learnt from it." in draft.warnings


def test_a_hundred_thousand_images_take_no_square_time(monkeypatch):
    """Counts the steps rather than the seconds: twice the images may take little more than twice the steps."""
    import sys

    def steps(count: int) -> int:
        places = [f"{('train', 'test')[n % 2]}/{('ill', 'well')[n // 2 % 2]}/i{n:06}.png" for n in range(count)]
        rows = tuple((place, place.split("/")[1], f"P{n // 3}") for n, place in enumerate(places))
        whole = survey(*places, tables=(Table("/x/t.csv", ("file", "class", "patient"), rows),))
        total = 0

        def counter(*_):
            nonlocal total
            total += 1

        sys.setprofile(counter)
        try:
            understand(whole, Wishes())
        finally:
            sys.setprofile(None)
        return total

    steps(50)
    small, large = steps(400), steps(1600)
    assert large < 5 * small


def test_equal_keys_are_told_apart():
    draft = Draft()
    first = draft.add("a", {})
    second = draft.add("a", {})
    assert (first.key, second.key) == ("a", "a (2)")


def test_one_reader_says_one_thing_of_a_case():
    case = Draft().add("a", {})
    for word in ("x", "y", "y", "x", "z"):
        case.claim("class", ClassValue(value=word))
    case.claim("class", ClassValue(value="x"), "B")
    assert [(claim.value.value, claim.reader) for claim in case.claims] == [
        ("x", "reference"),
        ("y", "reader 2"),
        ("z", "reader 3"),
        ("x", "B"),
    ]
    assert case.twice == {"class"}


def test_names_with_odd_digits_are_sorted():
    assert in_natural_order(["a10", "a2", "①", "a²", "3"]) == ["3", "a2", "a10", "a²", "①"]
