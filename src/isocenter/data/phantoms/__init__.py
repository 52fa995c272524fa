"""Made-up images that belong to nobody: chest scans that are believable to look at, and simple shapes to learn from.

Module by module: `shapes` writes pictures of blobs; `chest` makes one scan; `scans` writes a folder of DICOM series;
behind them a canvas in millimetres, a person and a scanner drawn by chance, the painters (torso, skeleton, vessels,
lesions) and the physics.
"""

from isocenter.data.phantoms._lesions import EARLY, SPREAD, Disease, Nodule
from isocenter.data.phantoms.chest import make_chest
from isocenter.data.phantoms.scans import write_scans
from isocenter.data.phantoms.shapes import write_pictures

__all__ = ["EARLY", "SPREAD", "Disease", "Nodule", "make_chest", "write_pictures", "write_scans"]
