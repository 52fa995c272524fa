"""Convert images from any format into any other, keeping their place in the patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, Field

from isocenter.core.cohort import Refusal
from isocenter.core.errors import IsocenterError, StorageProblem, Unreadable, UsageError
from isocenter.core.image import Image, ImageFacts, Intensity
from isocenter.core.progress import Progress, tracked
from isocenter.core.settings import Settings, Subject, verb
from isocenter.core.words import counted, listed
from isocenter.data.files import describe_place, has_writer, read_facts, write, writer_for
from isocenter.data.formats._shared import Described, ReadOptions

_NIFTI = (".nii", ".nii.gz")
_PIXELS_BESIDE = {".nhdr": ".raw.gz", ".mhd": ".zraw"}
_OPPOSITE = dict(zip("LRAPIS", "RLPASI", strict=True))


class ConvertSettings(Settings):
    """What to convert, and into what."""

    source: Subject[tuple[Path, ...]] = Field(min_length=1)
    """Files or folders of any known format; a folder of DICOM slices is put together by series."""
    into: Path
    """A file whose ending names the format (scan.nii.gz, scan.nrrd, slice.png), or a folder."""
    format: str = "nii.gz"
    """The ending of the files where `--into` is a folder: nii.gz, nii, nrrd, mha, dcm, png, tiff, npy."""
    resample: bool = False
    """Lay uneven, tilted or gappy slices onto a regular grid instead of refusing them."""
    window: bool = False
    """Apply the file's own display window instead of keeping the measured values."""
    orientation: str | None = None
    """Turn volumes so that columns, rows and slices run towards these sides, such as LPS or RAS."""
    reference: Path | None = None
    """The DICOM series that a mask was drawn on: with it a mask from any format becomes a DICOM SEG (.dcm)."""
    overwrite: bool = False
    """Replace files that are there."""


class Converted(BaseModel):
    """One image that was written."""

    source: list[str]
    files: list[str]
    shape: list[int]
    axes: str
    spacing: list[float] | None
    notes: list[str]


class Conversion(BaseModel):
    """What was converted, and what was not and why."""

    version: int = 1
    written: list[Converted] = []
    refused: list[Refusal] = []


@verb(ConvertSettings)
def convert(settings: ConvertSettings, progress: Progress) -> Conversion:
    """Convert images of any format into any other; geometry is kept, and never invented."""
    found = [describe_place(place) for place in settings.source]
    images = [facts for one in found for facts in one.images]
    result = Conversion(refused=[refusal for one in found for refusal in one.refused])
    if not images:
        reasons = listed(sorted({refusal.reason for refusal in result.refused}), most=3)
        raise Unreadable(
            f"{listed([str(one) for one in settings.source])}", why=f"holds no image to convert: {reasons}"
        )
    targets = _targets(images, settings)
    _refuse_taken(targets, found, settings)
    for facts, target in tracked(zip(images, targets, strict=True), progress, "Converting", len(images)):
        try:
            result.written.append(_converted(facts, target, settings))
        except StorageProblem:
            raise  # it would meet every other image too
        except IsocenterError as error:
            if len(images) == 1:
                raise
            result.refused.append(Refusal(path=facts.files[0], reason=error.reason))
    return result


def _converted(facts: ImageFacts, target: Path, settings: ConvertSettings) -> Converted:
    image = read_facts(facts, ReadOptions(resample=settings.resample, window=settings.window))
    image = _turned(image, settings.orientation, target)
    files = write(image, target) if settings.reference is None else _as_segmentation(image, target, settings.reference)
    return Converted(
        source=list(facts.files),
        files=[file.as_posix() for file in files],
        shape=list(image.array.shape),
        axes=image.axes,
        spacing=None if image.spacing is None else list(image.spacing),
        notes=[*image.notes, *_losses(image, target)],
    )


def _losses(image: Image, target: Path) -> list[str]:
    """What the target format cannot hold."""
    form = writer_for(target)
    if form.keeps_place:
        return []
    if image.geometry.placed:
        return [f"{form.title} keeps no place in the patient: write .nii.gz or .nrrd to keep it"]
    return [f"{form.title} keeps no pixel size"] if image.geometry.spacing_known else []


