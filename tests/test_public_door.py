"""What `import isocenter` offers: one sorted list of names, each of which is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import isocenter

SOURCE = ast.parse(Path(isocenter.__file__).read_text(encoding="utf-8"))


def names_for_type_checkers() -> dict[str, str]:
    """The names imported under `if TYPE_CHECKING`, with the module that each comes from."""
    blocks = [node for node in SOURCE.body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_the_list_the_door_and_the_type_checker_name_the_same_things() -> None:
    assert isocenter.__all__ == list(isocenter._DOOR)
    assert names_for_type_checkers() == isocenter._DOOR


def test_the_list_is_sorted() -> None:
    assert isocenter.__all__ == sorted(isocenter.__all__)


@pytest.mark.parametrize("name", isocenter.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    thing = getattr(isocenter, name)
    assert thing.__doc__
    assert thing.__module__ == isocenter._DOOR[name]


def test_dir_shows_the_door() -> None:
    assert dir(isocenter) == sorted([*isocenter.__all__, "__version__"])


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'teapot'"):
        _ = isocenter.teapot
