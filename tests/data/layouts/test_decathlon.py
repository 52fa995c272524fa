from __future__ import annotations

import pytest

from isocenter.core.labels import MaskValue


def dataset(folder, **content):
    folder.json("dataset.json", {"name": "Organ", "modality": {"0": "MRI"}, "numTraining": 2, **content})


@pytest.mark.parametrize(
    ("labels", "written"),
    [
        ({"0": "background", "1": "liver", "2": "tumour"}, "number to name"),
        ({"background": 0, "liver": 1, "tumour": 2}, "name to number"),
    ],
)
def test_labels_are_read_in_both_directions(folder, labels, written):
    dataset(folder, labels=labels)
    folder.volume("imagesTr/a_1.nii.gz", "imagesTr/a_2.nii.gz", "imagesTs/a_3.nii.gz")
    folder.volume("labelsTr/a_1.nii.gz", "labelsTr/a_2.nii.gz", mask=True)
    draft = folder.understand()
    assert draft.layouts == ["decathlon"]
    assert [(one.name, one.value) for one in draft.labels["mask"].classes] == [("liver", 1), ("tumour", 2)]
    assert any(written in line for line in draft.evidence)
    case = draft.cases["imagesTr/a_1.nii.gz"]
    assert list(case.images) == ["MRI"]
    assert isinstance(case.claims[0].value, MaskValue)
    assert case.claims[0].value.mapping == {1: "liver", 2: "tumour"}
    assert {case.split for case in draft.cases.values()} == {None}
    assert not draft.cases["imagesTs/a_3.nii.gz"].claims


def test_labelled_test_images_are_a_split(folder):
    dataset(folder, labels={"0": "background", "1": "liver"}, numTraining=1)
    folder.volume("imagesTr/a.nii.gz", "imagesTs/b.nii.gz")
    folder.volume("labelsTr/a.nii.gz", "labelsTs/b.nii.gz", mask=True)
    assert [case.split for case in folder.understand().cases.values()] == ["train", "test"]


def test_channel_endings_are_joined(folder):
    channels = {"0": "T1", "1": "FLAIR"}
    folder.json("dataset.json", {"channel_names": channels, "labels": {"background": 0, "x": 1}, "file_ending": ".nii"})
    folder.volume("imagesTr/p_0001_0000.nii", "imagesTr/p_0001_0001.nii", "imagesTr/p_0002_0000.nii")
    folder.volume("labelsTr/p_0001.nii", "labelsTr/p_0002.nii", mask=True)
    draft = folder.understand()
    assert {key: list(case.images) for key, case in draft.cases.items()} == {
        "imagesTr/p_0001": ["T1", "FLAIR"],
        "imagesTr/p_0002_0000.nii": ["T1"],
    }
    assert all(case.claims for case in draft.cases.values())


def test_four_digits_that_number_the_patient_are_no_channel(folder):
    dataset(folder, labels={"0": "background", "1": "x"})
    folder.volume("imagesTr/la_0001.nii", "imagesTr/la_0002.nii")
    folder.volume("labelsTr/la_0001.nii", "labelsTr/la_0002.nii", mask=True)
    assert len(folder.understand().cases) == 2


def test_regions_keep_the_smallest_and_are_told(folder):
    dataset(folder, labels={"background": 0, "whole": [1, 2, 3], "core": [2, 3], "active": 3}, numTraining=1)
    folder.volume("imagesTr/a.nii.gz")
    folder.volume("labelsTr/a.nii.gz", mask=True)
    draft = folder.understand()
    assert draft.cases["imagesTr/a.nii.gz"].claims[0].value.mapping == {1: "whole", 2: "core", 3: "active"}
    assert any("regions that overlap (whole and core)" in line for line in draft.warnings)


def test_what_does_not_agree_is_told(folder):
    entries = [{"image": "./imagesTr/a.nii.gz"}, {"image": "./imagesTr/gone.nii.gz"}]
    dataset(folder, labels={"0": "background", "1": "x"}, numTraining=5, training=entries)
    folder.volume("imagesTr/a.nii.gz", "imagesTr/b.nii.gz")
    folder.volume("labelsTr/a.nii.gz", "labelsTr/lost.nii.gz", mask=True)
    folder.volume("labelsTr/b.nii.gz", shape=(3, 3, 3), mask=True)
    draft = folder.understand()
    assert "dataset.json announces 5 training cases, 2 are here." in draft.warnings
    assert any("1 image listed in dataset.json is not here: gone" in line for line in draft.warnings)
    assert {one.path.rsplit("/", 1)[1]: one.reason for one in draft.refused} == {
        "lost.nii.gz": "a mask whose image is not here.",
        "b.nii.gz": "the mask is 3 x 3 x 3, its image 6 x 5 x 4.",
    }


def test_two_data_sets_are_a_question(folder):
    for name in ("one", "two"):
        folder.json(f"{name}/dataset.json", {"labels": {"0": "background", "1": name}, "modality": {"0": "CT"}})
        folder.volume(f"{name}/imagesTr/a.nii.gz")
    (question,) = folder.understand().questions
    assert "one and two" in str(question)


@pytest.mark.parametrize("content", ["{", '["a"]', '{"labels": 3, "training": []}'])
def test_another_dataset_json_is_left_alone(folder, content):
    folder.text("dataset.json", content)
    folder.picture("imagesTr/a.png")
    draft = folder.understand()
    assert draft.layouts == ["loose"]
    assert len(draft.refused) == (content == "{")


@pytest.mark.parametrize(
    ("names", "channels"),
    [(["noNorm", "noNorm"], ["noNorm 0", "noNorm 1"]), (["a", "a", "a 0"], ["a 0", "a 1", "a 0 2"])],
)
def test_channels_of_one_name_are_numbered(folder, names, channels):
    folder.json("dataset.json", {"channel_names": dict(enumerate(names)), "labels": {"background": 0, "x": 1}})
    folder.volume(*(f"imagesTr/p_0001_{number:04}.nii" for number in range(len(names))))
    folder.volume("labelsTr/p_0001.nii", mask=True)
    (case,) = folder.understand().cases.values()
    assert list(case.images) == channels


def test_numbers_in_odd_signs_are_no_values(folder):
    dataset(folder, labels={"background": 0, "x": "①", "y": 1}, numTraining=1)
    folder.volume("imagesTr/a.nii.gz")
    folder.volume("labelsTr/a.nii.gz", mask=True)
    (case,) = folder.understand().cases.values()
    assert case.claims[0].value.mapping == {1: "y"}
