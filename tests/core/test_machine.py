"""What a process may use: a container's limits count, in both versions of Linux's files, and where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from isocenter.core import machine as place
from isocenter.core.machine import machine

GIGABYTE = 10**9


def write(root: Path, files: dict[str, str]) -> Path:
    """Files as the system shows them, below a root of their own."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_machine_has_a_core_and_some_memory() -> None:
    found = machine()
    assert found.cores >= 1
    assert found.free_memory > 0
    assert (found.gpu, found.gpu_memory) == (None, 0)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 8),
        ({"proc/self/cgroup": "nonsense\n", "sys/fs/cgroup/cpu.max": "x\n"}, 8),
    ],
)
def test_a_share_of_the_processors_counts(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert place._cores(write(tmp_path, files), 8) == cores


def test_the_limit_of_a_container_counts_and_its_cached_files_do_not(tmp_path: Path) -> None:
    new = {
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/job/memory.max": f"{4 * GIGABYTE}\n",
        "sys/fs/cgroup/job/memory.current": f"{3 * GIGABYTE}\n",
        "sys/fs/cgroup/job/memory.stat": f"anon 5\ninactive_file {GIGABYTE}\n",
    }
    assert place._free_memory(write(tmp_path / "new", new), 64 * GIGABYTE) == 2 * GIGABYTE
    old = {
        "proc/self/cgroup": "5:memory:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GIGABYTE}\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{3 * GIGABYTE}\n",
        "sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GIGABYTE}\n",
    }
    assert place._free_memory(write(tmp_path / "old", old), 64 * GIGABYTE) == 2 * GIGABYTE
    assert place._free_memory(write(tmp_path / "old", {}), GIGABYTE) == GIGABYTE


def test_without_a_limit_the_machine_decides(tmp_path: Path) -> None:
    unlimited = {
        "proc/self/cgroup": "0::/\n5:memory:/\n",
        "sys/fs/cgroup/memory.max": "max\n",
        "sys/fs/cgroup/memory.current": "5\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n",
    }
    assert place._free_memory(write(tmp_path, unlimited), GIGABYTE) == GIGABYTE
    assert place._free_memory(tmp_path / "nowhere", GIGABYTE) == GIGABYTE


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("processor : 0\nflags\t\t: fpu sse avx512_bf16 amx_tile\n", True),
        ("flags\t\t: fpu amx_bf16\n", True),
        ("Features\t: fp asimd bf16\n", False),
        ("flags\t\t: fpu sse avx512f\n", False),
        ("model name : bf16\n", False),
        ("", False),
    ],
)
def test_bf16_is_read_from_the_processors_flags(tmp_path: Path, text: str, there: bool) -> None:
    assert place._has_bf16(write(tmp_path, {"proc/cpuinfo": text})) is there
    assert not place._has_bf16(tmp_path / "nowhere")
