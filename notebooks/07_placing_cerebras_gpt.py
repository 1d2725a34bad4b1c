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
# # Placing Cerebras-GPT
#
# Seven models from 111 M to 13 B parameters, one wafer. Which grid do they need, what fills the SRAM, and how
# long does a step take? Nothing here runs a model: the closed forms of the kernels are summed, as a search would.

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
from dataclasses import replace

import pandas as pd
from matplotlib import pyplot as plt

from wse_sim import WSE2, f16
from wse_sim.mapping.model import PRESETS, preset
from wse_sim.mapping.region.cycles import stage_cycles
from wse_sim.mapping.region.fit import fit, smallest_side
from wse_sim.mapping.region.layout import Layout

MODELS = [name for name in PRESETS if name.startswith("cerebras-gpt")]
CONTEXT = 256  # tokens of the KV cache

# %% [markdown]
# ## The smallest square that holds each model

# %%
rows = {}
for name in MODELS:
    config = preset(name)
    layout = Layout(config=config, wafer=WSE2, width=1, height=1, dtype=f16, accumulate=f16, context=CONTEXT)
    side = smallest_side(layout, 1.0)
    rows[name] = {
        "parameters": config.parameters.total, "layers": config.n_layer, "features": config.n_embd, "side": side,
    }  # fmt: skip
models = pd.DataFrame(rows).T
models

# %% [markdown]
# What takes the room on a PE, for the 111 M model on its smallest square:

# %%


def on(name, side):
    return Layout(
        config=preset(name), wafer=WSE2, width=side, height=side, dtype=f16, accumulate=f16, context=CONTEXT
    )


smallest = int(models.side[MODELS[0]])
found = fit(on(MODELS[0], smallest))
ax = pd.Series(dict(found.buffers)).head(8).iloc[::-1].plot.barh(figsize=(7, 3.2), color="#2171b5")
ax.set_xlabel(f"bytes on a PE; the limit is {found.limit:,}")
ax.set_title(f"{MODELS[0]} on {smallest} x {smallest} PEs: {found.needed:,} bytes");

# %% [markdown]
# ## More PEs are not always faster
#
# Arithmetic shrinks with the number of PEs, but sums along rows and columns grow with the side. A decode step has
# a best square, far smaller than the wafer.

# %%
sides = [side for side in (40, 60, 80, 100, 140, 200, 280, 400, 560, 740) if side >= smallest]
steps = {side: stage_cycles(on(MODELS[0], side), CONTEXT - 1) for side in sides}
parts = pd.DataFrame({side: step.layer for side, step in steps.items()}).T
ax = parts.plot.area(figsize=(8, 4), colormap="cividis", linewidth=0)
ax.set_xlabel("side of the square, PEs")
ax.set_ylabel("cycles of one layer")
ax.set_title(f"A decode step of {MODELS[0]}, by kernel")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, reverse=True);

# %%
total = pd.Series({side: step.total for side, step in steps.items()})
best = int(total.idxmin())
print(f"best: {best} x {best} PEs, {total[best]:,} cycles, {1 / WSE2.seconds(int(total[best])):,.0f} tokens/s")

# %% [markdown]
# ## On the wafer
#
# A best square takes a small corner; what to do with the rest (copies of the model, a pipeline of layers) is what
# mapping strategies are about.

# %%
from wse_sim.mapping.plan.mapping import Mapping, Place

place = Place(x=0, y=0, width=best, height=best, layers=range(preset(MODELS[0]).n_layer), embedding=True, head=True)
one = Mapping(
    config=preset(MODELS[0]), wafer=WSE2, strategy="layer-sequential", places=(place,), dtype=f16, accumulate=f16,
    context=CONTEXT,
)
across, down = WSE2.width // best, WSE2.height // best
copies = [
    replace(place, x=best * (i % across), y=best * (i // across), replica=i) for i in range(across * down)
]
replicas = replace(one, strategy="replicas", places=tuple(copies))
_, axes = plt.subplots(1, 2, figsize=(11, 6), layout="constrained")
one.draw(ax=axes[0])
replicas.draw(ax=axes[1]);

# %%
one

# %%
fitting = models.side.dropna().astype(int)
assert fitting.is_monotonic_increasing, "a larger model needs a larger square"
assert fit(on(MODELS[0], smallest)).fits
assert not fit(on(MODELS[0], smallest - 1)).fits
assert sides[0] <= best < sides[-1], "the whole wafer is not the best square"
assert replicas.replicas == across * down
