"""A decoder that dies, hangs or complains costs one file; the next one is decoded as if nothing had been."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from isocenter.core.errors import Unreadable
from isocenter.data.formats.dicom import sandbox
from isocenter.data.formats.dicom.pixels import decoded_here


@pytest.fixture
def jpeg2000() -> str:
    """A file whose pixels a C library unpacks."""
    return str(get_testdata_file("MR_small_jp2klossless.dcm", download=False))


@pytest.fixture
def child() -> sandbox._Child:
    """A child of the test's own, ended with it."""
    return sandbox._Child()


def test_the_child_decodes_what_this_process_would(jpeg2000: str, child: sandbox._Child) -> None:
    np.testing.assert_array_equal(child.ask(jpeg2000, [0])[0], decoded_here(jpeg2000, [0])[0])
    child.stop()


def test_a_child_that_died_is_replaced(jpeg2000: str, child: sandbox._Child) -> None:
    before = child.ask(jpeg2000, [0])
    assert child._process is not None
    child._process.kill()
    child._process.wait()
    np.testing.assert_array_equal(child.ask(jpeg2000, [0]), before)
    child.stop()


def test_a_child_that_takes_too_long_costs_one_file(
    jpeg2000: str, child: sandbox._Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MOST_SECONDS", 0.001)
    with pytest.raises(Unreadable, match="bring the decoder down"):
        child.ask(jpeg2000, [0])
    monkeypatch.undo()
    assert child.ask(jpeg2000, [0]).shape == (1, 64, 64)
    child.stop()


def test_what_the_child_refuses_is_told_in_its_words(child: sandbox._Child, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="gone"):
        child.ask(str(tmp_path / "nowhere.dcm"), [0])
    child.stop()


def test_an_answer_is_a_line_and_the_bytes(jpeg2000: str, tmp_path: Path) -> None:
    requests = [{"path": jpeg2000, "wanted": [0]}, {"path": str(tmp_path / "nowhere"), "wanted": [0]}]
    answers = io.BytesIO()
    sandbox._serve(io.BytesIO(b"".join(json.dumps(one).encode() + b"\n" for one in requests)), answers)
    answers.seek(0)
    first = json.loads(answers.readline())
    array = np.frombuffer(answers.read(int(np.prod(first["shape"])) * 2), first["dtype"]).reshape(first["shape"])
    np.testing.assert_array_equal(array[0], decoded_here(jpeg2000, [0])[0])
    assert "error" in json.loads(answers.readline())


def test_an_answer_cut_short_counts_as_a_death(
    jpeg2000: str, child: sandbox._Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying:
        stdin = io.BytesIO()
        stdout = io.BytesIO(b'{"shape": [1, 64, 64], "dtype": "<i2"}\nshort')

        def poll(self) -> None: ...

        def kill(self) -> None: ...

        def wait(self) -> None: ...

    child._process = Dying()
    with pytest.raises(Unreadable, match="damaged"):
        child.ask(jpeg2000, [0])
