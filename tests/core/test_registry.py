"""A file on a shelf is a plug-in, found by its name and read only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from isocenter.core import registry
from isocenter.core.errors import UnknownName

LEFT_ALONE = 'raise RuntimeError("this file must not be run to be listed")\n'


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package `teahouse.pots` with two pots, a folder of one, and what is no pot."""
    package = tmp_path / "teahouse"
    pots = package / "pots"
    (pots / "samovar").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (pots / "__init__.py").write_text('"""Pots."""\n')
    (pots / "clay.py").write_text('"""A pot of clay.\n\nHolds heat."""\nPOT = "clay pot"\nHANDLE = "wood"\n')
    (pots / "iron.py").write_text(f'"""A pot of iron."""\n{LEFT_ALONE}')
    (pots / "samovar" / "__init__.py").write_text('"""A pot with a fire inside."""\nPOT = "samovar"\n')
    (pots / "bare.py").write_text("POT = 1\n")
    (pots / "_shared.py").write_text(LEFT_ALONE)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._installed.cache_clear()
    yield importlib.import_module("teahouse.pots")
    registry._installed.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] in {"teahouse", "guest"}]:
        del sys.modules[name]


@pytest.fixture
def guest(shelf: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The same shelf with a pot that another package brings."""
    (tmp_path / "guest.py").write_text('"""A pot from far away."""\nPOT = "guest pot"\n')
    point = metadata.EntryPoint(name="far", value="guest:POT", group="teahouse.pots")
    points = metadata.EntryPoints([point])
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: points.select(group=group))
    registry._installed.cache_clear()
    return shelf


def test_names_are_the_files_without_running_them(shelf: ModuleType) -> None:
    assert registry.names(shelf) == ["bare", "clay", "iron", "samovar"]
    assert "teahouse.pots.iron" not in sys.modules


def test_a_blurb_is_the_first_line_of_the_docstring_without_running_the_file(shelf: ModuleType) -> None:
    assert registry.blurb(shelf, "clay") == "A pot of clay."
    assert registry.blurb(shelf, "iron") == "A pot of iron."
    assert registry.blurb(shelf, "samovar") == "A pot with a fire inside."
    assert registry.blurb(shelf, "bare") == ""
    assert registry.blurb(shelf, "nowhere") == ""


def test_the_thing_itself_is_the_one_public_name(shelf: ModuleType) -> None:
    assert registry.get(shelf, "clay") == "clay pot"
    assert registry.get(shelf, "clay", "HANDLE") == "wood"
    assert registry.get(shelf, "samovar") == "samovar"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("caly", r"There is no pot named `caly`\. Did you mean `clay`\? Known: bare, clay, iron, samovar\."),
        ("xyz", r"There is no pot named `xyz`\. Known: bare, clay, iron, samovar\."),
        ("_shared", "There is no pot named `_shared`"),
        ("os.path", r"There is no pot named `os\.path`"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(shelf: ModuleType, asked: str, words: str) -> None:
    with pytest.raises(UnknownName, match=words):
        registry.get(shelf, asked)


def test_an_empty_shelf_says_so() -> None:
    assert str(registry.unknown("tea_pot", "x", [])) == "There is no tea pot named `x`. Known: none."


def test_another_package_may_add_to_a_shelf(guest: ModuleType) -> None:
    assert "far" in registry.names(guest)
    assert "guest" not in sys.modules
    assert registry.blurb(guest, "far") == "A pot from far away."
    assert registry.get(guest, "far") == "guest pot"
    assert registry.get(guest, "clay") == "clay pot"
