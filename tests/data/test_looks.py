"""Every look at a split is counted, whoever else is writing and whatever became of the file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from isocenter.core.errors import StorageProblem
from isocenter.data.looks import ALL, LOOKS, Look, count_look, read_looks
from progress_samples import Told


def look(folder: Path, split: str = "test", **other: object) -> int:
    return count_look(folder, split=split, model_digest="ab" * 32, model_name="m", cases=5, **other)


def test_looks_are_numbered_by_split(tmp_path: Path) -> None:
    assert [look(tmp_path), look(tmp_path, "val"), look(tmp_path)] == [1, 1, 2]
    known = read_looks(tmp_path).known
    assert [(one.look, one.split, one.cases, one.name) for one in known] == [
        (1, "test", 5, "m"),
        (1, "val", 5, "m"),
        (2, "test", 5, "m"),
    ]
    assert all(one.time and one.person and one.model == "ab" * 32 for one in known)


def test_a_look_at_all_is_a_look_at_each(tmp_path: Path) -> None:
    look(tmp_path)
    assert look(tmp_path, ALL) == 2
    assert [look(tmp_path), look(tmp_path, "val")] == [3, 2]


def test_no_look_is_lost_between_writers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: look(tmp_path), range(12)))
    assert sorted(numbers) == list(range(1, 13))
    assert read_looks(tmp_path).at("test") == 12


@pytest.mark.parametrize("torn", [b'{"look": 2, "split": "te', b"\xff\xfe\n", b'{"look": "x"}\n'])
def test_a_damaged_line_is_told_kept_and_counted(tmp_path: Path, torn: bytes) -> None:
    look(tmp_path)
    with (tmp_path / LOOKS).open("ab") as file:
        file.write(torn)
    told = Told()
    assert look(tmp_path, progress=told) == 3
    assert look(tmp_path) == 4
    assert "line 2 cannot be read" in told.messages[0]
    assert torn.rstrip() in (tmp_path / LOOKS).read_bytes()
    assert read_looks(tmp_path).damaged == (2,)


def test_a_look_of_a_later_version_is_understood(tmp_path: Path) -> None:
    later = Look(look=7, split="test", cases=1, model="x").model_dump_json()[:-1] + ', "colour": "red"}\n\n'
    (tmp_path / LOOKS).write_text(later, encoding="utf-8")
    assert look(tmp_path) == 8


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StorageProblem, OSError)):
        look(tmp_path / "file")
