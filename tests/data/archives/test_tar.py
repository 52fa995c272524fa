"""Tar files of every compression: read once from front to back, and nothing in them is trusted."""

from __future__ import annotations

import gzip
import io
import os
import tarfile

import numpy as np
import pytest

from isocenter.core.errors import StorageProblem, Unreadable
from isocenter.data.archives import _shared, tar
from isocenter.data.archives.tar import ARCHIVE


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.tar", "w"), ("a.tgz", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a.tar.xz", "w:xz"), ("bare", "w:gz")],
)
def test_unpacks_every_compression(name, mode, make_tar, errand, below):
    path = make_tar(("p1/1.dcm", b"one"), ("p2/" + "long" * 40 + "/2.dcm", b"two"), name=name, mode=mode)
    assert ARCHIVE.accepts(str(path))
    fetched = ARCHIVE.fetch(errand(path))
    assert below(fetched.root) == {"p1/1.dcm": b"one", "p2/" + "long" * 40 + "/2.dcm": b"two"}
    assert fetched.refused == ()
    assert fetched.root.name.rsplit("-", 1)[0] == path.name.split(".")[0]


@pytest.mark.parametrize(("time", "seconds"), [(1.6e9, 1_600_000_000), (-5, 315_532_800), (1e15, 315_532_800)])
def test_files_keep_the_time_that_the_archive_says(time, seconds, make_tar, errand):
    info = tarfile.TarInfo("a")
    info.mtime = time
    root = ARCHIVE.fetch(errand(make_tar((info, b"one"), mode="w", name="times.tar"))).root
    assert (root / "a").stat().st_mtime_ns // 10**9 == seconds


def test_folders_are_not_members(make_tar, errand, below):
    folder = tarfile.TarInfo("p1")
    folder.type = tarfile.DIRTYPE
    fetched = ARCHIVE.fetch(errand(make_tar((folder, b""), ("p1/a", b"x"))))
    assert below(fetched.root) == {"p1/a": b"x"}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "a link to '../../target'"),
        (tarfile.LNKTYPE, "a link to '../../target'"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
        (tarfile.GNUTYPE_SPARSE, "sparse"),
    ],
)
def test_links_and_devices_are_refused(kind, reason, make_tar, errand, below):
    odd = tarfile.TarInfo("odd")
    odd.type, odd.linkname = kind, "../../target"
    through = ("odd/through", b"evil")
    fetched = ARCHIVE.fetch(errand(make_tar((odd, b""), through, ("good", b"good"))))
    assert below(fetched.root) == {"good": b"good", "odd/through": b"evil"}
    assert [reason in refusal.reason for refusal in fetched.refused] == [True]
    assert not (fetched.root / "odd").is_symlink()


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "C:\\out"])
def test_a_name_that_leads_outside_is_refused(name, make_tar, errand, below, tmp_path):
    fetched = ARCHIVE.fetch(errand(make_tar((name, b"evil"), ("good", b"good"))))
    assert below(fetched.root) == {"good": b"good"}
    assert "outside" in fetched.refused[0].reason
    assert not list(tmp_path.rglob("out"))


def test_names_that_nobody_says_the_alphabet_of(tmp_path, errand, below):
    path = tmp_path / "scans.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="gb2312") as file:
        file.addfile(tarfile.TarInfo("良性.png"), io.BytesIO())
    with tarfile.open(path, "a", format=tarfile.GNU_FORMAT, encoding="latin-1") as file:
        file.addfile(tarfile.TarInfo("é.png"), io.BytesIO())
    assert list(below(ARCHIVE.fetch(errand(path)).root)) == ["é.png", "良性.png"]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_that_is_cut_short_gives_what_came(mode, make_tar, errand, below):
    path = make_tar(("first", os.urandom(20_000)), ("second", os.urandom(200_000)), mode=mode)
    path.write_bytes(path.read_bytes()[:100_000])
    fetched = ARCHIVE.fetch(errand(path))
    assert list(below(fetched.root)) == ["first"]
    assert {refusal.path.rsplit("/", 1)[-1] for refusal in fetched.refused} == {"second", "scans.tar"}
    assert any("download it again" in refusal.reason for refusal in fetched.refused)


def test_a_damaged_header_in_the_middle_is_told(make_tar, errand, below):
    path = make_tar(("first", b"1" * 512), ("second", b"2" * 512))
    raw = bytearray(path.read_bytes())
    raw[1024] ^= 0xFF
    path.write_bytes(raw)
    fetched = ARCHIVE.fetch(errand(path))
    assert list(below(fetched.root)) == ["first"]
    assert "end mark" in fetched.refused[0].reason
    assert fetched.refused[0].path == path.as_posix()


