"""What a person sees of predict, verify and package, and what each exits with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image as Picture
from rich.console import Console

from isocenter.cli.app import run
from isocenter.cli.commands import predict as predict_command
from isocenter.core.reading import NumberFinding, Reading, ReadingRefusal, Readings
from model_samples import graph_bytes, tiny_model

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny.isomodel")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    Picture.fromarray(np.zeros((16, 16), np.uint8)).save(path)
    return path


def shown(result: Readings) -> str:
    console = Console(width=120, highlight=False)
    with console.capture() as capture:
        predict_command.show(result, console)
    return capture.get()


def test_a_person_sees_cases_findings_and_warnings(model: Path, picture: Path, capsys: Captured) -> None:
    assert run(["predict", str(model), str(picture)]) == 0
    out = capsys.readouterr().out
    assert "Case" in out
    assert "x.png" in out
    assert "yes" in out
    assert "nothing to see in this image" in out
    assert "1 case read with onnxruntime fp32" in out


def test_a_program_gets_the_readings(model: Path, picture: Path, capsys: Captured) -> None:
    assert run(["predict", str(model), str(picture), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["readings"][0]["case"] == "x.png"
    assert "threshold" not in said["readings"][0]["findings"][0]


def test_nothing_readable_is_bad_news(model: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert run(["predict", str(model), str(tmp_path / "notes.txt")]) == 1
    assert "Refused:" in capsys.readouterr().out


def test_a_source_is_needed(model: Path, capsys: Captured) -> None:
    assert run(["predict", str(model)]) == 2
    assert "sources" in capsys.readouterr().err.lower()


def test_many_cases_are_cut_short_and_abstentions_and_numbers_shown() -> None:
    number = NumberFinding(label="age", value=61.25, unit="years")
    readings = [
        Reading(case=f"{place}", source="s", task="regress", model="m", findings=(number,)) for place in range(50)
    ]
    readings[0] = Reading(case="0", source="s", task="regress", model="m", abstained=True, reason="not a number")
    refused = tuple(ReadingRefusal(source=f"r{place}", reason="no.") for place in range(20))
    text = shown(Readings(model="m", runtime="onnxruntime fp32", readings=tuple(readings), refused=refused))
    assert "no answer: not a number" in text
    assert "age 61.25 years" in text
    assert "and 10 more cases" in text
    assert "and 8 more refused" in text


def test_a_sound_model_is_ticked_and_a_damaged_one_exits_with_1(model: Path, capsys: Captured) -> None:
    assert run(["verify", str(model)]) == 0
    out = capsys.readouterr().out
    assert "✓ graph.onnx" in out
    assert "Sound:" in out
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(bytes(content))
    assert run(["verify", str(model)]) == 1
    assert "Damaged:" in capsys.readouterr().out
    assert run(["verify", str(model), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["sound"] is False


def test_a_packaged_model_says_how_it_was_understood(tmp_path: Path, capsys: Captured) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    weight = np.eye(64, 2, dtype=np.float32)
    content = graph_bytes(
        nodes, [("x", TensorProto.FLOAT, ["N", 64])], [("y", TensorProto.FLOAT, ["N", 2])], {"w": weight}
    )
    (tmp_path / "m.onnx").write_bytes(content)
    into = tmp_path / "m.isomodel"
    command = ["package", str(tmp_path / "m.onnx"), "--into", str(into), "--labels", "a,b"]
    assert run(command) == 1
    assert "--range 0..1" in capsys.readouterr().err
    assert run([*command, "--range", "0..1"]) == 0
    out = capsys.readouterr().out
    assert "The graph takes flat, 1 x 8 x 8." in out
    assert "ms a case" in out
    assert "Next: isocenter predict" in out
