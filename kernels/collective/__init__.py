"""Data on the move between PEs of a line, with or without arithmetic on the way."""
