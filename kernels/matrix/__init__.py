"""Matrices dealt to the PEs of a rectangle."""
