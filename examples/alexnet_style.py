"""Train, test, save, load and apply AlexNet on pictures, as the first lesson of a course does.

python examples/alexnet_style.py [FOLDER]

The network is the real one, with an eighth of the published channels: enough for small pictures of two kinds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import isocenter as iso
from isocenter.core.reading import Measure, Reading
from isocenter.data.phantoms.shapes import write_pictures
from isocenter.drawing.montage import contact_sheet, tile

NETWORK = ("model.settings.width=0.125", "model.settings.dropout=0.3")
SHORT = ("training.steps=150", "training.looks=5", "augmentation.in_turn=[0]", "augmentation.mixup=0")


def main(folder: Path) -> None:
    """The whole of it; `set` names what differs from the plan."""
    pictures = write_pictures(folder / "pictures", cases=240)
    cohort = iso.ingest(pictures, into=folder / "cohort")

    run = iso.train(cohort, into=folder / "run", model="alexnet", members=1, threads=1, set=(*NETWORK, *SHORT))
    print(*map(told, run.evaluate().metrics[:3]), sep=", ")

    iso.package(run, into=folder / "shapes.isomodel", overwrite=True)
    model = iso.Model(folder / "shapes.isomodel")
    new = write_pictures(folder / "new", cases=16, seed=1)
    said = model.predict(new)
    print_grid(said)
    draw_grid(said, new, folder / "grid.png")


def print_grid(said: iso.Readings, columns: int = 4) -> None:
    """The new pictures in rows: what each is (its folder), and what the model calls it."""
    cells = [f"{truth(reading)} > {'/'.join(reading.called)}" for reading in said.readings]
    for start in range(0, len(cells), columns):
        print("   ".join(f"{cell:<15}" for cell in cells[start : start + columns]))


def draw_grid(said: iso.Readings, pictures: Path, into: Path) -> None:
    """The same as a picture of pictures."""
    tiles = []
    for reading in said.readings:
        called = "/".join(reading.called)
        words, judged = f"{truth(reading)}, called {called}", "right" if called == truth(reading) else "wrong"
        tiles.append(tile(iso.read(pictures / reading.case)[0], caption=words, tag=judged, size=128))
    contact_sheet(tiles, size=128, columns=4).save(into)
    print(f"Drawn: {into}")


def truth(reading: Reading) -> str:
    """What a picture is: its folder says so."""
    return reading.case.split("/")[0]


def told(one: Measure) -> str:
    """A number with its interval, where it has one."""
    interval = "" if one.low is None else f" ({one.low:.2f} to {one.high:.2f})"
    return f"{one.name} {one.value:.2f}{interval}"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "alexnet-style"))
