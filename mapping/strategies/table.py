"""The formulas of the strategies, as the README has them: `python -m wse_sim.mapping.strategies.table` prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from wse_sim.mapping.strategies import STRATEGIES, SYMBOLS


def table() -> Iterator[str]:
    """Lines of Markdown: a strategy a row, then what the symbols stand for."""
    yield "| strategy | bytes on a PE | cycles of products | cycles of communication |"
    yield "|---" * 4 + "|"
    for s in STRATEGIES.values():
        yield f"| `{s.name}` | {s.memory} | {s.compute} | {s.communication} |"
    yield ""
    yield "; ".join(f"{symbol}: {meaning}" for symbol, meaning in SYMBOLS.items()) + "."


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in table())
