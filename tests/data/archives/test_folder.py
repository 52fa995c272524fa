"""Folders: everything in them is either listed or told, and nothing leads out of them."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from isocenter.core.errors import Unreadable, UsageError
from isocenter.data.archives import folder
from isocenter.data.archives.folder import ARCHIVE, Found, walk


@pytest.fixture
def scans(tmp_path):
    root = tmp_path / "scans"
    for name in ("b/2.dcm", "b/10.dcm", "a.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")
    return root


def look(root):
    refused = []
    found = [one.path.removeprefix(f"{root}/") for one in walk(root, refused)]
    return found, {refusal.path.removeprefix(f"{root}/"): refusal.reason for refusal in refused}


def test_lists_every_file_with_its_size_and_time(scans):
    refused = []
    found = {one.path: one for one in walk(scans, refused)}
    assert [path.removeprefix(f"{scans}/") for path in found] == ["a.png", "b/10.dcm", "b/2.dcm"]
    status = (scans / "a.png").stat()
    assert found[f"{scans}/a.png"] == Found(f"{scans}/a.png", 5, status.st_mtime_ns)
    assert refused == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".DS_Store", "macOS"),
        ("b/._2.dcm", "macOS"),
        ("Thumbs.db", "Windows"),
        ("desktop.ini", "Windows"),
        ("DICOMDIR", "index"),
        (".hidden", "hidden file"),
        ("more.zip", "archive inside a folder"),
        ("more.tar.gz", "archive inside a folder"),
    ],
)
def test_a_file_that_is_passed_over_is_told(name, reason, scans):
    (scans / name).write_bytes(b"x")
    found, refused = look(scans)
    assert name not in found
    assert len(found) == 3
    assert reason in refused[name]


@pytest.mark.parametrize(
    ("name", "reason"), [("__MACOSX", "macOS"), (".git", "hidden folder"), ("@eaDir", "thumbnails")]
)
def test_a_folder_that_is_passed_over_is_told_once(name, reason, scans):
    (scans / name / "deep").mkdir(parents=True)
    (scans / name / "deep/1.dcm").write_bytes(b"x")
    found, refused = look(scans)
    assert len(found) == 3
    assert list(refused) == [name]
    assert reason in refused[name]


def test_a_cohort_inside_is_left_alone(scans):
    (scans / "cohort/images").mkdir(parents=True)
    (scans / "cohort/cohort.toml").write_text("")
    (scans / "cohort/images/1.dcm").write_bytes(b"x")
    found, refused = look(scans)
    assert len(found) == 3
    assert "cohort" in refused["cohort"]


def test_our_own_note_in_an_unpacked_folder_is_no_news(scans):
    (scans / ".isocenter-unpacked.json").write_text("{}")
    assert look(scans) == (["a.png", "b/10.dcm", "b/2.dcm"], {})


def test_links_are_followed_to_files_inside_only(scans, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (scans / ".git").mkdir()
    (scans / ".git/kept").write_bytes(b"kept out of sight, as git-annex does")
    (scans / "inside.png").symlink_to(scans / ".git/kept")
    (scans / "twice.png").symlink_to(scans / ".git/kept")
    (scans / "listed.png").symlink_to(scans / "b/2.dcm")
    (scans / "outside.png").symlink_to(tmp_path / "secret")
    (scans / "gone.png").symlink_to(scans / "nothing")
    (scans / "circle").symlink_to(scans / "circle")
    (scans / "b/up").symlink_to(scans)
    (scans / "elsewhere").symlink_to(tmp_path)
    (scans / "via").symlink_to("/proc/self/environ")
    found, refused = look(scans)
    assert found == ["a.png", "inside.png", "b/10.dcm", "b/2.dcm"]
    assert {name: reason.split(";")[0].rstrip(".") for name, reason in refused.items()} == {
        "outside.png": "is a link that leads out of the folder",
        "elsewhere": "is a link that leads out of the folder",
        "via": "is a link that leads out of the folder",
        "gone.png": "is a link that leads nowhere",
        "circle": "is a link that leads nowhere",
        "b/up": "is a link to a folder that is read itself",
        "listed.png": "is a link to b/2.dcm, which is read itself",
        "twice.png": f"is a link to the same file as {scans}/inside.png, which is read already",
        ".git": "is a hidden folder",
    }


def test_a_link_into_a_cohort_is_followed_for_the_cohort_is_not(scans):
    (scans / "deep/cohort").mkdir(parents=True)
    (scans / "deep/cohort/cohort.toml").write_text("")
    (scans / "deep/cohort/1.dcm").write_bytes(b"x")
    (scans / "1.dcm").symlink_to(scans / "deep/cohort/1.dcm")
    assert "1.dcm" in look(scans)[0]


def test_a_folder_and_a_file_have_one_path_by_whatever_link_they_are_given(scans, errand, tmp_path):
    (tmp_path / "link").symlink_to(scans)
    assert ARCHIVE.fetch(errand(tmp_path / "link")).root == scans
    (tmp_path / "one.png").symlink_to(tmp_path / "link" / "a.png")
    assert ARCHIVE.fetch(errand(tmp_path / "one.png")).files == (scans / "a.png",)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert not ARCHIVE.accepts(str(tmp_path / "circle"))


def test_a_root_that_is_a_link_is_the_folder_it_leads_to(scans, tmp_path):
    (tmp_path / "link").symlink_to(scans)
    assert look(tmp_path / "link") == (["a.png", "b/10.dcm", "b/2.dcm"], {})


def test_a_pipe_is_not_opened(scans):
    os.mkfifo(scans / "pipe")
    assert look(scans)[1] == {"pipe": "is a pipe, a socket or a device, not a file."}


def test_a_name_that_is_not_text_is_told_readably(scans):
    (scans / os.fsdecode(b"\xe9.png")).touch()
    (scans / "良性.png").write_bytes(b"x")
    found, refused = look(scans)
    assert "良性.png" in found
    assert "not valid text" in refused["\\udce9.png"]


def test_a_folder_that_cannot_be_opened_is_told_and_the_rest_goes_on(scans, monkeypatch):
    real = os.scandir

    def closed(place):
        if str(place).endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return real(place)

    monkeypatch.setattr(folder.os, "scandir", closed)
    assert look(scans) == (
        ["a.png"],
        {"b": "is a folder that cannot be opened (Permission denied). Change its permissions."},
    )


def test_a_file_that_vanishes_while_it_is_listed_is_told(scans, monkeypatch):
    def vanished(entry, path, real, refused):
        if path.endswith("2.dcm"):
            raise FileNotFoundError(2, "No such file or directory")
        return Found(path, 0, 0)

    monkeypatch.setattr(folder, "_file", vanished)
    assert look(scans)[1] == {"b/2.dcm": "cannot be looked at (No such file or directory)."}


def test_a_junction_of_windows_is_not_followed():
    status = SimpleNamespace(st_reparse_tag=0xA0000003)
    entry = SimpleNamespace(name="door", is_dir=lambda **how: True, stat=lambda **how: status)
    refused = []
    assert not folder._is_folder(entry, "/scans/door", refused)
    assert "junction" in refused[0].reason


def test_a_folder_stays_where_it_is(scans, errand, tmp_path):
    fetched = ARCHIVE.fetch(errand(scans))
    assert (fetched.root, fetched.copied, fetched.files) == (scans, False, None)
    assert not (tmp_path / "into").exists()


def test_a_file_is_its_folder_with_that_file_alone(scans, errand, monkeypatch):
    monkeypatch.chdir(scans / "b")
    fetched = ARCHIVE.fetch(errand("../a.png"))
    assert (fetched.root, fetched.files) == (scans, (scans / "a.png",))


def test_a_cohort_is_no_source(scans, errand):
    (scans / "cohort.toml").write_text("")
    with pytest.raises(UsageError, match="isocenter show"):
        ARCHIVE.fetch(errand(scans))


def test_a_device_is_no_source(scans, errand):
    os.mkfifo(scans / "pipe")
    with pytest.raises(Unreadable, match="neither"):
        ARCHIVE.fetch(errand(scans / "pipe"))
