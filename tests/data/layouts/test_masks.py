from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow

from isocenter.core.labels import MaskValue
from isocenter.data import mask_values
from isocenter.data.layouts._shared import Draft, Survey, Wishes
from isocenter.data.understand import understand


def masks_of(draft: Draft, key: str) -> dict[tuple[str, str], MaskValue]:
    values = {(claim.name, claim.reader): claim.value for claim in draft.cases[key].claims}
    return {name: value for name, value in values.items() if isinstance(value, MaskValue)}


def names(*stems: str, folder: str, ending: str = "png") -> list[str]:
    return [f"{folder}/{stem}.{ending}" for stem in stems]


@pytest.mark.parametrize("name", ["labels", "masks", "GT", "annotations", "ground_truth", "manual"])
def test_a_folder_named_for_masks_is_one(folder, name):
    folder.picture(*names("a", "b", "c", folder="images"))
    folder.mask(*names("a", "b", folder=name))
    draft = folder.understand()
    assert list(draft.cases) == ["images/a.png", "images/b.png", "images/c.png"]
    value = masks_of(draft, "images/a.png")["mask", "reference"]
    assert value.mapping == {255: "foreground"}
    assert [one.value for one in draft.labels["mask"].classes] == [255]
    assert any("pixel values 0 and 255: background and foreground" in line for line in draft.evidence)
    assert "1 case without the label `mask`." in draft.evidence


def test_folders_whose_names_say_nothing_are_known_by_their_pixels(folder):
    folder.picture(*names("01", "02", "03", folder="train/images"))
    folder.mask(*names("01", "02", "03", folder="train/vessels"))
    folder.mask(*names("01", "02", "03", folder="train/vessels_2nd"))
    folder.mask(*names("01", "02", "03", folder="train/fov"), values=(0, 1))
    draft = folder.understand()
    found = masks_of(draft, "train/images/01.png")
    assert set(found) == {("vessels", "reference"), ("vessels", "2nd"), ("fov", "reference")}
    assert found["vessels", "2nd"].mapping == {255: "vessels"}
    assert found["fov", "reference"].mapping == {1: "fov"}
    assert "`vessels` was read by 2 readers: reference (3) and 2nd (3)." in draft.evidence


def test_readers_in_folders_above_the_masks_are_readers(folder):
    folder.picture(*names("x", "y", folder="scans"))
    for reader in ("reader_a", "reader_b"):
        folder.mask(*names("x", "y", folder=f"masks/{reader}"))
    draft = folder.understand()
    assert set(masks_of(draft, "scans/x.png")) == {("mask", "reader_a"), ("mask", "reader_b")}


def test_structures_in_folders_below_the_masks_are_labels(folder):
    folder.picture(*names("x", "y", folder="images"))
    for structure in ("disc", "cup"):
        folder.mask(*names("x", "y", folder=f"masks/{structure}"))
    assert set(masks_of(folder.understand(), "images/x.png")) == {("disc", "reference"), ("cup", "reference")}


def test_two_plain_mask_folders_keep_their_names_apart(folder):
    folder.picture(*names("x", "y", folder="images"))
    folder.mask(*names("x", "y", folder="masks"))
    folder.mask(*names("x", "y", folder="annotations"))
    assert len(masks_of(folder.understand(), "images/x.png")) == 2


def test_names_that_begin_alike_are_matched_one_to_one(folder):
    folder.picture(*names("21_training", "22_training", folder="images"))
    folder.mask(*names("21_manual1", "22_manual1", folder="1st_manual"))
    found = masks_of(folder.understand(), "images/21_training.png")
    assert list(found) == [("mask", "1st")]
    assert found["mask", "1st"].files[0].endswith("1st_manual/21_manual1.png")


def test_class_folders_keep_their_masks_and_regions_are_joined(folder):
    folder.picture("benign/benign (1).png", "benign/benign (2).png", "malignant/malignant (1).png")
    folder.picture("malignant/malignant (2).png")
    folder.mask("benign/benign (1)_mask.png", "benign/benign (1)_mask_1.png", "malignant/malignant (1)_mask.png")
    draft = folder.understand()
    assert len(draft.cases) == 4
    assert len(masks_of(draft, "benign/benign (1).png")["mask", "reference"].files) == 2
    assert [one.name for one in draft.labels["class"].classes] == ["benign", "malignant"]


def test_masks_apart_from_the_class_folders_find_their_image(folder):
    folder.picture(*names("n_1", "n_2", folder="images/normal"), *names("s_1", "s_2", folder="images/sick"))
    folder.mask(*names("s_1_mask", "s_2_mask", folder="masks"))
    draft = folder.understand()
    assert masks_of(draft, "images/sick/s_1.png")
    assert draft.labels["class"].classes[1].name == "sick"


