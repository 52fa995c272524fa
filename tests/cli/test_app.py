"""The command line as a whole: help, slips of the pen, refusals, JSON, and what each exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from rich.console import Console

from evaluate_samples import brightness_model, squares
from isocenter.cli import app as app_module
from isocenter.cli import commands
from isocenter.cli._command import Command
from isocenter.cli.app import ORDER, run
from isocenter.core import registry
from isocenter.core.errors import IsocenterError, Unreadable
from isocenter.core.optional import version
from isocenter.core.progress import Progress
from isocenter.core.settings import Settings, Subject, verb
from isocenter.stages.train import train
from model_samples import tiny_model

Captured = pytest.CaptureFixture[str]
NAMES = registry.names(commands)
# The demonstration takes seconds; tests/workflows runs it, and test_shown.py what is printed of it.
QUICK = [name for name in NAMES if name != "demo"]


class KettleSettings(Settings):
    """How to boil."""

    water: Subject[str]
    """What to boil."""


@pytest.fixture
def kettle(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Puts a command `kettle` on the shelf that does what it is told."""

    def put(act: Callable[[], Any]) -> None:
        @verb(KettleSettings)
        def boil(settings: KettleSettings, progress: Progress) -> Any:
            """Boil water."""
            progress.start("Heating", 2)
            progress.advance()
            progress.say(f"[bold] {settings.water} [/bold] steams")
            return act()

        def show(result: Any, console: Console) -> None:
            console.print(f"It is {result}", markup=False)

        command = Command(verb=boil, show=show, document=lambda result: {"result": result})
        monkeypatch.setattr(registry, "names", lambda shelf: ["kettle", "zebra", *NAMES])
        monkeypatch.setattr(registry, "blurb", lambda shelf, name: f"About {name}.")
        monkeypatch.setattr(registry, "get", lambda shelf, name: command)

    return put


def refuse() -> None:
    raise Unreadable("a.dcm", why="is cut short", remedy="Copy it again")


def document(out: str) -> Any:
    """The one JSON document that was printed: anything before or after it makes this fail."""
    return json.loads(out)


def test_help_lists_every_command_with_its_first_line_in_the_order_of_the_work(capsys: Captured) -> None:
    assert run(["--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    places = [out.index(f" {name} {registry.blurb(commands, name)}") for name in ORDER if name in NAMES]
    assert places == sorted(places)
    assert len(places) == len(NAMES)


def test_commands_of_other_packages_come_last(capsys: Captured, kettle: Callable[[Callable[[], Any]], None]) -> None:
    kettle(lambda: "hot")
    run(["--help"])
    out = capsys.readouterr().out
    assert out.index("About doctor.") < out.index("About kettle.") < out.index("About zebra.")


def test_nothing_asked_is_answered_with_help(capsys: Captured) -> None:
    assert run([]) == 2
    assert "Commands:" in capsys.readouterr().out


def test_the_version_is_told(capsys: Captured) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"isocenter {version('isocenter')}\n"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str, capsys: Captured) -> None:
    assert run([name, "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    command = registry.get(commands, name)
    assert registry.blurb(commands, name).endswith(".")
    assert "--json" in out
    assert "--debug" in out
    for setting, field in command.verb.settings.model_fields.items():
        assert field.description, f"{name}: {setting} must say what it is"
        assert field.description.split()[-1] in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["igest"], "There is no command named `igest`. Did you mean `ingest`? Known: demo, ingest, show"),
        (["list", "format"], "There is no kind named `format`. Did you mean `formats`?"),
        (["list", "--jsn"], "No such option '--jsn'. Did you mean '--json'? See `isocenter list --help`."),
        (["--nonsense"], "No such option '--nonsense'"),
        (["list", "formats", "layouts"], "unexpected extra argument (layouts)"),
        (["convert", "scan.nii"], "Missing option '--into'"),
        (["convert", "--into", "x"], "Missing argument"),
        (["ingest", "scans", "--into", "c", "--seed", "x"], "'x' is not a valid integer"),
        (["ingest", "scans", "--into", "c", "--seed", "-1"], "`seed` must fit its rule, got -1"),
    ],
)
def test_a_slip_is_answered_on_stderr_with_2(arguments: list[str], words: str, capsys: Captured) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""
    assert said.err.startswith("isocenter: ")
    assert said.err.count("\n") == 1


