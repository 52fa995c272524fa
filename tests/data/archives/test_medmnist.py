"""The MedMNIST collection, downloaded from a server on this machine."""

from __future__ import annotations

import hashlib
import json

import pytest

from isocenter.core.errors import IsocenterError, UnknownName, UsageError
from isocenter.data.archives import medmnist
from isocenter.data.archives.medmnist import ARCHIVE, Collection, collection


@pytest.fixture
def toy(server, monkeypatch):
    """The real table, with the checksum of the server's file for breastmnist."""
    facts = collection().model_dump()
    digest = hashlib.md5(server.content, usedforsecurity=False).hexdigest()
    facts["sets"]["breastmnist"]["md5"] = {28: digest, 64: digest}
    facts["address"] = f"{server.address}/records/files"
    changed = Collection.model_validate(facts)
    monkeypatch.setattr(medmnist, "collection", lambda: changed)
    return server


def test_the_table_is_complete():
    sets = collection().sets
    assert len(sets) == 18
    for name, one in sets.items():
        assert sorted(one.md5) == ([28, 64] if name.endswith("3d") else [28, 64, 128, 224])
        assert all(len(digest) == 32 and int(digest, 16) for digest in one.md5.values())
        assert len(set(one.classes)) == len(one.classes) > 1
        assert min(one.samples) > 0
        assert one.licence == ("CC BY-NC 4.0" if name == "dermamnist" else "CC BY 4.0")
    digests = [digest for one in sets.values() for digest in one.md5.values()]
    assert len(set(digests)) == len(digests) == 60
    assert sets["breastmnist"].classes == ("malignant", "normal, benign")
    assert sets["breastmnist"].samples == (546, 78, 156)


def test_brings_the_file_and_what_its_numbers_mean(toy, errand, heard):
    fetched = ARCHIVE.fetch(errand("medmnist:breastmnist"))
    assert fetched.copied
    assert {path.name for path in fetched.root.iterdir()} == {"breastmnist.npz", "breastmnist.json"}
    assert (fetched.root / "breastmnist.npz").read_bytes() == toy.content
    meaning = json.loads((fetched.root / "breastmnist.json").read_text())
    assert meaning["classes"] == {"0": "malignant", "1": "normal, benign"}
    assert meaning["licence"] == "CC BY 4.0"
    assert toy.paths == ["/records/files/breastmnist.npz?download=1"]
    assert heard.steps == len(toy.content)
    assert "CC BY 4.0" in fetched.notes[0]


def test_the_second_time_nothing_is_downloaded_or_changed(toy, errand):
    first = ARCHIVE.fetch(errand("medmnist:breastmnist")).root
    before = {path.name: path.stat().st_mtime_ns for path in first.iterdir()}
    second = ARCHIVE.fetch(errand("MedMNIST:BreastMNIST")).root
    assert {path.name: path.stat().st_mtime_ns for path in second.iterdir()} == before
    assert len(toy.paths) == 1


def test_a_larger_size_and_another_address(toy, errand):
    fetched = ARCHIVE.fetch(errand("medmnist:breastmnist@64", mirror=f"{toy.address}/mirror/"))
    assert toy.paths == ["/mirror/breastmnist_64.npz"]
    assert {path.name for path in fetched.root.iterdir()} == {"breastmnist_64.npz", "breastmnist_64.json"}


def test_a_file_that_was_put_there_by_hand_is_used(toy, errand, tmp_path):
    place = tmp_path / "into/breastmnist/breastmnist.npz"
    place.parent.mkdir(parents=True)
    place.write_bytes(toy.content)
    assert ARCHIVE.fetch(errand("medmnist:breastmnist")).root == place.parent
    assert toy.paths == []
    place.write_bytes(b"another edition")
    with pytest.raises(IsocenterError, match="must have the MD5 checksum"):
        ARCHIVE.fetch(errand("medmnist:breastmnist"))
    assert place.read_bytes() == b"another edition"


def test_unknown_sets_and_sizes_are_answered(errand):
    with pytest.raises(UnknownName, match="Did you mean `pathmnist`"):
        ARCHIVE.fetch(errand("medmnist:pathmnst"))
    with pytest.raises(UsageError, match="28 and 64, got 224"):
        ARCHIVE.fetch(errand("medmnist:organmnist3d@224"))


def test_accepts_its_own_name_alone():
    assert ARCHIVE.accepts("medmnist:breastmnist")
    assert ARCHIVE.accepts("MedMNIST:whatever")
    assert not ARCHIVE.accepts("/data/medmnist/breastmnist.npz")