@pytest.mark.parametrize(("image", "mask"), [("p_image", "p_label"), ("p", "p-label"), ("p", "p_seg"), ("p", "p.gt")])
def test_endings_pair_in_one_folder(folder, image, mask):
    folder.picture(f"{image}.png", f"{image.replace('p', 'q')}.png")
    folder.mask(f"{mask}.png", f"{mask.replace('p', 'q', 1)}.png")
    draft = folder.understand()
    assert set(draft.cases) == {f"{image}.png", f"{image.replace('p', 'q')}.png"}
    assert masks_of(draft, f"{image}.png")["mask", "reference"].files[0].endswith(f"{mask}.png")


def test_an_unusual_ending_is_known_by_its_pixels(folder):
    folder.picture("e_1.png", "e_2.png")
    folder.mask("e_1_1stHO.png", "e_2_1stHO.png", "e_1_2ndHO.png", "e_2_2ndHO.png")
    assert set(masks_of(folder.understand(), "e_1.png")) == {("mask", "1stHO"), ("mask", "2ndHO")}


def test_an_ending_that_names_a_structure_is_a_label(folder):
    folder.picture("e_1.png", "e_2.png")
    folder.mask("e_1_lesion.png", "e_2_lesion.png")
    assert masks_of(folder.understand(), "e_1.png")["lesion", "reference"].mapping == {255: "lesion"}


def test_photographs_with_names_like_masks_stay_images(folder):
    folder.picture("slide.png", "slide_label.png", "other.png", "other_2.png", "third.png", "third_2.png")
    draft = folder.understand()
    assert len(draft.cases) == 6
    assert not draft.labels


def test_one_folder_per_case(folder):
    for case in ("case_a", "case_b"):
        folder.volume(f"{case}/imaging.nii.gz")
        folder.volume(f"{case}/segmentation.nii.gz", mask=True)
    draft = folder.understand()
    assert masks_of(draft, "case_a/imaging.nii.gz")["mask", "reference"].mapping == {1: "1", 2: "2"}
    assert "class" not in draft.labels


def test_numbered_volumes_and_segmentations(folder):
    folder.volume("volume-0.nii", "volume-1.nii")
    folder.volume("segmentation-0.nii", "segmentation-1.nii", mask=True)
    draft = folder.understand()
    assert masks_of(draft, "volume-1.nii")["mask", "reference"].files[0].endswith("segmentation-1.nii")


def test_many_masks_in_the_folder_of_one_image_are_its_objects(folder):
    for case in ("aa", "bb"):
        folder.picture(f"{case}/images/{case}.png")
        folder.mask(f"{case}/masks/first.png", f"{case}/masks/second.png")
    assert len(masks_of(folder.understand(), "aa/images/aa.png")["mask", "reference"].files) == 2


def test_another_size_is_refused_with_the_reason(folder):
    folder.picture(*names("a", "b", folder="images"))
    folder.mask("masks/a.png")
    folder.mask("masks/b.png", size=(16, 16))
    draft = folder.understand()
    assert [one.reason for one in draft.refused] == ["the mask is 16 x 16, its image 32 x 24: it cannot lie on it."]
    assert set(draft.cases) == {"images/a.png", "images/b.png"}


def test_a_mask_without_its_image_is_refused(folder):
    folder.picture(*names("a", "b", "c", folder="images"))
    folder.mask(*names("a", "b", "z", folder="masks"))
    draft = folder.understand()
    assert [(one.path.rsplit("/", 1)[1], one.reason) for one in draft.refused] == [
        ("z.png", "a mask whose image is not here.")
    ]


@pytest.mark.parametrize(
    ("values", "mapping"),
    [
        ((0, 1), {1: "lesion"}),
        ((0, 2, 5), {2: "2", 5: "5"}),
        ((0, 85, 170, 255), {85: "85", 170: "170", 255: "255"}),
        ((1, 2), {1: "1", 2: "2"}),
    ],
)
def test_values_are_understood(folder, values, mapping):
    folder.picture(*names("a", "b", folder="images"))
    folder.mask(*names("a", "b", folder="lesion_masks"), values=values)
    assert masks_of(folder.understand(), "images/a.png")["lesion", "reference"].mapping == mapping


def test_jpeg_noise_is_seen_through(folder):
    folder.picture(*names("a", "b", folder="images"), size=(64, 64))
    folder.mask(*names("a", "b", folder="masks", ending="jpg"), size=(64, 64))
    draft = folder.understand()
    (value,) = masks_of(draft, "images/a.png").values()
    assert list(value.mapping.values()) == ["foreground"]
    assert abs(next(iter(value.mapping)) - 255) <= 2
    assert value.noisy


def test_palettes_keep_their_numbers_and_colours_are_spelled(folder):
    folder.picture(*names("a", "b", folder="images"))
    for name in names("a", "b", folder="masks"):
        indices = np.tile(np.repeat(np.arange(4, dtype=np.uint8), 8), (24, 1))
        picture = Pillow.fromarray(indices).convert("P")
        picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200] + [0] * 756)
        picture.putdata(list(indices.ravel()))
        picture.save(folder.path(name))
    (value,) = masks_of(folder.understand(), "images/a.png").values()
    assert value.mapping == {1: "1", 2: "2", 3: "3"}


