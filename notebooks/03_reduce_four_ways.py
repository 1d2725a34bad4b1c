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
# # A reduce four ways against its bound
#
# Adding up a vector over a row of PEs is the most frequent thing that a model does on the fabric. Four trees, the
# same sum; which is fastest depends on the row and on the length of the vector, and none can beat the physics.

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
from wse_sim.kernels.collective.law import bound
from wse_sim.kernels.collective.line import make_line
from wse_sim.program import Builder
from wse_sim.report.pictures import draw_comparison
from wse_sim.report.pictures.style import SERIES
from wse_sim.report.trace import Trace

# %%
LENGTH = 64  # PEs of the row
WAYS = ("chain", "two-phase", "star", "generated")


def reduce(way, words, trace=None):
    """The machine after one reduction, and where its result lies."""
    wafer = WSE2.crop(LENGTH, 1)
    build = Builder(LENGTH, 1, name=f"{way}, {words} words")
    line = make_line(build, build.grid, Axis.X, algorithm=way, wafer=wafer, words=words)
    line.reduce(build.main(), build.buffer("x", f32, words))
    machine = Machine(build.finish(), wafer, trace=trace)
    values = np.random.default_rng(1).random((1, LENGTH, words), np.float32)
    machine.write("x", values)
    machine.launch()
    assert np.allclose(machine.read("x")[0, line.root], values.sum(axis=1)[0], rtol=1e-4)
    return machine, line


# %% [markdown]
# A chain passes one stream along the row, so its time is the row's length plus the vector's: good for long
# vectors. A star sends everything to one PE, which must take it all: good for very short ones. Two phases add up
# groups first. The generated tree is found by dynamic programming over the machine's own costs.

# %%
rows = {}
for words in (1, 16, 256):
    for way in WAYS:
        machine, line = reduce(way, words)
        least = bound(machine.wafer, LENGTH, line.root, words)
        rows[words, way] = {"cycles": machine.now, "bound": least, "over the bound": machine.now / least}
table = pd.DataFrame(rows).T.rename_axis(["words", "way"])
table["over the bound"].unstack().round(2)

# %%
ax = table["cycles"].unstack().plot(style=["o-", "s-", "^-", "d-"], color=SERIES, logx=True, logy=True, figsize=(7, 4))
table["bound"].unstack().min(axis=1).plot(ax=ax, color="black", linestyle="--", label="bound")
ax.set_xlabel("words of the vector")
ax.set_ylabel("cycles")
ax.set_title(f"A reduction along {LENGTH} PEs of a WSE-2")
ax.legend();

# %% [markdown]
# What the PEs do in a chain and in the generated tree, for 16 words:

# %%
draw_comparison({way: reduce(way, 16)[0].report() for way in WAYS});

# %%
for way in ("chain", "generated"):
    reduce(way, 16, Trace())[0].recording().draw_timeline()

# %%
over = table["over the bound"].astype(float)
assert (over >= 1).all(), "nothing beats the physics"
assert (over.unstack()["generated"] <= over.unstack().min(axis=1) * 1.1).all(), "the generated tree is among the best"