def _as_segmentation(image: Image, target: Path, reference: Path) -> list[Path]:
    """A mask from any format as a DICOM SEG that names the slices it was drawn on; refuses another grid."""
    from isocenter.data.formats.dicom.seg_writing import write_seg

    if image.intensity != Intensity.LABEL:
        if image.array.dtype.kind not in "biu" and not (image.array == image.array.round()).all():
            why = "a mask holds whole numbers and this image does not"
            raise UsageError("`reference` is for masks", why=why, remedy="Leave it out")
        image = replace(image, array=image.array.astype("int32"), intensity=Intensity.LABEL)
    found = [facts for facts in describe_place(reference).images if facts.role == "image"]
    if len(found) != 1 or found[0].format != "dicom":
        raise UsageError(
            f"{reference} must hold one DICOM series",
            why=f"it holds {counted(len(found), 'image')}",
            remedy="Give the folder of the series that the mask was drawn on",
        )
    return write_seg(image, target, source=read_facts(found[0]))


def _turned(image: Image, orientation: str | None, target: Path) -> Image:
    """The volume as it was asked for, else as tools of its new format expect it."""
    if "Z" not in image.axes:
        return image
    if orientation is None:
        if image.origin.format != "dicom" or not target.name.lower().endswith(_NIFTI):
            return image
        # DICOM counts rows from the front of the patient. NIfTI tools, dcm2niix and FSL among them, store such a
        # volume with its rows counted from the back; every voxel keeps its place in the patient.
        letters = image.geometry.orientation
        orientation = letters[0] + _OPPOSITE[letters[1]] + letters[2]
    try:
        return image.oriented(orientation)
    except ValueError as error:
        raise UsageError("`orientation` cannot be meant", why=str(error)) from error


def _targets(images: list[ImageFacts], settings: ConvertSettings) -> list[Path]:
    """Where each image goes: the one file named, or a readable name of its own in the folder."""
    into = settings.into
    if not into.is_dir() and has_writer(into):
        if len(images) > 1:
            several = listed([_about(one) for one in images], most=6)
            raise UsageError(
                f"{into} is one file and the source holds {counted(len(images), 'image')}",
                remedy=f"Give a folder with `--into`, or one of them as the source: {several}",
            )
        return [into]
    if into.suffix and not into.is_dir():
        writer_for(into)  # refuses, naming the endings that can be written
    ending = settings.format.lstrip(".")
    writer_for(Path(f"image.{ending}"))
    used: set[str] = set()
    return [into / f"{_unused(_slug(facts), used)}.{ending}" for facts in images]


def _refuse_taken(targets: Sequence[Path], found: Sequence[Described], settings: ConvertSettings) -> None:
    """Refuse to write over a source at all, and over any other file unless that is wished; nothing is written yet."""
    there = [file for target in targets for file in _files_of(target) if file.is_file()]
    if not there:
        return
    read = {path for one in found for facts in one.images for path in facts.files}
    read |= {refusal.path for one in found for refusal in one.refused}
    sources = {_identity(place) for place in (*map(Path, read), *_below(settings.reference)) if place.is_file()}
    own = [str(file) for file in there if _identity(file) in sources]
    if own:
        raise UsageError(
            f"{listed(own, most=3)} would be written over",
            why="it is one of the sources" if len(own) == 1 else "they are among the sources",
            remedy="Choose another place with `--into`",
        )
    if not settings.overwrite:
        raise UsageError(
            f"{listed(list(map(str, there)), most=3)} would be written over",
            why="a file of this name is there" if len(there) == 1 else "files of these names are there",
            remedy="Choose another place with `--into`, or replace what is there with `--overwrite`",
        )


def _files_of(target: Path) -> list[Path]:
    """The files that writing to a target makes: a header may have its pixels beside it."""
    pixels = _PIXELS_BESIDE.get(target.suffix.lower())
    return [target, target.with_suffix(pixels)] if pixels else [target]


def _below(place: Path | None) -> list[Path]:
    if place is None:
        return []
    return list(place.rglob("*")) if place.is_dir() else [place]


def _identity(file: Path) -> tuple[int, int]:
    """What tells a file from every other, by whatever name or link it is called."""
    status = file.stat()
    return status.st_dev, status.st_ino


def _about(facts: ImageFacts) -> str:
    first = Path(facts.files[0])
    return str(first.parent if len(facts.files) > 1 else first)


def _slug(facts: ImageFacts) -> str:
    name = facts.description if facts.group and facts.description else _bare(facts.files[0])
    text = f"{name}_{facts.part}" if facts.part else name
    return re.sub(r"[^\w.=+-]+", "_", text).strip("_.") or "image"


def _bare(path: str) -> str:
    name = Path(path).name
    return re.sub(r"(\.nii|\.seg)?\.[A-Za-z0-9]{1,5}$", "", name) or name


def _unused(name: str, used: set[str]) -> str:
    candidate, number = name, 2
    while candidate.lower() in used:
        candidate, number = f"{name}_{number}", number + 1
    used.add(candidate.lower())
    return candidate
