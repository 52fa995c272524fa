"""Train, test, save, load and apply a convolutional network on pictures, as the first lesson of a course does.

python examples/alexnet_style.py [FOLDER]

The network is AlexNet in small: stages of convolution and pooling, then dense layers with dropout.
"""

from __future__ import annotations

import sys
from pathlib import Path

import isocenter as iso
from isocenter.data.phantoms.shapes import write_pictures

NETWORK = ("model.settings.kernels=[16,32,64]", "model.settings.hidden=64", "model.settings.dropout=0.3")
SHORT = ("training.steps=150", "training.looks=5", "augmentation.in_turn=[0]")


def main(folder: Path) -> None:
    """The whole of it; `set` names what differs from the plan."""
    pictures = write_pictures(folder / "pictures", cases=160)
    cohort = iso.ingest(pictures, into=folder / "cohort")

    run = iso.train(cohort, into=folder / "run", model="cnn", members=1, threads=1, set=(*NETWORK, *SHORT))
    tested = run.evaluate()
    print(*(f"{one.name} {one.value:.2f} ({one.low:.2f} to {one.high:.2f})" for one in tested.metrics[:3]), sep=", ")

    iso.package(run, into=folder / "shapes.isomodel", overwrite=True)
    model = iso.Model(folder / "shapes.isomodel")
    show_grid(model.predict(write_pictures(folder / "new", cases=16, seed=1)))


def show_grid(said: iso.Readings, columns: int = 4) -> None:
    """The new pictures in rows: what each is (its folder), and what the model calls it."""
    cells = [f"{reading.case.split('/')[0]} > {'/'.join(reading.called)}" for reading in said.readings]
    for start in range(0, len(cells), columns):
        print("   ".join(f"{cell:<15}" for cell in cells[start : start + columns]))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "alexnet-style"))
