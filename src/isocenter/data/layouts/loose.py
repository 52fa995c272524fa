"""Single images: whatever no other arrangement explains becomes a case of its own."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Set

from isocenter.core.image import ImageFacts, Intensity
from isocenter.core.words import counted
from isocenter.data.layouts._shared import Draft, Layout, Survey, Wishes, case_key, stem
from isocenter.data.naming import is_mask_folder

_NUMBERED = re.compile(r"^(?:slices?|sl|z|im|img|image|frame)?[-_ ]?(\d+)$", re.IGNORECASE)
_FEWEST_SLICES, _MOST_SLICES = 5, 2000


def _understand(survey: Survey, wishes: Wishes, draft: Draft) -> None:
    count = 0
    apart = _mask_folders(survey) if "folder" not in wishes.label else set()
    for image in draft.free(survey):
        named = _within(survey.folders(image), apart) if image.series is None else None
        if named is not None:
            draft.refuse(
                image.files[0],
                f"lies in the folder {named}, which is named for masks, but is no image's "
                "mask: its name, size or pixel values do not fit.",
            )
            draft.taken.add(image.key)
            continue
        if image.role == "mask":
            draft.refuse(image.files[0], "a mask whose image is not here.")
            draft.taken.add(image.key)
            continue
        draft.add(case_key(survey, image), {"image": image})
        count += 1
    if count:
        several = "becomes a case" if count == 1 else "become a case each"
        draft.understood("loose", f"{counted(count, 'image')} {several}.")
    _warn_of_slices(survey, draft)


def _within(folders: tuple[str, ...], apart: Set[tuple[str, ...]]) -> str | None:
    """The outermost of some folders in which an image lies."""
    return next(("/".join(folders[:end]) for end in range(1, len(folders) + 1) if folders[:end] in apart), None)


def _mask_folders(survey: Survey) -> set[tuple[str, ...]]:
    """Folders named for masks beside another folder of images, or beside images that lie in no folder of their own."""
    beside: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for folders in {survey.folders(image) for image in survey.images}:
        for depth, folder in enumerate((*folders, "")):
            beside[folders[:depth]].add(folder)
    return {
        (*parent, name)
        for parent, names in beside.items()
        for name in names
        if is_mask_folder(name) and not all(is_mask_folder(other) for other in names)
    }


def _warn_of_slices(survey: Survey, draft: Draft) -> None:
    """Numbered grey pictures of one size in one folder may be slices of one volume: neighbours must not be parted."""
    folders: dict[str, list[ImageFacts]] = defaultdict(list)
    for case in draft.cases.values():
        if len(case.images) == 1 and case.group is None and "Z" not in case.first.axes and not case.first.part:
            folders[case.first.files[0].rsplit("/", 1)[0]].append(case.first)
    for folder, images in folders.items():
        numbers = [_NUMBERED.match(stem(image.files[0])) for image in images]
        grey = all(image.intensity != Intensity.RGB and not image.group for image in images)
        if not grey or len({image.shape for image in images}) != 1 or not _FEWEST_SLICES <= len(images) <= _MOST_SLICES:
            continue
        found = sorted(int(number[1]) for number in numbers if number)
        if found != list(range(found[0] if found else 0, (found[0] if found else 0) + len(images))):
            continue
        draft.warnings.append(
            f"The {len(images)} images in {survey.place(folder) or survey.root} are numbered {found[0]} to {found[-1]} "
            "and of one size: they may be slices of one volume. If so, neighbours must stay together: name a column "
            "that says so with `--group COLUMN`."
        )


LAYOUT = Layout(rank=50, understand=_understand)
