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
# # A matrix times a vector on a grid
#
# Each PE keeps a tile of the matrix in its SRAM. It multiplies its tile by its part of the vector; then columns
# add up what their PEs have. More PEs mean less to compute for each, but longer columns: there is a best grid.

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

from wse_sim import WSE2, f32
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.matrix import gemv
from wse_sim.program import Builder

FEATURES = 128
rng = np.random.default_rng(0)
matrix = rng.standard_normal((FEATURES, FEATURES)).astype(np.float32)
x = rng.standard_normal(FEATURES).astype(np.float32)

# %%


def multiply(side):
    """The machine after y = x W on side x side PEs, and y."""
    wafer, tile = WSE2.crop(side, side), Blocks(FEATURES, side).size
    build = Builder(side, side, name=f"GEMV on {side} x {side}")
    line = make_line(build, build.grid, Axis.Y, wafer=wafer, words=tile)
    xs, y = build.buffer("x", f32, tile), build.buffer("y", f32, tile, bank_offset=8)
    w = build.buffer("w", f32, tile * tile)
    gemv.emit(build.main(), line, x=xs, w=w, y=y)
    machine = Machine(build.finish(), wafer)
    machine.write("x", np.broadcast_to(gemv.input_tiles(x, build.grid, Axis.Y), (side, side, tile)))
    machine.write("w", gemv.tiles(matrix, build.grid, Axis.Y))
    machine.launch()
    return machine, gemv.output_vector(machine.read("y"), FEATURES, Axis.Y)


machine, y = multiply(16)
report = machine.report()
print(report.explain())

# %%
report.draw_sections();

# %% [markdown]
# ## The best grid
#
# Bars are cycles on an average PE: what is blue shrinks with the square of the side, what is yellow grows with
# it.

# %%
from wse_sim.report.pictures import draw_comparison

SIDES = (4, 8, 16, 32, 64)
found = {side: multiply(side) for side in SIDES}
draw_comparison({f"{side} x {side}": m.report() for side, (m, _) in found.items()});

# %%
pd.DataFrame({
    side: {
        "cycles": m.now,
        "multiply-adds per cycle and PE": FEATURES**2 / (m.now * side**2),
        "largest error": float(np.abs(result - x @ matrix).max()),
    }
    for side, (m, result) in found.items()
}).T

# %% [markdown]
# The roofline of the largest grid: far below every roof, because the fabric and the issue of instructions take
# the time.

# %%
found[64][0].report().draw_roofline();

# %%
cycles = {side: m.now for side, (m, _) in found.items()}
assert all(np.allclose(result, x @ matrix, atol=1e-3) for _, result in found.values())
best = min(cycles, key=cycles.get)
assert best not in (SIDES[0], SIDES[-1]), "neither the smallest nor the largest grid"
