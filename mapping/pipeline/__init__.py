"""Many sequences at once through the regions of a mapping."""
