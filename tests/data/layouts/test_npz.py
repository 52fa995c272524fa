from __future__ import annotations

import numpy as np
import pytest

from isocenter.core.labels import ClassesValue, ClassValue, Kind, MaskValue, NumberValue


def save(folder, name="set.npz", count=4, labels=None, **more):
    rng = np.random.default_rng(3)
    arrays = {}
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = rng.integers(0, 255, (count, 28, 28), dtype=np.uint8)
        if labels is not None:
            arrays[f"{split}_labels"] = labels
    np.savez(folder.path(name), **arrays, **more)


def test_official_splits_and_classes(folder):
    save(folder, labels=np.array([[0], [1], [1], [0]]))
    draft = folder.understand()
    assert draft.layouts == ["npz"]
    assert [case.split for case in draft.cases.values()].count("val") == 4
    assert draft.cases["set.npz#test_images/1"].claims[0].value == ClassValue(value="1")
    assert [(one.name, one.value) for one in draft.labels["class"].classes] == [("0", 0), ("1", 1)]


@pytest.mark.parametrize(
    ("labels", "kind", "value"),
    [
        (np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 1]]), Kind.CLASSES, ClassesValue(values=("1", "2"))),
        (np.array([0.5, 1.25, 3.0, 4.0]), Kind.NUMBER, NumberValue(value=0.5)),
        (np.array([3, 1, 1, 2], np.uint8), Kind.CLASS, ClassValue(value="3")),
    ],
)
def test_forms_of_labels(folder, labels, kind, value):
    save(folder, labels=labels)
    draft = folder.understand()
    assert draft.labels["class"].kind is kind
    assert draft.cases["set.npz#train_images/0"].claims[0].value == value


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.array([[3, 4], [5, 6], [7, 8], [9, 9]]), "of a kind that is not understood"),
        (np.array(["a", "b", "a", "b"]), "of a kind that is not understood"),
        (np.array([1, 2]), "4 train images and 2 labels"),
        (None, "is taken without labels"),
    ],
)
def test_labels_that_cannot_be_used_are_told(folder, labels, told):
    save(folder, labels=labels)
    draft = folder.understand()
    assert any(told in line for line in draft.warnings), draft.warnings
    assert len(draft.cases) == 12


def test_labels_that_could_run_code_are_never_read(folder):
    save(folder, labels=np.array([{}, 1, 2, 3], dtype=object))
    draft = folder.understand()
    assert not draft.labels
    assert not draft.cases or any("cannot be read" in line for line in draft.warnings)


def test_masks_in_the_same_file(folder):
    save(folder, train_masks=np.zeros((4, 28, 28), np.uint8))
    draft = folder.understand()
    value = draft.cases["set.npz#train_images/2"].claims[0].value
    assert isinstance(value, MaskValue)
    assert value.part == "train_masks/2"


def test_several_data_sets_are_a_question_that_names_each(folder):
    save(folder, "first.npz", labels=np.zeros(4, int))
    save(folder, "second.npz", labels=np.zeros(4, int))
    (question,) = folder.understand().questions
    assert "first.npz and second.npz" in str(question)


def test_a_bare_archive_is_loose_images(folder):
    np.savez(folder.path("scan.npz"), volume=np.zeros((9, 9, 9)))
    assert folder.understand().layouts == ["loose"]


def test_a_json_of_the_same_name_gives_the_numbers_their_meaning(folder):
    save(folder, labels=np.array([[0], [1], [1], [0]]))
    folder.path("set.json").write_text('{"label": "finding", "classes": {"0": "malignant", "1": "normal"}}')
    draft = folder.understand()
    assert [(one.name, one.value) for one in draft.labels["finding"].classes] == [("malignant", 0), ("normal", 1)]
    assert draft.cases["set.npz#test_images/1"].claims[0].value == ClassValue(value="normal")
    assert folder.path("set.json").as_posix() in draft.explained
    folder.path("set.json").write_text("[]")
    assert folder.understand().labels["class"].classes[0].name == "0"


def test_a_document_beside_it_names_the_classes(folder):
    save(folder, labels=np.array([0, 1, 1, 0]))
    folder.json("set.json", {"label": "finding", "classes": {"0": "normal", "1": "pneumonia"}})
    draft = folder.understand()
    assert draft.cases["set.npz#test_images/1"].claims[0].value == ClassValue(value="pneumonia")
    assert [(one.name, one.value) for one in draft.labels["finding"].classes] == [("normal", 0), ("pneumonia", 1)]


def test_a_document_of_another_kind_is_no_help(folder):
    save(folder, labels=np.array([0, 1, 1, 0]))
    folder.json("set.json", {"classes": 3})
    assert list(folder.understand().labels) == ["class"]
