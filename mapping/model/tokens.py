"""Token ids as callers hand them in, made plain or refused."""

from __future__ import annotations

import operator
from collections.abc import Iterable

from wse_sim.errors import UsageError
from wse_sim.mapping.model.gpt import GPTConfig


def token_ids(config: GPTConfig, given: Iterable[int]) -> list[int]:
    """A prompt's tokens as Python's integers; UsageError unless there are some, and all are tokens of the model."""
    try:
        found = [operator.index(token) for token in given]
    except TypeError:
        raise UsageError(f"token ids {str(given)[:60]}: expected whole numbers, as [5, 17, 9]") from None
    if not found:
        raise UsageError("the prompt is empty: expected one token or more")
    outside = next((token for token in found if not 0 <= token < config.vocab_size), None)
    if outside is not None:
        raise UsageError(f"token {outside:,}: expected 0 to {config.vocab_size - 1:,}")
    return found
