"""What the machine is: frozen data, no behaviour in time."""

from wse_sim.hardware.dtypes import DTYPES, DType, f16, f32, i16, i32, u16, u32
from wse_sim.hardware.geometry import EAST, NORTH, RAMP, SOUTH, WEST, Direction, Grid, Outputs, Region, Route
from wse_sim.hardware.operations import SCALAR_OPERATIONS, VECTOR_OPERATIONS, ScalarOperation, VectorOperation
from wse_sim.hardware.origin import Origin
from wse_sim.hardware.presets import PRESETS, WSE1, WSE2, WSE3, by_name, toy
from wse_sim.hardware.states import GROUPS, State
from wse_sim.hardware.wafer import Wafer

__all__ = [
    "DTYPES", "EAST", "GROUPS", "NORTH", "PRESETS", "RAMP", "SCALAR_OPERATIONS", "SOUTH", "VECTOR_OPERATIONS", "WEST",
    "WSE1", "WSE2", "WSE3", "DType", "Direction", "Grid", "Origin", "Outputs", "Region", "Route", "ScalarOperation",
    "State", "VectorOperation", "Wafer", "by_name", "f16", "f32", "i16", "i32", "toy", "u16", "u32",
]  # fmt: skip
