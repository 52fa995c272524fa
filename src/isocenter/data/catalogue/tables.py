"""The tables of a cohort.

    patients ─< visits ─< series ─< images >─< files
        └────────────────< cases >─< images
                             ├─< labels   (by reader and version: nothing said is ever overwritten)
                             └─< splits   (by design: the default one, later folds and repeats)
    events                               (who did what, when, with which version and settings)

Cases whose images are gone, or mean something else now, are retired and not deleted.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

REVISION = "0001"

METADATA = MetaData()

patients = Table(
    "patients",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("sex", String(8)),
)

visits = Table(
    "visits",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("date", String(32)),
    UniqueConstraint("patient_id", "key"),
)

series = Table(
    "series",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("visit_id", ForeignKey("visits.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("modality", String(16)),
    Column("description", Text),
    Column("device", Text),
    Column("body_part", Text),
    UniqueConstraint("visit_id", "key"),
)

images = Table(
    "images",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("series_id", ForeignKey("series.id")),
    Column("key", Text, nullable=False, unique=True),
    Column("group_key", Text, nullable=False, index=True),
    Column("facts", Text, nullable=False),
)

files = Table(
    "files",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("path", Text, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("digest", String(64)),
)

image_files = Table(
    "image_files",
    METADATA,
    Column("image_id", ForeignKey("images.id"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("file_id", ForeignKey("files.id"), nullable=False, index=True),
    Column("instance", Text),
)

cases = Table(
    "cases",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("patient_id", ForeignKey("patients.id"), nullable=False, index=True),
    Column("visit", Text),
    Column("date", String(32)),
    Column("group_key", Text),
    Column("covariates", Text, nullable=False),
    Column("state", String(16), nullable=False, server_default="active"),
)

case_images = Table(
    "case_images",
    METADATA,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("ordinal", Integer, nullable=False),
    Column("image_id", ForeignKey("images.id"), nullable=False, index=True),
)

labels = Table(
    "labels",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("reader", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("value", Text, nullable=False),
    Column("event_id", ForeignKey("events.id")),
    UniqueConstraint("case_id", "name", "reader", "version"),
)

splits = Table(
    "splits",
    METADATA,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("design", Text, primary_key=True),
    Column("split", String(16), nullable=False),
    Column("origin", String(16), nullable=False),
)

events = Table(
    "events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("time", String(32), nullable=False),
    Column("person", Text),
    Column("command", Text, nullable=False),
    Column("version", String(32), nullable=False),
    Column("settings", Text, nullable=False),
    Column("report", Text, nullable=False),
)

Index("labels_by_case", labels.c.case_id)
