"""Every rule that a program must obey before it runs on a wafer."""

from __future__ import annotations

from wse_sim.hardware.wafer import Wafer
from wse_sim.program import fabric_rules, fit_rules, host_rules, operation_rules, task_rules
from wse_sim.program.facts import Facts
from wse_sim.program.program import Program

RULES = (*operation_rules.RULES, *task_rules.RULES, *host_rules.RULES, *fabric_rules.RULES, *fit_rules.RULES)
"""One function per rule; each raises at the first offence."""


def check(program: Program, wafer: Wafer) -> None:
    """Raises ProgramError if the program breaks a rule of the machine, FitError if the wafer is too small for it."""
    facts = Facts(program, wafer)
    for rule in RULES:
        rule(facts)
