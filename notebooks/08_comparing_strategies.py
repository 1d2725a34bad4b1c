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
# # Comparing strategies
#
# One model, one wafer, and several ways to lay the one over the other. Which is fastest depends on the question: how
# soon does *one* text get its next token, or how many tokens come out of the wafer in all?

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
from matplotlib import pyplot as plt

from wse_sim import WSE2, f16
from wse_sim.mapping.comparison.compare import compare, row_of_strategy, to_frame
from wse_sim.mapping.comparison.draw import draw_rows
from wse_sim.mapping.model import GPTConfig, preset
from wse_sim.mapping.strategies import STRATEGIES, Problem, strategy

# %% [markdown]
# ## By closed forms
#
# Each strategy plans a mapping of Cerebras-GPT 111M, then the kernels' closed forms are summed. Nothing is simulated.

# %%
problem = Problem(config=preset("cerebras-gpt-111m"), wafer=WSE2, dtype=f16, context=512)
NAMES = ["layer-sequential", "tensor-parallel", "pipeline", "replicas", "hybrid", "prefill-decode"]
rows = [row_of_strategy(name, problem) for name in NAMES]
draw_rows(rows);

# %% [markdown]
# The circles lie close together: a token of one sequence takes about as long everywhere, for sums over rows and columns
# of PEs set the pace, not arithmetic. The squares move a lot: a pipeline holds as many sequences as it has stages,
# replicas fill the wafer with copies, and a hybrid does both.

# %%
to_frame(rows).set_index("strategy")[
    ["replicas", "parts", "pes", "cycles_per_token", "tokens_per_s", "utilisation", "sram_peak_bytes"]
]

# %% [markdown]
# What each strategy does, and where on the wafer:

# %%
for name in NAMES:
    print(f"{name:<18}{STRATEGIES[name].meaning}")

_, axes = plt.subplots(1, 3, figsize=(13, 6), layout="constrained")
for ax, name in zip(axes, ("pipeline", "replicas", "hybrid"), strict=True):
    strategy(name).plan(problem).draw(ax=ax)
    ax.get_legend().remove()

# %% [markdown]
# ## Simulated
#
# A model small enough to simulate whole, sequences in flight and hand-overs included: do closed forms put the
# strategies in the right order?

# %%
small = GPTConfig(name="small", n_layer=4, n_embd=32, n_head=4, n_positions=32, vocab_size=64)
here = Problem(config=small, wafer=WSE2, width=20, height=20, dtype=f16, accumulate=f16)
four = here.with_(replicas=4)
mappings = [strategy(name).plan(four if "replicas" in strategy(name).uses else here) for name in NAMES]
simulated = compare(mappings, fidelity="exact").set_index("strategy")
simulated[["cycles_per_token", "tokens_per_s", "estimate_error", "busiest_link_share", "stalls.busy", "stalls.idle"]]

# %%
guessed = compare(mappings).set_index("strategy")
order = guessed.tokens_per_s.sort_values().index
ax = guessed.tokens_per_s[order].plot.barh(figsize=(7, 3), color="#56b4e9", width=0.8, label="closed forms")
ax.plot(simulated.tokens_per_s[order], range(len(order)), "D", color="#d55e00", label="simulated")
ax.set_xlabel("tokens per second, all sequences")
ax.legend(loc="lower right");

# %%
by_name = {row.strategy: row for row in rows}
assert by_name["hybrid"].tokens_per_s > by_name["replicas"].tokens_per_s > by_name["layer-sequential"].tokens_per_s
assert simulated.estimate_error.abs().mean() < 0.1, "closed forms are near"
ranks = [frame.tokens_per_s.rank() for frame in (guessed, simulated)]
assert ranks[0].corr(ranks[1]) >= 0.9, "and put the strategies in the order that simulation finds"
