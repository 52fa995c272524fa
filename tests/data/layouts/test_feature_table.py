from __future__ import annotations

import pytest

from isocenter.core.labels import ClassValue, Kind


def visits(folder, name="visits.csv"):
    rows = []
    for n in range(60):
        group = ("well", "ill")[n % 2]
        rating = 0 if n % 2 == 0 or n == 1 else 1 + n % 3
        rows.append(f"S{n // 2},S{n // 2}_{n % 2},{group},{1 + n % 2},{60 + n % 30},{rating},{n % 4},{1000 + n * 7}")
    folder.table(name, "Subject ID,MRI ID,Group,Visit,Age,CDR,SES,volume", *rows)


def test_a_clinical_table_asks_for_its_label_and_takes_the_answer(folder):
    visits(folder)
    (question,) = folder.understand().questions
    for words in ("Group", "CDR", "SES", "--label Group"):
        assert words in str(question)
    draft = folder.understand(label=("Group",))
    case = draft.cases["S1_1"]
    assert (case.patient, case.visit) == ("S1", "2")
    assert case.claims[0].value == ClassValue(value="ill")
    assert case.covariates == {"Age": 63.0, "CDR": 1.0, "SES": 3.0, "volume": 1021.0}
    assert any(line.startswith("`CDR` tells `Group` in 98% of the rows (50% by chance)") for line in draft.warnings)
    assert "60 rows of 30 patients." in draft.evidence


def test_a_target_column_needs_no_question(folder):
    folder.table("cancer.csv", "radius,texture,target", *(f"{n * 1.1},{n * 2.3},{n % 2}" for n in range(30)))
    draft = folder.understand()
    assert list(draft.cases)[:2] == ["cancer.csv#row 1", "cancer.csv#row 2"]
    assert any("No column names the rows of cancer.csv" in line for line in draft.warnings)
    assert [(one.name, one.value) for one in draft.labels["target"].classes] == [("0", 0), ("1", 1)]


def test_a_measured_target(folder):
    folder.table("diabetes.csv", "bmi,target", *(f"{n * 1.1},{n * 3 + 20}" for n in range(30)))
    assert folder.understand().labels["target"].kind is Kind.NUMBER


def test_a_file_of_numbers_without_a_header(folder):
    rows = [f"{1 + n % 3}.0000000e+00  {n * 0.37:.5e}  {n * -1.13:.5e}" for n in range(40)]
    folder.table("beats.txt", rows[0], *rows[1:])
    draft = folder.understand()
    assert [one.name for one in draft.labels["column1"].classes] == ["1", "2", "3"]
    assert any("only column of beats.txt with few whole numbers" in line for line in draft.evidence)
    assert len(draft.cases) == 40


def test_different_tables_are_a_question(folder):
    visits(folder)
    folder.table("other.csv", "a,b", "1,2")
    (question,) = folder.understand().questions
    assert "--table other.csv" in str(question)
    assert len(folder.understand(table="visits.csv", label=("Group",)).cases) == 60


def test_tables_of_the_same_columns_are_joined(folder):
    for name in ("train", "test"):
        folder.table(f"{name}.csv", "x,class", *(f"{n}.5,{'ab'[n % 2]}" for n in range(9)))
    draft = folder.understand()
    assert [case.split for case in draft.cases.values()].count("test") == 9
    assert len(draft.cases) == 18


def test_a_split_column(folder):
    folder.table("t.csv", "x,split,class", *(f"{n}.5,{('train', 'test')[n % 2]},{'ab'[n // 5]}" for n in range(10)))
    assert [case.split for case in folder.understand().cases.values()][:2] == ["train", "test"]


def test_unlabelled_and_chosen_covariates(folder):
    visits(folder)
    draft = folder.understand(label=("none",), covariate=("Age",))
    assert not draft.labels
    assert draft.cases["S0_0"].covariates == {"Age": 60.0}


@pytest.mark.parametrize("cell", ["unknown", "uncertain", "?"])
def test_uncertain_rows_are_told(folder, cell):
    folder.table("t.csv", "x,class", *(f"{n}.5,{cell if n == 3 else 'ab'[n % 2]}" for n in range(9)))
    draft = folder.understand()
    assert any("1 row of `class` uncertain" in line for line in draft.warnings)
    assert len(draft.labels["class"].classes) == 2


def test_rows_of_two_tables_are_told_apart(folder):
    for name in ("train", "test"):
        folder.table(f"{name}.csv", "x,class", *(f"{n}.5,{'ab'[n % 2]}" for n in range(9)))
    keys = list(folder.understand().cases)
    assert (keys[0], keys[-1]) == ("test.csv#row 1", "train.csv#row 9")


def test_a_question_mark_leaves_the_other_cells_numbers(folder):
    folder.table("t.csv", "vessels,class", *(f"{'?' if n == 4 else n},{'ab'[n % 2]}" for n in range(9)))
    cases = list(folder.understand().cases.values())
    assert [cases[3].covariates["vessels"], cases[4].covariates["vessels"]] == [3.0, None]
