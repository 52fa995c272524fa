"""Draw a mask by threshold on a DICOM series and write it back as a DICOM segmentation of that series.

python examples/mask_to_segmentation.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import isocenter as iso
from isocenter.data.phantoms import write_scans


def main(folder: Path) -> None:
    """From a series to a mask in NIfTI, and from there to a SEG that names the slices it was drawn on."""
    scans = write_scans(folder / "scans", patients=1, pixels=64)
    series = next(place for place in sorted(scans.iterdir()) if place.is_dir())
    scan = iso.read(series)[0]

    bone = (scan.array > 250).astype(np.uint8)
    iso.write(iso.Image(array=bone, axes=scan.axes, geometry=scan.geometry), folder / "bone.nii.gz")

    iso.convert(folder / "bone.nii.gz", into=folder / "bone.dcm", reference=series)
    segmentation = iso.read(folder / "bone.dcm")[0]
    volume = float(np.prod(segmentation.geometry.spacing)) * int((segmentation.array != 0).sum()) / 1000
    print(f"{folder / 'bone.dcm'}: {volume:.0f} ml of bone on {segmentation.array.shape[1]} slices")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "mask-to-segmentation"))
