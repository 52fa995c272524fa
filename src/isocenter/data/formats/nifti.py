"""NIfTI, the format of neuroimaging: `.nii`, `.nii.gz` and pairs of `.hdr` and `.img`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, ImageFacts, Intensity, default_channels
from isocenter.data.formats._shared import (
    Format,
    ReadOptions,
    absolute,
    check_ratio,
    check_size,
    frame_step,
    guarded,
    image_of,
    inflate,
    native,
    not_numbers,
    one_by_one,
    placed_at,
    plain,
)

_MAGIC = {b"n+1\0": 1, b"ni1\0": 1, b"n+2\0": 2, b"ni2\0": 2}
_HEADER_BYTES = {1: 348, 2: 540}
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}
_COLOURS = {128: 3, 2304: 4}
_WRITTEN = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
_LONGEST = 32767
_LABEL_INTENT = 1002
_VECTOR_INTENT = 1007


def _sniff(head: bytes, name: str) -> bool:
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, 1024)
        except zlib.error:
            return False
    if _version(head) is not None or (name.endswith(".hdr") and _is_analyze(head)):
        return True
    return name.endswith(".img") and head[128:132] != b"DICM"


def _version(head: bytes) -> int | None:
    return _MAGIC.get(head[344:348]) or _MAGIC.get(head[4:8])


def _is_analyze(head: bytes) -> bool:
    return head[:4] in {b"\x5c\x01\0\0", b"\0\0\x01\x5c"}


def _describe_file(path: Path) -> list[ImageFacts]:
    if path.suffix.lower() != ".img":
        return [_facts(path)]
    if _partner(path, ".hdr") is None:
        raise Unreadable(f"{path}", why="its header, the .hdr file of the same name, is missing")
    return []  # described with its header


def _partner(path: Path, ending: str) -> Path | None:
    """The other file of a pair; upper case on some disks."""
    for candidate in (path.with_suffix(ending), path.with_suffix(ending.upper())):
        if candidate.is_file():
            return candidate
    return None


def _header(path: Path) -> Any:
    """The header as nibabel understands it."""
    import nibabel

    with path.open("rb") as file:
        start = file.read(2)
        file.seek(0)
        head = bytes(inflate(file, 1024, "gzip")) if start == b"\x1f\x8b" else file.read(1024)
    version = _version(head)
    if version is None:
        if _is_analyze(head):
            raise Unreadable(
                f"{path}",
                why="is Analyze 7.5, which does not say which side is left",
                remedy="Convert it with the program that wrote it, which knows",
            )
        raise Unreadable(f"{path}", why="has no NIfTI header")
    if len(head) < _HEADER_BYTES[version]:
        raise Unreadable(f"{path}", why="is cut short within its header")
    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    header = kind(head[: _HEADER_BYTES[version]], check=False)
    if header["vox_offset"] < 0 or not np.isfinite(header["vox_offset"]):
        raise Unreadable(f"{path}", why=f"says that its pixels begin at byte {header['vox_offset']}")
    return header


def _facts(path: Path) -> ImageFacts:
    """What a header says of its image."""
    header = _header(path)
    files = [path]
    if header["magic"].item()[:2] == b"ni":
        partner = _partner(path, ".img")
        if partner is None:
            raise Unreadable(f"{path}", why="its pixels, the .img file of the same name, are missing")
        files.append(partner)
    axes, shape, intensity, channels = _grid(path, header)
    notes: list[str] = []
    geometry = _geometry(header, notes)
    stored, dtype = _stored_dtype(path, header), _value_dtype(path, header)
    _check(files[-1], header, shape, stored)
    check_size(path, shape, dtype)
    facts = ImageFacts(
        format="nifti",
        files=tuple(absolute(file) for file in files),
        axes=axes,
        shape=shape,
        dtype=str(dtype),
        intensity=intensity,
        channels=channels,
        times=_times(header, shape[1] if "T" in axes else 0),
        role="mask" if intensity == Intensity.LABEL else "image",
        description=_text(header["descrip"]) or None,
        notes=tuple(notes),
    )
    return placed_at(facts, geometry)


def _text(field: Any) -> str:
    return field.item().split(b"\0")[0].decode("utf-8", "replace").strip()


def _grid(path: Path, header: Any) -> tuple[str, tuple[int, ...], Intensity, tuple[str, ...]]:
    """Axes, shape, meaning and channel names."""
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise Unreadable(f"{path}", why=f"announces {count} dimensions; between 2 and 5 make an image")
    steps = [int(step) for step in header["dim"][1 : count + 1]]
    steps += [1] * (7 - len(steps))
    if count < 2 or max(steps[5:]) > 1:
        raise Unreadable(f"{path}", why=f"has {count} dimensions ({'x'.join(map(str, steps[:count]))})")
    x, y, z, t, components = steps[:5]
    colours = _COLOURS.get(int(header["datatype"]), 1)
    if colours > 1 and components > 1:
        raise Unreadable(f"{path}", why="has colours and vectors at once")
    rgb = colours > 1 or int(header["intent_code"]) in {2003, 2004}
    intensity = Intensity.RGB if rgb else Intensity.NAMED if components > 1 else Intensity.RAW
    if int(header["intent_code"]) == _LABEL_INTENT:
        intensity = Intensity.LABEL
    channels = max(colours, components)
    names = default_channels(intensity, channels)
    if count == 2:
        return "CYX", (channels, y, x), intensity, names
    if t > 1:
        return "CTZYX", (channels, t, z, y, x), intensity, names
    return "CZYX", (channels, z, y, x), intensity, names


def _stored_dtype(path: Path, header: Any) -> np.dtype[Any]:
    """The kind of number in the file."""
    dtype = header.get_data_dtype()
    if int(header["datatype"]) in _COLOURS:
        return np.dtype(np.uint8)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise Unreadable(
            f"{path}",
            why=f"has pixels of kind {dtype}, which no model takes",
            remedy="Save magnitude and phase, or 64-bit numbers, instead",
        )
    return dtype


def _scaling(header: Any) -> tuple[float, float] | None:
    """Slope and intercept, where they change anything."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0 or int(header["datatype"]) in _COLOURS:
        return None
    intercept = intercept if np.isfinite(intercept) else 0.0
    return None if (slope, intercept) == (1.0, 0.0) else (slope, intercept)


