"""New cases: files and folders as they come, channels put together by name, everything else refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from isocenter.core.errors import UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.data.files import write
from isocenter.data.new_cases import find_cases, read_case


def picture(path: Path, *, colour: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(np.full((6, 8, 3) if colour else (6, 8), 9, np.uint8)).save(path)
    return path


def volume(path: Path, value: int = 1, *, channels: int = 1) -> Path:
    axes = "CZYX"
    array = np.full((channels, 3, 4, 5), value, np.int16)
    write(Image(array=array, axes=axes, geometry=Geometry.unknown()), path)
    return path


def test_files_and_folders_become_cases_with_readable_names(tmp_path: Path) -> None:
    alone = picture(tmp_path / "alone.png")
    picture(tmp_path / "folder" / "a" / "1.png")
    picture(tmp_path / "folder" / "b" / "1.png")
    (tmp_path / "folder" / "notes.txt").write_text("hello")
    found = find_cases([alone, tmp_path / "folder", alone], ["intensity"])
    assert [case.key for case in found.cases] == ["a/1.png", "alone.png", "b/1.png"]
    assert [Path(one.path).name for one in found.refused] == ["notes.txt"]
    assert read_case(found.cases[0], ["intensity"])["image"].array.shape == (1, 6, 8)


def test_the_same_name_twice_is_told_apart(tmp_path: Path) -> None:
    found = find_cases([picture(tmp_path / "a" / "x.png"), picture(tmp_path / "b" / "x.png")], ["intensity"])
    assert [case.key for case in found.cases] == ["x.png", "x.png (2)"]


def test_colours_stand_alone(tmp_path: Path) -> None:
    found = find_cases([picture(tmp_path / "x.png", colour=True)], ["red", "green", "blue"])
    assert read_case(found.cases[0], ["red", "green", "blue"])["image"].channels == ("red", "green", "blue")


def test_masks_and_tables_are_no_cases(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    found = find_cases([tmp_path / "table.csv"], ["intensity"])
    assert not found.cases
    assert "table" in found.refused[0].reason


def test_channels_are_put_together_by_the_end_of_their_names(tmp_path: Path) -> None:
    for person in ("p1", "p2"):
        volume(tmp_path / f"{person}_T1.nii.gz")
        volume(tmp_path / f"{person}_flair.nii.gz", 2)
    volume(tmp_path / "p3" / "T1.nii.gz")
    volume(tmp_path / "p1_swi.nii.gz")
    found = find_cases([tmp_path], ["T1", "FLAIR"])
    assert {case.key: sorted(case.images) for case in found.cases} == {
        "p1": ["FLAIR", "T1"],
        "p2": ["FLAIR", "T1"],
        "p3": ["T1"],
    }
    assert read_case(found.cases[0], ["T1", "FLAIR"])["FLAIR"].array.max() == 2
    assert "none of the channels T1 and FLAIR" in found.refused[0].reason


def test_a_channel_twice_is_refused(tmp_path: Path) -> None:
    volume(tmp_path / "p_T1.nii.gz")
    volume(tmp_path / "p-T1.nii.gz")
    found = find_cases([tmp_path], ["T1", "FLAIR"])
    assert len(found.cases) == 1
    assert "is the channel T1 of this case already" in found.refused[0].reason


def test_unnamed_channels_of_one_file_are_those_of_the_model(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4, 5), np.int16))
    image = Image(array=np.zeros((2, 3, 4, 5), np.int16), axes="CZYX", geometry=Geometry.unknown())
    write(image, tmp_path / "x.nrrd")
    found = find_cases([tmp_path / "x.nrrd"], ["T1", "FLAIR"])
    assert read_case(found.cases[0], ["T1", "FLAIR"])["image"].channels == ("T1", "FLAIR")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        find_cases([tmp_path / "nowhere"], ["intensity"])
