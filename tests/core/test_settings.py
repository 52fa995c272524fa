"""Settings are written once: they are the signature, the options and the rules, and answer a slip with the remedy."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from isocenter.core.errors import UnknownName, UsageError
from isocenter.core.progress import Progress, Silent, tracked
from isocenter.core.settings import Argument, Settings, Short, Subject, Verb, build, is_subject, verb


class BrewSettings(Settings):
    """How to brew."""

    minutes: Annotated[int, Short("m")] = Field(default=3, ge=1)
    """How long it draws."""
    leaves: Subject[tuple[Path, ...]] = Field(min_length=1)
    """What to brew from."""
    kinds: list[str] = Field(default_factory=list)
    guests: tuple[str, ...] = ()


@verb(BrewSettings)
def brew(settings: BrewSettings, progress: Progress) -> str:
    """Brew tea."""
    progress.say("brewing")
    return f"{settings.leaves[0]} for {settings.minutes}"


class Told(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def start(self, what: str, total: int | None = None) -> None:
        self.heard.append((what, total))

    def advance(self, steps: int = 1) -> None:
        self.heard.append(steps)

    def say(self, message: str) -> None:
        self.heard.append(message)


def test_a_verb_takes_its_subject_first_and_the_rest_by_name() -> None:
    assert brew("assam") == "assam for 3"
    assert brew(("assam", "darjeeling"), minutes=4) == "assam for 4"
    assert brew(leaves="assam") == "assam for 3"
    assert brew(BrewSettings(leaves="assam", minutes=5)) == "assam for 5"
    assert BrewSettings.model_validate(BrewSettings(leaves="assam")) == BrewSettings(leaves="assam")


def test_a_verb_looks_like_its_function() -> None:
    assert isinstance(brew, Verb)
    assert (brew.__name__, brew.__doc__, brew.__module__) == ("brew", "Brew tea.", __name__)
    assert str(inspect.signature(brew)).startswith("(leaves: ")
    parameters = inspect.signature(brew).parameters
    assert parameters["leaves"].kind is inspect.Parameter.POSITIONAL_ONLY
    assert parameters["minutes"].kind is inspect.Parameter.KEYWORD_ONLY
    assert (parameters["minutes"].default, parameters["kinds"].default) == (3, [])
    assert parameters["leaves"].default is inspect.Parameter.empty


def test_a_verb_tells_how_it_goes() -> None:
    told = Told()
    brew("assam", progress=told)
    assert told.heard == ["brewing"]


def test_an_unknown_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no setting named `minute`\. Did you mean `minutes`\?"):
        brew("assam", minute=4)


def test_a_value_that_does_not_fit_is_answered_with_the_rule_and_the_meaning() -> None:
    with pytest.raises(UsageError, match=r"`minutes` must fit its rule, got 0: .* It is: How long it draws\."):
        brew("assam", minutes=0)


def test_a_missing_subject_is_told_with_its_meaning() -> None:
    with pytest.raises(UsageError, match=r"`leaves` is missing\. It is: What to brew from\."):
        brew()


def test_a_field_without_words_still_gives_a_message() -> None:
    with pytest.raises(UsageError, match=r"`kinds` must fit its rule, got 'x'"):
        build(BrewSettings, {"leaves": "assam", "kinds": "x"})


def test_settings_are_frozen_and_refuse_what_they_do_not_know() -> None:
    settings = BrewSettings(leaves="assam")
    with pytest.raises(ValidationError, match="frozen"):
        settings.minutes = 9
    with pytest.raises(ValidationError, match="Extra inputs"):
        BrewSettings.model_validate({"leaves": "assam", "sugar": 1})


def test_the_subject_is_found_by_its_mark() -> None:
    class Plain(Settings):
        cups: int = 1

    assert BrewSettings.subject() == "leaves"
    assert Plain.subject() is None
    assert is_subject(BrewSettings.model_fields["leaves"])
    assert not is_subject(BrewSettings.model_fields["minutes"])
    assert BrewSettings.model_fields["minutes"].description == "How long it draws."


@pytest.mark.parametrize("leaves", ["assam", Path("assam"), ["assam"], (Path("assam"),)])
def test_one_stands_alone_where_several_may_stand(leaves: object) -> None:
    assert build(BrewSettings, {"leaves": leaves}).leaves == (Path("assam"),)


def test_a_path_stands_for_its_text() -> None:
    assert build(BrewSettings, {"leaves": "a", "guests": Path("anna")}).guests == ("anna",)
    assert build(BrewSettings, {"leaves": "a", "guests": ["anna", Path("ben")]}).guests == ("anna", "ben")


@pytest.mark.parametrize("leaves", [5, None, [], [5]])
def test_what_cannot_be_several_is_refused(leaves: object) -> None:
    with pytest.raises(UsageError, match="`leaves"):
        build(BrewSettings, {"leaves": leaves})


def test_tracked_work_says_each_step_after_it_is_done() -> None:
    told = Told()
    walk = tracked("ab", told, "Reading", 2)
    assert next(walk) == "a"
    assert told.heard == [("Reading", 2)]
    assert list(walk) == ["b"]
    assert told.heard == [("Reading", 2), 1, 1]


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(tracked("ab", Silent(), "Reading")) == ["a", "b"]
    Silent().say("hush")
    assert capsys.readouterr() == ("", "")


class PourSettings(Settings):
    """How to pour."""

    pot: Subject[str]
    """From what."""
    cups: Argument[tuple[str, ...]] = ()
    """Into what."""


@verb(PourSettings)
def pour(settings: PourSettings, progress: Progress) -> tuple[str, ...]:
    """Pour into cups."""
    return settings.cups


def test_what_may_stand_without_a_name_follows_the_subject() -> None:
    assert pour("pot", "a") == ("a",)
    assert pour("pot", "a", "b") == pour("pot", cups=("a", "b")) == pour("pot", ("a", "b")) == ("a", "b")
    assert pour("pot") == ()
    assert [one.kind.name for one in inspect.signature(pour).parameters.values()] == [
        "POSITIONAL_ONLY",
        "POSITIONAL_OR_KEYWORD",
    ]


def test_too_many_values_without_a_name_are_a_slip_of_the_program() -> None:
    with pytest.raises(TypeError, match="only the subject"):
        brew("tea", "milk")