def test_colours_stand_for_classes(folder):
    folder.picture(*names("a", "b", folder="images"))
    for name in names("a", "b", folder="masks"):
        array = np.zeros((24, 32, 3), np.uint8)
        array[:, 8:20] = (255, 0, 0)
        array[:, 20:] = (0, 0, 255)
        Pillow.fromarray(array).save(folder.path(name))
    (value,) = masks_of(folder.understand(), "images/a.png").values()
    assert value.mapping == {0x0000FF: "#0000FF", 0xFF0000: "#FF0000"}


def test_numbered_objects_are_one_class(folder):
    folder.picture(*names("a", "b", folder="images"), size=(200, 40))
    for name in names("a", "b", folder="masks"):
        objects = np.kron(np.arange(100).reshape(4, 25), np.ones((10, 8), int)).astype(np.uint8)
        objects[:10, :80] = 0
        Pillow.fromarray(objects).save(folder.path(name))
    draft = folder.understand()
    (value,) = masks_of(draft, "images/a.png").values()
    assert list(value.mapping.values()) == ["foreground"]
    assert any("each object has a pixel value of its own" in line for line in draft.evidence)


def test_classes_with_equal_file_names_are_no_masks(folder):
    folder.picture(*names("1", "2", "3", folder="cats"), *names("1", "2", "3", folder="dogs"))
    draft = folder.understand()
    assert len(draft.cases) == 6
    assert set(draft.labels) == {"class"}


def test_masks_of_registered_sequences_belong_to_the_joined_case(folder):
    for person in ("P_1", "P_2"):
        folder.volume(f"{person}/{person}_t1.nii.gz", f"{person}/{person}_flair.nii.gz")
        folder.volume(f"{person}/{person}_seg.nii.gz", mask=True)
    draft = folder.understand()
    assert {tuple(case.images) for case in draft.cases.values()} == {("flair", "t1")}
    assert all(len(case.claims) == 1 for case in draft.cases.values())
    assert {case.patient for case in draft.cases.values()} == {"P_1", "P_2"}


def test_dicom_segmentations_find_their_series(facts):
    image = facts("/x/ct.dcm", series="1.2", instances=("1.2.1",), group="1.2", patient="A")
    other = facts("/x/ct2.dcm", series="1.3", instances=("1.3.1",), group="1.3", patient="B")
    by_series = facts("/x/s1.dcm", role="mask", refers_to=("1.2",), classes={1: "liver"})
    by_slice = facts("/x/s2.dcm", role="mask", refers_to=("9", "1.3.1"), classes={1: "liver"})
    again = facts("/x/s3.dcm", role="mask", refers_to=("1.2",), classes={1: "liver"})
    different = facts("/x/s4.dcm", role="mask", refers_to=("1.2",), classes={1: "kidney", 2: "spleen"})
    lost = facts("/x/s5.dcm", role="mask", refers_to=("7.7",), classes={1: "liver"})
    survey = Survey(root="/x", images=(image, other, by_series, by_slice, again, different, lost))
    draft = understand(survey, Wishes())
    assert [(claim.name, claim.reader) for claim in draft.cases["1.2"].claims] == [
        ("mask", "reference"),
        ("mask", "reader 2"),
        ("kidney_spleen", "reference"),
    ]
    assert draft.cases["1.3"].claims[0].value.mapping == {1: "liver"}
    assert [one.path for one in draft.refused] == ["/x/s5.dcm"]


def test_masks_in_two_formats_are_two_readers(folder):
    folder.picture(*names("a", "b", folder="images"))
    folder.mask(*names("a", "b", folder="masks"), *names("a", "b", folder="masks", ending="tif"))
    draft = folder.understand()
    assert set(masks_of(draft, "images/a.png")) == {("mask", "reference"), ("mask", "reader 2")}
    assert any("2 cases with several values of `mask` by one reader" in line for line in draft.warnings)


def test_a_class_in_two_of_many_masks_is_learnt(folder):
    many = [f"{n:03}" for n in range(120)]
    folder.picture(*names(*many, folder="images"))
    folder.mask(*names(*many, folder="masks"), values=(0, 1, 2))
    folder.mask("masks/077.png", values=(0, 1, 2, 4))
    (value,) = masks_of(folder.understand(), "images/001.png").values()
    assert (value.mapping, value.noisy) == ({1: "1", 2: "2", 4: "4"}, False)


def test_a_sample_of_large_masks_is_told(folder, monkeypatch):
    monkeypatch.setattr(mask_values, "_MOST_PIXELS", 10 * 32 * 24)
    many = [f"{n:02}" for n in range(20)]
    folder.picture(*names(*many, folder="images"))
    folder.mask(*names(*many, folder="masks"))
    assert any("; learnt from 10 of 20 masks." in line for line in folder.understand().evidence)
