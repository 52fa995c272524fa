"""Packages that are not always there: asked for in one place, with the extra's name in the error."""

from __future__ import annotations

from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType

from isocenter.core.errors import MissingExtra

EXTRAS: dict[str, tuple[str, str]] = {
    "openpyxl": ("excel", "Excel tables"),
    "lightgbm": ("boosting", "boosted trees"),
    "highdicom": ("segmentation", "writing DICOM segmentations"),
    "openslide": ("slides", "whole-slide images"),
    "openvino": ("openvino", "inference with OpenVINO"),
    "nncf": ("openvino", "8-bit models"),
}
"""Module name to the extra that brings it and what it is for."""


def require(module: str) -> ModuleType:
    """Import an optional package, or say which extra brings it."""
    extra, purpose = EXTRAS[module.split(".")[0]]
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"The package `{module}` is needed for {purpose}",
            why=str(error),
            remedy=f'Install it with `pip install "isocenter[{extra}]"`',
        ) from error


def present(module: str) -> bool:
    """Whether a package could be imported, without importing it."""
    return find_spec(module) is not None


def version(distribution: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
