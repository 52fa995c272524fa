"""The tables of a cohort: patients, visits, series, images, labels by reader and version, splits, provenance."""