def _value_dtype(path: Path, header: Any) -> np.dtype[Any]:
    """The kind of number after scaling: whole numbers stay whole where slope and intercept are whole."""
    stored = _stored_dtype(path, header).newbyteorder("=")
    scaling = _scaling(header)
    if scaling is None:
        return stored
    if stored.kind in "iu" and all(float(number).is_integer() for number in scaling):
        limits = np.iinfo(stored)
        ends = [int(end) * int(scaling[0]) + int(scaling[1]) for end in (limits.min, limits.max)]
        for name in ("int16", "int32", "int64"):
            if np.iinfo(name).min <= min(ends) and max(ends) <= np.iinfo(name).max:
                return np.dtype(name)
    return np.dtype("float32" if stored.itemsize <= 2 or stored.str[1:] == "f4" else "float64")


def _times(header: Any, frames: int) -> tuple[float, ...] | None:
    """Seconds of each frame, where the header names the unit."""
    factor = _SECONDS.get(int(header["xyzt_units"]) & 0x38)
    step = float(str(header["pixdim"][4]))  # the shortest number that its 32 bits can mean: 0.04, not 0.039999999
    if not frames or factor is None or not np.isfinite(step) or step <= 0:
        return None
    return tuple(round(step * factor * frame, 9) for frame in range(frames))


