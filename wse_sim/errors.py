"""What can go wrong. A message names the thing, the place, what was expected and what to try."""

from __future__ import annotations


class WseError(Exception):
    """Every error that wse_sim raises on purpose."""


class UsageError(WseError):
    """An argument or an option makes no sense."""


class ProgramError(WseError):
    """A program breaks a rule of the machine or of the builder."""


class FitError(WseError):
    """Something does not fit: SRAM, colours, queues or area."""


class RunError(WseError):
    """A run cannot go on: a deadlock, a fault, a limit."""


class CheckpointError(WseError):
    """A checkpoint cannot be read, or does not hold what is expected."""
