"""The lists of packages agree: what pyproject.toml asks for, what the code looks for, and what was tested together."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from isocenter.core.optional import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]
# Gathers the others, and the workshop's own tools.
GATHERING = {"all", "dev"}


def needed() -> list[Requirement]:
    """Every package that is asked for anywhere, save for our own."""
    wanted = [Requirement(text) for group in (PROJECT["dependencies"], *OPTIONAL.values()) for text in group]
    return [one for one in wanted if one.name != PROJECT["name"]]


def pinned() -> dict[str, str]:
    """Package to version, as in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = (re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+).*", line) for line in lines)
    return {canonicalize_name(one[1]): one[2] for one in found if one}


def test_the_code_names_the_extras_that_there_are() -> None:
    assert {extra for extra, _ in EXTRAS.values()} == set(OPTIONAL) - GATHERING


def test_all_gathers_every_extra() -> None:
    (gathered,) = (Requirement(text) for text in OPTIONAL["all"])
    assert gathered.extras == set(OPTIONAL) - GATHERING


@pytest.mark.parametrize("requirement", needed(), ids=str)
def test_every_package_is_pinned_at_a_version_that_fits(requirement: Requirement) -> None:
    versions = pinned()
    name = canonicalize_name(requirement.name)
    assert name in versions, f"constraints.txt must pin {name}"
    assert requirement.specifier.contains(versions[name])


def test_what_the_code_imports_is_asked_for() -> None:
    """A package that only happens to be there, because another brought it, may be gone tomorrow."""
    known = packages_distributions()
    asked = {canonicalize_name(one.name) for one in needed()}
    found: dict[str, str] = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
            found |= {module.split(".")[0]: path.name for module in modules}
    foreign = {name: where for name, where in found.items() if name not in sys.stdlib_module_names | {"isocenter"}}
    strays = {
        name: where
        for name, where in foreign.items()
        if not {canonicalize_name(one) for one in known.get(name, [])} & asked
    }
    assert strays == {}
