"""Single images: whatever no other arrangement explains becomes a case of its own."""

from __future__ import annotations

import re
from collections import defaultdict

from isocenter.core.image import ImageFacts, Intensity
from isocenter.core.words import counted
from isocenter.data.layouts._shared import Draft, Layout, Survey, Wishes, case_key, stem

_NUMBERED = re.compile(r"^(?:slices?|sl|z|im|img|image|frame)?[-_ ]?(\d+)$", re.IGNORECASE)
_FEWEST_SLICES, _MOST_SLICES = 5, 2000


def _understand(survey: Survey, _wishes: Wishes, draft: Draft) -> None:
    count = 0
    for image in draft.free(survey):
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
