"""Classes and splits by folder, single images, channels."""

from __future__ import annotations

import pytest

from isocenter.core.errors import UsageError
from isocenter.core.labels import ClassValue
from isocenter.data.layouts._shared import Survey, Wishes
from isocenter.data.understand import understand


def classes(draft):
    return [one.name for one in draft.labels["class"].classes] if "class" in draft.labels else None


def fill(folder, *folders, count=3, ending="png"):
    for number, place in enumerate(folders):
        folder.picture(*(f"{place}/{chr(97 + number)}{one}x.{ending}" for one in range(count)))


class TestClassFolders:
    def test_names_become_classes_with_their_counts(self, folder):
        fill(folder, "images/benign", "images/malignant")
        draft = folder.understand()
        assert classes(draft) == ["benign", "malignant"]
        assert draft.cases["images/benign/a0x.png"].claims[0].value == ClassValue(value="benign")
        sentence = "6 images lie in the folders benign (3) and malignant (3): taken as the label `class`."
        assert sentence in draft.evidence

    @pytest.mark.parametrize("wishes", [{}, {"label": ("folder",)}])
    def test_a_neutral_name_beside_a_class_is_a_class(self, folder, wishes):
        fill(folder, "train/all", "train/hem", "test/all", "test/hem")
        assert classes(folder.understand(**wishes)) == ["all", "hem"]

    def test_a_folder_of_everything_is_no_class(self, folder):
        fill(folder, "benign", "malignant")
        folder.picture(*(f"all/{letter}{one}x.png" for letter in "ab" for one in range(3)))
        draft = folder.understand()
        assert classes(draft) is None
        assert any("all holds files of the same names" in line for line in draft.evidence)

    def test_signs_that_only_look_like_digits_name_classes(self, folder):
        fill(folder, "①", "②")
        assert [one.value for one in folder.understand(label=("folder",)).labels["class"].classes] == [None, None]

    def test_below_splits_in_any_spelling_of_the_class(self, folder):
        fill(folder, "Training/Yes", "Training/No", "testing/yes", "testing/no")
        draft = folder.understand()
        assert classes(draft) == ["No", "Yes"]
        assert draft.cases["testing/no/d0x.png"].split == "test"

    def test_above_splits(self, folder):
        fill(folder, "yes/train", "yes/val", "no/train", "no/val")
        draft = folder.understand()
        assert classes(draft) == ["no", "yes"]
        assert {case.split for case in draft.cases.values()} == {"train", "val"}

    @pytest.mark.parametrize(
        ("places", "reason"),
        [
            (("patient1", "patient2"), "look like patients"),
            (("1.2.840.1", "1.2.840.2"), "look like patients"),
            (("2019-03-01", "20190402"), "look like patients"),
            (("0000123", "0000456"), "look like patients"),
            (("alpha7", "alpha8"), "differ only in a number"),
            (("01", "02", "03"), "differ only in a number"),
        ],
    )
    def test_identifiers_are_no_classes(self, folder, places, reason):
        fill(folder, *places)
        draft = folder.understand()
        assert classes(draft) is None
        assert any(reason in line and "`--label folder` takes them" in line for line in draft.evidence)

    @pytest.mark.parametrize("places", [("grade1", "grade2"), ("KL_0", "KL_1", "KL_2"), ("BIRADS 2", "BIRADS 4")])
    def test_grades_are_classes(self, folder, places):
        fill(folder, *places)
        assert classes(folder.understand()) == sorted(places)

    def test_zero_and_one_are_classes_where_both_are_filled(self, folder):
        fill(folder, "0", "1", count=6)
        draft = folder.understand()
        assert [(one.name, one.value) for one in draft.labels["class"].classes] == [("0", 0), ("1", 1)]

    def test_single_cases_are_no_classes(self, folder):
        fill(folder, "ward", "clinic", count=1)
        assert classes(folder.understand()) is None

    def test_another_format_in_each_is_refused(self, folder):
        fill(folder, "healthy")
        folder.volume("sick/a.nii", "sick/b.nii", "sick/c.nii")
        draft = folder.understand()
        assert classes(draft) is None
        assert any("each has a file format of its own" in line for line in draft.evidence)

    def test_another_ending_in_each_is_told(self, folder):
        fill(folder, "healthy")
        fill(folder, "sick", ending="bmp")
        draft = folder.understand()
        assert classes(draft) == ["healthy", "sick"]
        assert any("healthy png and sick bmp" in line for line in draft.warnings)

    def test_different_depths_are_refused(self, folder):
        fill(folder, "healthy", "sick/early", "sick/late")
        draft = folder.understand()
        assert classes(draft) is None
        assert any("different depths" in line for line in draft.evidence)

    def test_two_levels_that_could_be_classes_are_refused(self, folder):
        fill(folder, "basel/healthy", "basel/sick", "bern/healthy", "bern/sick")
        draft = folder.understand()
        assert classes(draft) is None
        assert any("either could be the classes" in line for line in draft.evidence)

    @pytest.mark.parametrize("places", [("sick/P01", "sick/P02", "well/P03", "well/P04"), ("P01/sick", "P02/well")])
    def test_patients_beside_classes_keep_their_images_together(self, folder, places):
        fill(folder, *places)
        draft = folder.understand()
        assert classes(draft) == ["sick", "well"]
        assert {case.patient for case in draft.cases.values()} >= {"P01", "P02"}

    def test_an_unclear_level_beside_is_refused(self, folder):
        fill(folder, "sick/left", "sick/right", "well/up", "well/down", count=1)
        fill(folder, "sick/left", "well/up", count=4)
        assert classes(folder.understand()) is None

    def test_a_folder_per_patient_of_the_header_is_no_class(self, facts):
        images = [
            facts(f"/x/{name}/{n}.dcm", patient=name, series=f"{name}{n}") for name in ("Ada", "Eve") for n in (1, 2)
        ]
        draft = understand(Survey(root="/x", images=tuple(images)), Wishes())
        assert any("each holds one patient" in line for line in draft.evidence)

    def test_it_can_be_forced_and_left_out(self, folder):
        fill(folder, "alpha7", "alpha8")
        assert classes(folder.understand(label=("folder",))) == ["alpha7", "alpha8"]
        fill(folder, "beta")
        assert classes(folder.understand(label=("none",))) is None
        assert classes(folder.understand(layout="class_folders")) == ["alpha7", "alpha8", "beta"]

    def test_forcing_without_folders_is_answered(self, folder):
        folder.picture("a.png", "b.png")
        with pytest.raises(UsageError, match="one folder"):
            folder.understand(label=("folder",))


