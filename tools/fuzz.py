"""Damage sound files in thousands of ways; each must be read, or refused with one of our errors.

    python tools/fuzz.py --count 20000            look for trouble
    python tools/fuzz.py --replay 1234            one mutant again, with its traceback
    python tools/fuzz.py --count 500 --only csv   one kind of file

A mutant is made from its number alone, so a finding can be seen again on any machine. Mutants are examined in a child
process with a limit on memory and five seconds each; what counts as a finding: a crash, a hang, more than 1 GB, an
exception that is not ours, a file written outside the destination, or code that ran.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz_seeds import KINDS, MARKER, closed, mend, opened, seeds

SECONDS = 5
MEMORY = 1_000_000_000
BATCH = 1000
READ_AT_MOST = 4
"""Images of one mutant whose pixels are read: a damaged archive may announce thousands."""

# --- damage --------------------------------------------------------------------------------------------------------

_TOKENS = [
    *(
        struct.pack(order + kind, value)
        for order in "<>"
        for kind, value in (
            ("H", 0xFFFF),
            ("I", 0xFFFFFFFF),
            ("I", 0x7FFFFFFF),
            ("I", 0x80000000),
            ("I", 0),
            ("Q", 2**63),
            ("d", float("nan")),
            ("f", float("inf")),
        )
    ),
    *(b"../../escape", b"/tmp/escape", b"C:\\escape", b"..\\..\\escape", b"%n%s%x", b"=cmd|' /C calc'!A0"),
    *(b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"\xe0\x7f\x10\x00", b"SQ\x00\x00\xff\xff\xff\xff", b"UN\x00\x00"),
    *(b"n+1\x00", b"IHDR", b"IDAT", b"IEND", b"PLTE", b"acTL", b"PK\x01\x02", b"PK\x05\x06", b"PK\x03\x04"),
    *(b"\xff\xd8", b"\xff\xda", b"\xff\xc4", b"4294967295", b"-1", b"1e309", b"nan", b"99999999999999999999"),
    *(b'"', b"\r", b"\n", b",", b";", b"\t", b"\0", b"\xef\xbb\xbf", "\u202e正".encode()),
]


def mutate(data: bytes, chance: random.Random, other: bytes = b"") -> bytes:
    """A damaged copy: one to six injuries, of kinds that break readers of files."""
    injured = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        chance.choice(_INJURIES)(injured, chance, other)
    return bytes(injured)


def _flip(data: bytearray, chance: random.Random, _: bytes) -> None:
    for _ in range(chance.choice((1, 1, 2, 8))):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set_byte(data: bytearray, chance: random.Random, _: bytes) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))


def _truncate(data: bytearray, chance: random.Random, _: bytes) -> None:
    if data:
        del data[chance.randrange(len(data)) :]


def _remove(data: bytearray, chance: random.Random, _: bytes) -> None:
    start = chance.randrange(len(data) + 1)
    del data[start : start + chance.choice((1, 2, 4, 16, 200))]


def _repeat(data: bytearray, chance: random.Random, _: bytes) -> None:
    start = chance.randrange(len(data) + 1)
    piece = data[start : start + chance.choice((1, 4, 16, 200))]
    data[start:start] = piece * chance.choice((1, 2, 50))


def _splice(data: bytearray, chance: random.Random, other: bytes) -> None:
    start, source = chance.randrange(len(data) + 1), chance.randrange(len(other) + 1)
    data[start : start + chance.choice((0, 4, 32))] = other[source : source + chance.choice((4, 32, 300))]


def _edit_length(data: bytearray, chance: random.Random, _: bytes) -> None:
    """Change what may be a length field: two, four or eight bytes, of either byte order."""
    width, kind = chance.choice(((2, "H"), (4, "I"), (4, "I"), (8, "Q")))
    if len(data) < width:
        return
    # Headers are where the lengths are.
    start = chance.randrange(min(len(data) - width + 1, chance.choice((64, 512, len(data)))))
    order = chance.choice("<>")
    (value,) = struct.unpack_from(order + kind, data, start)
    limit = 256**width - 1
    changed = chance.choice(
        (value + 1, value - 1, value * 2, value * 256, limit, limit // 2, 0, chance.randrange(limit))
    )
    struct.pack_into(order + kind, data, start, changed & limit)


def _token(data: bytearray, chance: random.Random, _: bytes) -> None:
    token = chance.choice(_TOKENS)
    start = chance.randrange(len(data) + 1)
    data[start : start + chance.choice((0, len(token)))] = token


_INJURIES = (_flip, _flip, _set_byte, _truncate, _remove, _repeat, _splice, _edit_length, _edit_length, _token, _token)


def mutant(number: int, only: str = "") -> tuple[str, str, bytes]:
    """The kind, the ending and the bytes of one mutant: the same for the same number everywhere."""
    known = {kind: seed for kind, seed in seeds().items() if kind.startswith(only)}
    names = list(known)
    kind = names[number % len(names)]
    ending, data = known[kind]
    chance = random.Random(number)
    other = known[chance.choice(names)][1]
    if chance.random() < 0.5:  # behind compression and checksums, where the interesting fields are
        return kind, ending, mend(kind, closed(kind, mutate(opened(kind, data), chance, other)))
    return kind, ending, mutate(data, chance, other)


# --- examination, in the child -------------------------------------------------------------------------------------


def examine(path: Path) -> str:
    """Read a file as `ingest` and `convert` would; returns a finding, or `read` or `refused`."""
    from isocenter.core.errors import IsocenterError
    from isocenter.data import files

    try:
        if path.suffix == ".zip":
            return _unpack(path)
        found = files.describe([path])
        reasons = [refusal.reason for refusal in found.refused]
        for facts in found.images[:READ_AT_MOST]:
            image = files.read_facts(facts)
            if image.array.shape != facts.shape or image.axes != facts.axes:
                return f"finding: {facts.axes} {facts.shape} announced, {image.axes} {image.array.shape} read"
    except IsocenterError as error:
        reasons = [str(error)]
    except Exception as error:  # noqa: BLE001  any other exception is what this program looks for
        return f"finding: {type(error).__name__}: {error}"
    if any("more memory is needed" in reason for reason in reasons):
        return f"finding: memory ran out ({reasons})"
    return "refused" if reasons else "read"


def _unpack(path: Path) -> str:
    from isocenter.core.errors import IsocenterError
    from isocenter.data.archives._shared import Errand
    from isocenter.data.archives.zip import ARCHIVE

    into = path.parent / "deep" / "inside" / "destination"
    into.mkdir(parents=True)
    try:
        if not ARCHIVE.accepts(str(path)):
            return "refused"
        ARCHIVE.fetch(Errand(source=str(path), into=into))
    except IsocenterError:
        return "refused"
    if any(place.is_symlink() for place in into.rglob("*")):
        return "finding: a link was unpacked"
    return "read"


def _strangers(folder: Path, path: Path) -> list[str]:
    """Files outside the destination that were not there before."""
    allowed = folder / "deep" / "inside" / "destination"
    return [
        str(place.relative_to(folder))
        for place in folder.rglob("*")
        if place.is_file() and place != path and allowed not in place.parents
    ]


def child(first: int, count: int, only: str) -> None:
    """Examine mutants one after the other and say what came of each."""
    # The highest mark of whoever started this process is passed on to it, and says nothing of what is read here.
    resident = max(_limit_memory(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        for number in range(first, first + count):
            print(f"start {number}", flush=True)
            signal.setitimer(signal.ITIMER_REAL, SECONDS)  # unhandled, the alarm ends this process
            verdict = _one(Path(name, str(number)), number, only)
            signal.setitimer(signal.ITIMER_REAL, 0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            if peak - resident > MEMORY:
                verdict = f"finding: {peak - resident:,} bytes of memory were used"
                resident = peak
            print(f"end {number} {' '.join(verdict.split())[:300]}", flush=True)


def _limit_memory() -> int:
    """Import what will be needed, then allow half a gigabyte more than may be used; returns what is used already."""
    from isocenter.data import files

    with tempfile.TemporaryDirectory() as name:
        for kind, (ending, data) in seeds().items():
            path = Path(name, f"{kind}{ending}")
            path.write_bytes(data)
            if ending != ".zip":
                for facts in files.describe([path]).images[:1]:
                    files.read_facts(facts)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    used = int(status["VmSize"].split()[0]) * 1024
    limit = used + MEMORY * 3 // 2
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return int(status["VmRSS"].split()[0]) * 1024


def _one(folder: Path, number: int, only: str) -> str:
    folder.mkdir()
    before = Path.cwd()
    os.chdir(folder)
    try:
        _, ending, data = mutant(number, only)
        path = folder / f"mutant{ending}"
        path.write_bytes(data)
        verdict = examine(path)
        strange = _strangers(folder, path)
        if Path(MARKER).exists():
            return "finding: code in the file was run"
        return f"finding: wrote {strange}" if strange else verdict
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


# --- the parent ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """A mutant that was neither read nor refused."""

    number: int
    trouble: str


def hunt(
    count: int, *, first: int = 0, only: str = "", command: Sequence[str] = ()
) -> tuple[list[Finding], Counter[str]]:
    """Examine `count` mutants in child processes; returns the findings, and how many were read and refused."""
    findings: list[Finding] = []
    tally: Counter[str] = Counter()
    number, last = first, first + count
    while number < last:
        size = min(BATCH, last - number)
        words = [*(command or (sys.executable, __file__, "--only", only)), "--child", str(number), str(size)]
        reached, done = number - 1, number - 1
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=_environment())
        for reached, verdict in _spoken(process):
            if not verdict:
                continue
            done = reached
            tally[verdict.split(":")[0]] += 1
            if verdict.startswith("finding"):
                findings.append(Finding(reached, verdict.removeprefix("finding: ")))
        status = process.wait()
        if status and reached == done:
            raise RuntimeError(f"the examination of mutants from {number} on ended with {status}")
        if status:
            tally["finding"] += 1
            findings.append(Finding(reached, _cause(status)))
        number = reached + 1
    return findings, tally


def _spoken(process: subprocess.Popen[str]) -> Iterator[tuple[int, str]]:
    """What the child says: a number alone when it begins, with a verdict when it is done."""
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            word, _, rest = line.strip().partition(" ")
            number, _, verdict = rest.partition(" ")
            if word in {"start", "end"}:
                yield int(number), verdict


def _cause(status: int) -> str:
    if status == -signal.SIGALRM:
        return f"took longer than {SECONDS} s"
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"the process ended with {status}"


def _environment() -> dict[str, str]:
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **one_thread, "PYTHONWARNINGS": "ignore"}


def _replay(number: int, only: str) -> None:
    kind, ending, data = mutant(number, only)
    path = Path(tempfile.mkdtemp(prefix="fuzz-"), f"mutant{ending}")
    path.write_bytes(data)
    print(f"{kind}, {len(data)} bytes, kept as {path}")
    print(examine(path))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Damage sound files and see whether reading them stays safe.")
    parser.add_argument("--count", type=int, default=500, help="how many mutants")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--only", default="", help=f"kinds that begin so; of {', '.join(KINDS)}")
    parser.add_argument("--replay", type=int, help="examine this mutant alone and keep its file")
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(*given.child, given.only)
        return 0
    if given.replay is not None:
        _replay(given.replay, given.only)
        return 0
    started = time.monotonic()
    findings, tally = hunt(given.count, first=given.first, only=given.only)
    for finding in findings:
        print(f"mutant {finding.number} ({mutant(finding.number, given.only)[0]}): {finding.trouble}")
    told = ", ".join(f"{name} {number}" for name, number in sorted(tally.items()))
    print(f"{given.count} mutants in {time.monotonic() - started:.0f} s: {told}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
