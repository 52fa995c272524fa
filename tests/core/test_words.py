"""Messages read like sentences, in the reader's language."""

from __future__ import annotations

import pickle
import string
import tomllib
from importlib.resources import files

import pytest

from isocenter.core import errors, optional, words
from isocenter.core.errors import (
    CohortProblem,
    GeometryRefused,
    IsocenterError,
    MissingExtra,
    OpenQuestion,
    StorageProblem,
    UnknownName,
    Unreadable,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "text", "reason"),
    [
        (IsocenterError("It broke"), "It broke.", "It broke."),
        (
            IsocenterError("a.dcm", why="is cut short", remedy="Copy it again"),
            "a.dcm: is cut short. Copy it again.",
            "is cut short. Copy it again.",
        ),
        (IsocenterError("Really?", remedy="Yes!"), "Really? Yes!", "Really? Yes!"),
        (IsocenterError("a", why="b. "), "a: b.", "b."),
        (IsocenterError("Known:", remedy="x"), "Known: x.", "Known: x."),
    ],
)
def test_a_message_is_made_of_whole_sentences(error: IsocenterError, text: str, reason: str) -> None:
    assert str(error) == text
    assert error.reason == reason


def test_who_asked_wrongly_gets_2_and_everything_else_1() -> None:
    assert [kind.exit_code for kind in (UsageError, UnknownName)] == [2, 2]
    others = (IsocenterError, Unreadable, GeometryRefused, OpenQuestion, CohortProblem, StorageProblem, MissingExtra)
    assert {kind.exit_code for kind in others} == {1}


def test_the_tree_is_drawn_as_it_is() -> None:
    assert issubclass(GeometryRefused, Unreadable)
    assert issubclass(UnknownName, UsageError)
    drawn = errors.__doc__ or ""
    family = [name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, IsocenterError)]
    assert len(family) == 9
    assert [name for name in family if name not in drawn] == []


def test_an_error_may_cross_to_another_process() -> None:
    error = Unreadable("a.dcm", why="is cut short", remedy="Copy it again")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (Unreadable, str(error))


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases"), (1234567, "1,234,567 cases")]
)
def test_counted(count: int, text: str) -> None:
    assert words.counted(count, "case") == text


def test_counted_takes_a_plural_of_its_own() -> None:
    assert words.counted(2, "study", "studies") == "2 studies"


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c"), (list("abcde"), "a, b and 3 more")],
)
def test_listed(names: list[str], text: str) -> None:
    assert words.listed(names, most=2 if len(names) > 3 else 8) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (3_200_000, "3.2 MB"),
        (5e9, "5.0 GB"),
        (7e15, "7000000.0 GB"),
        (-2000, "-2.0 kB"),
    ],
)
def test_sized(count: float, text: str) -> None:
    assert words.sized(count) == text


@pytest.mark.parametrize(
    ("wanted", "environment", "spoken"),
    [
        ("zh", {"LANG": "en_GB.UTF-8"}, "zh"),
        ("zh-TW", {}, "zh"),
        ("de", {"LANG": "zh_CN.UTF-8"}, "en"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh"),
        (None, {"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        (None, {"LC_ALL": "", "LC_MESSAGES": "zh_CN"}, "zh"),
        (None, {}, "en"),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_machines(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, environment: dict[str, str], spoken: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert words.language(wanted) == spoken


def sentences(lang: str) -> dict[str, str]:
    """Every sentence of a language by its key."""
    text = files("isocenter.locales").joinpath(f"{lang}.toml").read_text(encoding="utf-8")
    return {
        f"{part}.{name}": said for part, said_there in tomllib.loads(text).items() for name, said in said_there.items()
    }


def blanks(sentence: str) -> set[str]:
    """What a sentence leaves to be filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_every_language_says_the_same_with_the_same_blanks() -> None:
    english = {key: blanks(sentence) for key, sentence in sentences("en").items()}
    for lang in words.LANGUAGES:
        assert {key: blanks(sentence) for key, sentence in sentences(lang).items()} == english


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_a_sentence_is_said_with_its_values(lang: str) -> None:
    for key, sentence in sentences(lang).items():
        values = {name: f"<{name}>" for name in blanks(sentence)}
        said = words.say(key, lang, **values)
        assert all(value in said for value in values.values())
    with pytest.raises(KeyError):
        words.say("page.no_such_sentence", lang)


def test_a_package_that_is_there_is_given() -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="the extra `excel` is not installed")
    assert optional.require("openpyxl") is openpyxl
    assert optional.present("openpyxl")


def test_a_package_that_is_not_there_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(optional.EXTRAS, "teapot_reader", ("tea", "reading leaves"))
    assert not optional.present("teapot_reader")
    with pytest.raises(MissingExtra, match=r"needed for reading leaves: .*pip install \"isocenter\[tea\]\""):
        optional.require("teapot_reader.submodule")


def test_the_version_of_what_is_installed_is_known() -> None:
    assert optional.version("numpy")
    assert optional.version("no-such-distribution") is None
