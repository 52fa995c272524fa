"""Hold files to 400 lines and functions to 60; exceptions stand in tools/sizes.toml, each with its reason.

python tools/sizes.py
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("src", "tests", "tools", "benchmarks", "examples")
MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60


def main(arguments: list[str] | None = None) -> int:
    """Look at every file; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    root = parser.parse_args(arguments).root
    exceptions = _exceptions(root / "tools" / "sizes.toml")
    found = dict(too_long(root))
    complaints = [f"{place}: {text}" for place, text in found.items() if place not in exceptions]
    complaints += [f"{place}: is an exception that nobody needs any more" for place in exceptions if place not in found]
    complaints += [f"{place}: is an exception without a reason" for place, reason in exceptions.items() if not reason]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


def too_long(root: Path) -> Iterator[tuple[str, str]]:
    """Each file and function beyond the limit: where, and how long it is."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            place, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
            lines = len(text.splitlines())
            if lines > MOST_FILE_LINES:
                yield place, f"{lines} lines, at most {MOST_FILE_LINES}"
            for name, length in _functions(ast.parse(text), ""):
                if length > MOST_FUNCTION_LINES:
                    yield f"{place}::{name}", f"{length} lines, at most {MOST_FUNCTION_LINES}"


def _functions(node: ast.AST, within: str) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{within}{child.name}"
            if not isinstance(child, ast.ClassDef):
                yield name, (child.end_lineno or child.lineno) - child.lineno + 1
            yield from _functions(child, f"{name}.")
        else:
            yield from _functions(child, within)


def _exceptions(path: Path) -> dict[str, str]:
    """Place (`file`, or `file::function`) to reason."""
    return tomllib.loads(path.read_text(encoding="utf-8")).get("exceptions", {}) if path.is_file() else {}


if __name__ == "__main__":
    sys.exit(main())