def _geometry(header: Any, notes: list[str]) -> Geometry:
    """Where the grid lies: the sform where it is set, else the qform, else the spacing alone."""
    code = int(header["xyzt_units"]) & 0x07
    factor = _MILLIMETRES.get(code, 1.0)
    size = [float(str(value)) * factor for value in header["pixdim"][1:4]]
    sform, qform = _form(header, "sform", notes), _form(header, "qform", notes)
    if sform is not None and qform is not None:
        _compare(header, sform * factor, qform * factor, notes)
    for form in (sform, qform):
        if form is not None:
            affine = form.copy()
            affine[:3] *= factor
            if code == 0 or code not in _MILLIMETRES:
                notes.append("does not name its unit of length: millimetres taken")
            return Geometry.from_ras(affine)
    return _unplaced(header, size, code, notes)


def _unplaced(header: Any, size: list[float], code: int, notes: list[str]) -> Geometry:
    """The geometry where neither form is set."""
    flat = int(header["dim"][0]) == 2
    size = [abs(value) for value in size[: 2 if flat else 3]]
    notes.append("neither sform nor qform is set: where it lies in the patient, and which side is left, is unknown")
    if not all(np.isfinite(value) and value > 0 for value in size) or (code == 0 and set(size) == {1.0}):
        return Geometry.unknown()
    return Geometry.sized(size)


def _form(header: Any, name: str, notes: list[str]) -> NDArray[np.float64] | None:
    """One of the two affines (RAS, in the file's unit), None where its code is 0 or it is unsound."""
    from nibabel.spatialimages import HeaderDataError

    if int(header[f"{name}_code"]) <= 0:
        return None
    try:
        affine = np.asarray(getattr(header, f"get_{name}")(), dtype=np.float64)
    except (HeaderDataError, ValueError):
        affine = np.zeros((4, 4))
    sound = np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-12
    if not sound:
        notes.append(f"its {name} is set but cannot be inverted: not used")
        return None
    return affine


def _compare(header: Any, sform: NDArray[np.float64], qform: NDArray[np.float64], notes: list[str]) -> None:
    """Tell by how many millimetres the two affines put the corners of the image apart."""
    far = [max(int(step) - 1, 0) for step in header["dim"][1:4]]
    corners = np.array([[x, y, z, 1] for x in (0, far[0]) for y in (0, far[1]) for z in (0, far[2])], dtype=float)
    apart = float(np.linalg.norm(((sform - qform) @ corners.T)[:3], axis=0).max())
    if apart > 0.01:
        notes.append(f"sform and qform disagree by up to {apart:.2f} mm: the sform is used")


def _check(path: Path, header: Any, shape: Sequence[int], stored: np.dtype[Any]) -> None:
    """Refuse a header whose pixels cannot be there."""
    needed = check_size(path, shape, stored)
    if _is_gzip(path):
        check_ratio(path, needed)
    else:
        check_size(path, shape, stored, stored=path.stat().st_size - int(header["vox_offset"]))


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _read(facts: ImageFacts, _: ReadOptions) -> Image:
    path = Path(facts.files[0])
    with guarded(path):
        header = _header(path)
        seen = _facts(path)
        data = Path(facts.files[-1])
        stored = _stored_dtype(path, header)
        needed = check_size(path, seen.shape, stored)
        offset = int(header["vox_offset"])
        if header["magic"].item()[:2] == b"n+":
            offset = max(offset, 352 if header["sizeof_hdr"] == 348 else 544)
        array = _arranged(np.frombuffer(_bytes(data, offset, needed), dtype=stored), header, seen)
        if facts.axes == "CZYX" and seen.shape == (1, *facts.shape):
            array = array[0]  # a document said that the fourth axis holds channels, not time
        array = _scaled(array, header, np.dtype(seen.dtype))
        return image_of(facts, array, notes=not_numbers(array))


def _bytes(path: Path, offset: int, needed: int) -> bytearray:
    """The stored pixels; a file that holds fewer is refused."""
    with path.open("rb") as file:
        if _is_gzip(path):
            data = inflate(file, offset + needed, "gzip")
            del data[:offset]
        else:
            file.seek(offset)
            data = bytearray(file.read(needed))
    if len(data) < needed:
        raise Unreadable(f"{path}", why=f"is cut short: {needed} bytes of pixels announced, {len(data)} there")
    return data


