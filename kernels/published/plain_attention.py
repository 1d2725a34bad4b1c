"""Attention on one PE, each query with all keys, as plain code or with vector operations (repository FABRICA, kernels).

q, out       (queries, d) of f32, row by row
keys, values (tokens, d) of f32, row by row; PEs that share the queries of a sequence hold copies
how          query by query: scores, their largest, exponentials and their sum, the weighted sum of the values
vectors      a score is a dot product, a value is added by one multiply-add; the softmax stays plain code
"""

from __future__ import annotations

from wse_sim.hardware import f32
from wse_sim.kernels.published.compiled import advance, load, scale, store
from wse_sim.kernels.published.plain import LOWEST, timed
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.program import Program
from wse_sim.program.register import Register


def make(queries: int, tokens: int, d: int, *, vectors: bool) -> Program:
    """The program of one PE."""

    def emit(build: Builder, pe: Code) -> None:
        q, out = build.buffer("q", f32, queries * d), build.buffer("out", f32, queries * d)
        keys, values = build.buffer("keys", f32, tokens * d), build.buffer("values", f32, tokens * d)
        weights = build.buffer("weights", f32, tokens)
        with pe.loop(queries) as i:
            row = i * d
            score, mix = (_scores_by_vectors, _mix_by_vectors) if vectors else (_scores, _mix)
            score(pe, q, keys, weights, row, d)
            total = _softmax(pe, weights)
            mix(pe, weights, values, out, row, d, total)

    return timed(f"attention {queries} {tokens} {d}", emit)


def _softmax(pe: Code, weights: Buffer) -> Register:
    """Exponentials of the scores less the largest; returns 1 / their sum."""
    most = pe.real(LOWEST)
    with pe.loop(weights.length) as j:
        scale(pe)
        score = load(pe, weights, j)
        with pe.when(most < score):
            pe.set(most, score)
    total = pe.real(0.0)
    with pe.loop(weights.length) as j:
        scale(pe)
        weight = pe.scalar("fexp", load(pe, weights, j) - most)
        store(pe, weights, j, weight, addressed=True)
        total += weight
    return 1.0 / total


# -- plain code ---------------------------------------------------------------------------------------


def _scores(pe: Code, q: Buffer, keys: Buffer, weights: Buffer, row: Register, d: int) -> None:
    with pe.loop(weights.length) as j:
        found = pe.real(0.0)
        with pe.loop(d) as k:
            left, right = row + k, j * d + k
            scale(pe, computed=2)
            found += load(pe, q, left) * load(pe, keys, right)
        scale(pe)
        store(pe, weights, j, found * d**-0.5)


def _mix(pe: Code, weights: Buffer, values: Buffer, out: Buffer, row: Register, d: int, factor: Register) -> None:
    with pe.loop(d) as k:
        found = pe.real(0.0)
        with pe.loop(weights.length) as j:
            at = j * d + k
            scale(pe)
            scale(pe, computed=1)
            found += load(pe, weights, j) * load(pe, values, at)
        at = row + k
        scale(pe, computed=1)
        store(pe, out, at, found * factor)


# -- vector operations --------------------------------------------------------------------------------


def _scores_by_vectors(pe: Code, q: Buffer, keys: Buffer, weights: Buffer, row: Register, d: int) -> None:
    key = pe.integer(0)
    with pe.loop(weights.length) as j:
        found = pe.real(0.0)
        pe.dot(found, q.at(row, d), keys.at(key, d))
        scale(pe)
        store(pe, weights, j, found * d**-0.5)
        advance(pe, key, d)


def _mix_by_vectors(
    pe: Code, weights: Buffer, values: Buffer, out: Buffer, row: Register, d: int, factor: Register
) -> None:
    pe.mov(out.at(row, d), 0.0)
    value = pe.integer(0)
    with pe.loop(weights.length) as j:
        scale(pe)
        pe.mac(out.at(row, d), values.at(value, d), load(pe, weights, j))
        advance(pe, value, d)
    pe.mul(out.at(row, d), out.at(row, d), factor)
