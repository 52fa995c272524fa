"""Count the places where a check is told to look away; the count may only fall.

    python tools/escapes.py             compare with the record
    python tools/escapes.py --record    write a lower count down

Counted in comments of src, tests, tools, benchmarks and examples: `pragma: no cover`, `noqa`, `type: ignore` and their
relatives; in pyproject.toml: files that coverage is told to omit, and rules that a linter drops for whole files.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("src", "tests", "tools", "benchmarks", "examples")
KINDS = {
    "pragma": re.compile(r"#\s*pragma:\s*no\b", re.IGNORECASE),
    "noqa": re.compile(r"#\s*(?:ruff:\s*)?noqa\b|#\s*pylint:\s*disable|#\s*fmt:\s*(?:off|skip)", re.IGNORECASE),
    "type: ignore": re.compile(r"#\s*(?:type|pyright):\s*ignore\b|#\s*mypy:", re.IGNORECASE),
}
SETTINGS = ("omit", "per-file-ignores")


def main(arguments: list[str] | None = None) -> int:
    """Compare or record; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write a lower count down")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    record = options.root / "tools" / "escapes.json"
    now = counted(options.root)
    known = _recorded(record, first=now if options.record else {})
    risen = {kind: count for kind, count in now.items() if count > known.get(kind, 0)}
    if risen:
        _tell_of_rise(options.root, risen, known)
        return 1
    if options.record:
        record.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
        return 0
    fallen = [kind for kind, count in known.items() if now.get(kind, 0) < count]
    if fallen:
        print(f"Fewer than recorded: {', '.join(fallen)}. Write it down: python tools/escapes.py --record")
        return 1
    return 0


def _recorded(path: Path, first: dict[str, int]) -> dict[str, int]:
    """What was written down; nothing is allowed where nothing was, unless the first record is being made."""
    known: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else first
    return known


def counted(root: Path) -> dict[str, int]:
    """How many of each kind there are."""
    found = Counter(kind for kind, _ in places(root))
    return {kind: found[kind] for kind in (*KINDS, *SETTINGS)}


def places(root: Path) -> Iterator[tuple[str, str]]:
    """Every escape, as its kind and where it is."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            for line, comment in _comments(path):
                for kind, pattern in KINDS.items():
                    if pattern.search(comment):
                        yield kind, f"{path.relative_to(root)}:{line}"
    yield from _settings(root / "pyproject.toml")


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    """Comments alone: a test may well speak of an escape in a string."""
    source = io.StringIO(path.read_text(encoding="utf-8"))
    for token in tokenize.generate_tokens(source.readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _settings(path: Path) -> Iterator[tuple[str, str]]:
    tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    for section in ("run", "report"):
        for name in tools.get("coverage", {}).get(section, {}).get("omit", []):
            yield "omit", f"{path.name}: {name}"
    for name, rules in tools.get("ruff", {}).get("lint", {}).get("per-file-ignores", {}).items():
        for rule in rules:
            yield "per-file-ignores", f"{path.name}: {name} {rule}"


def _tell_of_rise(root: Path, risen: dict[str, int], known: dict[str, int]) -> None:
    for kind, count in risen.items():
        print(f"{kind}: {count}, at most {known.get(kind, 0)} may be. Mend what is complained of instead. All of them:")
        for place in (place for one, place in places(root) if one == kind):
            print(f"  {place}")


if __name__ == "__main__":
    sys.exit(main())
