"""Archives and discs, laid out before the first byte of what is in them is read."""
