"""Made-up chest scans: believable to look at, belonging to nobody.

Module by module: `chest` makes one image; `scans` writes a folder of DICOM series; behind them a canvas in
millimetres, a person and a scanner drawn by chance, the painters (torso, skeleton, vessels, lesions) and the physics.
"""

from isocenter.data.phantoms._lesions import Nodule
from isocenter.data.phantoms.chest import make_chest
from isocenter.data.phantoms.scans import write_scans

__all__ = ["Nodule", "make_chest", "write_scans"]
