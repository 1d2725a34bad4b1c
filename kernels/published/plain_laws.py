"""What plain code computes, in double precision, and what it costs in closed form, as `compiled` counts instructions.

Branches on data cost the mean of both ways. Costs are from a PE's first instruction to its last, clock readings apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Wafer, f32
from wse_sim.kernels.banks import clashes
from wse_sim.kernels.price import Price
from wse_sim.kernels.published.compiled import ADVANCE, BASE, SCALE, WIDEN

Array = NDArray[Any]

# -- values -------------------------------------------------------------------------------------------


def silu(x: Array) -> Array:
    """x * sigmoid(x)."""
    return np.asarray(x / (1 + np.exp(-x.astype(np.float64))))


def rms_norm(x: Array, weight: Array, epsilon: float = 1e-5) -> Array:
    """weight * x / sqrt(mean(x * x) + epsilon)."""
    return np.asarray(weight * x / np.sqrt(np.mean(x.astype(np.float64) ** 2) + epsilon))


def likelihood(x: Array, target: int) -> Array:
    """softmax(x)[target]."""
    powers = np.exp(x.astype(np.float64) - x.max())
    return np.asarray(powers[target : target + 1] / powers.sum())


def attention(q: Array, keys: Array, values: Array) -> Array:
    """softmax(q keys^T / sqrt(d)) values."""
    wide = q.astype(np.float64) @ keys.astype(np.float64).T / np.sqrt(q.shape[-1])
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True) @ values.astype(np.float64))


# -- cycles -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plain:
    """Prices of loads, stores and branches of plain code on a machine."""

    wafer: Wafer

    def loop(self, n: int, body: int) -> int:
        """A loop whose counter is made an index."""
        return Price(self.wafer).loop(n) + n * (body + SCALE * self.wafer.scalar_int_cycles)

    def code(self, text: str) -> int:
        """Instructions by name; `get`, `put` and `putback` are a load, a store, and a store where was loaded from."""
        words = {"get": BASE + 1, "put": BASE + 1, "putback": 1, "index": SCALE + WIDEN}
        found = 0
        for name in text.split():
            found += words.get(name, 0) * self.wafer.scalar_int_cycles
            plain = {"get": "load", "put": "store", "putback": "store", "index": ""}.get(name, name)
            found += Price(self.wafer).scalar(plain)
        return found

    def branch(self, inside: str) -> int:
        """A branch taken every other time."""
        way = self.wafer.branch_not_taken_cycles + self.code(inside) + self.wafer.branch_taken_cycles
        return way // 2


_SQUARES = "get fmul fadd"
_LARGEST = "get flt"


def _largest(p: Plain, n: int) -> int:
    return p.code("mov") + p.loop(n, p.code(_LARGEST) + p.branch("mov"))


COSTS: Mapping[str, Callable[[Plain, int], int]] = {
    "sum": lambda p, n: p.code("mov store") + p.loop(n, p.code("get fadd")),
    "dot": lambda p, n: p.code("mov store") + p.loop(n, p.code("get get fmul fadd")),
    "axpy": lambda p, n: p.loop(n, p.code("get get fmul fadd putback")),
    "relu": lambda p, n: p.loop(n, p.code("get flt put") + p.branch("mov")),
    "silu": lambda p, n: p.loop(n, p.code("get fneg fexp fadd fdiv fmul put")),
    "l2 norm": lambda p, n: p.code("mov fsqrt fdiv") + p.loop(n, p.code(_SQUARES)) + p.loop(n, p.code("get fmul put")),
    "rms norm": lambda p, n: p.code("mov fmul fadd fsqrt fdiv") + p.loop(n, p.code(_SQUARES))
    + p.loop(n, p.code("get fmul get fmul put")),
    "cross entropy": lambda p, n: _largest(p, n) + p.code("mov load fsub fexp fdiv store")
    + p.loop(n, p.code("get fsub fexp fadd")),
    "matrix-vector": lambda p, n: p.loop(
        n, p.code("mov put") + p.loop(n, p.code("imul iadd index get get fmul fadd"))),
    "matrix-matrix": lambda p, n: Price(p.wafer).loop(n) + n * (Price(p.wafer).loop(n) + n * (
        p.code("mov imul iadd index put") + Price(p.wafer).loop(n)
        + n * p.code("imul iadd imul iadd index index get get fmul fadd"))),
}  # fmt: skip
"""Cycles of the kernels of `plain` on n elements, or a matrix of n x n."""


def cost(wafer: Wafer, name: str, n: int) -> int:
    """Cycles of a launch of a kernel of `plain`."""
    return wafer.task_switch_cycles + 2 * Price(wafer).scalar("clock store") + COSTS[name](Plain(wafer), n)


def attention_cost(wafer: Wafer, queries: int, tokens: int, d: int, *, vectors: bool) -> int:
    """Cycles of a launch of `plain_attention`."""
    p, price = Plain(wafer), Price(wafer)
    softmax = _largest(p, tokens) + p.code("mov fdiv") + p.loop(tokens, p.code("get fsub fexp putback fadd"))
    scores, mix = (_by_vectors if vectors else _by_elements)(p, tokens, d)
    rows = price.loop(queries) + queries * (p.code("imul") + scores + softmax + mix)
    if vectors:
        rows += 2 * _meetings(wafer, queries, tokens, d) * wafer.bank_conflict_cycles
    return wafer.task_switch_cycles + 2 * price.scalar("clock store") + rows


def _by_elements(p: Plain, tokens: int, d: int) -> tuple[int, int]:
    """The scores of a query, and the sum of the values."""
    loop = Price(p.wafer).loop(d)
    scores = p.loop(tokens, p.code("mov fmul put") + loop + d * p.code("imul iadd iadd index index get get fmul fadd"))
    added = p.loop(tokens, p.code("imul iadd index get get fmul fadd"))
    return scores, loop + d * (p.code("mov iadd index fmul put") + added)


def _by_vectors(p: Plain, tokens: int, d: int) -> tuple[int, int]:
    price, moved = Price(p.wafer), ADVANCE * p.wafer.scalar_int_cycles
    scores = p.loop(tokens, p.code("mov fmul put") + price.vector("dot", d, None, f32, f32) + moved)
    mix = price.vector("mov", d, f32, None) + price.vector("mul", d, f32, f32, in_place=True)
    mix += p.loop(tokens, p.code("get") + price.vector("mac", d, f32, f32) + moved)
    return p.code("mov") + scores, p.code("mov") + mix


def _meetings(wafer: Wafer, queries: int, tokens: int, d: int) -> int:
    """Groups of a query and a key, or of a sum and a value, that meet in the banks."""
    row = d * f32.bytes
    return sum(clashes(wafer, row * i, row * j, d, f32, f32) for i in range(queries) for j in range(tokens))
