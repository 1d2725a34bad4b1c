"""Which published figures sized a number: what agrees with them is a fit, not a prediction.

A number is named as in the presets, in `kernels.published.compiled`, or in `harness`. Its origin says how it was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from wse_sim.mapping.validation.rows import FIGURE, MESH_GEMM, MESH_GEMV, Row, shipped_rows

TABLES: Mapping[str, tuple[tuple[str, Mapping[str, str]], ...]] = {
    MESH_GEMV: (
        ("MESH_GEMV_LOOP", {"P": "16"}),
        ("MESH_GEMV_LOOP, map_step_cycles, map_gap_cycles, ramp_out_cycles", {"P": "80"}),
        ("die_rows, die_crossing_cycles", {"P": "272", "Mt": "1", "Nt": "1"}),
        ("die_rows, die_crossing_cycles", {"P": "336", "Mt": "1", "Nt": "1"}),
        ("die_rows, die_crossing_cycles", {"P": "592", "Mt": "1", "Nt": "1"}),
        ("die_rows, die_crossing_cycles", {"P": "720", "Mt": "1", "Nt": "1"}),
    ),
    MESH_GEMM: (
        ("task_switch_cycles, die_columns", {"Mt": "1", "Kt": "1", "Nt": "1"}),
        ("map_step_cycles, DESCRIPTOR", {"P": "16", "Mt": "1"}),
    ),
}
"""Of tables: the numbers, and the cells of the rows that they are from."""

FIGURES: Mapping[str, str] = {
    "FABSIL-001": "write_bytes_per_cycle", "FABSIL-002": "write_bytes_per_cycle",
    "FABSIL-003": "clock_cycles", "FABSIL-004": "write_bytes_per_cycle", "FABSIL-005": "write_bytes_per_cycle",
    "FABSIL-007": "read_bytes_per_cycle", "FABSIL-008": "read_bytes_per_cycle", "FABSIL-009": "clock_cycles",
    "FABSIL-010": "rates (fmacs)", "FABSIL-011": "rates (fmacs)", "FABSIL-014": "hop_cycles",
    "FABSIL-017": "TWO_CLOCKS", "FABSIL-023": "stream_pause_wavelets", "FABSIL-024": "stream_pause_wavelets",
    "FABSIM-003": "hop_cycles", "FABSIM-006": "TWO_CLOCKS", "FABSIM-012": "loop_edge_cycles",
    "FABSIM-015": "op_start_cycles", "FABSIM-017": "op_start_cycles", "FABSIM-019": "op_start_cycles",
    "FABSIM-023": "map_start_cycles, map_gap_cycles", "FABSIM-024": "map_start_cycles", "FABSIM-042": "rates (reduce)",
    "FABSIM-058": "descriptors_in_memory", "FABSIM-080": "scalar_divide_cycles, half_function_percent",
    "FABSIM-082": "scalar_sqrt_cycles, SCALE, BASE", "FABSIM-083": "SCALE, BASE", "FABSIM-084": "SCALE, BASE",
    "FABSIM-085": "SCALE, BASE", "FABSIM-086": "scalar_exp_cycles",
    "MIMD-001": "map_gap_cycles", "MIMD-003": "map_gap_cycles", "MIMD-004": "map_gap_cycles",
    "MIMD-015": "half_function_percent", "MIMD-016": "half_function_percent", "MIMD-021": "map_gap_cycles",
    "MIMD-028": "descriptors_in_memory",
    "SUMMA-014": "HAND_OVER, rates (fmacs)", "SUMMA-026": "rates (fmacs)", "SUMMA-040": "rates (fmacs)",
    "SUMMA-042": "rates (fmacs)", "SUMMA-044": "rates (fmacs)", "SUMMA-072": "rates (fmacs)",
    "SUMMA-074": "rates (fmacs)", "SUMMA-076": "rates (fmacs)",
}  # fmt: skip
"""Of single figures, by id."""

_SAME = ("workload", "hardware", "grid_x", "grid_y", "size", "metric", "value")


def used_by(row: Row) -> tuple[str, ...]:
    """The numbers that a row sized; a figure of any file counts if it is one of those shipped, whatever its id."""
    if row.kind == FIGURE:
        return _figures().get(_key(row), ())
    uses = TABLES.get(row.kind, ())
    return tuple(name for name, cells in uses if all(_plain(row.cells[c]) == value for c, value in cells.items()))


@cache
def _figures() -> Mapping[tuple[str, ...], tuple[str, ...]]:
    return {
        _key(row): (FIGURES[row.cells["id"]],)
        for row in shipped_rows() if row.kind == FIGURE and row.cells["id"] in FIGURES
    }  # fmt: skip


def _key(row: Row) -> tuple[str, ...]:
    return tuple(" ".join(row.cells[name].split()) for name in _SAME)


def _plain(cell: str) -> str:
    return cell.strip().removesuffix(".0")
