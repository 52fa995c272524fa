"""Make phantom scans, catalogue them, and walk through the cohort.

python examples/first_cohort.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import isocenter as iso
from isocenter.data.phantoms import write_scans


def main(folder: Path) -> None:
    """Everything that a first look at a cohort needs."""
    scans = write_scans(folder / "scans", patients=4, pixels=64)
    cohort = iso.ingest(scans, into=folder / "cohort", label="class")
    print(f"{cohort.name}: {len(cohort)} cases, splits {cohort.splits}")

    pixels = iso.Pixels(cohort)
    for case in cohort.cases:
        image = pixels.image(case.first)
        print(case.patient, case.label("class"), image.array.shape, image.spacing, f"{image.array.mean():.0f} HU")
    pixels.close()

    summary = iso.show(cohort.folder, into=folder / "cohort.html")
    print("Open", summary.files[0])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "first-cohort"))
