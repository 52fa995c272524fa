from __future__ import annotations

import pytest

from isocenter.core.errors import UnknownName, UsageError
from isocenter.core.labels import ClassesValue, ClassValue, Kind, NumberValue, Unknown
from isocenter.data.formats._shared import Table
from isocenter.data.layouts._shared import Survey, Wishes
from isocenter.data.understand import understand

NAMES = [f"n{number}" for number in range(12)]


def value(draft, key, name):
    return next((claim.value for claim in draft.cases[key].claims if claim.name == name), None)


def write(folder, header, rows, name="labels.csv", place="scans/{}.png"):
    folder.picture(*(place.format(one) for one in NAMES))
    folder.table(name, header, *rows)


@pytest.mark.parametrize(
    "cell",
    ["scans/{}.png", "./scans/{}.png", "old/scans/{}.png", "scans\\{}.png", "{}.png", "{}.jpg", "{}", "scans/{}"],
)
def test_rows_find_their_image(folder, cell):
    rows = [f"{cell.format(one)},{'ill' if place % 2 else 'well'}" for place, one in enumerate(NAMES)]
    write(folder, "picture,diagnosis", rows)
    if cell == "{}.jpg":  # another ending is another file name, found by what stands before it
        assert any("column `picture` names 12 of 12 cases" in line for line in folder.understand().evidence)
    assert value(folder.understand(), "scans/n1.png", "diagnosis") == ClassValue(value="ill")


@pytest.mark.parametrize("column", ["patient", "study", "series", "instance"])
def test_identifiers_of_the_header_name_cases(facts, column):
    images = [
        facts(f"/x/{n}.dcm", patient=f"p{n}", study=f"1.{n}", series=f"2.{n}", instances=(f"3.{n}",)) for n in range(6)
    ]
    cells = {"patient": "P{}", "study": "1.{}", "series": "2.{}", "instance": "3.{}"}
    rows = tuple((cells[column].format(n), "ab"[n % 2]) for n in range(6))
    survey = Survey(root="/x", images=tuple(images), tables=(Table("/x/t.csv", ("who", "class"), rows),))
    draft = understand(survey, Wishes())
    assert value(draft, "3.dcm", "class") == ClassValue(value="b")


def test_columns_mean_what_their_names_say(folder):
    rows = [
        f"{one}.png,{'ab'[n % 2]},S{n // 2},{'training' if n < 8 else 'holdout'},g{n % 5},2020-01-0{n % 9 + 1},{n}.5,x"
        for n, one in enumerate(NAMES)
    ]
    write(folder, "file,target,Subject ID,part,lesion_group,study date,size,note", rows)
    draft = folder.understand(group="lesion_group")
    case = draft.cases["scans/n3.png"]
    assert (case.patient, case.split, case.group, case.date) == ("S1", "train", "g3", "2020-01-04")
    assert case.covariates == {"size": 3.5, "note": "x"}
    assert case.claims[0].value == ClassValue(value="b")
    assert "12 cases of 6 patients." in draft.evidence


def test_a_group_is_known_by_its_many_values(folder):
    folder.picture(*(f"{n}a.png" for n in range(40)))
    folder.table("t.csv", "file,duplicate_group,y", *(f"{n}a.png,g{n // 2},{n % 2}" for n in range(40)))
    draft = folder.understand()
    assert draft.cases["5a.png"].group == "g2"


def test_what_does_not_match_is_told(folder):
    rows = [f"{one},{'ab'[n % 2]}" for n, one in enumerate(NAMES[:9])] + ["gone,a"]
    write(folder, "file,class", rows)
    draft = folder.understand()
    assert "1 row of labels.csv names no case here: gone." in draft.warnings
    assert "3 cases are not in labels.csv: scans/n10.png, scans/n11.png and scans/n9.png." in draft.warnings


def test_a_table_of_something_else_is_told(folder):
    write(folder, "place,class", ["Rome,a", "Oslo,b", "Bern,a"])
    draft = folder.understand()
    assert "1 table was not used, since no column names the cases: labels.csv." in draft.warnings
    with pytest.raises(UsageError, match="`class` cannot be the label"):
        folder.understand(label=("class",))


def test_ages_are_no_file_names(folder):
    folder.picture(*(f"{n}.png" for n in range(20, 40)))
    folder.table("people.csv", "age,class", *(f"{n},{'ab'[n % 2]}" for n in (21, 21, 22, 25, 30, 30, 31, 33)))
    assert "table" not in folder.understand().layouts


