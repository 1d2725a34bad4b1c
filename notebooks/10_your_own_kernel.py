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
# # Writing your own kernel
#
# A kernel in this library is three things: a `reference` in numpy, a `cost` in closed form, and `emit`, the
# program. Here is one from nothing: the largest magnitude of a vector that is spread over a row of PEs, left on
# every PE (what a quantiser needs for its scale).

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
import numpy as np
import pandas as pd

from wse_sim import WSE2, WSE3, f32
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.price import Price
from wse_sim.program import Builder
from wse_sim.report.trace import Trace

# %% [markdown]
# ## What it computes

# %%


def reference(x):
    """x (PEs, n) -> the largest magnitude of each row's vector."""
    return np.abs(x).max()


# %% [markdown]
# ## The program
#
# Each PE takes the magnitudes of its part, reduces them to one number in a register, and the row exchanges these:
# an all-reduce of one word with `max` instead of `add`. `build.section` gives the parts names, so that the report
# can tell them apart.

# %%


def emit(build, x, magnitude, line):
    pe = build.main()
    with build.section("own part"):
        pe.abs(x, x)
        largest = pe.real(0.0)
        pe.max_of(largest, x)
        pe.store(magnitude[0], largest)
    with build.section("exchange"):
        line.all_reduce(pe, magnitude, "max")


def make(length, n, wafer):
    build = Builder(length, 1, name="absmax")
    x, magnitude = build.buffer("x", f32, n), build.buffer("magnitude", f32, 1)
    line = make_line(build, build.grid, Axis.X, wafer=wafer)
    emit(build, x, magnitude, line)
    return build.finish(), line


# %%
LENGTH, N = 24, 64
wafer = WSE2.crop(LENGTH, 1)
program, line = make(LENGTH, N, wafer)
machine = Machine(program, wafer, trace=Trace())
values = np.random.default_rng(3).standard_normal((1, LENGTH, N)).astype(np.float32)
machine.write("x", values)
machine.launch()
print(machine.read("magnitude").ravel(), reference(values))
machine.recording().draw_timeline();

# %%
machine.report().draw_sections();

# %% [markdown]
# ## What it costs
#
# A closed form in cycles: the task's start, the two vector operations and the scalar ones at the machine's
# prices, and the library's own cost of the all-reduce. It is not fitted: each term is a number of the machine.
# (What hops from die to die take more is left out.)

# %%


def cost(wafer, tree, n):
    price = Price(wafer)
    own = price.vector("abs", n, f32, f32, in_place=True) + price.scalar("mov")
    own += price.vector("max_of", n, None, f32) + price.scalar("store")
    return wafer.task_switch_cycles + own + all_reduce.cost(wafer, tree, 1, operation="max")


rows = []
for machine_type in (WSE2, WSE3):
    for length, n in ((4, 16), (24, 64), (48, 64), (48, 512)):
        here = machine_type.crop(length, 1)
        program, line = make(length, n, here)
        simulated = Machine(program, here).launch()
        predicted = cost(here, line.tree, n)
        rows.append({"machine": here.name, "PEs": length, "n": n, "cycles": simulated, "cost": predicted})
table = pd.DataFrame(rows)
table["error, %"] = 100 * (table.cost / table.cycles - 1)
table.round(1)

# %% [markdown]
# ## Every shape
#
# A kernel is right when it is right on shapes that nobody thought of.

# %%
rng = np.random.default_rng(5)
for _ in range(25):
    length, n = int(rng.integers(1, 40)), int(rng.integers(1, 90))
    program, _ = make(length, n, WSE2.crop(length, 1))
    trial = Machine(program, WSE2.crop(length, 1))
    given = rng.standard_normal((1, length, n)).astype(np.float32)
    trial.write("x", given)
    trial.launch()
    assert (trial.read("magnitude") == reference(given)).all(), (length, n)

# %%
assert (machine.read("magnitude") == reference(values)).all()
assert table["error, %"].abs().max() < 5
