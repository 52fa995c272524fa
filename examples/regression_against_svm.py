"""Set logistic regression against a support vector machine, both on numbers that are measured of each picture.

python examples/regression_against_svm.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import isocenter as iso
from isocenter.core.reading import Measure
from isocenter.data.phantoms.shapes import write_pictures

FEATURES = "statistics,hog"


def main(folder: Path) -> None:
    """Each case is judged by members that have not learned from it; the test split waits until a model is chosen."""
    pictures = write_pictures(folder / "pictures", cases=160)
    cohort = iso.ingest(pictures, into=folder / "cohort")
    for name in ("logistic", "svm"):
        run = iso.train(cohort, into=folder / name, model=name, features=FEATURES, threads=1)
        assert run.report is not None
        print(f"{name:<10}", *map(told, run.report.metrics[:3]), sep="  ")


def told(one: Measure) -> str:
    """A number with its interval, where it has one."""
    interval = "" if one.low is None else f" ({one.low:.2f} to {one.high:.2f})"
    return f"{one.name} {one.value:.2f}{interval}"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "regression-against-svm"))
