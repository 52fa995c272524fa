"""What goes into the tables comes out again; nothing that was said is overwritten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from isocenter.core.case import Case
from isocenter.core.errors import CohortProblem, StorageProblem, UsageError
from isocenter.core.image import ImageFacts
from isocenter.core.labels import (
    ClassDefinition,
    ClassValue,
    Kind,
    Label,
    LabelDefinition,
    LabelSchema,
    MaskValue,
    NumberValue,
    Unknown,
)
from isocenter.data.catalogue import tables
from isocenter.data.catalogue.folder import (
    DATABASE,
    Description,
    check_destination,
    merged,
    read_description,
    write_description,
)
from isocenter.data.catalogue.intake import Intake, take_in
from isocenter.data.catalogue.records import facts_from_text, facts_to_text
from isocenter.data.catalogue.store import MIGRATIONS, Catalogue, FileState, open_cohort
from isocenter.storage.sql import open_engine, upgrade

EVENT = {"time": "2026-01-01", "command": "test", "version": "0", "settings": "{}", "report": "{}"}


def facts(name: str, **known: object) -> ImageFacts:
    return ImageFacts(format="raster", files=(f"/scans/{name}.png",), axes="CYX", shape=(1, 4, 5), **known)


def case(name: str, *labels: Label, **known: object) -> Case:
    image = facts(name, patient=f"P{name}", sex="F")
    return Case(key=name, patient=f"P{name}", images={"image": image}, labels=labels, **known)


def files_of(*cases: Case) -> list[FileState]:
    paths = [path for one in cases for image in one.images.values() for path in image.files]
    return [FileState(path, 10, 20, "image") for path in paths]


def put(folder: Path, *cases: Case, **more: object) -> None:
    with Catalogue(folder, create=True) as catalogue:
        images = [image for one in cases for image in one.images.values()]
        intake = Intake(files=files_of(*cases), images=images, cases=cases, event=EVENT, **more)
        take_in(catalogue, intake)


def all_cases(folder: Path) -> list[Case]:
    with Catalogue(folder) as catalogue:
        return list(catalogue.cases())


def test_a_case_comes_back_as_it_was(tmp_path: Path) -> None:
    given = case(
        "a",
        Label(name="class", value=ClassValue(value="benign")),
        Label(name="size", value=NumberValue(value=2.5), reader="Dr. Ö"),
        Label(name="lesion", value=MaskValue(format="raster", files=("/scans/m.png",), mapping={255: "lesion"})),
        Label(name="sure", value=Unknown()),
        split="train",
        group="g1",
        visit="v1",
        date="2020-01-02",
        covariates={"age": 61.0, "site": "北京", "smoker": None},
    )
    put(tmp_path, given)
    assert all_cases(tmp_path) == [given]


def test_facts_survive_with_all_their_fields() -> None:
    image = ImageFacts(
        format="dicom",
        files=("/a/1", "/a/2"),
        instances=("1.1", "1.2"),
        axes="CTZYX",
        shape=(1, 2, 1, 4, 5),
        affine=tuple(float(n) for n in range(16)),
        spacing=(0.5, 0.5, 2.0),
        times=(0.0, 1.5),
        classes={1: "liver"},
        notes=("tilted",),
        group="1.2.3",
        part="echo2",
        age=61.0,
        refers_to=("1.9",),
    )
    assert facts_from_text(facts_to_text(image), image.files, image.instances) == image


def test_a_corrected_label_is_a_new_version_and_the_old_one_stays(tmp_path: Path) -> None:
    put(tmp_path, case("a", Label(name="class", value=ClassValue(value="benign"))))
    put(tmp_path, case("a", Label(name="class", value=ClassValue(value="malignant"))))
    put(tmp_path, case("a", Label(name="class", value=ClassValue(value="malignant"))))
    put(tmp_path, case("a", Label(name="class", value=ClassValue(value="benign"), reader="second")))
    found = all_cases(tmp_path)[0]
    assert found.label("class") == ClassValue(value="malignant")
    assert found.label("class", reader="second") == ClassValue(value="benign")
    with Catalogue(tmp_path) as catalogue, catalogue.reading() as connection:
        rows = connection.execute(select(tables.labels.c.version, tables.labels.c.reader)).all()
    assert sorted(rows) == [(1, "reference"), (1, "second"), (2, "reference")]


def test_a_split_once_given_stays(tmp_path: Path) -> None:
    put(tmp_path, case("a", split="train"))
    put(tmp_path, case("a", split="test"))
    assert all_cases(tmp_path)[0].split == "train"


def test_cases_are_walked_in_order_and_by_position(tmp_path: Path) -> None:
    put(tmp_path, *(case(f"{n:04}") for n in range(1203)))
    with Catalogue(tmp_path) as catalogue:
        cases = catalogue.cases()
        assert len(cases) == 1203
        assert [one.key for one in cases] == [f"{n:04}" for n in range(1203)]
        assert cases[-1].key == "1202"
        assert [one.key for one in cases[5:8]] == ["0005", "0006", "0007"]
        with pytest.raises(IndexError, match="1203 cases"):
            cases[1203]


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path, case("a"))
    broken = replace(case("b"), images={"one": facts("b"), "two": facts("c")})
    with pytest.raises(KeyError), Catalogue(tmp_path) as catalogue:
        take_in(catalogue, Intake(files=[], images=[facts("b")], cases=[broken], event=EVENT))
    assert [one.key for one in all_cases(tmp_path)] == ["a"]


def test_files_inside_the_cohort_move_with_it(tmp_path: Path) -> None:
    home = tmp_path / "here"
    home.mkdir()
    inside = (home / "images" / "x.png").as_posix()
    image = ImageFacts(format="raster", files=(inside,), axes="CYX", shape=(1, 2, 2))
    mask = MaskValue(format="raster", files=(inside,))
    given = Case(key="x", patient="p", images={"image": image}, labels=(Label(name="m", value=mask),))
    put(home, given)
    moved = home.rename(tmp_path / "there")
    found = all_cases(moved)[0]
    assert found.images["image"].files == ((moved / "images" / "x.png").as_posix(),)
    value = found.label("m")
    assert isinstance(value, MaskValue)
    assert value.files == found.images["image"].files


def test_migrations_make_the_same_tables_as_the_code(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "old.db")
    upgrade(engine, "base", migrations=MIGRATIONS, revision=tables.REVISION, what="It")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert version == tables.REVISION
    engine.dispose()


def test_a_cohort_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    put(tmp_path, case("a"))
    with Catalogue(tmp_path) as catalogue, catalogue.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CohortProblem, match="newer Isocenter"):
        Catalogue(tmp_path)


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"not a database" * 100)
    with pytest.raises(CohortProblem, match="damaged"):
        Catalogue(tmp_path)


def test_a_database_held_by_another_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, case("a"))
    with Catalogue(tmp_path) as one, Catalogue(tmp_path) as two, one.engine.connect() as holder:
        holder.exec_driver_sql("BEGIN EXCLUSIVE")
        with (
            pytest.raises(StorageProblem, match="another process holds"),
            two.writing() as connection,
        ):
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
            connection.execute(insert(tables.events).values(**EVENT))
        holder.rollback()


def test_the_description_is_read_as_it_was_written_and_keeps_what_people_wrote(tmp_path: Path) -> None:
    label = LabelDefinition(name="class", kind=Kind.CLASS, classes=(ClassDefinition(name="benign", value=0),))
    write_description(tmp_path, Description(name="Brust-Ultraschall 乳腺", schema=LabelSchema(labels=(label,))))
    path = tmp_path / "cohort.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("value = 0", 'value = 0, recommendation = "Control in a year"'),
        encoding="utf-8",
    )
    found = read_description(tmp_path)
    assert found.name == "Brust-Ultraschall 乳腺"
    newer = LabelDefinition(
        name="class", kind=Kind.CLASS, classes=(ClassDefinition(name="benign"), ClassDefinition(name="malignant"))
    )
    grown = merged(found.schema, {"class": newer, "size": LabelDefinition(name="size", kind=Kind.NUMBER)})
    assert grown["class"].classes[0].recommendation == "Control in a year"
    assert [one.name for one in grown["class"].classes] == ["benign", "malignant"]
    assert grown.names == ("class", "size")


def test_a_broken_description_says_where_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "cohort.toml").write_text("name = ")
    with pytest.raises(CohortProblem, match="text editor"):
        read_description(tmp_path)
    (tmp_path / "cohort.toml").write_text('version = 99\nname = "x"\ncreated = ""')
    with pytest.raises(CohortProblem, match="Update Isocenter"):
        read_description(tmp_path)


def test_a_folder_that_is_something_else_is_not_written_into(tmp_path: Path) -> None:
    check_destination(tmp_path / "new")
    check_destination(tmp_path)
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(UsageError, match="not empty and not a cohort"):
        check_destination(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        check_destination(tmp_path / "thesis.doc")
    with pytest.raises(CohortProblem, match="does not exist"):
        open_cohort(tmp_path / "nowhere")
    with pytest.raises(CohortProblem, match="is not a cohort"):
        open_cohort(tmp_path)
