"""Kernels with the structure of published ones, whose cycles on real machines are known."""
