"""A training in a process of its own: a crash costs that one model, and its memory is told apart from all others'.

The process is started afresh, not forked: what the program held before is no part of its memory. Settings go in and
refusals come out as the values that they are, so that a reason reads the same as after `isocenter train`, and each
step is heard of as it is taken. A command line would give but its last words.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType

from isocenter.core.errors import IsocenterError
from isocenter.core.progress import Progress
from isocenter.stages.train import TrainSettings, train

_ANSWER = "answer"
_LONGEST = 300
"""Letters of a message from elsewhere that are passed on."""

Answer = int | IsocenterError
"""The bytes that a training held at its height, or why it came to nothing."""


def train_apart(settings: TrainSettings, progress: Progress) -> int:
    """Train in another process; returns the most bytes of memory that it held.

    Raises what the training raises, and `IsocenterError` where the process died. Ctrl-C lets it end its step and keep a
    checkpoint first, as in any training.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_train_here, args=(settings, theirs), name=f"train {settings.model}")
    with ours:
        with theirs, _nothing_inherited():
            process.start()
        try:
            answer = _heard(ours, progress)
        except BaseException:
            process.terminate()
            raise
        finally:
            process.join()
    if answer is None:
        raise _died(process.exitcode)
    if isinstance(answer, IsocenterError):
        raise answer
    return answer


def peak_memory() -> int:
    """The most bytes of memory that this process has held."""
    # On Linux `getrusage` also counts what the program that started this one held at that moment; this line does not.
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    highest = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    if highest is not None:
        return int(highest) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


class _Sent:
    """Progress that is told through a pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, what: str, total: int | None = None) -> None:
        """A new piece of work begins."""
        self._connection.send(("start", (what, total)))

    def advance(self, steps: int = 1) -> None:
        """So many more steps are done."""
        self._connection.send(("advance", (steps,)))

    def say(self, message: str) -> None:
        """Something a person should read now."""
        self._connection.send(("say", (message,)))


def _train_here(settings: TrainSettings, connection: Connection) -> None:
    """What the process does."""
    try:
        train(settings, progress=_Sent(connection))
        answer: Answer = peak_memory()
    except KeyboardInterrupt:
        return  # whoever asked for it waits for nothing but the end
    except Exception as error:
        connection.send((_ANSWER, _refusal(error)))
        raise SystemExit(1) from error
    connection.send((_ANSWER, answer))


def _heard(connection: Connection, progress: Progress) -> Answer | None:
    """Pass progress on until there is an answer; None where the process ends without one."""
    while True:
        try:
            name, given = connection.recv()
        except (EOFError, OSError):
            return None
        if name == _ANSWER:
            answer: Answer = given
            return answer
        getattr(progress, name)(*given)


def _refusal(error: Exception) -> IsocenterError:
    """The error as it can cross to another process: one that nobody foresaw in one line."""
    if isinstance(error, IsocenterError):
        return error
    first = (str(error).strip().splitlines() or [""])[0]
    return IsocenterError(
        "Its training broke off",
        why=f"{type(error).__name__}: {first[:_LONGEST]}".rstrip(": "),
        remedy="`isocenter train` with this model, the same options and `--debug` shows where",
    )


def _died(code: int | None) -> IsocenterError:
    """Why a process ended without a word, as far as its exit code tells."""
    if code == -getattr(signal, "SIGKILL", 9):
        return IsocenterError(
            "Its training was ended by the system",
            why="most likely memory ran out",
            remedy="Choose smaller images (`--size`), or free memory and run the same command again",
        )
    how = f"exit code {code}"
    if code is not None and code < 0:
        how = signal.Signals(-code).name
    return IsocenterError("Its training ended without a word", why=how, remedy="Run the same command again")


@contextmanager
def _nothing_inherited() -> Iterator[None]:
    """While a process is born: it does not run the program that asked again, and is deaf to Ctrl-C.

    A fresh process would import the main module, and a script without `if __name__ == "__main__"` would begin anew in
    it. Ctrl-C reaches all processes of a terminal; this one is told by us, once, when it can keep a checkpoint.
    """
    main = sys.modules["__main__"]
    hearing = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if hearing else None
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if hearing:
            signal.signal(signal.SIGINT, before or signal.SIG_DFL)
