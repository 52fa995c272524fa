"""Sources of every kind find the archive that knows them; those that nobody knows get a helpful answer."""

from __future__ import annotations

import tarfile
import zipfile

import pytest

from isocenter.core import registry
from isocenter.core.errors import UnknownName, UsageError
from isocenter.data import archives
from isocenter.data.archives._shared import Archive
from isocenter.data.fetch import fetch, listing, shelf


@pytest.fixture
def scans(tmp_path):
    root = tmp_path / "scans"
    root.mkdir()
    (root / "1.dcm").write_bytes(b"one")
    (root / ".hidden").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as file:
        file.write(root / "1.dcm", "1.dcm")
    with tarfile.open(tmp_path / "scans.tgz", "w:gz") as file:
        file.add(root / "1.dcm", "1.dcm")
    return root


def test_every_archive_keeps_the_contract():
    known = shelf()
    assert list(known) == ["medmnist", "zip", "tar", "folder"]
    for name, archive in known.items():
        assert isinstance(archive, Archive)
        assert archive.title
        assert registry.blurb(archives, name).endswith(".")
        assert not archive.accepts("/nowhere/at/all")


@pytest.mark.parametrize(("source", "copied"), [("scans", False), ("scans.zip", True), ("scans.tgz", True)])
def test_the_files_of_every_source_are_listed(source, copied, scans, tmp_path):
    fetched = fetch(tmp_path / source, tmp_path / "into")
    refused = []
    found = list(listing(fetched, refused))
    assert fetched.copied == copied
    assert [(one.path.rsplit("/", 1)[1], one.size) for one in found] == [("1.dcm", 3)]
    assert len(refused) == (not copied)


def test_a_single_file_is_listed_alone(scans, tmp_path):
    (scans / "2.dcm").write_bytes(b"two")
    found = list(listing(fetch(scans / "2.dcm", tmp_path / "into"), []))
    assert [one.path for one in found] == [(scans / "2.dcm").as_posix()]


def test_a_misspelt_path_is_answered_with_the_nearest(scans, tmp_path):
    with pytest.raises(UsageError, match="does not exist") as caught:
        fetch(tmp_path / "scams.zip", tmp_path / "into")
    assert f"Did you mean {tmp_path / 'scans.zip'}?" in str(caught.value)
    with pytest.raises(UsageError, match="Check the spelling"):
        fetch(tmp_path / "nowhere" / "at all", tmp_path / "into")


def test_a_misspelt_collection_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UnknownName, match="medmnist"):
        fetch("medmist:breastmnist", tmp_path)
    with pytest.raises(UnknownName, match="breastmnist"):
        fetch("medmnist:brestmnist", tmp_path)


def test_an_address_is_answered_with_what_to_do(tmp_path):
    with pytest.raises(UsageError, match="Download it"):
        fetch("https://example.org/scans.zip", tmp_path)
