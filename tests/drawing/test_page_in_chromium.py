"""The page opens in a real browser, in both languages, on a desk and on a telephone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from isocenter.drawing.page import CohortView, LabelView, RefusedView, TileView, cohort_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def view() -> CohortView:
    """A small cohort with one picture and one refusal."""
    from isocenter.drawing.montage import png

    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    return CohortView(
        name="Lungs 肺",
        cases=12,
        patients=11,
        images=12,
        labels=[LabelView(name="class", counts={"clear": 7, "<b>nodule</b>": 5})],
        refused=[RefusedView(path="torn.dcm", reason="is cut short.")],
        tiles=[TileView(png=png(ramp), caption="P1", tag="clear")],
    )


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize(("language", "width"), [("en", 1200), ("zh", 420)])
def test_the_page_is_drawn(view: CohortView, tmp_path: Path, language: str, width: int) -> None:
    assert CHROMIUM is not None
    page = tmp_path / "page.html"
    page.write_text(cohort_page(view, language), encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},1600"]
    shot = tmp_path / "shot.png"
    subprocess.run([*command, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True, timeout=120)
    drawn = np.asarray(Picture.open(shot).convert("L"))
    assert drawn.shape[1] == width
    assert drawn.std() > 10
    text = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], check=True, capture_output=True, timeout=120
    ).stdout.decode()
    assert "&lt;b&gt;nodule" in text
    assert "<b>nodule" not in text
