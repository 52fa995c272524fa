"""NAME.isomodel: one file that is the model, read and written here; never a pickle."""
