"""Prompts at once, on the regions that decode or on regions of their own that hand over keys and values."""