class TestWithClassFolders:
    def fill(self, folder, header, row):
        folder.picture(*(f"{name}/{name}{n}.png" for name in ("no", "yes") for n in range(20)))
        rows = [row(name, n) for name in ("no", "yes") for n in range(20)]
        folder.table("labels.csv", header, *rows)

    def test_a_recoding_is_the_same_label_and_gives_its_numbers(self, folder):
        self.fill(folder, "file,class,label", lambda name, n: f"{name}/{name}{n}.png,{name},{int(name == 'yes')}")
        draft = folder.understand()
        assert [(one.name, one.value) for one in draft.labels["class"].classes] == [("no", 0), ("yes", 1)]
        assert list(draft.labels) == ["class"]
        assert not draft.cases["no/no1.png"].covariates

    def test_where_it_contradicts_the_folder_the_table_counts(self, folder):
        flip = {"no": "yes", "yes": "no"}
        self.fill(folder, "file,class", lambda name, n: f"{name}/{name}{n}.png,{flip[name] if n == 3 else name}")
        draft = folder.understand()
        assert value(draft, "no/no3.png", "class") == ClassValue(value="yes")
        assert any("contradicts the folder in 2 cases" in line for line in draft.warnings)

    def test_words_are_kept_where_folders_are_numbers(self, folder):
        folder.picture(*(f"{name}/{name}{n}x.png" for name in "01" for n in range(10)))
        rows = [f"{name}{n}x.png,{('well', 'ill')[int(name)]}" for name in "01" for n in range(10)]
        folder.table("labels.csv", "file,class", *rows)
        draft = folder.understand()
        assert [(one.name, one.value) for one in draft.labels["class"].classes] == [("well", 0), ("ill", 1)]
        assert value(draft, "1/13x.png", "class") == ClassValue(value="ill")

    def test_a_coarser_grouping_is_a_covariate(self, folder):
        folder.picture(*(f"{name}/{name}{n}.png" for name in ("aa", "bb", "cc") for n in range(8)))
        rows = [f"{name}{n}.png,{int(name == 'cc')}" for name in ("aa", "bb", "cc") for n in range(8)]
        folder.table("labels.csv", "file,label", *rows)
        draft = folder.understand()
        assert list(draft.labels) == ["class"]
        assert draft.cases["cc/cc1.png"].covariates == {"label": 1.0}
        assert any("follows from `class` as a coarser grouping" in line for line in draft.warnings)

    def test_another_question_is_a_label_beside_the_folders(self, folder):
        self.fill(folder, "file,grade", lambda name, n: f"{name}/{name}{n}.png,{n % 3}")
        assert set(folder.understand().labels) == {"class", "grade"}

    def test_a_wish_replaces_the_folders(self, folder):
        self.fill(folder, "file,grade", lambda name, n: f"{name}/{name}{n}.png,{n % 3}")
        assert set(folder.understand(label=("grade",)).labels) == {"grade"}
        assert set(folder.understand(label=("folder", "grade")).labels) == {"class", "grade"}


