"""How people name folders, files and columns: the words by which a split, a mask, a reader or a label is known."""

from __future__ import annotations

import re
from functools import lru_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPLIT_NAMES: dict[str, str] = {
    **dict.fromkeys(("train", "training", "tr", "trn", "dev_train"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "tune", "tuning"), "val"),
    **dict.fromkeys(("test", "testing", "ts", "tst", "holdout", "hold_out", "hold-out"), "test"),
}
"""How people spell the three splits."""

IMAGE_FOLDERS: frozenset[str] = _words(
    "image images img imgs jpegimages jpegs pngs jpg jpeg png tif tiff photo photos picture pictures pics data dataset "
    "raw input inputs original originals orig source sources scan scans slices frames files anat volumes nifti nii "
    "dicom dicoms dcm in all"
)
"""Folder names in lower case that say only that there are images inside."""

MASK_WORDS: frozenset[str] = _words(
    "mask masks label labels seg segs segm segmentation segmentations annotation annotations annot gt gts groundtruth "
    "ground truth truth manual delineation delineations contour contours outline outlines roi rois labelmap labelmaps "
    "segmentationclass segmentationobject"
)
"""Words in lower case that name a mask and nothing of what it shows."""

IMAGE_WORDS: frozenset[str] = _words("image images img imgs imaging scan orig original raw ct mr mri volume")
"""Words that end the file name of an image whose mask lies beside it."""

SEQUENCES: frozenset[str] = _words(
    "t1 t1w t1c t1ce t1gd t1n t2 t2w t2f flair dwi adc pd pdw swi swan bval ct pet suv ctres petct mra tof dce ktrans "
    "hbv cor cbf cbv mtt tmax opp in out fat water"
)
"""Names in lower case of one sequence among several of one examination."""

_DOUBTFUL_MASK = _words("ground truth manual outline outlines contour contours label labels")
"""Mask words that may be part of another name as well, such as `ground glass`."""

_PERHAPS_MASK = re.compile("|".join(sorted(MASK_WORDS)), re.IGNORECASE)
_PERSON = r"reader|observer|rater|annotator|expert|radiologist|doctor|grader|obs"
_READER = re.compile(
    rf"(?:^|[_\-. ])((?:1st|2nd|3rd|[4-9]th|first|second|third)(?:[_\-. ]?(?:{_PERSON})|[a-z]{{2}})?"
    rf"|(?:{_PERSON})[_\-. ]?(?:[a-z]|\d{{1,2}})|manual[_\-. ]?\d)(?=$|[_\-. ])",
    re.IGNORECASE,
)
_LETTERED = re.compile(r"(?<=[a-z])[_\-. ]([A-Z])$")
_NAMED_PERSON = re.compile(rf"^(?:dr|prof|professor|{_PERSON})[_\-. ]+\w", re.IGNORECASE)


@lru_cache(maxsize=1 << 16)
def split_named(name: str) -> str | None:
    """The split that a folder or file name means: `Training`, `train2017`, `imagesTr`, `valid_images`; else None."""
    lower = name.lower()
    if lower in SPLIT_NAMES:
        return SPLIT_NAMES[lower]
    words = [word for word in tokens(name) if not word.isdigit()]
    found = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    rest = [word for word in words if word not in SPLIT_NAMES and word not in IMAGE_FOLDERS and word != "set"]
    return found.pop() if len(found) == 1 and not rest else None


def tokens(name: str) -> list[str]:
    """The words of a name in lower case: `PatientID`, `patient_id` and `Patient ID` are all patient and id."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+", name)]


def reader_in(name: str) -> tuple[str, str | None]:
    """A name without the reader in it, and the reader: `vessels_2nd` is vessels by `2nd`; None where it names none."""
    lettered = _LETTERED.search(name)
    if lettered is not None and (tokens(name[: lettered.start()]) or [""])[-1] in MASK_WORDS:
        return name[: lettered.start()], lettered.group(1)
    found = _READER.search(name)
    if found is None:
        return name, None
    rest = f"{name[: found.start()]}_{name[found.end() :]}"
    return rest.strip("_-. "), found.group(1)


def has_mask_word(name: str) -> bool:
    """Whether a name has a word that means `mask`."""
    return bool(_PERHAPS_MASK.search(name)) and any(word in MASK_WORDS for word in tokens(name))


def names_person(name: str) -> bool:
    """Whether a folder is named for somebody who draws: `Dr_Li`, `reader-anna`."""
    return bool(_NAMED_PERSON.match(name))


def is_mask_folder(name: str) -> bool:
    """Whether a folder can only hold masks: `masks`, `lesion_segmentation`, `ground truth`, but not `ground_glass`."""
    if not has_mask_word(name):
        return False
    words = [word for word in tokens(name) if not word.isdigit()]
    numbered = len(words) < len(tokens(name))
    sure = any(word in MASK_WORDS - _DOUBTFUL_MASK for word in words)
    return sure or (all(word in MASK_WORDS for word in words) and not numbered)


def skeleton(name: str) -> str:
    """A name in lower case with every run of digits as `#`: names of one skeleton differ only in a number."""
    return re.sub(r"\d+", "#", name.lower())


def splits_in(name: str) -> set[str]:
    """Every split that some word of a name means."""
    return {SPLIT_NAMES[word] for word in tokens(name) if word in SPLIT_NAMES}
