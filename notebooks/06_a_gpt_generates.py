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
# # A GPT generates on the wafer
#
# Tokens in, tokens out, one launch of the machine for each. The weights and the KV cache stay in the PEs' SRAM;
# so does everything between.

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

from wse_sim import WSE2, WSE3
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.model import greedy, load_shipped, logits
from wse_sim.mapping.region.layout import Layout

checkpoint = load_shipped()
config, text = checkpoint.config, checkpoint.text
c = config
print(f"{c.parameters.total:,} parameters: {c.n_layer} layers, {c.n_embd} features, {c.n_head} heads")

# %%
PROMPT, NEW = "The Queen", 24
prompt = text.encode(PROMPT)
session = Session(Layout(config=config, wafer=WSE2, width=12, height=12), checkpoint.tensors)
found = generate(session, prompt, NEW)
print(text.decode([*prompt, *found.token_ids]))

# %% [markdown]
# Is it right? An independent GPT in numpy says the same tokens, and nearly the same logits.

# %%
expected = greedy(config, checkpoint.tensors, prompt, NEW)
fed = [*prompt, *found.token_ids[:-1]]
error = np.abs(found.logits - logits(config, checkpoint.tensors, fed)[list(found.positions)]).max()
print("largest difference of a logit:", error)

# %% [markdown]
# What does a token cost? A step that only fills the cache is cheaper than one that also samples; later steps see
# more tokens before them.

# %%
steps = pd.Series(found.cycles, name="cycles")
ax = steps.plot.bar(figsize=(9, 3), color=["0.7"] * (len(prompt) - 1) + ["#2171b5"] * (len(steps) - len(prompt) + 1))
ax.set_xlabel("step (grey: the prompt, no token is chosen)")
ax.set_ylabel("cycles")
ax.set_title("Cycles of each step");

# %% [markdown]
# ## The same on a WSE-3
#
# A hop takes twice as long there, and arithmetic is faster.

# %%
speed = {}
for wafer in (WSE2, WSE3):
    other = Session(Layout(config=config, wafer=wafer, width=12, height=12), checkpoint.tensors)
    run = generate(other, prompt, 4)
    assert run.token_ids == found.token_ids[:4]
    last = run.cycles[-1]
    speed[wafer.name] = {"cycles per token": last, "tokens per second": round(1 / wafer.seconds(last))}
pd.DataFrame(speed).T

# %%
session.report().draw_roofline();

# %%
assert list(found.token_ids) == list(expected)
assert error < 1e-3
