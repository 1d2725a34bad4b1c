"""The pieces of a decode step for several sequences at once: each does its own sums, and they share the collectives.

What a sequence gets is what the kernels of `transformer` give it alone, bit for bit: sums are made in the same order,
and longer vectors on a line change when words arrive, not what they are added to. Weights are read from SRAM for each
sequence: a multiply-add of this machine takes its matrix element from SRAM every time, so there is nothing to share.
"""
