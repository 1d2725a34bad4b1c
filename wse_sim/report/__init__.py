"""What was learned from a run: counts per PE, link and section, and what can be said about them."""
