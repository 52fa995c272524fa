from __future__ import annotations

from isocenter.core.labels import ClassValue


def study(folder, *, registered: bool = True, subjects=("01", "02", "03", "04")):
    folder.json("dataset_description.json", {"Name": "x", "BIDSVersion": "1.8.0"})
    for number, name in enumerate(subjects):
        stem = f"sub-{name}/ses-1/anat/sub-{name}_ses-1"
        folder.volume(f"{stem}_T1w.nii.gz")
        folder.volume(f"{stem}_FLAIR.nii.gz", shift=0.0 if registered else number + 1.0)
        folder.json(f"{stem}_T1w.json", {"EchoTime": 1})


def test_names_make_patients_visits_and_channels(folder):
    study(folder)
    folder.volume("sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz", shape=(4, 4, 3, 5))
    rows = ["sub-01\tcontrol\t50", "sub-02\tcontrol\t60", "sub-03\tpatient\t70", "sub-04\tpatient\tn/a"]
    folder.table("participants.tsv", "participant_id\tgroup\tage", *rows, "sub-05\tpatient\t1", "sub-06\tcontrol\t2")
    draft = folder.understand()
    case = draft.cases["sub-01_ses-1"]
    assert list(case.images) == ["FLAIR", "T1w"]
    assert (case.patient, case.visit) == ("sub-01", "ses-1")
    assert "sub-01_ses-1_task-rest_bold" in draft.cases
    assert case.claims[0].value == ClassValue(value="control")
    assert draft.cases["sub-03_ses-1"].covariates == {"age": 70.0}
    assert any("2 rows of participants.tsv name no case here: sub-05 and sub-06" in line for line in draft.warnings)


def test_images_on_different_grids_stay_apart(folder):
    study(folder, registered=False)
    draft = folder.understand()
    assert len(draft.cases) == 8
    assert "sub-01_ses-1_T1w" in draft.cases
    assert any("different grids" in line for line in draft.evidence)


def test_derivatives_give_masks_and_nothing_else(folder):
    study(folder)
    base = "derivatives/manual/sub-{0}/ses-1/anat/sub-{0}_ses-1"
    folder.volume(base.format("01") + "_label-lesion_mask.nii.gz", mask=True)
    folder.volume(base.format("02") + "_label-lesion_mask.nii.gz", mask=True, shape=(2, 2, 2))
    folder.volume(base.format("09") + "_label-lesion_mask.nii.gz", mask=True)
    folder.volume(base.format("01") + "_space-MNI_T1w.nii.gz")
    folder.volume("derivatives/other/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_mask.nii.gz", mask=True)
    draft = folder.understand()
    assert [(one.name, one.reader) for one in draft.cases["sub-01_ses-1"].claims] == [
        ("lesion", "reference"),
        ("lesion", "other"),
    ]
    reasons = {one.path.rsplit("/", 1)[1][:6]: one.reason for one in draft.refused}
    assert reasons["sub-02"] == "the mask is 2 x 2 x 2, the images of this visit 6 x 5 x 4."
    assert reasons["sub-09"] == "a mask whose image is not here."
    assert reasons["sub-01"].startswith("computed from another image")


def test_names_alone_are_enough_where_all_follow_them(folder):
    folder.volume("sub-a/anat/sub-a_T1w.nii.gz", "sub-b/anat/sub-b_T1w.nii.gz")
    assert folder.understand().layouts == ["bids"]


def test_other_names_are_no_bids(folder):
    folder.volume("sub-a/anat/sub-a_T1w.nii.gz", "else/b.nii.gz")
    assert "bids" not in folder.understand().layouts