class TestSplits:
    @pytest.mark.parametrize(
        ("places", "splits"),
        [
            (("train", "valid", "test"), ["test", "train", "val"]),
            (("data/train_images", "data/test_images"), ["test", "train"]),
            (("TRAIN2017", "val2017"), ["train", "val"]),
        ],
    )
    def test_spellings(self, folder, places, splits):
        fill(folder, *places)
        draft = folder.understand()
        assert sorted({case.split for case in draft.cases.values()}) == splits
        assert classes(draft) is None

    def test_a_lone_part_is_no_division(self, folder):
        fill(folder, "train")
        draft = folder.understand()
        assert {case.split for case in draft.cases.values()} == {None}
        assert any("a single part is no division" in line for line in draft.evidence)

    def test_cases_outside_are_told(self, folder):
        fill(folder, "train", "test", "extra")
        (told,) = (line for line in folder.understand().warnings if "outside the folders" in line)
        assert told.startswith("3 cases lie outside")
        assert "Isocenter says which split they join" in told


class TestLoose:
    def test_one_photograph(self, folder):
        folder.picture("skin.jpg", colour=True)
        draft = folder.understand()
        assert list(draft.cases) == ["skin.jpg"]
        assert draft.evidence[0] == "1 image becomes a case."

    def test_slices_of_one_volume_are_warned_of(self, folder):
        folder.picture(*(f"{number:02}.png" for number in range(6)))
        assert any("may be slices of one volume" in line for line in folder.understand().warnings)

    def test_photographs_and_gaps_are_no_slices(self, folder):
        folder.picture(*(f"colour/{number:02}.png" for number in range(6)), colour=True)
        folder.picture(*(f"gaps/{number:02}.png" for number in range(0, 12, 2)))
        assert not folder.understand().warnings