def _arranged(array: NDArray[Any], header: Any, facts: ImageFacts) -> NDArray[Any]:
    """The stored numbers in the order of the axes."""
    if int(header["datatype"]) in _COLOURS:
        return native(np.moveaxis(array.reshape(*facts.shape[1:], facts.shape[0]), -1, 0))
    return native(array.reshape(facts.shape))


def _scaled(array: NDArray[Any], header: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    scaling = _scaling(header)
    if scaling is None:
        return array
    slope, intercept = scaling
    out = np.empty(array.shape, dtype)
    exact = np.int64 if dtype.kind == "i" else np.float64
    flat, target = array.reshape(-1), out.reshape(-1)
    for start in range(0, flat.size, 1 << 20):  # piece by piece: the wider numbers would need four times the memory
        piece = flat[start : start + (1 << 20)].astype(exact)
        target[start : start + (1 << 20)] = piece * exact(slope) + exact(intercept)
    return out


def _write(image: Image, path: Path) -> list[Path]:
    import nibabel

    array = _writable(image, path)
    data = _as_nifti(image, array)
    geometry = image.geometry
    out = nibabel.Nifti1Image(data, None, dtype=data.dtype)
    header = out.header
    zooms = list(geometry.spacing[: min(3, data.ndim)]) + [1.0] * (data.ndim - 3)
    step = frame_step(image) if data.ndim > 3 else None
    if step:
        zooms[3] = step
    header.set_zooms(zooms)
    header.set_xyzt_units("mm" if geometry.spacing_known or geometry.placed else 0, "sec" if step else 0)
    if geometry.placed:
        affine = geometry.to_ras()
        out.set_sform(affine, code=1)
        # A quaternion cannot hold axes that lean: then the sform alone says where the image lies.
        out.set_qform(affine, code=1 if geometry.is_orthogonal else 0)
    else:
        out.set_sform(None, code=0)
        out.set_qform(None, code=0)
    header.set_slope_inter(1, 0)
    if image.intensity == Intensity.LABEL:
        header["intent_code"] = _LABEL_INTENT
    elif data.ndim == 5:
        header["intent_code"] = _VECTOR_INTENT
    out.to_filename(path)
    return [path]


def _writable(image: Image, path: Path) -> NDArray[Any]:
    """The array in a kind of number that NIfTI holds without loss."""
    array = image.array
    if max(array.shape) > _LONGEST:
        raise UsageError(f"{path.name} cannot hold {max(array.shape)} steps per axis", remedy="Write .nrrd or .mha")
    if array.dtype == np.int64 and array.size and np.abs([array.min(), array.max()]).max() <= np.iinfo(np.int32).max:
        return array.astype(np.int32)
    return plain(array, path, _WRITTEN)


def _as_nifti(image: Image, array: NDArray[Any]) -> NDArray[Any]:
    """The array in NIfTI's order: x, y, z, time, component."""
    if image.intensity == Intensity.RGB and array.dtype == np.uint8 and array.shape[0] == 3 and "T" not in image.axes:
        colours = np.ascontiguousarray(np.moveaxis(array, 0, -1)).view(
            np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
        )
        return colours[..., 0].T
    if array.shape[0] == 1 and "T" not in image.axes:
        return array[0].T
    full = array
    if "Z" not in image.axes:
        full = full[..., np.newaxis, :, :]
    if "T" not in image.axes:
        full = full[:, np.newaxis]
    return full[0].T if len(full) == 1 else full.T


FORMAT = Format(
    title="NIfTI",
    suffixes=(".nii.gz", ".nii"),
    sniff=_sniff,
    describe=one_by_one(_describe_file),
    read=_read,
    write=_write,
    rank=40,
)