class TestForms:
    def test_several_candidates_are_a_question(self, folder):
        write(folder, "file,pathology,grade", [f"{one},{'ab'[n % 2]},{n % 3}" for n, one in enumerate(NAMES)])
        (question,) = folder.understand().questions
        assert "`pathology`: a (6), b (6)" in str(question)
        assert "`--label pathology` or `--label grade`" in str(question)
        draft = folder.understand(label=("pathology", "grade"))
        assert set(draft.labels) == {"pathology", "grade"}
        assert draft.cases["scans/n1.png"].covariates == {}
        assert not folder.understand(label=("none",)).labels

    def test_the_only_column_of_few_values_is_the_label(self, folder):
        write(folder, "file,ruptured,sex", [f"{one},{'yn'[n % 2]},{'mf'[n // 6]}" for n, one in enumerate(NAMES)])
        assert set(folder.understand().labels) == {"ruptured"}

    def test_zero_and_one_columns_become_a_label_each(self, folder):
        write(folder, "file,edema,mass", [f"{one},{n % 2},{n % 3 // 2}" for n, one in enumerate(NAMES)])
        draft = folder.understand(label=("edema", "mass"))
        assert [draft.labels[name].kind for name in ("edema", "mass")] == [Kind.CLASS, Kind.CLASS]

    def test_joined_findings_are_several_classes(self, folder):
        cells = ["Mass|Edema", "Mass", "No Finding"] * 4
        write(folder, "file,Finding Labels", [f"{one},{cell}" for one, cell in zip(NAMES, cells, strict=True)])
        draft = folder.understand()
        assert draft.labels["Finding Labels"].kind is Kind.CLASSES
        assert [one.name for one in draft.labels["Finding Labels"].classes] == ["Edema", "Mass"]
        assert value(draft, "scans/n0.png", "Finding Labels") == ClassesValue(values=("Mass", "Edema"))
        assert value(draft, "scans/n2.png", "Finding Labels") == ClassesValue(values=())

    def test_a_list_of_findings_is_a_question(self, folder):
        rows = [f"{one},{n % 2},{int(n % 4 == 2)},{n % 3 // 2},{n // 6}" for n, one in enumerate(NAMES)]
        write(folder, "file,No Finding,Edema,Mass,Fracture", rows)
        (question,) = folder.understand().questions
        assert "4 columns of labels.csv could be the label" in str(question)

    def test_measured_numbers(self, folder):
        write(folder, "file,ejection", [f"{one},{30 + n * 1.5}" for n, one in enumerate(NAMES)])
        draft = folder.understand(label=("ejection",))
        assert value(draft, "scans/n1.png", "ejection") == NumberValue(value=31.5)

    def test_uncertain_absent_and_negative_are_three_things(self, folder):
        cells = ["1", "0", "-1", "", "1.0", "0.0", "1", "0", "1", "0", "1", "0"]
        write(folder, "file,label", [f"{one},{cell}" for one, cell in zip(NAMES, cells, strict=True)])
        draft = folder.understand()
        found = [value(draft, f"scans/n{n}.png", "label") for n in range(5)]
        assert found == [ClassValue(value="1"), ClassValue(value="0"), Unknown(), None, ClassValue(value="1")]
        assert [one.name for one in draft.labels["label"].classes] == ["0", "1"]
        assert any("uncertain: taken as unknown" in line for line in draft.warnings)

    def test_readers_in_rows_are_readers(self, folder):
        rows = [f"{one},{reader},{'ab'[n % 2]}" for n, one in enumerate(NAMES) for reader in ("Kim", "Lee")]
        write(folder, "file,reader,class", rows)
        assert {claim.reader for claim in folder.understand().cases["scans/n1.png"].claims} == {"Kim", "Lee"}

    def test_rows_that_contradict_leave_the_case_unlabelled(self, folder):
        rows = [f"{one},{'ab'[n % 2]}" for n, one in enumerate(NAMES)] + ["n0,b"]
        write(folder, "file,class", rows)
        draft = folder.understand()
        assert value(draft, "scans/n0.png", "class") is None
        assert any("rows that contradict one another" in line for line in draft.warnings)


class TestSplits:
    def test_tables_named_for_splits(self, folder):
        write(folder, "file,class", [f"{one},{'ab'[n % 2]}" for n, one in enumerate(NAMES[:8])], name="train.csv")
        folder.table("test.csv", "file,class", *(f"{one},{'ab'[n % 2]}" for n, one in enumerate(NAMES[8:])))
        draft = folder.understand()
        assert [case.split for case in draft.cases.values()].count("train") == 8
        assert draft.cases["scans/n9.png"].split == "test"

    def test_the_table_counts_over_the_folder(self, folder):
        folder.picture(*(f"{split}/{split}{n}.png" for split in ("train", "test") for n in range(4)))
        rows = [f"{split}{n}.png,{'test' if n == 0 else split}" for split in ("train", "test") for n in range(4)]
        folder.table("t.csv", "file,set", *rows)
        draft = folder.understand()
        assert draft.cases["train/train0.png"].split == "test"
        assert any("1 case in another split by folder" in line for line in draft.warnings)

    def test_other_words_in_a_wished_column_are_told(self, folder):
        write(folder, "file,part", [f"{one},{['train', 'test', 'later'][n % 3]}" for n, one in enumerate(NAMES)])
        draft = folder.understand(split="part")
        assert draft.cases["scans/n2.png"].split is None
        assert any("no train, val or test" in line for line in draft.warnings)

    def test_a_patient_on_both_sides_is_told_and_kept(self, folder):
        rows = [f"{one},P{n % 4},{'train' if n < 8 else 'test'}" for n, one in enumerate(NAMES)]
        write(folder, "file,patient,split", rows)
        draft = folder.understand()
        assert any("4 patients lie in more than one split" in line for line in draft.warnings)
        assert draft.cases["scans/n9.png"].split == "test"


def test_covariates_can_be_chosen(folder):
    write(folder, "file,age,weight", [f"{one},{n},{n + 50}" for n, one in enumerate(NAMES)])
    assert folder.understand(covariate=("age",)).cases["scans/n1.png"].covariates == {"age": 1.0}


