"""Train, test, save and load a network of two convolutions on pictures of 64 x 64 pixels.

python examples/simple_cnn.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import isocenter as iso
from isocenter.core.reading import Measure
from isocenter.data.phantoms.shapes import write_pictures

NETWORK = (
    "model.settings.kernels=[16,32]",
    "model.settings.kernel_size=7",
    "model.settings.stride=2",
    "model.settings.hidden=64",
    "model.settings.dropout=0.3",
)
SHORT = ("training.steps=150", "training.learning_rate=0.002", "augmentation.in_turn=[0]", "augmentation.mixup=0")


def main(folder: Path) -> None:
    """Ten lines from pictures to a model that is loaded again."""
    pictures = write_pictures(folder / "pictures", cases=240, size=64)
    cohort = iso.ingest(pictures, into=folder / "cohort")
    run = iso.train(cohort, into=folder / "run", model="cnn", members=1, threads=1, set=(*NETWORK, *SHORT))
    print(*map(told, run.evaluate().metrics[:3]), sep=", ")

    iso.package(run, into=folder / "simple.isomodel", overwrite=True)
    model = iso.Model(folder / "simple.isomodel")
    for reading in model.predict(write_pictures(folder / "new", cases=4, size=64, seed=1)).readings:
        print(f"{reading.case}: {'/'.join(reading.called)}")


def told(one: Measure) -> str:
    """A number with its interval, where it has one."""
    interval = "" if one.low is None else f" ({one.low:.2f} to {one.high:.2f})"
    return f"{one.name} {one.value:.2f}{interval}"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "simple-cnn"))
