"""What the documentation shows is run: Python blocks, and `$ isocenter ...` lines of console blocks.

The blocks of a page run in order, in a folder that holds `scans`: pictures in class folders, as most readers have them.
Pages of `how-to` find `run` as well, the run of a model that was trained on them. Blocks marked `sh` or `toml` are not
run: they name what the reader has.
"""

from __future__ import annotations

import io
import shlex
import shutil
from contextlib import redirect_stderr, redirect_stdout
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from sybil import Example
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

import isocenter as iso
from isocenter.cli.app import run

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def run_console(example: Example) -> str | None:
    """Run the `$` lines; each must succeed, and the lines below it must be in its output (`...` for anything)."""
    commands: list[tuple[str, list[str]]] = []
    for line in str(example.parsed).splitlines():
        if line.startswith("$ "):
            commands.append((line.removeprefix("$ "), []))
        elif line.strip():
            assert commands, f"a console block begins with `$ command`, got {line!r}"
            commands[-1][1].append(line)
    return next(filter(None, (trouble(command, shown) for command, shown in commands)), None)


def trouble(command: str, shown: list[str]) -> str | None:
    """What is wrong with a command as the page shows it; None where all is well."""
    program, *arguments = shlex.split(command, comments=True)
    if program != "isocenter":
        return f"only isocenter is run in console blocks, got `{command}`; mark the block `sh`"
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = run(arguments)
    if code:
        return f"`{command}` ended with {code}:\n{said.getvalue()}"
    printed = [line.strip() for line in said.getvalue().splitlines()]
    missing = [line for line in shown if not any(fnmatchcase(one, pattern(line)) for one in printed)]
    return f"`{command}` does not print {missing}, but:\n{said.getvalue()}" if missing else None


def pattern(line: str) -> str:
    """A line of shown output as a pattern: square brackets are themselves, `...` is anything."""
    return line.strip().replace("[", "[[]").replace("...", "*")


PARSERS = (PythonCodeBlockParser(), CodeBlockParser("console", run_console))


def examples(page: Path) -> list[Example]:
    """The blocks of a page that are run, in order; they share one fresh set of names."""
    return list(Document.parse(str(page), *PARSERS))


@pytest.fixture(scope="module")
def many_scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four pictures of two classes."""
    root = tmp_path_factory.mktemp("docs") / "scans"
    drawn = np.random.default_rng(0)
    for number in range(24):
        path = root / ("benign" if number % 2 else "malignant") / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(drawn.integers(0, 255, (48, 40), dtype=np.uint8)).save(path)
    return root


@pytest.fixture(scope="module")
def trained(many_scans: Path) -> Path:
    """The run of a model of these pictures, quickly made."""
    cohort = iso.ingest(many_scans, into=many_scans.with_name("known"))
    made = iso.train(cohort, into=many_scans.with_name("trained"), model="logistic", members=1, threads=1)
    return made.folder


@pytest.mark.parametrize(
    "page", [page for page in PAGES if examples(page)], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_the_examples_of_a_page_run(
    page: Path, many_scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    shutil.copytree(many_scans, tmp_path / "scans")
    if page.parent.name == "how-to":
        shutil.copytree(request.getfixturevalue("trained"), tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    for example in examples(page):
        example.evaluate()


def test_the_readme_shows_something_that_runs() -> None:
    assert examples(ROOT / "README.md")
    assert examples(ROOT / "README.zh.md")


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("$ isocenter lsit", "ended with 2"),
        ("$ rm -rf scans", "only isocenter is run"),
        ("$ isocenter list formats\nformat of teapots", "does not print"),
    ],
)
def test_a_page_that_shows_what_is_not_so_fails(tmp_path: Path, block: str, reason: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n```console\n{block}\n```\n", encoding="utf-8")
    (example,) = examples(page)
    with pytest.raises(Exception, match=reason):
        example.evaluate()


def test_a_page_may_show_a_part_of_what_is_printed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ isocenter list formats\nformats\n...\nnifti ...\n```\n", encoding="utf-8")
    (example,) = examples(page)
    example.evaluate()
