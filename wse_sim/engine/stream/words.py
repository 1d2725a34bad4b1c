"""Where the values of messages are kept until all have read them: blocks of 2^i words."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.jit import jit
from wse_sim.engine.stream.tables import WORDS, Stream


@jit
def size_class(count: int) -> int:
    """i of the smallest block of 2^i words that holds so many."""
    found = np.int64(0)
    while np.int64(1) << found < count:
        found += 1
    return found


@jit
def new_words(stream: Stream, count: int) -> int:
    """A block for so many words."""
    kind = size_class(count)
    block = stream.trace.free[kind]
    if block != 0:
        stream.trace.free[kind] = np.int64(stream.trace.word[block])
        return block
    block = stream.counter[WORDS]
    stream.counter[WORDS] = block + (np.int64(1) << kind)
    return block


@jit
def drop_words(stream: Stream, block: int, count: int) -> None:
    """The block can hold other words."""
    kind = size_class(count)
    stream.trace.word[block] = stream.trace.free[kind]
    stream.trace.free[kind] = block
