"""Zip files: everything that is sound comes out, everything else is named with its reason."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from isocenter.core.errors import StorageProblem, Unreadable
from isocenter.data.archives import _shared
from isocenter.data.archives.zip import ARCHIVE


def reasons(fetched) -> dict[str, str]:
    return {refusal.path.split(".zip/", 1)[-1]: refusal.reason for refusal in fetched.refused}


def test_unpacks_files_and_folders(make_zip, errand, below):
    fetched = ARCHIVE.fetch(errand(make_zip(("a/1.dcm", b"one"), ("a/", b""), ("b.png", b"two"))))
    assert below(fetched.root) == {"a/1.dcm": b"one", "b.png": b"two"}
    assert fetched.copied
    assert fetched.refused == ()
    assert fetched.root.name.startswith("scans-")


@pytest.mark.parametrize(
    "name",
    [
        "../out.txt",
        "a/../../out.txt",
        "/out.txt",
        "\\out.txt",
        "C:/out.txt",
        "c:out.txt",
        "..\\out.txt",
        "a\n.txt",
        "./",
    ],
)
def test_a_name_that_leads_outside_is_refused(name, make_zip, errand, tmp_path, below):
    info = zipfile.ZipInfo("x")
    info.filename = name
    fetched = ARCHIVE.fetch(errand(make_zip((info, b"evil"), ("good.txt", b"good"))))
    assert below(fetched.root) == {"good.txt": b"good"}
    assert len(fetched.refused) == 1
    assert not list(tmp_path.rglob("out.txt"))


def test_backslashes_of_old_windows_tools_are_folders(make_zip, errand, below):
    members = []
    for name, content in (("cat\\", b""), ("cat\\1.png", b"one")):
        info = zipfile.ZipInfo("x")
        info.filename = name
        members.append((info, content))
    fetched = ARCHIVE.fetch(errand(make_zip(*members)))
    assert below(fetched.root) == {"cat/1.png": b"one"}


def test_links_and_devices_are_refused(make_zip, errand, below):
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    fetched = ARCHIVE.fetch(errand(make_zip((link, b"/etc/passwd"), ("good", b"good"))))
    assert below(fetched.root) == {"good": b"good"}
    assert "link" in reasons(fetched)["link"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_files_with_one_name_the_first_is_kept(make_zip, errand, below):
    fetched = ARCHIVE.fetch(errand(make_zip(("a", b"first"), ("a", b"second"), ("A", b"third"))))
    assert below(fetched.root) == {"a": b"first"}
    assert [refusal.reason for refusal in fetched.refused] == [
        "is there twice; the first is kept.",
        "differs from a only in upper and lower case; the first is kept.",
    ]


def test_a_file_where_a_folder_must_be_is_refused(make_zip, errand, below):
    fetched = ARCHIVE.fetch(errand(make_zip(("a", b"file"), ("a/b", b"inside"), ("n" * 300, b"long"))))
    assert below(fetched.root) == {"a": b"file"}
    assert "cannot be unpacked" in reasons(fetched)["a/b"]
    assert "cannot be unpacked" in reasons(fetched)["n" * 300]


def test_encrypted_members_are_refused_with_the_remedy(make_zip, errand, below):
    path = make_zip(("secret", b"x"), ("open", b"y"))
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x03\x04") + 6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    fetched = ARCHIVE.fetch(errand(path))
    assert below(fetched.root) == {"open": b"y"}
    assert "password" in reasons(fetched)["secret"]


def test_a_damaged_member_is_refused_and_the_rest_goes_on(make_zip, errand, below):
    content = os.urandom(1000)
    path = make_zip(("bad", content), ("good", b"good"))
    raw = bytearray(path.read_bytes())
    raw[raw.index(content[:50]) + 100] ^= 0xFF
    path.write_bytes(raw)
    fetched = ARCHIVE.fetch(errand(path))
    assert below(fetched.root) == {"good": b"good"}
    assert "cannot be unpacked (Bad CRC" in reasons(fetched)["bad"]


def test_a_method_that_python_lacks_is_refused(make_zip, errand, below):
    path = make_zip(("odd", b"x" * 100), ("good", b"good"))
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x03\x04") + 8] = 9
    raw[raw.index(b"PK\x01\x02") + 10] = 9
    path.write_bytes(raw)
    fetched = ARCHIVE.fetch(errand(path))
    assert below(fetched.root) == {"good": b"good"}
    assert "compression" in reasons(fetched)["odd"]


def test_a_bomb_is_refused_and_the_rest_goes_on(make_zip, errand, monkeypatch, below):
    monkeypatch.setattr(_shared, "SMALL_MEMBER_BYTES", 10_000)
    fetched = ARCHIVE.fetch(errand(make_zip(("bomb", bytes(1_000_000)), ("mask", bytes(9_000)), ("good", b"good"))))
    assert set(below(fetched.root)) == {"mask", "good"}
    assert "decompression bomb" in reasons(fetched)["bomb"]


def test_many_small_bombs_are_one_large_one(make_zip, errand, monkeypatch):
    monkeypatch.setattr(_shared, "SMALL_ARCHIVE_BYTES", 10_000)
    path = make_zip(*[(f"{number}", bytes(1_000_000)) for number in range(3)])
    with pytest.raises(Unreadable, match="decompression bomb"):
        ARCHIVE.fetch(errand(path))
    assert not [one for one in (path.parent / "into").iterdir() if not one.name.startswith(".unpacking")]


def test_too_many_members_are_refused(make_zip, errand, monkeypatch):
    monkeypatch.setattr(_shared, "MOST_MEMBERS", 2)
    with pytest.raises(Unreadable, match=r"more than 2 files\. Unpack it yourself"):
        ARCHIVE.fetch(errand(make_zip(("a", b""), ("b", b""), ("c", b""))))


def test_what_does_not_fit_on_the_disk_is_refused_before_anything_is_written(make_zip, errand, monkeypatch):
    monkeypatch.setattr("isocenter.storage.atomic.free_bytes", lambda path: 100_000_010)
    path = make_zip(("a", b"x" * 100))
    with pytest.raises(StorageProblem, match="only 10 B are free"):
        ARCHIVE.fetch(errand(path))
    assert not list((path.parent / "into").rglob("a"))


def test_a_disk_that_fills_up_leaves_nothing_half(make_zip, errand, monkeypatch, below):
    path = make_zip(("a", b"x"), ("b", b"y"))
    copied = []

    def full(member, place):
        if copied:
            raise OSError(28, "No space left on device")
        copied.append(place)
        place.write_bytes(b"x")
        return b"x"

    with monkeypatch.context() as patch:
        patch.setattr(_shared, "_copy", full)
        with pytest.raises(StorageProblem, match="full"):
            ARCHIVE.fetch(errand(path))
    assert copied
    assert not [one for one in (path.parent / "into").iterdir() if not one.name.startswith(".unpacking")]
    assert set(below(ARCHIVE.fetch(errand(path)).root)) == {"a", "b"}


def test_the_second_time_nothing_is_unpacked(make_zip, errand, heard):
    path = make_zip(("a/1", b"one"), ("../evil", b"evil"))
    first = ARCHIVE.fetch(errand(path))
    before = (first.root / "a/1").stat().st_mtime_ns
    second = ARCHIVE.fetch(errand(path))
    assert (second.root / "a/1").stat().st_mtime_ns == before
    assert second == first
    assert any("unpacked before" in message for message in heard.said)


@pytest.mark.parametrize("harm", ["remove", "cut", "record"])
def test_a_folder_that_is_no_longer_whole_is_filled_anew(harm, make_zip, errand, below):
    path = make_zip(("a", b"one"), ("b", b"two"))
    root = ARCHIVE.fetch(errand(path)).root
    if harm == "remove":
        (root / "a").unlink()
    elif harm == "cut":
        (root / "a").write_bytes(b"")
    else:
        (root / ".isocenter-unpacked.json").write_text(json.dumps({"files": 2}))
    assert below(ARCHIVE.fetch(errand(path)).root) == {"a": b"one", "b": b"two"}


def stamps(root: Path) -> dict[str, tuple[int, int]]:
    return {one.name: (one.stat().st_size, one.stat().st_mtime_ns) for one in root.iterdir() if one.name[0] != "."}


def fixed(name: str, year: int = 2020) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, (year, 1, 2, 3, 4, 6))


def test_an_archive_that_grew_fills_the_same_folder_anew(make_zip, errand, below):
    root = ARCHIVE.fetch(errand(make_zip((fixed("a"), b"one"), (fixed("b"), b"two")))).root
    before = stamps(root)
    grown = ARCHIVE.fetch(errand(make_zip((fixed("a"), b"one"), (fixed("b"), b"TWO"), (fixed("c"), b"three")))).root
    after = stamps(grown)
    assert grown == root
    assert below(root) == {"a": b"one", "b": b"TWO", "c": b"three"}
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]  # of the same size and time in the archive, and yet another file
    assert before["a"][1] // 10**9 == 1577934246
    assert [one.name for one in root.parent.iterdir() if not one.name.startswith(".unpacking")] == [root.name]


def test_an_archive_that_became_damaged_leaves_the_folder_as_it_was(make_zip, errand, below):
    path = make_zip(("a", b"one"))
    root = ARCHIVE.fetch(errand(path)).root
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(Unreadable, match="cut short"):
        ARCHIVE.fetch(errand(path))
    assert below(root) == {"a": b"one"}


def test_the_same_archive_by_another_path_is_not_unpacked_twice(make_zip, errand, tmp_path):
    path = make_zip(("a", b"one"))
    root = ARCHIVE.fetch(errand(path)).root
    (tmp_path / "link.zip").symlink_to(path)
    assert ARCHIVE.fetch(errand(tmp_path / "link.zip")).root == root
    (tmp_path / "copy.zip").write_bytes(path.read_bytes())
    assert ARCHIVE.fetch(errand(tmp_path / "copy.zip")).root == root
    assert ARCHIVE.fetch(errand(make_zip(("b", b"two"), name="other.zip"))).root != root


@pytest.mark.parametrize("month", [0, 13])
def test_a_time_that_cannot_be_is_replaced_by_a_fixed_one(month, make_zip, errand):
    info = zipfile.ZipInfo("a")
    info.date_time = (1980, month, 0, 0, 0, 0)
    root = ARCHIVE.fetch(errand(make_zip((info, b"one")))).root
    assert (root / "a").stat().st_mtime_ns // 10**9 == 315_532_800


def test_leftovers_of_a_crash_go_away(make_zip, errand):
    path = make_zip(("a", b"two"))
    second = ARCHIVE.fetch(errand(path)).root
    left = second.with_name(f".{second.name}.123-abc.partial")
    left.mkdir()
    (second / "a").unlink()
    ARCHIVE.fetch(errand(path))
    assert not left.exists()


@pytest.mark.parametrize(
    ("raw", "flag", "expected"),
    [
        ("良性/图.png".encode("gb2312"), 0, "良性/图.png"),
        ("良性/图.png".encode(), 0, "良性/图.png"),
        ("良性/图.png".encode(), 0x800, "良性/图.png"),
        ("Müller.png".encode("cp437"), 0, "Müller.png"),
    ],
)
def test_names_in_the_alphabets_of_older_tools(raw, flag, expected, make_zip, errand, below):
    path = make_zip(("n" * len(raw), b"x"))
    data = bytearray(path.read_bytes().replace(b"n" * len(raw), raw))
    for signature, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        data[data.index(signature) + place] |= flag >> 8
    path.write_bytes(data)
    assert list(below(ARCHIVE.fetch(errand(path)).root)) == [expected]


def test_an_archive_in_the_archive_is_unpacked_once(make_zip, errand, heard, below):
    deepest = make_zip(("deep.dcm", b"deep"), name="deepest.zip").read_bytes()
    inner = make_zip(("1.dcm", b"one"), ("deepest.zip", deepest), ("../x", b"evil"), name="inner.zip").read_bytes()
    path = make_zip(("patient/inner.zip", inner), ("inner.zip", inner), ("inner", b"taken"))
    fetched = ARCHIVE.fetch(errand(path))
    assert below(fetched.root) == {
        "patient/inner/1.dcm": b"one",
        "patient/inner/deepest.zip": deepest,
        "inner": b"taken",
        "inner.zip.unpacked/1.dcm": b"one",
        "inner.zip.unpacked/deepest.zip": deepest,
    }
    assert {refusal.path.split("scans.zip/")[1] for refusal in fetched.refused} == {
        "patient/inner.zip/../x",
        "inner.zip/../x",
    }
    assert any("patient/inner.zip" in message for message in heard.said)


def test_an_inner_archive_that_is_a_bomb_is_refused_alone(make_zip, errand, monkeypatch, below):
    monkeypatch.setattr(_shared, "SMALL_ARCHIVE_BYTES", 500_000)
    bomb = make_zip(("a", bytes(400_000)), ("b", bytes(400_000)), name="bomb.zip").read_bytes()
    fetched = ARCHIVE.fetch(errand(make_zip(("bomb.zip", bomb), ("good", b"good"))))
    assert below(fetched.root) == {"good": b"good"}
    assert "decompression bomb" in reasons(fetched)["bomb.zip"]


def test_an_archive_without_any_file_to_take_is_refused(make_zip, errand):
    with pytest.raises(Unreadable, match=r"holds no file.*outside"):
        ARCHIVE.fetch(errand(make_zip(("../a", b""))))
    with pytest.raises(Unreadable, match="holds no file"):
        ARCHIVE.fetch(errand(make_zip(name="empty.zip")))


@pytest.mark.parametrize(("content", "why"), [(b"<!DOCTYPE html>", "named like"), (b"PK\x03\x04 cut", "cut short")])
def test_what_is_no_zip_says_so(content, why, tmp_path, errand):
    path = tmp_path / "scans.zip"
    path.write_bytes(content)
    assert ARCHIVE.accepts(str(path))
    with pytest.raises(Unreadable, match=why):
        ARCHIVE.fetch(errand(path))


def test_a_zip_that_cannot_be_opened_says_so(tmp_path, errand):
    with pytest.raises(Unreadable, match="cannot be opened"):
        ARCHIVE.fetch(errand(tmp_path / "gone.zip"))


def test_a_head_that_cannot_be_read_is_none(tmp_path):
    assert _shared.readable_head(tmp_path, 4) == b""


def test_accepts_by_content(make_zip, tmp_path):
    path = make_zip(("a.dcm", b"x"))
    assert ARCHIVE.accepts(str(path))
    assert ARCHIVE.accepts(str(path.rename(tmp_path / "scans")))
    np.savez(tmp_path / "arrays.npz", images=np.zeros(3))
    assert not ARCHIVE.accepts(str(tmp_path / "arrays.npz"))
    assert not ARCHIVE.accepts(str(make_zip(("[Content_Types].xml", b""), ("xl/a.xml", b""), name="t.xlsx")))
    assert not ARCHIVE.accepts(str(tmp_path))
    assert not ARCHIVE.accepts("medmnist:breastmnist")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    assert not ARCHIVE.accepts(str(tmp_path / "cut.npz"))


def test_a_member_that_lies_about_its_size_is_refused(make_zip, errand, below):
    path = make_zip(("liar", bytes(5000)), ("good", b"good"))
    raw = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = raw.index(signature) + place
        raw[start : start + 4] = (10).to_bytes(4, "little")
    path.write_bytes(raw)
    fetched = ARCHIVE.fetch(errand(path))
    assert below(fetched.root) == {"good": b"good"}
    assert "cannot be unpacked" in reasons(fetched)["liar"]


def test_many_mutations_are_read_or_refused(make_zip, errand, tmp_path):
    rng = np.random.default_rng(7)
    path = make_zip(("a/1.dcm", os.urandom(300)), ("b.png", b"text " * 100))
    sound = path.read_bytes()
    for number in range(60):
        raw = np.frombuffer(sound, np.uint8).copy()
        places = rng.integers(0, raw.size, 4)
        raw[places] = rng.integers(0, 256, 4)
        path.write_bytes(raw.tobytes()[: rng.integers(1, raw.size + 1)] if number % 3 == 0 else raw.tobytes())
        try:
            fetched = ARCHIVE.fetch(errand(path))
        except Unreadable:
            continue
        assert fetched.root.is_relative_to(tmp_path / "into")
    assert {one.name for one in tmp_path.iterdir()} == {"into", "scans.zip"}


def test_home_is_absolute(make_zip, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    make_zip(("a", b"x"))
    fetched = ARCHIVE.fetch(_shared.Errand(source="scans.zip", into=Path("out")))
    assert fetched.root.is_absolute()
    assert fetched.root.parent == tmp_path / "out"
