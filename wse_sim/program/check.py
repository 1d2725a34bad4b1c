from wse_sim.hardware import Wafer
from wse_sim.program.program import Program


def check(program: Program, wafer: Wafer) -> None:
    pass
