"""Where files are fetched from: folders, archives, public collections."""
