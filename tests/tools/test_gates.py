"""The gates close on what they are for, and open for what is sound."""

from __future__ import annotations

import json
from pathlib import Path

import check
import docs
import escapes
import pytest
import sizes

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with one escape of each kind."""
    for folder in ("src", "tools", "docs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "src" / "a.py").write_text(
        'TEXT = "# noqa is only spoken of here"\nimport os  # noqa: F401\nx = y  # type: ignore[name-defined]\n'
        "if x:  # pragma: no cover\n    pass\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        '[tool.coverage.run]\nomit = ["a.py"]\n[tool.ruff.lint.per-file-ignores]\n"a.py" = ["F", "E"]\n'
    )
    return tmp_path


def gate(root: Path, *options: str) -> int:
    return escapes.main(["--root", str(root), *options])


def test_escapes_are_counted_in_comments_and_settings(project: Path) -> None:
    assert escapes.counted(project) == {"pragma": 1, "noqa": 1, "type: ignore": 1, "omit": 1, "per-file-ignores": 2}


def test_nothing_is_allowed_until_it_is_recorded(project: Path, capsys: Captured) -> None:
    assert gate(project) == 1
    assert "src/a.py:2" in capsys.readouterr().out
    assert gate(project, "--record") == 0
    assert gate(project) == 0


def test_escapes_may_not_rise_not_even_by_recording(project: Path, capsys: Captured) -> None:
    gate(project, "--record")
    (project / "src" / "b.py").write_text("import sys  # noqa: F401\n")
    record = (project / "tools" / "escapes.json").read_text()
    for options in ([], ["--record"]):
        assert gate(project, *options) == 1
        assert "noqa: 2, at most 1 may be" in capsys.readouterr().out
    assert (project / "tools" / "escapes.json").read_text() == record


def test_fewer_escapes_are_written_down_and_stay_fewer(project: Path, capsys: Captured) -> None:
    gate(project, "--record")
    (project / "src" / "a.py").write_text("import os  # noqa: F401\n")
    assert gate(project) == 1
    assert "Fewer than recorded: pragma, type: ignore" in capsys.readouterr().out
    assert gate(project, "--record") == 0
    assert json.loads((project / "tools" / "escapes.json").read_text())["pragma"] == 0
    assert gate(project) == 0


def test_long_files_and_functions_are_named(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "long.py").write_text("x = 1\n" * 401)
    body = "        x = 1\n" * 60
    (tmp_path / "src" / "deep.py").write_text(
        f"class A:\n    def brew(self):\n{body}\n    def sip(self):\n        pass\n"
    )
    assert sizes.main(["--root", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "src/deep.py::A.brew: 61 lines, at most 60",
        "src/long.py: 401 lines, at most 400",
    ]


def test_an_exception_needs_a_reason_and_an_end(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "src" / "long.py").write_text("x = 1\n" * 401)
    listed = tmp_path / "tools" / "sizes.toml"
    listed.write_text('[exceptions]\n"src/long.py" = "a table"\n')
    assert sizes.main(["--root", str(tmp_path)]) == 0
    listed.write_text('[exceptions]\n"src/long.py" = ""\n"src/gone.py" = "once long"\n')
    assert sizes.main(["--root", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "src/gone.py: is an exception that nobody needs any more" in said
    assert "src/long.py: is an exception without a reason" in said


PAGE = """# A *page* with `code`, and more

[good](other.md) ![picture](b.png "title") [web](https://example.org) [mail](mailto:a@b.c)
[heading](other.md#the-second-part) [here](#a-page-with-code-and-more) [again](other.md#the-second-part-1)
`[in code](nowhere.md)`

```md
[in a block](nowhere.md)
# no heading
```
"""


def test_sound_links_are_sound(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "other.md").write_text("# Other\n## The [second](x) part\n## The second part\n[x]: page.md\n")
    (tmp_path / "b.png").touch()
    assert "other.md: x: is not there" in list(docs.broken_links(tmp_path))
    (tmp_path / "x").touch()
    assert list(docs.broken_links(tmp_path)) == []


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("[a](nowhere.md)", "nowhere.md: is not there"),
        ("[a](#nothing)", "#nothing: no such heading"),
        ("[a](page.md#nothing)", "page.md#nothing: no such heading"),
        ("![a](gone.png)", "gone.png: is not there"),
        ("[a]\n\n[a]: gone.md", "gone.md: is not there"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, link: str, reason: str) -> None:
    (tmp_path / "page.md").write_text(f"# Page\n\n{link}\n")
    assert list(docs.broken_links(tmp_path)) == [f"page.md: {reason}"]


def test_reference_pages_are_made_and_held_to_the_code(tmp_path: Path, capsys: Captured) -> None:
    assert docs.main(["--root", str(tmp_path), "--check"]) == 1
    assert "docs/reference/commands.md: is not what the code says" in capsys.readouterr().out
    assert docs.main(["--root", str(tmp_path)]) == 0
    assert list(docs.stale_pages(tmp_path)) == []
    commands = (tmp_path / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert "isocenter ingest SOURCE... --into PATH [OPTIONS]" in commands
    assert "| `--dry-run` | flag |  | Say what was understood and write nothing. |" in commands
    assert "| `--seed` | whole number | `0` |" in commands
    assert "`.nii.gz`" in (tmp_path / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
    (tmp_path / "docs" / "reference" / "formats.md").write_text("old")
    assert len(list(docs.stale_pages(tmp_path))) == 1


def test_the_first_gate_that_fails_stops_and_shows_why(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        check,
        "GATES",
        {"good": ["true"], "bad": ["sh", "-c", "echo this is wrong; exit 3"], "never": ["true"]},
    )
    assert check.main([]) == 1
    out = capsys.readouterr().out
    assert out.startswith("ok     good")
    assert "FAILED bad" in out
    assert "this is wrong" in out
    assert "never" not in out
    assert check.main(["good"]) == 0
    assert check.main(["teapot"]) == 2
