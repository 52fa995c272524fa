"""Decoders written in C and C++ end the whole program on some damaged bytes: they run in a child process.

One child serves all files, one after the other: a request is a line of JSON, an answer a line of JSON and the bytes of
the array. A child that dies or takes too long costs that one file and is replaced by another.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import IsocenterError, Unreadable

MOST_SECONDS = 120.0
"""How long one file may take; a slide of a thousand frames takes a few seconds."""

MOST_BYTES = 8 * 1024**3
"""How much memory the child may ask for, where the system can hold it to that."""


_CHUNK_BYTES = 1 << 20


class _Child:
    """The process that decodes, and the lock that keeps its requests apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    def ask(self, path: str, wanted: Sequence[int]) -> NDArray[Any]:
        """The wanted frames of a file: (frame, row, column) or (frame, row, column, 3)."""
        with self._lock:
            process = self._running()
            watch = threading.Timer(MOST_SECONDS, process.kill)
            watch.start()
            try:
                answer, array = _exchange(process, {"path": path, "wanted": list(wanted)})
            except (OSError, ValueError, EOFError) as error:
                self.stop()
                raise Unreadable(
                    path, why="its pixels bring the decoder down: they are damaged", remedy="Copy the file again"
                ) from error
            finally:
                watch.cancel()
        if array is None:
            raise Unreadable(path, why=str(answer["error"]))
        return array

    def stop(self) -> None:
        """End the child; the next request starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    _close(stream)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = subprocess.Popen(  # noqa: S603  # this very Python and this very module
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except OSError:
        return  # what could not be sent to a dead child is of no interest


def _exchange(process: subprocess.Popen[bytes], request: dict[str, Any]) -> tuple[dict[str, Any], NDArray[Any] | None]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise EOFError
    answer = json.loads(line)
    if "error" in answer:
        return answer, None
    array = np.empty(answer["shape"], np.dtype(answer["dtype"]))
    view = array.data.cast("B")
    done = 0
    while done < len(view):
        part = process.stdout.read(min(len(view) - done, _CHUNK_BYTES))
        if not part:
            raise EOFError
        view[done : done + len(part)] = part
        done += len(part)
    return answer, array


_CHILD = _Child()


def decode(path: str, wanted: Sequence[int]) -> NDArray[Any]:
    """The wanted frames of a file, decoded where a crash does no harm."""
    return _CHILD.ask(path, wanted)


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """What the child does until its parent is gone."""
    from isocenter.data.formats._shared import guarded
    from isocenter.data.formats.dicom.pixels import decoded_here

    for line in requests:
        request = json.loads(line)
        try:
            with guarded(request["path"]):
                array = np.ascontiguousarray(np.stack(decoded_here(request["path"], request["wanted"])))
        except IsocenterError as error:
            answers.write(json.dumps({"error": error.reason}).encode() + b"\n")
        else:
            answers.write(json.dumps({"shape": array.shape, "dtype": array.dtype.str}).encode() + b"\n")
            answers.write(array.data)
        answers.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


if __name__ == "__main__":
    _limit_memory()
    _serve(sys.stdin.buffer, sys.stdout.buffer)
