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
# # The accuracy table against silicon
#
# A simulator whose cycle counts nobody checked is a toy. Published measurements ship with wse_sim, each with its
# source; here some of each kind are simulated again and put beside what was measured. (`wse-sim validate` runs
# all that time allows.)

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
from matplotlib import pyplot as plt

from wse_sim.mapping.validation.compare import compare
from wse_sim.mapping.validation.rows import shipped_rows

SECONDS = 15
found = compare(shipped_rows(), max_seconds=SECONDS)
print(len(found.rows), "rows simulated,", len(found.skipped), "left out")

# %%
table = pd.DataFrame({
    name: {
        "rows": s.rows,
        "left out": s.skipped,
        "mean error, %": None if s.mean_abs_error is None else 100 * s.mean_abs_error,
        "largest, %": None if s.max_abs_error is None else 100 * s.max_abs_error,
    }
    for name, s in found.sources.items()
}).T
table.astype(float).round(1)

# %% [markdown]
# The error of each row over what was measured, seven orders of magnitude wide. Above the line the simulator is too
# slow, below it too fast.

# %%
columns = ("source", "configuration", "measured", "simulated", "error")
rows = pd.DataFrame([[getattr(row, name) for name in columns] for row in found.rows], columns=columns)
fig, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
for marker, (source, group) in zip("osDv^<>PX*phd+x" * 3, rows.groupby("source"), strict=False):
    ax.scatter(group.measured, 100 * group.error, s=18, marker=marker, label=source)
ax.axhline(0, color="black", linewidth=1)
ax.set(xscale="log", xlabel="measured (cycles, or as the source says)", ylabel="error of the simulation, %")
ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1));

# %% [markdown]
# The errors themselves, the largest first. Nothing is fitted per row: what is wrong here comes from the machine's
# constants or from the structure of the kernels.

# %%
worst = rows.assign(size=rows.error.abs()).nlargest(8, "size")
worst[["source", "configuration", "measured", "simulated", "error"]].round(3)

# %%
assert len(found.rows) > 20
assert rows.error.abs().median() < 0.05, "half of all rows are within 5 %"
assert rows.error.abs().mean() < 0.10
