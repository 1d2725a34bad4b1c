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
# # Where a decode step's time goes
#
# The GPT that ships with wse_sim lies on 12 x 12 PEs and decodes one token. Every number is computed by a
# simulated PE. Where do the cycles go?

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
from wse_sim import WSE2, State
from wse_sim.mapping.generation.session import Session
from wse_sim.mapping.model import load_shipped
from wse_sim.mapping.region.layout import Layout
from wse_sim.report.trace import Trace

checkpoint = load_shipped()
layout = Layout(config=checkpoint.config, wafer=WSE2, width=12, height=12)
print(layout.describe())

# %%
session = Session(layout, checkpoint.tensors, trace=Trace(window=(0, 3000)))
token = checkpoint.text.encode("The")[0]
cycles = session.step(token)
report = session.report()
print(report.explain())

# %% [markdown]
# By kernel, all layers together; and by phase, a layer a bar.

# %%
report.draw_sections(by="kernel");

# %%
report.draw_sections(by="phase");

# %% [markdown]
# LayerNorm and softmax do little arithmetic, and yet they take a fifth of the time: their short vectors wait for
# sums along the grid. The timeline of the first 3000 cycles shows the waits as yellow.

# %%
session.recording().draw_timeline();

# %% [markdown]
# Zoomed in on one row of PEs:

# %%
recording = session.recording()
recording.draw_timeline(window=(900, 1500), region=recording.region[:, 0]);

# %% [markdown]
# On the wafer: how long each PE waited for input, and which links carried most.

# %%
from matplotlib import pyplot as plt

_, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
report.draw_state(State.INPUT_WAIT, ax=axes[0])
report.draw_links(ax=axes[1]);

# %%
table = report.to_frame(by="kernel").sort_values("cycles", ascending=False)
table[["name", "cycles", "share"]].head(8)

# %%
assert report.cycles == cycles
assert report.broken_laws() == ()
assert abs(table["cycles"].sum() - cycles) < 1e-6 * cycles, "the kernels add up to the step"
assert report.totals[State.MAC] == max(report.totals.values()), "multiply-adds take most, but by far not all"
assert report.share(State.MAC) < 0.6
short = table[table["name"].str.contains("layernorm|softmax")]
assert 0.1 < short["share"].sum() < 0.3
assert short["operations"].sum() < 0.1 * table["operations"].sum()