def test_a_header_without_end_is_stopped(make_tar, errand, monkeypatch, below):
    monkeypatch.setattr(tar, "MOST_HEADER_BYTES", 100_000)
    endless = tarfile.TarInfo("x" * 3_000_000)
    path = make_tar(("first", b"1"), (endless, b""), mode="w:gz")
    fetched = ARCHIVE.fetch(errand(path))
    assert list(below(fetched.root)) == ["first"]
    assert "header of more than" in fetched.refused[0].reason
    with pytest.raises(Unreadable, match="no tar file"):
        ARCHIVE.fetch(errand(make_tar((endless, b""), mode="w:gz", name="only.tgz")))


def test_a_bomb_stops_the_whole_archive(make_tar, errand, monkeypatch):
    monkeypatch.setattr(_shared, "SMALL_ARCHIVE_BYTES", 10_000)
    with pytest.raises(Unreadable, match="decompression bomb"):
        ARCHIVE.fetch(errand(make_tar(("good", b"x"), ("bomb", bytes(2_000_000)), mode="w:gz")))


def test_too_many_members_stop_the_archive(make_tar, errand, monkeypatch):
    monkeypatch.setattr(_shared, "MOST_MEMBERS", 1)
    with pytest.raises(Unreadable, match="more than 1 file"):
        ARCHIVE.fetch(errand(make_tar(("a", b""), ("b", b""))))


def test_the_space_is_looked_at_before_a_large_file(make_tar, errand, monkeypatch):
    monkeypatch.setattr("isocenter.storage.atomic.free_bytes", lambda path: 101_000_000)
    path = make_tar(("large", os.urandom(1_100_000)))
    with pytest.raises(StorageProblem, match="are free"):
        ARCHIVE.fetch(errand(path))


def test_archives_of_other_kinds_inside_are_unpacked(make_tar, make_zip, errand, below):
    inner_zip = make_zip(("z.dcm", b"z")).read_bytes()
    inner_tar = make_tar(("t.dcm", b"t"), name="inner.tar").read_bytes()
    volume = gzip.compress(b"not an archive")
    path = make_tar(("a.zip", inner_zip), ("b.tar", inner_tar), ("c.nii.gz", volume), name="all.tgz", mode="w:gz")
    assert below(ARCHIVE.fetch(errand(path)).root) == {"a/z.dcm": b"z", "b/t.dcm": b"t", "c.nii.gz": volume}


def test_accepts_only_tars(tmp_path):
    for name, content in {
        "zeros": bytes(10_240),
        "scan.nii.gz": gzip.compress(bytes(348) + b"n+1" * 200),
        "scan.dcm": bytes(128) + b"DICM" + bytes(600),
        "short": b"x",
        "empty": b"",
        "cut.gz": gzip.compress(b"y" * 2000)[:20],
    }.items():
        (tmp_path / name).write_bytes(content)
        assert not ARCHIVE.accepts(str(tmp_path / name)), name
    assert not ARCHIVE.accepts(str(tmp_path))


def test_what_only_calls_itself_a_tar_says_so(tmp_path, errand):
    path = tmp_path / "scans.tar.gz"
    path.write_bytes(b"<!DOCTYPE html>")
    assert ARCHIVE.accepts(str(path))
    with pytest.raises(Unreadable, match="no tar file"):
        ARCHIVE.fetch(errand(path))


def test_many_mutations_are_read_or_refused(make_tar, errand, tmp_path):
    rng = np.random.default_rng(3)
    path = make_tar(("a/1.dcm", os.urandom(300)), ("b" * 120, b"text " * 100), mode="w:gz")
    plain = gzip.decompress(path.read_bytes())
    for number in range(60):
        raw = np.frombuffer(plain[:4096], np.uint8).copy()
        raw[rng.integers(0, raw.size, 4)] = rng.integers(0, 256, 4)
        path.write_bytes(
            gzip.compress(raw.tobytes()[: rng.integers(1, raw.size)] if number % 3 == 0 else raw.tobytes())
        )
        try:
            fetched = ARCHIVE.fetch(errand(path))
        except Unreadable:
            continue
        assert fetched.root.is_relative_to(tmp_path / "into")
    assert {one.name for one in tmp_path.iterdir()} == {"into", "scans.tar"}
