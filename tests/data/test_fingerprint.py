"""A cohort in figures: the label that is meant, who can be used and why not, and what the pixels are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

import isocenter as iso
from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.errors import OpenQuestion, UnknownName, Unreadable, UsageError
from isocenter.core.image import ImageFacts
from isocenter.core.labels import (
    ClassDefinition,
    ClassesValue,
    ClassValue,
    Kind,
    Label,
    LabelDefinition,
    LabelSchema,
    NumberValue,
    Unknown,
)
from isocenter.data import fingerprint as module
from isocenter.data.fingerprint import fingerprint
from isocenter.data.phantoms import write_pictures


def save(array: NDArray[Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(array).save(path)


def changed(cohort: Cohort, cases: Sequence[Case], schema: LabelSchema | None = None) -> Cohort:
    """The same cohort with other cases; the pixels stay where they are."""
    return replace(cohort, cases=list(cases), schema=schema or cohort.schema)


def schema_of(kind: Kind, *classes: str, name: str = "class") -> LabelSchema:
    given = tuple(ClassDefinition(name=one) for one in classes)
    return LabelSchema(labels=(LabelDefinition(name=name, kind=kind, classes=given),))


def labelled(case: Case, value: Any, name: str = "class") -> Case:
    return replace(case, labels=(Label(name=name, value=value),))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Forty pictures in two classes."""
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder / "scans", cases=40, size=20)
    return iso.ingest(folder / "scans", into=folder / "cohort")


@pytest.fixture
def cohort(source: Cohort) -> Cohort:
    return changed(source, list(source.cases))


def test_a_cohort_of_pictures_in_figures(cohort: Cohort) -> None:
    found = fingerprint(cohort)
    assert (found.label, found.kind, found.classes) == ("class", "class", ("lobed", "round"))
    assert found.cases == cohort.splits == {"train": 28, "val": 6, "test": 6}
    assert list(found.cases) == ["train", "val", "test"]
    assert sum(found.counts.values()) == 28
    assert found.patients == found.cases
    assert (found.unlabelled, found.unusable, found.dimensions) == (0, {}, 2)
    assert set(found.sizes) == {"x", "y"}
    assert found.sizes["x"].low == found.sizes["x"].high == 20
    assert (found.spacing, found.spacing_known, found.modalities, found.sided) == ({}, 0.0, (), False)
    (channel,) = found.channels
    assert (channel.name, channel.intensity, channel.dtypes, channel.present) == ("intensity", "raw", ("uint8",), 28)
    assert (channel.colours, found.numbers) == (1, None)
    low, middle, high, shown = channel.values
    assert 0 <= low < middle < high <= 255
    assert 0 < shown <= 1
    images = [iso.read(case.first.files[0])[0].array for case in cohort.split("train")]
    assert channel.mean == pytest.approx(np.mean(images), rel=1e-4)
    assert channel.deviation == pytest.approx(np.std(images), rel=1e-4)
    assert fingerprint(cohort).channels == found.channels
    assert found.machine.cores >= 1


