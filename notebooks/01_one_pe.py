# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One PE and its memory wall
#
# A PE computes on vectors in its SRAM. It can do a multiply-add on four f16 elements in a cycle, if the SRAM's
# ports and banks can bring the operands that fast. Here is where that ends.

# %%
# Installs wse_sim where it is missing, as in Colab; changes nothing elsewhere.
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("wse_sim") is None:
    checkout = Path.cwd().parent  # of this notebook, where it lies in one; else the released package
    source = str(checkout) if (checkout / "wse_sim").is_dir() else "wse-sim"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", source], check=True)

# %%
import pandas as pd

from wse_sim import WSE2, f16, f32
from wse_sim.engine.machine import Machine
from wse_sim.program import Builder
from wse_sim.report.pictures import draw_comparison

wafer = WSE2.crop(1, 1)
wafer

# %% [markdown]
# Three ways to spend time on 1000 elements: the right one, the same with both operands in the same banks, and a
# dependent reduction.

# %%
N = 1000


def run(name, dtype, offset, operation):
    build = Builder(1, 1, name=name)
    a = build.buffer("a", dtype, N)
    b = build.buffer("b", dtype, N, bank_offset=offset)
    pe = build.main()
    operation(pe, a, b)
    machine = Machine(build.finish(), wafer)
    machine.launch()
    return machine.report()


def multiply_add(pe, a, b):
    pe.mac(b, a, 2.0)  # b += 2 a: reads a and b, writes b


def total(pe, a, _):
    pe.sum(pe.real(0.0), a)


reports = {
    "f16, other banks": run("mac", f16, 8, multiply_add),
    "f16, same banks": run("mac", f16, 0, multiply_add),
    "f32, other banks": run("mac", f32, 8, multiply_add),
    "f16 sum, one by one": run("sum", f16, 8, total),
}
draw_comparison(reports);

# %%
counts = {name: {state.name: n for state, n in r.totals.items() if n} for name, r in reports.items()}
pd.DataFrame(counts).fillna(0).astype(int)

# %% [markdown]
# The roofline says the same: the flat roof is arithmetic, the slanted one is what the SRAM ports give. The
# multiply-add reads two f16 and writes one for two operations, so it sits under the port's roof and just reaches
# the arithmetic.

# %%
reports["f16, other banks"].draw_roofline();

# %%
print(reports["f16, same banks"].explain())

# %% [markdown]
# The third face of the wall is capacity: a PE has 48 KiB, and the buffers say where they lie.

# %%
reports["f32, other banks"].draw_sram()
print(reports["f32, other banks"].memory_wall().describe())

# %%
fast, slow = reports["f16, other banks"], reports["f16, same banks"]
groups = N // 4
assert sum(fast.memory_stalls.values()) == 0
assert sum(slow.memory_stalls.values()) == groups * wafer.bank_conflict_cycles, "each group of four waits once"
assert slow.cycles - fast.cycles == groups * wafer.bank_conflict_cycles
