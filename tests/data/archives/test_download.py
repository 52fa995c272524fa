"""Downloads that break off, come damaged, or meet a server in a bad mood."""

from __future__ import annotations

import hashlib

import pytest

from isocenter.core.errors import IsocenterError, StorageProblem, UsageError
from isocenter.data import download as module
from isocenter.data.download import download


@pytest.fixture
def get(server, tmp_path, heard):
    """Download the server's file."""
    target = tmp_path / "files/set.npz"
    md5 = hashlib.md5(server.content, usedforsecurity=False).hexdigest()

    def call(*misdeeds: str) -> bytes:
        server.misdeeds = list(misdeeds)
        download(f"{server.address}/set.npz", target, md5=md5, progress=heard)
        return target.read_bytes()

    return call


@pytest.fixture
def part(tmp_path):
    (tmp_path / "files").mkdir()
    return tmp_path / "files/set.npz.part"


def test_goes_on_where_the_connection_broke(server, get, heard, part):
    assert get("break") == server.content
    assert server.ranges == [None, "bytes=5120-"]
    assert any("broke off after 5120 of 10240" in message for message in heard.said)
    assert not part.exists()


def test_a_connection_that_is_torn_down_is_made_again(server, get):
    assert get("reset") == server.content
    assert len(server.paths) == 2


def test_goes_on_where_an_earlier_call_stopped(server, get, part):
    part.write_bytes(server.content[:100])
    assert get() == server.content
    assert server.ranges == ["bytes=100-"]


def test_starts_over_where_the_server_knows_no_ranges(server, get, part):
    server.understands_ranges = False
    part.write_bytes(b"y" * 100)
    assert get() == server.content


def test_a_crash_before_the_last_step_costs_nothing(server, get, part):
    part.write_bytes(server.content)
    assert get() == server.content
    assert server.ranges == ["bytes=10240-"]


def test_a_spoilt_beginning_is_thrown_away(server, get, part):
    part.write_bytes(b"y" * 100)
    assert get() == server.content
    assert server.ranges == ["bytes=100-", None]


def test_a_piece_that_was_not_asked_for_is_not_taken(server, get, part):
    part.write_bytes(server.content[:100])
    assert get("shifted") == server.content
    assert server.ranges == ["bytes=100-", "bytes=100-"]


def test_a_damaged_file_is_asked_for_again(server, get, heard):
    assert get("corrupt") == server.content
    assert any("came damaged" in message for message in heard.said)


def test_a_file_that_stays_damaged_is_refused(server, get, tmp_path):
    with pytest.raises(IsocenterError, match="checksum"):
        get("corrupt", "corrupt")
    assert list((tmp_path / "files").iterdir()) == []


def test_without_a_length_the_checksum_decides(server, get):
    assert get("no length") == server.content


@pytest.mark.parametrize("status", ["503", "429", "500"])
def test_a_busy_server_is_asked_again(status, server, get, heard):
    assert get(status, status) == server.content
    assert any(status in message and "trying again" in message for message in heard.said)


def test_a_server_that_stays_busy_is_given_up(server, get, tmp_path):
    with pytest.raises(IsocenterError) as caught:
        get("break", "503", "503", "503")
    message = str(caught.value)
    assert "503" in message
    assert f"put it at {tmp_path / 'files/set.npz'}" in message
    assert (tmp_path / "files/set.npz.part").stat().st_size == 5120


def test_a_piece_that_came_renews_the_patience(server, get, monkeypatch):
    monkeypatch.setattr(module, "_PROGRESS_BYTES", 1)
    assert get(*["break"] * 6) == server.content


def test_a_file_that_is_not_there_is_not_asked_for_again(server, get):
    with pytest.raises(IsocenterError, match="404 Not Found"):
        get("404")
    assert len(server.paths) == 1


def test_a_redirect_is_followed_but_not_to_a_local_file(server, get, tmp_path):
    with pytest.raises(IsocenterError, match="302"):
        get("to:file:///etc/passwd")
    assert get(f"to:{server.address}/elsewhere") == server.content
    assert server.paths[-1] == "/elsewhere"


def test_without_a_network_it_says_what_to_do(server, get, tmp_path):
    server.close()
    with pytest.raises(IsocenterError, match="cannot be reached") as caught:
        get()
    assert "on another machine" in str(caught.value)


def test_a_full_disk_is_said_before_anything_is_written(server, get, monkeypatch, tmp_path):
    monkeypatch.setattr("isocenter.storage.atomic.free_bytes", lambda path: 0)
    with pytest.raises(StorageProblem, match=r"needs 10\.2 kB"):
        get()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file"])
def test_only_the_web_is_spoken_to(url, tmp_path, heard):
    with pytest.raises(UsageError, match="must begin with http"):
        download(url, tmp_path / "x", md5="", progress=heard)