def test_the_test_split_is_counted_and_never_decoded(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    real = iso.Pixels.image

    def watched(pixels: iso.Pixels, facts: ImageFacts, **options: Any) -> iso.Image:
        decoded.extend(facts.files)
        return real(pixels, facts, **options)

    monkeypatch.setattr(iso.Pixels, "image", watched)
    assert fingerprint(cohort).cases["test"] == 6
    training = {case.first.files[0] for case in cohort.split("train")}
    assert set(decoded) == training
    monkeypatch.setattr(module, "MOST_SAMPLED", 10)
    monkeypatch.setattr(module, "FEWEST_SAMPLED", 10)
    decoded.clear()
    fingerprint(cohort)
    classes = [path.split("/")[-2] for path in decoded]
    assert (classes.count("round"), classes.count("lobed")) == (5, 5)


def test_large_images_are_sampled_less(cohort: Cohort) -> None:
    asked = cohort.schema["class"]
    large = [
        replace(case, key=f"{number}{case.key}", images={"image": replace(case.first, shape=(1, 600, 512, 512))})
        for number in range(5)
        for case in cohort.cases
    ]
    assert len(module._sampled(large, asked)) == module.FEWEST_SAMPLED


def test_a_sample_takes_as_many_patients_as_there_are(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SAMPLED", 8)
    monkeypatch.setattr(module, "FEWEST_SAMPLED", 8)
    cases = [
        replace(labelled(case, ClassValue(value="round")), patient=f"p{min(number, 7)}")
        for number, case in enumerate(cohort.cases)
    ]
    assert len({case.patient for case in module._sampled(cases, cohort.schema["class"])}) == 8


def test_numbers_have_a_spread_and_are_sampled_over_it(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [labelled(case, NumberValue(value=float(number))) for number, case in enumerate(cohort.cases)]
    grown = changed(cohort, cases, schema_of(Kind.NUMBER))
    found = fingerprint(grown)
    values = [case.labels[0].value.value for case in cases if case.split == "train"]
    assert found.numbers is not None
    assert (found.kind, found.classes, found.counts) == ("number", (), {})
    assert (found.numbers.low, found.numbers.high) == (min(values), max(values))
    monkeypatch.setattr(module, "MOST_SAMPLED", 10)
    monkeypatch.setattr(module, "FEWEST_SAMPLED", 10)
    training = [case for case in cases if case.split == "train"]
    sampled = [case.labels[0].value.value for case in module._sampled(training, grown.schema["class"])]
    assert len(set(np.searchsorted(np.percentile(values, range(10, 100, 10)), sampled))) == 10


def test_several_answers_are_counted_each(cohort: Cohort) -> None:
    schema = schema_of(Kind.CLASSES, "mass", "fluid", "air")
    answers = [("mass", "fluid"), ("mass",), ()]
    cases = [
        labelled(case, ClassesValue(values=answers[number % 3])) for number, case in enumerate(cohort.split("train"))
    ]
    found = fingerprint(changed(cohort, cases, schema))
    assert (found.kind, found.classes) == ("classes", ("mass", "fluid", "air"))
    assert (found.counts["air"], found.cases) == (0, {"train": 28})
    assert found.counts["mass"] > found.counts["fluid"] > 0


def test_a_label_that_was_renamed_keeps_its_classes(cohort: Cohort) -> None:
    found = fingerprint(changed(cohort, cohort.cases, schema_of(Kind.CLASS, "round")))
    assert found.classes == ("round", "lobed")


def test_who_cannot_be_used_is_counted_by_reason(cohort: Cohort) -> None:
    cases = list(cohort.cases)
    facts = cases[0].first
    cases[0] = replace(cases[0], labels=())
    cases[1] = labelled(cases[1], Unknown())
    odd = {
        2: {},
        3: {"image": replace(facts, axes="CTYX", shape=(1, 4, 20, 20))},
        4: {"image": replace(facts, problem="its slices are not evenly spaced")},
        5: {"image": replace(facts, axes="CZYX", shape=(1, 4, 20, 20))},
        6: {"image": replace(facts, intensity="named", channels=("t1", "t2"), shape=(2, 20, 20))},
    }
    for place, images in odd.items():
        cases[place] = replace(cases[place], images=images)
    found = fingerprint(changed(cohort, cases))
    assert found.unlabelled == 1
    assert found.unusable == {
        "the reader could not tell": 1,
        "it has no image": 1,
        "it has several frames or moments": 1,
        "its slices are not evenly spaced": 1,
        "it is a volume among single images": 1,
        "its channels are t1 and t2, unlike those of most cases": 1,
    }
    assert sum(found.cases.values()) + found.unlabelled + sum(found.unusable.values()) == 40


def test_volumes_have_three_sizes_and_their_spacing(tmp_path: Path) -> None:
    write_pictures(tmp_path / "scans", cases=8, size=12, dimensions=3)
    cohort = iso.ingest(tmp_path / "scans", into=tmp_path / "cohort")
    cases = list(cohort.cases)
    flat = next(place for place, case in enumerate(cases) if case.split == "train")
    shown = replace(cases[flat].first, axes="CYX", shape=(1, 12, 12), spacing=None)
    cases[flat] = replace(cases[flat], images={"image": shown})
    found = fingerprint(changed(cohort, cases))
    assert (found.dimensions, found.modalities, found.spacing_known) == (3, (), 1.0)
    assert found.unusable == {"it is a single image among volumes": 1}
    assert {axis: one.middle for axis, one in found.sizes.items()} == {"x": 12, "y": 12, "z": 12}
    assert {axis: one.middle for axis, one in found.spacing.items()} == pytest.approx({"x": 1, "y": 1, "z": 1})


def test_grey_stored_as_colour_is_grey(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("grey", "coloured"):
        for number in range(12):
            single = rng.integers(0, 255, (24, 24, 1), np.uint8)
            array = np.repeat(single, 3, axis=2) if kind == "grey" else rng.integers(0, 255, (24, 24, 3), np.uint8)
            array[:2, :2, 0] = 255  # a mark in colour makes no picture in colour
            save(array, tmp_path / kind / "ab"[number % 2] / f"{kind}{number}.png")
        if kind == "grey":
            save(array[..., 0], tmp_path / kind / "a" / "single.png")
    found = {
        kind: fingerprint(iso.ingest(tmp_path / kind, into=tmp_path / f"{kind}-cohort"))
        for kind in ("grey", "coloured")
    }
    for kind, colours in (("grey", 1), ("coloured", 3)):
        assert [one.name for one in found[kind].channels] == ["red", "green", "blue"]
        assert {one.colours for one in found[kind].channels} == {colours}
        assert {one.present for one in found[kind].channels} == {found[kind].cases["train"]}
    assert not found["grey"].unusable


def test_channels_are_those_of_any_case(cohort: Cohort) -> None:
    cases = [
        replace(case, images={"t1": case.first} if number % 4 == 0 else {"t1": case.first, "flair": case.first})
        for number, case in enumerate(cohort.split("train"))
    ]
    found = fingerprint(changed(cohort, cases))
    assert {one.name: one.present for one in found.channels} == {"t1": 28, "flair": 21}
    many = [
        replace(case, images={"image": replace(case.first, intensity="named", channels=("a", "b"), shape=(2, 20, 20))})
        for case in cohort.split("train")
    ]
    assert [part.name for part in module._parts("image", [many[0].first], alone=True)] == ["a", "b"]
    assert [part.name for part in module._parts("ct", [many[0].first], alone=False)] == ["ct.a", "ct.b"]


def test_files_that_cannot_be_read_cost_themselves_but_not_all_of_them(tmp_path: Path) -> None:
    write_pictures(tmp_path / "scans", cases=12, size=16)
    cohort = iso.ingest(tmp_path / "scans", into=tmp_path / "cohort")
    training = cohort.split("train")
    Path(training[0].first.files[0]).unlink()
    assert fingerprint(cohort).channels[0].present == len(training)
    for case in training[1:]:
        Path(case.first.files[0]).unlink()
    with pytest.raises(Unreadable, match="is gone"):
        fingerprint(cohort)


def test_which_label_is_meant(cohort: Cohort) -> None:
    mask = LabelDefinition(name="outline", kind=Kind.MASK)
    age = LabelDefinition(name="age", kind=Kind.NUMBER)
    cases = [
        replace(case, labels=(*case.labels, Label(name="age", value=NumberValue(value=5)))) for case in cohort.cases
    ]
    several = changed(cohort, cases, LabelSchema(labels=(*cohort.schema.labels, mask, age)))
    with pytest.raises(OpenQuestion, match=r"`--label class` or `--label age`"):
        fingerprint(several)
    assert fingerprint(several, label="age").kind == "number"
    with pytest.raises(UnknownName, match="`class`"):
        fingerprint(several, label="clas")
    with pytest.raises(UsageError, match=r"outline .*classes or a number for each case, and there is outline \(mask\)"):
        fingerprint(several, label="outline")
    with pytest.raises(UsageError, match="no label at all"):
        fingerprint(changed(cohort, [replace(case, labels=()) for case in cases]))
    unnamed = changed(cohort, cohort.cases, several.schema)  # a label that nobody gave is no candidate
    assert fingerprint(unnamed).label == "class"


def test_without_training_cases_there_is_nothing_to_learn(cohort: Cohort) -> None:
    with pytest.raises(UsageError, match="6 in the split `test`"):
        fingerprint(changed(cohort, cohort.split("test")))
    cases = [replace(case, images={}) for case in cohort.cases]
    with pytest.raises(UsageError, match="40 x it has no image"):
        fingerprint(changed(cohort, cases))


@pytest.mark.parametrize(
    ("names", "sided"),
    [
        (("class", "left_kidney"), True),
        (("side", "Right"), True),
        (("class", "LeftSided"), True),
        (("class", "左肺结节"), True),
        (("laterality", "L", "R"), True),
        (("eye", "OD", "OS"), True),
        (("class", "RUL"), True),
        (("class", "dextrocardia"), True),
        (("class", "bright", "leftover"), False),
        (("grade", "R", "S"), False),
        (("class", "normal", "upright"), False),
        (("类别", "良性", "恶性"), False),
    ],
)
def test_sides_are_known_by_whole_words(names: tuple[str, ...], sided: bool) -> None:
    assert module._is_sided(names) is sided


@pytest.mark.needs_shared
def test_a_real_collection_in_figures(shared: Path, tmp_path: Path) -> None:
    cohort = iso.ingest(shared / "medmnist" / "breastmnist.npz", into=tmp_path / "cohort")
    found = fingerprint(cohort)
    assert found.cases == {"train": 546, "val": 78, "test": 156}
    assert found.counts == {"0": 147, "1": 399}
    assert (found.dimensions, found.sizes["x"].middle, found.channels[0].dtypes) == (2, 28, ("uint8",))
