"""The model file: the same bytes for the same values, and nothing but them is read back."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest

from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.reading import Measure
from isocenter.delivery.modelfile import container
from isocenter.delivery.modelfile import read as reading
from isocenter.delivery.modelfile.card import model_card
from isocenter.delivery.modelfile.container import MANIFEST, NEEDED, archive, digest
from isocenter.delivery.modelfile.package import Package, Reference, RuntimeChoice
from isocenter.delivery.modelfile.read import examine, read_model
from isocenter.delivery.modelfile.write import write_model
from isocenter.pathway.tasks._shared import Decision
from model_samples import tiny_package


@pytest.fixture(scope="module")
def package() -> Package:
    return replace(
        tiny_package(),
        weights=b"weights",
        decision=Decision(temperature=1.5, thresholds={"malignant": 0.3}, shift=(-0.25, 1.5)),
        reference=Reference(prevalence={"benign": 0.75, "malignant": 0.25}),
    )


@pytest.fixture
def path(tmp_path: Path, package: Package) -> Path:
    place = tmp_path / "tiny.isomodel"
    write_model(place, package)
    return place


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def signed(contents: dict[str, bytes]) -> dict[str, bytes]:
    """The members with a manifest that names their hashes, as whoever forges a file would make it."""
    manifest = json.loads(contents[MANIFEST])
    manifest["members"] = {name: digest(content) for name, content in contents.items() if name != MANIFEST}
    return {**contents, MANIFEST: json.dumps(manifest).encode()}


def test_what_was_written_is_read(path: Path, package: Package) -> None:
    found = read_model(path)
    assert replace(found, manifest=package.manifest, digest="") == package
    assert found.digest == digest(path.read_bytes())
    assert set(found.manifest.members) == set(members(path)) - {MANIFEST}


def test_the_same_values_are_the_same_bytes(path: Path, package: Package, tmp_path: Path) -> None:
    again = write_model(tmp_path / "again.isomodel", package)
    assert path.read_bytes() == (tmp_path / "again.isomodel").read_bytes()
    assert again.digest == read_model(path).digest
    assert write_model(tmp_path / "third.isomodel", read_model(path)).digest == again.digest


def test_members_are_stored_in_order_without_a_date(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        infos = file.infolist()
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)
    assert {(info.compress_type, info.date_time[0]) for info in infos} == {(zipfile.ZIP_STORED, 1980)}


def test_any_changed_byte_is_refused(path: Path) -> None:
    content = path.read_bytes()
    for place in range(0, len(content), 37):
        damaged = bytearray(content)
        damaged[place] ^= 0x11
        with pytest.raises(Unreadable, match="not a sound model file|cannot be opened"):
            reading.package_from(bytes(damaged), source="tiny.isomodel")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content + b"\0",
        lambda content: b"MZ" + content,
        lambda content: content + content,
        lambda content: b"\x89PNG",
    ],
)
def test_cut_or_padded_files_are_refused(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Unreadable) as caught:
        read_model(path)
    assert str(caught.value).count("\n") == 0
    assert "tiny.isomodel is not a sound model file" in str(caught.value)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "code.py", "weights.pkl", "sub/graph.onnx"])
def test_strange_members_are_refused(path: Path, name: str) -> None:
    path.write_bytes(archive(signed({**members(path), name: b"x"})))
    with pytest.raises(Unreadable, match="which no model file has"):
        read_model(path)


def test_a_member_twice_is_refused(path: Path) -> None:
    contents = members(path)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as file:
        file.writestr("card.md", contents["card.md"])
    with pytest.raises(Unreadable, match="a member twice"):
        read_model(path)


def test_a_member_that_is_compressed_is_refused_unread(path: Path) -> None:
    contents = signed({**members(path), "card.md": b"\0" * 50_000_000})
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in sorted(contents.items()):
            file.writestr(name, content, zipfile.ZIP_DEFLATED if name == "card.md" else zipfile.ZIP_STORED)
    path.write_bytes(stream.getvalue())
    with pytest.raises(Unreadable, match=r"card\.md is not stored as it must be"):
        read_model(path)


def test_a_compressed_table_of_contents_is_refused_unread(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(MANIFEST, b" " * 1000)
    with pytest.raises(Unreadable, match="not stored as it must be"):
        read_model(path)


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_lost_member_is_refused(path: Path, name: str) -> None:
    path.write_bytes(archive({one: content for one, content in members(path).items() if one != name}))
    with pytest.raises(Unreadable, match="holds no"):
        read_model(path)


def test_a_lost_optional_member_is_refused_too(path: Path) -> None:
    path.write_bytes(archive({one: content for one, content in members(path).items() if one != "head.onnx"}))
    with pytest.raises(Unreadable, match=r"head\.onnx is no longer in it"):
        read_model(path)


def test_a_later_version_is_told_as_such(path: Path) -> None:
    contents = members(path)
    manifest = {**json.loads(contents[MANIFEST]), "version": 2}
    path.write_bytes(archive({**contents, MANIFEST: json.dumps(manifest).encode(), "new.bin": b""}))
    with pytest.raises(Unreadable, match="has version 2 and this Isocenter knows 1"):
        read_model(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("recipe.yaml", b"task: [\n"),
        ("recipe.yaml", b"!!python/object/apply:os.system ['true']\n"),
        ("recipe.yaml", b"teapot: 1\n"),
        ("labels.json", b"{"),
        ("decision.json", b'{"thresholds": {"a": "x"}}'),
        ("record.json", b"\xff"),
        ("reference.json", b"[" * 100_000),
        ("manifest.json", b"[]"),
        ("manifest.json", b"{"),
        ("card.md", b"\xff\xfe"),
    ],
)
def test_members_that_say_nothing_sensible_are_refused(path: Path, name: str, content: bytes) -> None:
    changed = {**members(path), name: content}
    path.write_bytes(archive(changed if name == MANIFEST else signed(changed)))
    with pytest.raises(Unreadable, match="cannot be understood"):
        read_model(path)


def test_a_text_that_stands_for_more_than_itself_is_refused(path: Path) -> None:
    """Thirty lines of aliases would be a thousand million values, each shown when it is refused."""
    lines = ["a0: &a0 [0, 0]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30)), "task: *a29"]
    path.write_bytes(archive(signed({**members(path), "recipe.yaml": "\n".join(lines).encode()})))
    with pytest.raises(Unreadable, match="aliases are not allowed"):
        read_model(path)


def test_a_graph_that_would_read_other_files_is_refused(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(8, np.float32).tobytes())
    for inside in (False, True):
        graph = _reading(secret, inside=inside)
        path.write_bytes(archive(signed({**members(path), "graph.onnx": graph})))
        with pytest.raises(Unreadable, match=r"graph\.onnx would read other files"):
            read_model(path)
    path.write_bytes(archive(signed({**members(path), "graph.onnx": b"location, and no graph"})))
    with pytest.raises(Unreadable, match="would read other files"):
        read_model(path)


def test_a_graph_may_call_its_values_what_it_likes(path: Path) -> None:
    model = onnx.ModelProto.FromString(members(path)["graph.onnx"])
    model.graph.node[0].name = "location"
    path.write_bytes(archive(signed({**members(path), "graph.onnx": model.SerializeToString()})))
    assert b"location" in read_model(path).graphs["graph.onnx"]


def _reading(place: Path, *, inside: bool) -> bytes:
    """A graph with weights in another file: among its constants, or as the attribute of a node."""
    tensor = onnx.TensorProto(name="weight", data_type=1, dims=[8], data_location=1)
    tensor.external_data.add(key="location", value=place.as_posix())
    node = onnx.helper.make_node("Constant", [], ["weight"], value=tensor)
    graph = onnx.helper.make_graph([node] if inside else [], "g", [], [], [] if inside else [tensor])
    return bytes(onnx.helper.make_model(graph).SerializeToString())


def test_the_marks_of_what_was_learned_travel_with_it(package: Package, tmp_path: Path) -> None:
    write_model(tmp_path / "m.isomodel", replace(package, learned=bytes(range(16))))
    assert read_model(tmp_path / "m.isomodel").learned == bytes(range(16))
    with pytest.raises(Unreadable, match="not whole"):
        write_model(tmp_path / "m.isomodel", replace(package, learned=b"123"))


def test_neither_person_nor_folder_travels_with_it(package: Package, tmp_path: Path) -> None:
    told = {"person": "ms-somebody", "cohort": "/home/ms-somebody/cohort", "settings": {"into": "/home/ms-somebody"}}
    private = replace(package, record=package.record.model_copy(update=told))
    write_model(tmp_path / "m.isomodel", replace(private, card=""))
    assert b"somebody" not in (tmp_path / "m.isomodel").read_bytes()
    assert "by **not recorded** with" in model_card(read_model(tmp_path / "m.isomodel"))


def test_a_text_that_is_far_too_long_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_TEXT_BYTES", 100)
    with pytest.raises(Unreadable, match="is longer than"):
        read_model(path)


def test_a_file_that_is_far_too_large_is_refused_unread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 100)
    with pytest.raises(Unreadable, match="holds at most 2 GB"):
        read_model(path)


def test_more_than_a_zip_holds_is_refused_when_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    with pytest.raises(UsageError, match="at most 2 GB"):
        container.archive({"weights.safetensors": b"x" * 200})


def test_an_unreadable_model_is_never_left_behind(tmp_path: Path, package: Package) -> None:
    broken = replace(package, graphs={})
    with pytest.raises(Unreadable):
        write_model(tmp_path / "x.isomodel", broken)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match=r"must end in \.isomodel"):
        write_model(tmp_path / "x.zip", package)


def test_places_without_a_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_model(tmp_path / "none.isomodel")
    with pytest.raises(UsageError, match="is a folder"):
        read_model(tmp_path)


def test_an_examination_names_the_damaged_member(path: Path) -> None:
    sound = examine(path)
    assert sound.problem == ""
    assert all(member.sound for member in sound.members)
    contents = members(path)
    path.write_bytes(archive({**contents, "card.md": b"# another\n"}))
    found = examine(path)
    assert [member.name for member in found.members if not member.sound] == ["card.md"]
    assert "card.md changed" in found.problem
    path.write_bytes(b"no zip")
    assert examine(path).members == ()
    assert examine(path).problem


def test_the_card_says_what_is_known_and_shows_the_gaps(package: Package) -> None:
    empty = model_card(package)
    assert empty.startswith("# tiny\n")
    assert "Nothing was measured" in empty
    assert "Intended use, and by whom: **not recorded**." in empty
    assert "malignant is called from a probability of 0.300 on." in empty
    measures = [
        Measure(name="auroc", value=0.9, low=0.8, high=0.95, n=120, level=0.95),
        Measure(name="ece", value=None, n=120, rule="not defined for one class"),
    ]
    record = package.record.model_copy(update={"cohort_name": "a*b", "cases": {"train": 1000}, "left_out": {"x": 2}})
    manifest = package.manifest.model_copy(update={"origin": "elsewhere.onnx"})
    full = replace(package, reference=Reference(validation=measures), record=record, manifest=manifest)
    text = model_card(full)
    assert "| auroc | 0.900 | 0.800 – 0.950 (95%) | 120 |" in text
    assert "| ece | not defined for one class | **not recorded** | 120 |" in text
    assert "Cohort: a\\*b." in text
    assert "train 1,000" in text
    assert "brought in from elsewhere.onnx" in text


def test_the_card_speaks_chinese_and_of_channels_and_numbers() -> None:
    several = tiny_package(channels=("T1", "FLAIR"))
    assert "未记录" in model_card(several, "zh")
    assert "every one of its channels" in model_card(several)
    number = tiny_package(task="regress", classes=())
    unchecked = number.manifest.model_copy(update={"runtimes": []})
    text = model_card(replace(number, manifest=unchecked))
    assert "Classes:" not in text
    assert "| Runtime" not in text
    assert RuntimeChoice.__name__ not in text


def test_a_decision_without_a_shift_has_none(path: Path) -> None:
    contents = members(path)
    decision = json.loads(contents["decision.json"])
    assert decision.pop("shift") == [-0.25, 1.5]
    path.write_bytes(archive(signed({**contents, "decision.json": json.dumps(decision).encode()})))
    assert read_model(path).decision.shift == ()


def test_the_card_says_what_was_taken_off_and_whom_the_numbers_speak_of(package: Package) -> None:
    measures = [Measure(name="auroc", value=0.9, n=120)]
    judged = replace(package, reference=Reference(validation=measures))
    text = model_card(judged)
    assert "counted by its class (benign 0.78, malignant 4.48)" in text
    assert "which also helped to choose it" in text
    folds = judged.recipe.changed("validation", design="folds")
    assert "which also helped to choose it" in model_card(replace(judged, recipe=folds))  # one member is the model
    divided = model_card(replace(judged, recipe=folds.changed("model", members=5)))
    assert "by the one member that had not learned from it" in divided
    assert "for the mean of the members they may be somewhat off" in divided
    assert "counted by its class" not in model_card(tiny_package())
