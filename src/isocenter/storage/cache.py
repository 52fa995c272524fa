"""Decoded arrays kept on disk: memory-mapped, shared by processes, safe against two writers and a crash.

An entry is a `.npy` file named by the hash of its key. Two writers of one key write the same bytes to files of their
own; the second rename replaces the first by its equal. A file cut short by a crash does not load and is made again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity, Origin
from isocenter.storage.atomic import atomic_write, remove, require_free, write_text


def key_of(*parts: str) -> str:
    """The hash that names an entry: of content, part and preparation."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class ArrayCache:
    """A folder of arrays; deleting it loses nothing but time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where an entry lies."""
        return self.folder / key[:2] / f"{key}.npy"

    def get(self, key: str) -> NDArray[Any] | None:
        """The array, mapped from disk and not writable; None where there is none yet."""
        path = self.path(key)
        try:
            array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            return None
        except (ValueError, OSError, EOFError):
            remove(path)
            return None
        return array

    def put(self, key: str, array: NDArray[Any]) -> NDArray[Any]:
        """Keep an array and hand back the mapped one."""
        path = self.path(key)
        require_free(self.folder, array.nbytes, what="The pixel cache")
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        kept = self.get(key)
        return array if kept is None else kept


def image_to_cache(cache: ArrayCache, key: str, image: Image) -> Image:
    """Keep an image; what is not pixels lies beside the array and is written first."""
    about = {
        "axes": image.axes,
        "affine": image.geometry.affine.tolist(),
        "spacing_known": image.geometry.spacing_known,
        "placed": image.geometry.placed,
        "intensity": str(image.intensity),
        "channels": image.channels,
        "modality": image.modality,
        "times": image.times,
        "notes": image.notes,
        "classes": dict(image.classes),
        "origin": asdict(image.origin),
    }
    write_text(_about(cache, key), json.dumps(about))
    return replace(image, array=cache.put(key, image.array))


def image_from_cache(cache: ArrayCache, key: str) -> Image | None:
    """The image of a key with its array mapped from disk; None where there is none yet."""
    array = cache.get(key)
    path = _about(cache, key)
    if array is None or not path.is_file():
        return None
    about = json.loads(path.read_text(encoding="utf-8"))
    origin = about["origin"]
    return Image(
        array=array,
        axes=about["axes"],
        geometry=Geometry(np.array(about["affine"]), about["spacing_known"], about["placed"]),
        intensity=Intensity(about["intensity"]),
        channels=tuple(about["channels"]),
        modality=about["modality"],
        times=None if about["times"] is None else tuple(about["times"]),
        notes=tuple(about["notes"]),
        classes={int(value): name for value, name in about["classes"].items()},
        origin=Origin(
            format=origin["format"],
            files=tuple(origin["files"]),
            part=origin["part"],
            uids=origin["uids"],
            slices=tuple((uid, frame) for uid, frame in origin["slices"]),
            header=origin["header"],
        ),
    )


def _about(cache: ArrayCache, key: str) -> Path:
    return cache.path(key).with_suffix(".json")
