"""Every real folder beside the project is understood, or asks the one thing that cannot be known."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from isocenter.core.labels import ClassValue, Kind, MaskValue

pytestmark = pytest.mark.needs_shared


def claims(draft, name):
    return Counter(
        claim.value.value if isinstance(claim.value, ClassValue) else claim.reader
        for case in draft.cases.values()
        for claim in case.claims
        if claim.name == name
    )


def splits(draft):
    return dict(Counter(case.split for case in draft.cases.values()))


def test_a_folder_and_a_table_that_agree(shared, understood):
    draft = understood(shared / "brain_mri_yesno")
    assert claims(draft, "class") == {"yes": 155, "no": 98}
    assert [(one.name, one.value) for one in draft.labels["class"].classes] == [("no", 0), ("yes", 1)]
    assert len({case.group for case in draft.cases.values()}) < 253


def test_masks_classes_and_official_splits_together(shared, understood):
    draft = understood(shared / "busi")
    assert claims(draft, "class") == {"benign": 437, "malignant": 210, "normal": 133}
    assert claims(draft, "mask") == {"reference": 135}
    assert splits(draft) == {"train": 546, "val": 78, "test": 156}
    assert any("11 groups lie in more than one split" in line for line in draft.warnings)


def test_patients_in_a_column_that_is_partly_empty(shared, understood):
    draft = understood(shared / "covid_xray")
    assert claims(draft, "class") == {"normal": 500, "pneumonia": 500, "covid": 124}
    assert sum(case.patient is None for case in draft.cases.values()) == 124


def test_boxes_with_their_lists(shared, understood):
    draft = understood(shared / "bccd")
    assert [one.name for one in draft.labels["objects"].classes] == ["Platelets", "RBC", "WBC"]
    assert splits(draft) == {"train": 205, "val": 87, "test": 72}


def test_two_readers_and_a_field_of_view(shared, understood):
    draft = understood(shared / "drive")
    assert claims(draft, "vessels") == {"reference": 40, "2nd": 20}
    assert claims(draft, "fov") == {"reference": 40}
    assert splits(draft) == {"train": 20, "test": 20}
    assert {label.kind for label in draft.labels.values()} == {Kind.MASK}


def test_a_decathlon_task(shared, understood):
    draft = understood(shared / "hippocampus")
    assert len(draft.cases) == 200
    values = {tuple(case.claims[0].value.mapping.items()) for case in draft.cases.values()}
    assert values == {((1, "Anterior"), (2, "Posterior"))}
    assert splits(draft) == {None: 200}


def test_numbered_slices_with_masks(shared, understood):
    draft = understood(shared / "isbi2012_em")
    assert claims(draft, "mask") == {"reference": 30}
    assert any("may be slices of one volume" in line for line in draft.warnings)


def test_masks_by_their_ending(shared, understood):
    draft = understood(shared / "radiomics")
    assert len(draft.cases) == 4
    assert all(isinstance(case.claims[0].value, MaskValue) for case in draft.cases.values())


@pytest.mark.parametrize("name", ["dcm_qa_nih", "hippocampus_dicom", "dicom", "dicom_odd", "histology_wsi"])
def test_trees_of_series_are_no_classes(shared, understood, name):
    draft = understood(shared / name)
    assert draft.cases
    assert all(label.kind is Kind.MASK for label in draft.labels.values())


def test_several_data_sets_are_one_question(shared, understood):
    (question,) = understood(shared / "medmnist").questions
    assert "breastmnist.npz and pneumoniamnist.npz" in str(question)


def test_one_archive_keeps_its_official_splits(shared, understood, tmp_path):
    shutil.copy(shared / "medmnist" / "breastmnist.npz", tmp_path)
    draft = understood(tmp_path)
    assert splits(draft) == {"train": 546, "val": 78, "test": 156}


def test_two_clinical_tables_are_one_question(shared, understood):
    (question,) = understood(shared / "oasis_longitudinal").questions
    assert "oasis_longitudinal.csv" in str(question)


def test_one_clinical_table(shared, understood, tmp_path):
    shutil.copy(shared / "oasis_longitudinal" / "oasis_longitudinal.csv", tmp_path)
    (question,) = understood(tmp_path).questions
    assert "Group" in str(question)
    assert "CDR" in str(question)
    draft = understood(tmp_path, label=("Group",))
    assert claims(draft, "Group") == {"Nondemented": 190, "Demented": 146, "Converted": 37}
    assert len({case.patient for case in draft.cases.values()}) == 150
    assert all("CDR" in case.covariates for case in draft.cases.values())
    assert any(line.startswith("`CDR` tells `Group`") for line in draft.warnings)
    assert sum(case.covariates["SES"] is None for case in draft.cases.values()) == 19


def test_a_series_of_heart_beats(shared, understood):
    draft = understood(shared / "ecg5000")
    assert claims(draft, "column1") == {"1": 292, "2": 177, "3": 10, "4": 19, "5": 2}
