"""What runs on a wafer: data, and the builder that writes it."""

from wse_sim.program.builder import Builder
from wse_sim.program.check import check
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Completion, HighPriority, Task, activate, unblock
from wse_sim.program.memory import Buffer, Each, View, each
from wse_sim.program.program import Program
from wse_sim.program.register import Register

__all__ = [
    "Buffer", "Builder", "Code", "Color", "Completion", "Each", "HighPriority", "Program", "Register", "Task", "View",
    "activate", "check", "each", "unblock",
]  # fmt: skip
