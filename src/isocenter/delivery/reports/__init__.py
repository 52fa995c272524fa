"""Reports: a reading or an evaluation as a document. Given values, figures as bytes and words; opens no image."""
