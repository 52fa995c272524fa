"""What a folder means: one file for each way in which people arrange images and labels."""
