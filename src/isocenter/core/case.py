"""A case: one unit of prediction, with everything known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isocenter.core.image import ImageFacts
from isocenter.core.labels import Label, Value

Covariate = str | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One unit of prediction: an image, a volume, several registered series, frames, or a row of a table.

    Attributes:
        key: its name in the cohort; stable when the same files are seen again.
        patient: whom it belongs to; a case whose patient is unknown is a patient of its own.
        images: channel name to what is known of the image; several channels lie on one grid.
        labels: what readers said, newest version of each.
        split: `train`, `val`, `test`, or None.
        group: cases of one group never part company in a split (near-duplicates, one specimen).
        visit, date: which examination, and when.
        covariates: the columns of a table that stand beside the image; None where a value is missing.
    """

    key: str
    patient: str
    images: Mapping[str, ImageFacts] = field(default_factory=dict)
    labels: tuple[Label, ...] = ()
    split: str | None = None
    group: str | None = None
    visit: str | None = None
    date: str | None = None
    covariates: Mapping[str, Covariate] = field(default_factory=dict)

    @property
    def first(self) -> ImageFacts:
        """The image of the first channel."""
        return next(iter(self.images.values()))

    def label(self, name: str, *, reader: str | None = None) -> Value | None:
        """What was said of the case: by `reader`, or by the first who answered; None where nobody looked."""
        for label in self.labels:
            if label.name == name and reader in (None, label.reader):
                return label.value
        return None
