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
# # One wavelet on the fabric
#
# A wafer-scale engine is a grid of processing elements (PEs). Each has a core with its own SRAM and a router with
# links to its four neighbours. What travels on the links are *wavelets*: 32 bits and a *colour*, which tells
# every router on the way where to send them. Here one PE sends one number to another, and we watch it go.

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
from wse_sim import EAST, RAMP, WEST, WSE2, WSE3, f32, toy
from wse_sim.engine.machine import Machine
from wse_sim.program import Builder
from wse_sim.report.trace import Trace

# %% [markdown]
# A program is written by region: `grid[x, y]` is sliced like an array. The colour `red` gets a route on each
# router: from the ramp (the core's own port) to the east on the first PE, straight on in the middle, down the
# ramp on the last.

# %%
WIDTH = 8


def one_wavelet(width=WIDTH):
    build = Builder(width, 1, name="one wavelet")
    grid = build.grid
    x = build.buffer("x", f32, 1)  # one float on every PE
    red = build.color("red")
    build.route(red, grid[0, 0], RAMP >> EAST)
    build.route(red, grid[1:-1, 0], WEST >> EAST)
    build.route(red, grid[-1, 0], WEST >> RAMP)
    build.main(grid[0, 0]).mov(to=red, a=x)  # the first PE sends what x holds
    build.main(grid[-1, 0]).mov(to=x, a=red)  # the last one stores what comes
    return build.finish()


program = one_wavelet()
print(program.listing())

# %% [markdown]
# Now run it, and record every cycle.

# %%
machine = Machine(program, toy(WIDTH, 1), trace=Trace())
machine.write("x", [[[3.5]] + [[0.0]] * (WIDTH - 1)])
cycles = machine.launch()
recording = machine.recording()
print(cycles, "cycles; the last PE holds", machine.read("x")[0, -1, 0])

# %% [markdown]
# The way of the wavelet in space and time: a slanted line is a hop, the dot is the core taking it.

# %%
recording.draw_paths();

# %% [markdown]
# Sending has a price besides the hops: a task must be picked, descriptors loaded, the operation started.

# %%
recording.draw_timeline();

# %% [markdown]
# And as a moving picture:

# %%
recording.animate(frames_per_second=8)

# %% [markdown]
# ## What does a hop cost?
#
# Make the row longer and look at what each PE more adds. A hop takes one cycle on a WSE-2, two on a WSE-3. A
# wafer is made of dies, and on silicon a WSE-3 was seen to take longer where a wavelet crosses from one to the
# next.

# %%
cost = {}
for wafer in (WSE2, WSE3):
    length = {width: Machine(one_wavelet(width), wafer.crop(width, 1)).launch() for width in (8, 48, 108)}
    hop = (length[48] - length[8]) / 40
    cost[wafer.name] = {"cycles per hop": hop, "crossing a die's border": length[108] - length[48] - 60 * hop}
cost

# %%
assert machine.read("x")[0, -1, 0] == 3.5
for wafer, (hop, crossing) in zip((WSE2, WSE3), (c.values() for c in cost.values()), strict=True):
    assert hop == wafer.hop_cycles
    assert crossing == wafer.die_crossing_cycles
