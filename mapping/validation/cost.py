"""About how many CPU-seconds a row takes to simulate, with the engine that a machine chooses by itself.

Measured on a 2.5 GHz core, from the smallest rows up to MeshGEMM on 80 x 80 PEs and SUMMA on 64 x 64.
"""

from __future__ import annotations

from wse_sim.kernels.published.mesh_gemm import Tiles

START = 0.015  # of any run
MICRO = 2 * START
PER_PE = 5e-5
ONE_PE_CYCLES = 5e7  # per second, of code without messages
PE_CYCLES = 7e6  # per second, of PEs that exchange short messages
HOP_WORDS = 2e7  # per second, of long ones


def gemv(side: int) -> float:
    """A column of the square."""
    return START + side * PER_PE


def gemm(t: Tiles) -> float:
    """All PEs of the square; a step costs by the words that go on in it."""
    words = -(-t.m * t.k // 2) - (-t.k * t.n // 2)
    return START + t.side**2 * PER_PE + t.side**3 * (3.5e-6 + 2e-6 * words)


def summa(side: int, tile: int) -> float:
    """All PEs of the square; a step costs by the elements of a tile."""
    return START + side**2 * PER_PE + side**3 * (1.5e-5 + 6.5e-7 * tile**2)


def ring_shift(side: int, n: int, shifts: int) -> float:
    """A line."""
    return START + side * (PER_PE + shifts * (70 + n) / PE_CYCLES)


def collective(pes: int, words: int, *, relayed: bool = False) -> float:
    """A vector from every PE; `relayed`: cores hand all of them on."""
    sent = words * (pes if relayed else 1) + 50
    return START + pes * (2 * PER_PE + sent / HOP_WORDS)


def kernel(pes: int, cycles: float) -> float:
    """Another kernel, that takes so many cycles."""
    return START + pes * (PER_PE + cycles / (ONE_PE_CYCLES if pes == 1 else PE_CYCLES))