class TestChannels:
    def series(self, facts, patients, names, affine=None):
        grid = {"axes": "CZYX", "shape": (1, 4, 8, 8)}
        return [
            facts(
                f"/x/{patient}/{name}.dcm",
                patient=patient,
                study=f"study {patient}",
                series=f"{patient}{name}",
                group=f"{patient}{name}",
                description=name,
                affine=affine(patient, name) if affine else (1.0,) * 16,
                **grid,
            )
            for patient in patients
            for name in names
        ]

    def look(self, images, **wishes):
        return understand(Survey(root="/x", images=tuple(images)), Wishes(**wishes))

    def test_two_patients_with_the_same_series_are_evidence(self, facts):
        images = self.series(facts, "AB", ("T1", "FLAIR"))
        draft = self.look([*images, *self.series(facts, "C", ("T1",))])
        assert {key: list(case.images) for key, case in draft.cases.items()} == {
            "A/study A": ["FLAIR", "T1"],
            "B/study B": ["FLAIR", "T1"],
            "C/study C": ["T1"],
        }
        assert draft.cases["A/study A"].patient == "A"
        assert "The channel FLAIR is missing in 1 case." in draft.warnings

    def test_one_patient_or_other_grids_are_none(self, facts):
        assert len(self.look(self.series(facts, "A", ("T1", "FLAIR"))).cases) == 2
        apart = self.series(facts, "AB", ("T1", "FLAIR"), lambda _, name: (float(len(name)),) * 16)
        assert len(self.look(apart).cases) == 4

    def test_they_can_be_kept_apart(self, facts):
        assert len(self.look(self.series(facts, "AB", ("T1", "FLAIR")), channels=("none",)).cases) == 4

    def test_wished_channels_take_their_names(self, facts):
        images = self.series(facts, "A", ("ax t1 se", "ax FLAIR", "scout"))
        draft = self.look(images, channels=("T1=*T1*", "fluid=flair"))
        assert sorted(map(list, (case.images for case in draft.cases.values()))) == [["T1", "fluid"], ["image"]]

    def test_wishes_that_cannot_be_met_are_answered(self, facts):
        images = self.series(facts, "A", ("t1 pre", "t1 post"))
        (question,) = self.look(images, channels=("T1=t1",)).questions
        assert "t1 pre and t1 post" in str(question)
        with pytest.raises(UsageError, match="No series fits the channel X=nothing"):
            self.look(images, channels=("X=nothing",))
        with pytest.raises(UsageError, match="NAME=PATTERN"):
            self.look(images, channels=("t1",))

    def test_wished_channels_on_other_grids_are_told(self, facts):
        apart = self.series(facts, "A", ("T1", "FLAIR"), lambda _, name: (float(len(name)),) * 16)
        draft = self.look(apart, channels=("a=T1", "b=FLAIR"))
        assert len(draft.cases) == 2
        assert any("lie on different grids" in line for line in draft.warnings)

    def test_splits_and_claims_survive(self, folder):
        for split, person in (("train", "P_1"), ("train", "P_2"), ("test", "P_3")):
            folder.volume(*(f"{split}/{person}/{person}_{name}.nii" for name in ("t1", "t2")))
        draft = folder.understand()
        assert [case.split for case in draft.cases.values()] == ["test", "train", "train"]


class TestPatientFolders:
    def test_images_of_one_patient_stay_together(self, folder):
        fill(folder, "patient001/study1", "patient001/study2", "patient002/study1")
        draft = folder.understand()
        assert draft.cases["patient001/study2/b0x.png"].patient == "patient001"
        assert "9 cases of 2 patients." in draft.evidence

    def test_below_classes_and_splits(self, folder):
        fill(folder, "train/ill/sub-1", "train/well/sub-2", "test/ill/sub-3", "test/well/sub-4")
        draft = folder.understand()
        assert {case.patient for case in draft.cases.values()} == {"sub-1", "sub-2", "sub-3", "sub-4"}
        assert classes(draft) == ["ill", "well"]

    def test_a_single_folder_says_nothing(self, folder):
        fill(folder, "patients1/a", "patients1/b")
        assert {case.patient for case in folder.understand().cases.values()} == {None}
