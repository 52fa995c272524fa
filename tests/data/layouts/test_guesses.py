"""What is guessed, what is asked, and what must never be guessed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow

from isocenter.core.errors import UsageError
from isocenter.core.labels import ClassesValue, Kind
from isocenter.data.files import read_facts
from isocenter.data.formats._shared import ReadOptions, Table
from isocenter.data.layouts._shared import Survey, Wishes
from isocenter.data.naming import is_mask_folder, reader_in
from isocenter.data.understand import understand

PEOPLE = [f"{number:03}" for number in range(1, 9)]


def fill(folder, *places, count=4):
    for place in places:
        folder.picture(*(f"{place}/{chr(97 + number)}x.png" for number in range(count)))


def said(draft, words):
    return any(words in line for line in draft.evidence)


def labels(draft):
    return {name: [one.name for one in label.classes] for name, label in draft.labels.items()}


class TestPatients:
    @pytest.mark.parametrize("column", ["patient", "Subject ID", "participant_id", "person"])
    def test_the_column_that_names_folders_of_patients_is_the_patient(self, folder, column):
        fill(folder, *PEOPLE)
        folder.table("t.csv", f"{column},outcome", *(f"{one},{'ab'[n % 2]}" for n, one in enumerate(PEOPLE)))
        draft = folder.understand()
        assert draft.cases["003/ax.png"].patient == "003"
        assert "32 cases of 8 patients." in draft.evidence

    def test_cases_of_one_row_stay_together_whatever_its_column_is_called(self, folder):
        fill(folder, *PEOPLE)
        folder.table("t.csv", "code,outcome", *(f"{one},{'ab'[n % 2]}" for n, one in enumerate(PEOPLE)))
        draft = folder.understand()
        assert {case.group for case in draft.cases.values()} == set(PEOPLE)
        assert said(draft, "they stay in one split")

    def test_a_row_per_class_folder_ties_nothing(self, folder):
        fill(folder, "benign", "malignant")
        folder.table("t.csv", "name,meaning", "benign,good", "malignant,bad")
        assert {case.group for case in folder.understand().cases.values()} == {None}


class TestMaskFolders:
    def test_jpeg_masks_of_three_levels(self, folder):
        for number in range(4):
            folder.picture(f"images/{number}a.png", size=(40, 48))
            pixels = np.zeros((48, 40), np.uint8)
            pixels[4:12, 4:12], pixels[20:30, 20:30] = 128, 255
            Pillow.fromarray(pixels).save(folder.path(f"masks/{number}a.jpg"), quality=85)
        draft = folder.understand()
        assert labels(draft) == {"mask": ["128", "255"]}
        assert draft.cases["images/0a.png"].claims[0].value.noisy

    @pytest.mark.parametrize("name", ["masks", "lesion_segmentation", "labels"])
    def test_what_cannot_be_a_mask_is_refused_and_no_image(self, folder, name):
        fill(folder, "images", name)
        draft = folder.understand()
        assert sorted(draft.cases) == [f"images/{letter}x.png" for letter in "abcd"]
        assert len(draft.refused) == 4
        assert f"folder {name}, which is named for masks" in draft.refused[0].reason
        assert not draft.labels

    def test_the_user_may_take_such_folders_as_classes(self, folder):
        fill(folder, "faces", "masks")
        assert labels(folder.understand(label=("folder",))) == {"class": ["faces", "masks"]}

    @pytest.mark.parametrize(
        ("name", "found"),
        [("masks", True), ("ground truth", True), ("ground_glass", False), ("label_0", False), ("benign", False)],
    )
    def test_names(self, name, found):
        assert is_mask_folder(name) is found


class TestFolders:
    def test_sequences_are_no_classes(self, folder):
        fill(folder, *(f"P{number:03}/20200101/{name}" for number in range(3) for name in ("t1", "flair")))
        assert labels(folder.understand()) == {}

    def test_plain_numbers_without_gaps_are_classes(self, folder):
        fill(folder, *(str(number) for number in range(10)))
        draft = folder.understand()
        assert labels(draft) == {"class": [str(number) for number in range(10)]}
        assert said(draft, "bare numbers")

    @pytest.mark.parametrize("names", [("0", "2", "5"), ("4", "5", "6"), ("001", "002", "003")])
    def test_other_numbers_are_not(self, folder, names):
        fill(folder, *names)
        assert labels(folder.understand()) == {}

    def test_too_few_images_in_numbered_folders(self, folder):
        fill(folder, "1", "2", "3", count=2)
        assert labels(folder.understand()) == {}

    def test_numbers_below_official_splits_are_classes(self, folder):
        fill(folder, *(f"{split}/{name}" for split in ("train", "test") for name in ("3", "5")), count=2)
        assert labels(folder.understand()) == {"class": ["3", "5"]}

    def test_the_names_of_two_sources_are_no_classes(self, facts):
        images = [
            facts(f"/x/{place}/{number}.png", format="raster") for place in ("berlin", "paris") for number in range(4)
        ]
        survey = Survey(root="/x", images=tuple(images), sources=("/x/berlin", "/x/paris"))
        assert not understand(survey, Wishes()).labels
        assert labels(understand(survey, Wishes(label=("folder",)))) == {"class": ["berlin", "paris"]}
        assert labels(understand(replace(survey, sources=()), Wishes())) == {"class": ["berlin", "paris"]}


class TestLabels:
    def write(self, folder, header, rows, name="t.csv"):
        folder.picture(*(f"n{number}a.png" for number in range(len(rows))))
        folder.table(name, f"file,{header}", *(f"n{number}a.png,{row}" for number, row in enumerate(rows)))
        return folder.understand()

    def test_a_measured_number_is_the_label_and_sex_is_not(self, folder):
        draft = self.write(folder, "boneage,male", [f"{n * 3},{['True', 'False'][n % 2]}" for n in range(30)])
        assert draft.labels["boneage"].kind is Kind.NUMBER
        assert list(draft.labels) == ["boneage"]
        assert said(draft, "`boneage` is the only column of t.csv that could be the label")

    def test_what_else_could_be_the_label_is_told(self, folder):
        draft = self.write(folder, "hormone,grade", [f"{['pos', 'neg'][n // 6]},{n % 3}" for n in range(12)])
        assert labels(draft) == {"grade": ["0", "1", "2"]}
        assert said(draft, "`hormone` could be a label too, kept as a covariate")

    def test_several_plausible_columns_are_a_question_that_lists_all(self, folder):
        header = ",".join(f"sign{letter}" for letter in "abcdef")
        rows = [",".join(str(n >> bit & 1) for bit in range(6)) for n in range(64)]
        (question,) = self.write(folder, header, rows).questions
        assert all(f"--label sign{letter}" in (question.remedy or "") for letter in "abcdef")

    def test_lists_of_findings_are_the_label_though_most_combinations_are_rare(self, folder):
        names = ("Mass", "Edema", "Hernia", "Nodule")
        rows = ["|".join(names[place] for place in range(4) if n + 1 >> place & 1) for n in range(12)]
        draft = self.write(folder, "Finding Labels", rows)
        assert draft.labels["Finding Labels"].kind is Kind.CLASSES
        assert draft.cases["n2a.png"].claims[0].value == ClassesValue(values=("Mass", "Edema"))

    def test_a_score_of_few_rows_is_taken_as_the_only_candidate(self, folder):
        draft = self.write(folder, "score", ["0", "1", "2", "0", "1", "2"])
        assert labels(draft) == {"score": ["0", "1", "2"]}

    def test_groups_of_bids_participants(self, folder):
        folder.json("dataset_description.json", {"BIDSVersion": "1.8.0"})
        folder.volume(*(f"sub-{n:02}/anat/sub-{n:02}_T1w.nii" for n in range(1, 6)))
        rows = [f"sub-{n:02}\t{40 + n}\t{['patient', 'control'][n % 2]}" for n in range(1, 6)]
        folder.table("participants.tsv", "participant_id\tage\tgroup", *rows)
        assert labels(folder.understand()) == {"group": ["control", "patient"]}


class TestLeadingZeros:
    @pytest.mark.parametrize("column", ["id", "number"])
    def test_file_names(self, folder, column):
        folder.picture(*(f"img/{number:05}.png" for number in range(3, 13)))
        folder.table("t.csv", f"{column},class", *(f"{number},{'ab'[number % 2]}" for number in range(3, 13)))
        draft = folder.understand()
        assert draft.cases["img/00004.png"].claims
        assert said(draft, "since leading zeros are lost (`3` is `00003`)") or said(draft, "leading zeros are lost")

    def test_two_names_of_one_number_are_not_matched(self, folder):
        folder.picture(*(f"img/{name}.png" for name in ("0007", "007", "0008", "0009")))
        folder.table("t.csv", "id,class", "7,a", "8,b", "9,a")
        assert not folder.understand().labels

    def test_patients(self, facts):
        images = tuple(facts(f"/x/{n}.dcm", patient=f"{n:04}") for n in range(6))
        table = Table("/x/t.csv", ("PatientID", "class"), tuple((str(n), "ab"[n % 2]) for n in range(6)))
        draft = understand(Survey(root="/x", images=images, tables=(table,)), Wishes())
        assert all(case.claims for case in draft.cases.values())


@pytest.mark.parametrize(
    "wish", [{"patient": "person"}, {"table": "other.csv"}, {"key": "person"}, {"group": "person"}]
)
def test_a_wish_that_cannot_be_honoured_is_no_silence(folder, wish):
    fill(folder, "scans")
    folder.table("other.csv", "person,class", "zz,a", "yy,b")
    with pytest.raises(UsageError, match="images"):
        folder.understand(**wish)


class TestReaders:
    def test_single_letters_after_a_mask_word(self, folder):
        folder.picture("p.png", "q.png")
        folder.mask(*(f"{name}_mask_{letter}.png" for name in "pq" for letter in "AB"))
        draft = folder.understand()
        assert {(claim.name, claim.reader) for claim in draft.cases["p.png"].claims} == {("mask", "A"), ("mask", "B")}
        assert reader_in("vitamin_A") == ("vitamin_A", None)

    @pytest.mark.parametrize(
        ("names", "found"),
        [
            (("Dr_Li", "Dr_Wang"), {("mask", "Dr_Li"), ("mask", "Dr_Wang")}),
            (("optic_disc", "optic_cup"), {("optic_disc", "reference"), ("optic_cup", "reference")}),
        ],
    )
    def test_folders_of_doctors_are_readers(self, folder, names, found):
        folder.picture("img/p.png", "img/q.png")
        folder.mask(*(f"labels/{name}/{one}.png" for name in names for one in "pq"))
        draft = folder.understand()
        assert {(claim.name, claim.reader) for claim in draft.cases["img/p.png"].claims} == found


def test_arrays_named_as_keras_does(folder):
    rng = np.random.default_rng(3)
    arrays = {f"x_{split}": rng.integers(0, 255, (6, 28, 28), dtype=np.uint8) for split in ("train", "test")}
    arrays |= {f"y_{split}": np.arange(6) % 3 for split in ("train", "test")}
    np.savez(folder.path("set.npz"), **arrays)
    draft = folder.understand()
    assert [case.split for case in draft.cases.values()].count("test") == 6
    assert labels(draft) == {"class": ["0", "1", "2"]}


class TestBoxesWithoutNames:
    @pytest.mark.parametrize("line", ["1 0.5 0.5 0.2 0.2", "1 0.4 0.4 0.6 0.4 0.6 0.6"])
    def test_numbers_are_the_names(self, folder, line):
        folder.picture("images/p.png", "images/q.png")
        folder.text("labels/p.txt", f"{line}\n")
        folder.text("labels/q.txt", "0 0.5 0.5 0.2 0.2\n")
        draft = folder.understand()
        assert labels(draft) == {"objects": ["0", "1"]}
        assert said(draft, "called by their numbers")

    @pytest.mark.parametrize("line", ["a note", "1 2 3", "0.5 0.5 0.5 0.2 0.2", "1 40 50 20 20"])
    def test_other_text_is_not(self, folder, line):
        folder.picture("images/p.png")
        folder.text("labels/p.txt", f"{line}\n")
        assert "yolo" not in folder.understand().layouts


def test_the_fourth_axis_of_a_decathlon_file_holds_its_channels(folder):
    names = {"0": "FLAIR", "1": "T1w"}
    folder.json("dataset.json", {"modality": names, "labels": {"0": "background", "1": "x"}, "numTraining": 1})
    folder.volume("imagesTr/a.nii.gz", shape=(6, 5, 4, 2))
    folder.volume("labelsTr/a.nii.gz", mask=True)
    draft = folder.understand()
    image = draft.cases["imagesTr/a.nii.gz"].first
    assert (image.axes, image.shape, image.channels) == ("CZYX", (2, 4, 5, 6), ("FLAIR", "T1w"))
    assert draft.cases["imagesTr/a.nii.gz"].claims
    (seen,) = (one for one in folder.survey().images if one.key == image.key)
    read, stored = read_facts(image, ReadOptions()), read_facts(seen, ReadOptions())
    assert read.channels == ("FLAIR", "T1w")
    assert np.array_equal(read.array, stored.array[0])


def test_a_dim_photograph_on_black_is_no_mask(folder):
    for number in range(4):
        pixels = np.zeros((48, 40), np.uint8)
        pixels[:20] = np.clip(folder.rng.normal(110, 6, (20, 40)), 0, 255)
        for place in ("images", "masks"):
            Pillow.fromarray(pixels).save(folder.path(f"{place}/{number}a.png"))
    assert len(folder.understand().refused) == 4