def test_a_slip_is_a_json_document_where_a_program_asked(capsys: Captured) -> None:
    assert run(["list", "format", "--json"]) == 2
    said = document(capsys.readouterr().out)["error"]
    assert said["what"] == "There is no kind named `format`"
    assert "formats" in said["remedy"]


@pytest.mark.parametrize(
    "arguments",
    [["igest", "--json"], ["list", "--jsn", "--json"], ["convert", "x", "--json"], ["list", "a", "b", "--json"]],
)
def test_even_what_cannot_be_parsed_is_a_json_document(arguments: list[str], capsys: Captured) -> None:
    assert run(arguments) == 2
    assert document(capsys.readouterr().out)["error"]["what"]


def test_a_refusal_is_one_message_and_1(capsys: Captured, kettle: Callable[[Callable[[], Any]], None]) -> None:
    kettle(refuse)
    assert run(["kettle", "tea"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "[bold] tea [/bold] steams\nisocenter: a.dcm: is cut short. Copy it again.\n"


def test_a_refusal_is_a_json_document_where_a_program_asked(
    capsys: Captured, kettle: Callable[[Callable[[], Any]], None]
) -> None:
    kettle(refuse)
    assert run(["kettle", "tea", "--json"]) == 1
    assert document(capsys.readouterr().out) == {
        "error": {"what": "a.dcm", "why": "is cut short", "remedy": "Copy it again"}
    }


def test_debug_shows_where_a_refusal_came_from(kettle: Callable[[Callable[[], Any]], None]) -> None:
    kettle(refuse)
    with pytest.raises(Unreadable) as caught:
        run(["kettle", "tea", "--debug"])
    assert "refuse" in [entry.name for entry in caught.traceback]
    with pytest.raises(IsocenterError):
        run(["igest", "--debug"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "/data/x"), "/data/x cannot be used: No space left on device."),
        (OSError("odd"), "A file cannot be used: odd."),
    ],
)
def test_the_systems_own_complaints_are_messages_too(
    error: OSError, words: str, capsys: Captured, kettle: Callable[[Callable[[], Any]], None]
) -> None:
    def fail() -> None:
        raise error

    kettle(fail)
    assert run(["kettle", "tea"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert words in told
    assert "then run the command again." in told


def test_stopping_is_told_and_130(capsys: Captured, kettle: Callable[[Callable[[], Any]], None]) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    kettle(stop)
    assert run(["kettle", "tea"]) == 130
    assert "What was finished is kept" in capsys.readouterr().err


def test_a_result_is_shown_on_stdout_and_progress_on_stderr(
    capsys: Captured, kettle: Callable[[Callable[[], Any]], None]
) -> None:
    kettle(lambda: "[hot]")
    assert run(["kettle", "tea"]) == 0
    said = capsys.readouterr()
    assert said.out == "It is [hot]\n"
    assert said.err == "[bold] tea [/bold] steams\n"


def test_json_is_the_one_thing_on_stdout(capsys: Captured, kettle: Callable[[Callable[[], Any]], None]) -> None:
    kettle(lambda: "茶")
    assert run(["kettle", "tea", "--json"]) == 0
    out = capsys.readouterr().out
    assert document(out) == {"result": "茶"}
    assert "茶" in out


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Twelve pictures of two classes."""
    drawn = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / "scans" / ("benign" if number % 2 else "malignant") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(drawn.integers(0, 255, (16, 12), dtype=np.uint8)).save(path)
    return tmp_path / "scans"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A finished model."""
    return tiny_model(tmp_path / "tiny.isomodel")


@pytest.fixture
def arguments(name: str, scans: Path, model: Path, tmp_path: Path) -> list[str]:
    """A call of the command that succeeds."""
    if name == "evaluate":
        return [name, str(brightness_model(tmp_path / "m.isomodel")), str(squares(tmp_path / "squares"))]
    if name == "compare":
        cohort, made = squares(tmp_path / "squares"), tmp_path / "made"
        # Trained here already: a comparison trains each model in a process of its own, which takes seconds to start.
        train(cohort, into=made / "logistic", model="logistic", members=1, threads=1)
        return [name, str(cohort), "--models", "logistic", "--threads", "1", "--into", str(made)]
    if name == "layers":
        return [name, "mlp"]
    if name in ("plan", "train"):
        cohort = str(squares(tmp_path / "squares"))
        quick = [
            "--set",
            "training.steps=2",
            "--set",
            "augmentation.in_turn=[0]",
            "--set",
            "model.settings.width=8",
            "--members",
            "1",
        ]
        return [name, cohort, *(["--into", str(tmp_path / "run"), *quick] if name == "train" else [])]
    known: dict[str, list[str]] = {
        "convert": [str(scans), "--into", str(tmp_path / "converted"), "--format", "npy"],
        "doctor": [],
        "explain": [str(model), str(next(scans.rglob("*.png"))), "--method", "occlusion"],
        "ingest": [str(scans), "--into", str(tmp_path / "cohort")],
        "list": [],
        "package": [str(model), "--into", str(tmp_path / "packaged.isomodel"), "--overwrite"],
        "predict": [str(model), str(scans), "--into", str(tmp_path / "readings")],
        "show": [str(scans)],
        "verify": [str(model)],
    }
    return [name, *known[name]]


@pytest.mark.parametrize("name", QUICK)
def test_every_command_prints_for_a_person(name: str, arguments: list[str], capsys: Captured) -> None:
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert out.strip()
    with pytest.raises(ValueError, match=r".*"):
        json.loads(out)


@pytest.mark.parametrize("name", QUICK)
def test_every_command_prints_one_versioned_document(name: str, arguments: list[str], capsys: Captured) -> None:
    assert run([*arguments, "--json"]) == 0
    assert document(capsys.readouterr().out)["version"] == 1


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"list", "doctor", "demo"}])
def test_every_command_refuses_what_is_not_there_with_one_message(name: str, tmp_path: Path, capsys: Captured) -> None:
    endings = {"package": "out.isomodel", "plan": "out.yaml"}
    options = [] if name in {"show", "verify"} else ["--into", str(tmp_path / endings.get(name, "out"))]
    more = [str(tmp_path / "elsewhere")] if name in {"predict", "explain"} else []
    code = run([name, str(tmp_path / "nowhere"), *more, *options])
    said = capsys.readouterr()
    assert code in {1, 2}
    assert said.out == ""
    assert said.err.startswith("isocenter: ")
    assert "nowhere" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "out" / "cohort.toml").exists()


def test_python_m_isocenter_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isocenter", "igest"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean `ingest`?" in done.stderr


def test_what_nobody_foresaw_is_one_sentence_and_the_rest_is_an_option_away(
    capsys: Captured, kettle: Callable[[Callable[[], Any]], None]
) -> None:
    kettle(lambda: 1 / 0)
    assert run(["kettle", "tea", "--json"]) == 1
    said = capsys.readouterr()
    assert document(said.out)["error"]["why"] == "ZeroDivisionError: division by zero"
    assert "Traceback" not in said.err
    with pytest.raises(ZeroDivisionError):
        run(["kettle", "tea", "--debug"])


def test_a_command_may_end_with_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module.app, "main", lambda **_: 3)
    assert run(["x"]) == 3
