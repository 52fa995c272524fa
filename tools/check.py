"""Every check that needs no test run, one line each; the first that fails stops the rest and shows what it said.

python tools/check.py            all of them
python tools/check.py types      those whose name begins so
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(sys.executable).parent

GATES: dict[str, list[str]] = {
    "lint": [f"{HERE}/ruff", "check", "."],
    "format": [f"{HERE}/ruff", "format", "--check", "."],
    "types": [f"{HERE}/mypy"],
    "layers": [f"{HERE}/lint-imports"],
    "escapes": [sys.executable, "tools/escapes.py"],
    "sizes": [sys.executable, "tools/sizes.py"],
    "docs": [sys.executable, "tools/docs.py", "--check"],
    "duplicates": [f"{HERE}/pylint", "-j", "2", "src/isocenter"],
}
"""What is run for each, the quick ones first. Their settings are in pyproject.toml."""


def main(wanted: list[str]) -> int:
    """Run the gates; returns the exit code."""
    chosen = {name: command for name, command in GATES.items() if not wanted or name.startswith(tuple(wanted))}
    if not chosen:
        print(f"There is no gate named {' or '.join(wanted)}. Known: {', '.join(GATES)}")
        return 2
    for name, command in chosen.items():
        started = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        print(
            f"{'ok' if done.returncode == 0 else 'FAILED':<7}{name:<12}{time.monotonic() - started:6.1f} s", flush=True
        )
        if done.returncode:
            print(done.stdout)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
