"""The made-up scans: anatomy in the right place, real DICOM, nothing that gives the class away."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest

from isocenter.core.image import Image, Intensity
from isocenter.data.phantoms import EARLY, SPREAD, Disease, Nodule, make_chest, write_scans

SMALL = (20, 48, 48)


class Watched:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.steps = 0

    def start(self, what: str, total: int | None = None) -> None:
        self.total = total

    def advance(self, steps: int = 1) -> None:
        self.steps += steps

    def say(self, message: str) -> None:
        raise AssertionError("nothing needs saying")


@pytest.fixture(scope="module")
def pair() -> tuple[Image, Image, list[Nodule]]:
    """The same body without and with nodules."""
    clear, none = make_chest(np.random.default_rng(5), nodule=False)
    ill, found = make_chest(np.random.default_rng(5), nodule=True)
    assert none == []
    return clear, ill, found


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scans(tmp_path_factory.mktemp("scans") / "made", patients=5, seed=3, pixels=32, progress=Watched())


def _tissue(image: Image, low: float, high: float) -> np.ndarray:
    return (image.array[0] > low) & (image.array[0] < high)


def test_a_chest_is_a_ct_volume_in_patient_coordinates(pair: tuple[Image, Image, list[Nodule]]) -> None:
    image = pair[0]
    assert (image.axes, image.array.shape, image.array.dtype) == ("CZYX", (1, 40, 128, 128), np.int16)
    assert (image.intensity, image.modality, image.geometry.orientation) == (Intensity.HU, "CT", "LPS")
    assert image.array.min() == -1024
    assert 300 < image.array.max() < 3072


def test_organs_lie_where_they_belong(pair: tuple[Image, Image, list[Nodule]]) -> None:
    image = pair[0]
    lung, bone = _tissue(image, -950, -700), _tissue(image, 300, 3000)
    assert lung[:, :, :64].sum() > 8000
    assert lung[:, :, 64:].sum() > 8000
    spine = bone[:, :, 58:70].sum(axis=(0, 2)) @ (np.arange(128) - 63.5) / bone[:, :, 58:70].sum()
    assert spine > 10  # the spine lies behind the middle
    heart = _tissue(image, 0, 250)[8:16, 20:64]
    assert heart[:, :, 64:].sum() > heart[:, :, :64].sum()  # the heart reaches to the left
    liver = _tissue(image, 0, 250)[:3, 40:80]
    assert liver[:, :, 20:50].sum() > liver[:, :, 78:108].sum()  # the liver stands higher, on the right
    assert lung[20].sum() > lung[-1].sum()  # lungs end in a tip


def test_nothing_but_the_nodules_tells_the_twins_apart(pair: tuple[Image, Image, list[Nodule]]) -> None:
    clear, ill, found = pair
    difference = np.abs(ill.array[0].astype(int) - clear.array[0])
    changed = np.argwhere(difference > 60)[:, ::-1]
    assert len(changed) > 0
    points = ill.geometry.points(changed)
    gaps = np.min([np.linalg.norm(points - one.centre, axis=1) - one.diameter / 2 for one in found], axis=0)
    assert gaps.max() < 9  # a slice and a half of blur
    for one in found:
        assert 4 <= one.diameter <= 14
        x, y, z = np.rint(ill.geometry.indices(one.centre)).astype(int)
        assert difference[z, y, x] > 0.25 * one.contrast


def test_chance_comes_from_the_generator_alone() -> None:
    first, second, other = (make_chest(np.random.default_rng(seed), nodule=True, shape=SMALL)[0] for seed in (1, 1, 2))
    assert np.array_equal(first.array, second.array)
    assert first.geometry == second.geometry
    assert not np.array_equal(first.array, other.array)


def test_the_series_are_sound_dicom(scans: Path) -> None:
    series = [
        [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
        for folder in sorted(scans.iterdir())
        if folder.is_dir()
    ]
    assert len(series) == 5
    for files in series:
        first = files[0]
        assert first.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
        assert {one.SOPClassUID for one in files} == {"1.2.840.10008.5.1.4.1.1.2"}
        assert len({one.SOPInstanceUID for one in files}) == len(files)
        assert len({one.SeriesInstanceUID for one in files}) == 1
        heights = np.array([float(one.ImagePositionPatient[2]) for one in files])
        assert np.allclose(np.abs(np.diff(heights)), float(first.SliceThickness), atol=1e-3)
        pixels = first.pixel_array * float(first.RescaleSlope) + float(first.RescaleIntercept)
        assert pixels.min() == -1024
        assert 0 < pixels.max() < 3072
    assert len({(files[0].Manufacturer, files[0].PixelRepresentation) for files in series}) == 2
    assert len({files[0].PatientID for files in series}) == 5


def test_the_table_names_every_patient(scans: Path) -> None:
    with (scans / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["PatientID"] for row in rows) == sorted(one.name for one in scans.iterdir() if one.is_dir())
    assert sorted(row["class"] for row in rows) == ["clear"] * 2 + ["nodule"] * 3
    for row in rows:
        header = pydicom.dcmread(next((scans / row["PatientID"]).iterdir()), stop_before_pixels=True)
        assert (header.PatientSex, header.PatientAge) == (row["sex"], f"{int(row['age']):03d}Y")


def test_the_same_seed_writes_the_same_bytes(scans: Path, tmp_path: Path) -> None:
    watched = Watched()
    again = write_scans(tmp_path / "again", patients=5, seed=3, pixels=32, progress=watched)
    names = sorted(path.relative_to(scans) for path in scans.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((scans / name).read_bytes() == (again / name).read_bytes() for name in names)
    assert (watched.total, watched.steps) == (5, 5)


def test_a_disease_says_how_many_nodules_there_are_and_how_wide() -> None:
    disease = Disease(diameters=(9.0, 11.0), counts=(0.0, 1.0))
    for seed in range(3):
        _, found = make_chest(np.random.default_rng(seed), nodule=True, shape=SMALL, disease=disease)
        assert len(found) == 2
        assert all(9 <= one.diameter <= 11 for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("disease", [EARLY, SPREAD], ids=["early", "spread"])
def test_brightness_does_not_give_the_class_away(disease: Disease) -> None:
    """Logistic regression on simple statistics must not find the nodules: no shortcut stands in for looking."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    truth = np.arange(60) % 2 == 0
    volumes = [
        make_chest(np.random.default_rng([11, number]), nodule=bool(ill), shape=(14, 40, 40), disease=disease)[
            0
        ].array.astype(float)
        for number, ill in enumerate(truth)
    ]
    mean = np.array([[volume.mean()] for volume in volumes])
    several = np.array(
        [[v.mean(), v.std(), (v < -700).mean(), (v > 300).mean(), *np.percentile(v, (10, 50, 90))] for v in volumes]
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for features in (mean, several):
        model = make_pipeline(StandardScaler(), LogisticRegression())
        scores = cross_val_predict(model, features, truth, cv=folds, method="predict_proba")[:, 1]
        assert roc_auc_score(truth, scores) < 0.65
