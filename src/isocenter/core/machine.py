"""What this computer has to offer to this process: cores, free memory, and instructions for bf16.

A container's limits count: whoever is given 2 of 64 cores must not start 64 threads. Linux tells them in files below
`/sys/fs/cgroup`, in two versions that may stand side by side; elsewhere there are none.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from isocenter.core.fingerprint import Machine

_BF16 = frozenset(("avx512_bf16", "amx_bf16"))
"""Flags of x86 processors that reckon with bf16; of ARM ones it is not known whether gradients gain by it."""

_ROOT = Path("/")


def machine() -> Machine:
    """The cores and the memory that this process may use now, and whether the processor knows bf16."""
    import psutil

    available = int(psutil.virtual_memory().available)
    return Machine(
        cores=_cores(_ROOT, _affinity()),
        free_memory=_free_memory(_ROOT, available),
        bf16=_has_bf16(_ROOT),
    )


def _affinity() -> int:
    """The processors that the system lets this process run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _cores(root: Path, allowed: int) -> int:
    """The allowed processors, or fewer where a container has a share of their time: one and a half count as two."""
    shares = [float(allowed)]
    for folder in _groups(root, "cpu"):
        old = _numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us")
        for numbers in (_numbers(folder / "cpu.max"), old):
            if len(numbers) == 2 and min(numbers) > 0:
                shares.append(numbers[0] / numbers[1])
    return max(1, math.ceil(min(shares)))


def _free_memory(root: Path, available: int) -> int:
    """Bytes that may still be taken, of the machine and of every group with a limit that this process is in."""
    free = [available]
    for folder in _groups(root, "memory"):
        for limit, used, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limits, usage = _numbers(folder / limit), _numbers(folder / used)
            if limits and usage:
                # Files that were read lately count as used, but make room for whoever asks.
                free.append(limits[0] - usage[0] + _entry(folder / "memory.stat", cached))
    return max(0, min(free))


def _has_bf16(root: Path) -> bool:
    """Whether the processor names an instruction for bf16."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, flags = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return not _BF16.isdisjoint(flags.split())
    return False


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folder of each group that limits this process in one respect, from its own to the outermost."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, inner = (*line.split(":", 2), "", "")[:3]
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        # A container sees its own group as the top, under whatever path its host knows it.
        place = top / inner.strip("/")
        yield from dict.fromkeys((place, *(one for one in place.parents if one.is_relative_to(top))))


def _numbers(path: Path) -> tuple[int, ...]:
    """The whole numbers in a small file; none where it is not there or says `max`."""
    words = _text(path).split()
    return tuple(int(word) for word in words) if all(word.lstrip("-").isdigit() for word in words) else ()


def _entry(path: Path, name: str) -> int:
    """The number behind a name in a file of names and numbers; 0 where it is not there."""
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
