"""Views of one case whose outputs are averaged, when members are judged and at work alike."""

from __future__ import annotations

MIRRORED: dict[str, int | None] = {"plain": None, "mirror_x": -1, "mirror_y": -2, "mirror_z": -3}
"""The array axis along which a view is mirrored, counted from the end."""
