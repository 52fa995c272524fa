"""Isocenter starts at once, and leaves the program that imports it as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "sqlalchemy", "pydicom", "sklearn")


def in_a_fresh_python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def heavy_after(program: str) -> list[str]:
    """Which heavy packages are loaded once the program has run."""
    report = f"\nimport sys\nprint('LOADED', *[name for name in {HEAVY} if name in sys.modules])"
    return in_a_fresh_python(program + report).splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    "program",
    [
        "import isocenter",
        "import isocenter; dir(isocenter); isocenter.__version__",
        "from isocenter.cli.app import run; run(['--help'])",
        "from isocenter.cli.app import run; run(['--version'])",
        "from isocenter.cli.app import run; run([])",
        "from isocenter.cli.app import run; run(['lsit'])",
    ],
)
def test_import_and_help_load_nothing_heavy(program: str) -> None:
    assert heavy_after(program) == []


def test_the_watch_sees_a_heavy_package() -> None:
    assert heavy_after("import numpy") == ["numpy"]


@pytest.mark.parametrize("kind", ["formats", "layouts", "archives", "models", "runtimes", "explainers", "features"])
def test_listing_a_shelf_loads_none_of_it(kind: str) -> None:
    program = f"from isocenter.cli.app import run; assert run(['list', {kind!r}]) == 0"
    assert heavy_after(program) == []


IMPORT_ALL = """
import importlib, os, pkgutil, sys, warnings
import numpy
import torch  # adds filters of its own
filters, environment = list(warnings.filters), dict(os.environ)
showing, hook = warnings.showwarning, sys.excepthook
numbers = numpy.random.get_state()[1].tolist()
import isocenter
for module in pkgutil.walk_packages(isocenter.__path__, "isocenter."):
    if "migrations" not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
changed = []
if dict(os.environ) != environment: changed.append("environment")
if numpy.random.get_state()[1].tolist() != numbers: changed.append("numpy's random numbers")
if (warnings.showwarning, sys.excepthook) != (showing, hook): changed.append("hooks")
if warnings.filters != filters: changed.append(f"warning filters {[f for f in warnings.filters if f not in filters]}")
print(*changed, sep=", ")
"""


def test_importing_all_of_it_changes_nothing_of_the_program() -> None:
    assert in_a_fresh_python(IMPORT_ALL).strip() == ""