def test_a_named_table_gives_the_labels(folder):
    write(folder, "file,class", [f"{one},{'ab'[n % 2]}" for n, one in enumerate(NAMES)], name="first.csv")
    folder.table("second.csv", "file,target", *(f"{one},{'ab'[n % 3 == 0]}" for n, one in enumerate(NAMES)))
    assert set(folder.understand(table="second.csv").labels) == {"target"}
    with pytest.raises(UnknownName, match=r"second\.csv"):
        folder.understand(table="secnd.csv")


@pytest.mark.parametrize("wish", [{"label": ("pathologie",)}, {"patient": "x"}, {"split": "x"}, {"covariate": ("x",)}])
def test_a_column_that_is_nowhere_is_answered_with_the_known_ones(folder, wish):
    write(folder, "file,pathology", [f"{one},{'ab'[n % 2]}" for n, one in enumerate(NAMES)])
    with pytest.raises(UnknownName, match="Known: file, pathology"):
        folder.understand(**wish)


def numbered(folder, header, *columns):
    """Twenty images 1.png to 20.png and a table of which each column holds the numbers in an order of its own."""
    folder.picture(*(f"{n}.png" for n in range(1, 21)))
    folder.table("t.csv", header, *(",".join(map(str, cells)) for cells in zip(*columns, strict=True)))


BACKWARDS = range(20, 0, -1)
SIDES = ["low" if n <= 10 else "high" for n in BACKWARDS]


def test_a_running_number_does_not_name_the_images(folder):
    numbered(folder, "no,image_id,label", range(1, 21), BACKWARDS, SIDES)
    draft = folder.understand()
    assert value(draft, "20.png", "label") == ClassValue(value="high")
    assert any("column `image_id` names 20" in line for line in draft.evidence)


def test_columns_that_name_other_images_are_a_question(folder):
    numbered(folder, "image_id,scan_id,label", BACKWARDS, [2, 1, *range(3, 21)], SIDES)
    (question,) = folder.understand().questions
    assert "`image_id` and `scan_id`" in str(question)
    assert value(folder.understand(key="image_id"), "20.png", "label") == ClassValue(value="high")
    assert value(folder.understand(key="scan_id"), "20.png", "label") == ClassValue(value="low")


def test_two_columns_that_name_the_same_images_are_no_question(folder):
    numbered(folder, "image_id,scan_id,label", BACKWARDS, BACKWARDS, SIDES)
    assert value(folder.understand(), "20.png", "label") == ClassValue(value="high")


def test_a_second_table_that_contradicts_is_told_and_the_first_kept(folder):
    rows = [f"{one}.png,{'ab'[n % 2]}" for n, one in enumerate(NAMES)]
    write(folder, "file,label", rows, name="1.csv")
    folder.table("2.csv", "file,label", rows[0].replace(",a", ",b"), *rows[1:])
    draft = folder.understand()
    assert [(one.value, one.reader) for one in draft.cases["scans/n0.png"].claims] == [
        (ClassValue(value="a"), "reference")
    ]
    assert any("1 case where `label` of 2.csv contradicts" in line for line in draft.warnings)


def test_a_column_named_class_that_says_something_else_than_the_folders(folder):
    places = [f"{('left', 'right')[n % 2]}/{n}.png" for n in range(12)]
    folder.picture(*places)
    folder.table("t.csv", "file,class", *(f"{place},{'ab'[n // 2 % 2]}" for n, place in enumerate(places)))
    draft = folder.understand()
    assert {claim.name: claim.value.value for claim in draft.cases["left/2.png"].claims} == {
        "class": "left",
        "class (table)": "b",
    }


@pytest.mark.parametrize("table", ["../chosen.csv", "chosen.csv", "{}/chosen.csv"])
def test_a_table_is_named_by_any_path(folder, tmp_path, monkeypatch, table):
    rows = [f"{one}.png,{'ab'[n % 2]}" for n, one in enumerate(NAMES)]
    write(folder, "file,diagnosis", rows, name="chosen.csv")
    folder.table("other.csv", "file,outcome", *rows)
    (folder.root / "scans").mkdir(exist_ok=True)
    monkeypatch.chdir(folder.root / "scans")
    draft = folder.understand(table=table.format(folder.root))
    assert set(draft.labels) == {"diagnosis"}


def test_numbers_in_odd_signs_are_words(folder):
    rows = [f"{one}.png,{('--5', '²')[n % 2]}" for n, one in enumerate(NAMES)]
    write(folder, "file,label", rows)
    assert [one.value for one in folder.understand().labels["label"].classes] == [None, None]
