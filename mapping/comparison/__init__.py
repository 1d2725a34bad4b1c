"""Mappings side by side: estimated, sampled or simulated."""
