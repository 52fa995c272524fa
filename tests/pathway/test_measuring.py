"""Several families in one row, and what they learn from training images."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from isocenter.core import registry
from isocenter.core.errors import UnknownName, UsageError
from isocenter.pathway import features
from isocenter.pathway.measuring import fitted, measured

IMAGE = np.random.default_rng(4).integers(0, 256, (1, 20, 16), dtype=np.uint8)


def test_families_stand_side_by_side_in_the_order_in_which_they_are_asked_for() -> None:
    names, row = measured(IMAGE, ["texture", "statistics"], {"statistics": {"percentiles": [50]}})
    assert row.dtype == np.float32
    assert len(names) == len(set(names)) == len(row) == 24 + 9
    assert names[0] == "texture.autocorrelation"
    assert names[24] == "statistics.mean"
    assert row[24] == pytest.approx(IMAGE.mean())
    assert dict(zip(names, row, strict=True))["statistics.percentile_50"] == np.median(IMAGE)


def test_spacing_and_mask_reach_every_family() -> None:
    mask = np.zeros((20, 16), bool)
    mask[2:5, 3:9] = True
    names, row = measured(IMAGE, ["shape", "statistics"], spacing=(2.0, 0.5), mask=mask)
    found = dict(zip(names, row, strict=True))
    assert found["shape.pixel_surface"] == 18
    assert found["statistics.mean"] == pytest.approx(IMAGE[0][mask].mean())


def test_what_32_bits_cannot_hold_is_the_most_that_they_can() -> None:
    names, row = measured(np.full((1, 4, 4), 1e30), ["first_order"])
    assert np.isfinite(row).all()
    assert dict(zip(names, row, strict=True))["first_order.energy"] == np.finfo(np.float32).max


def test_what_is_learned_is_plain_and_fits() -> None:
    images = [IMAGE.astype(np.float32) / 255, IMAGE[:, ::2].astype(np.float32) / 100]
    learned = fitted(images, ["histogram", "statistics"], {"histogram": {"bins": 4}})
    assert json.loads(json.dumps(learned)) == learned
    assert learned["histogram"]["bins"] == 4
    assert learned["histogram"]["ranges"][0][1] > 1
    names, row = measured(images[0], ["histogram"], {"histogram": learned["histogram"]})
    assert names == tuple(f"histogram.bin_{number}" for number in range(1, 5))
    assert np.count_nonzero(row) == 2
    assert row.sum() == pytest.approx(1)


def test_nothing_asked_is_an_empty_row() -> None:
    names, row = measured(IMAGE, [])
    assert (names, row.shape) == ((), (0,))


def test_what_is_not_known_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="There is no feature named `textures`. Did you mean `texture`?"):
        measured(IMAGE, ["textures"])
    with pytest.raises(UnknownName, match="There is no setting named `wide`. Did you mean `width`?"):
        measured(IMAGE, ["texture"], {"texture": {"wide": 3}})
    with pytest.raises(UnknownName, match="There is no chosen feature named `shape`. Known: texture"):
        measured(IMAGE, ["texture"], {"shape": {}})
    with pytest.raises(UsageError, match="`width` must fit its rule, got 0"):
        measured(IMAGE, ["texture"], {"texture": {"width": 0}})


def test_every_family_is_there_before_anything_heavy_is_imported() -> None:
    program = (
        "import sys\n"
        "from isocenter.core import registry\n"
        "from isocenter.pathway import features, measuring\n"
        "print(*[registry.get(features, name, 'FEATURES').dimensions[0] for name in registry.names(features)])\n"
        "print([name for name in ('torch', 'scipy', 'skimage', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    families, heavy = done.stdout.splitlines()
    assert families.split() == ["2"] * len(registry.names(features))
    assert heavy == "[]"
