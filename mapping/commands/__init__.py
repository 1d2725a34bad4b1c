"""What each command of `wse-sim` does."""
