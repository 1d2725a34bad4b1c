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
# # Colours and routes
#
# A colour is a virtual channel: on each router it has one input and one or more outputs. Two outputs are a
# *multicast*, which costs nothing. A PE that has to pass data on *and* add its own needs two colours that take
# turns.

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

from wse_sim import EAST, RAMP, SOUTH, WEST, f32, toy
from wse_sim.engine.machine import Machine
from wse_sim.errors import ProgramError, RunError
from wse_sim.program import Builder
from wse_sim.report.trace import Trace

# %% [markdown]
# ## Multicast
#
# The corner PE sends 16 numbers to all others: east along the first row, and from each router there also south.

# %%
WIDTH, HEIGHT, N = 6, 4, 16
build = Builder(WIDTH, HEIGHT, name="multicast")
grid = build.grid
x = build.buffer("x", f32, N)
red = build.color("red")
build.route(red, grid[0, 0], RAMP >> (EAST | SOUTH))
build.route(red, grid[1:-1, 0], WEST >> (RAMP | EAST | SOUTH))
build.route(red, grid[-1, 0], WEST >> (RAMP | SOUTH))
build.route(red, grid[:, 1:-1], SOUTH.opposite >> (RAMP | SOUTH))
build.route(red, grid[:, -1], SOUTH.opposite >> RAMP)
corner = grid[0, 0]
build.main(corner).mov(to=red, a=x)
for others in (grid[1:, 0], grid[:, 1:]):
    build.main(others).mov(to=x, a=red)

machine = Machine(build.finish(), toy(WIDTH, HEIGHT), trace=Trace())
values = np.zeros((HEIGHT, WIDTH, N), np.float32)
values[0, 0] = np.arange(N)
machine.write("x", values)
machine.launch()
report = machine.report()
report.draw_links();

# %%
recording = machine.recording()
recording.animate(window=(18, recording.end), frames_per_second=8)

# %% [markdown]
# The sender put 16 wavelets into the fabric; routers made the other copies.

# %%
report.to_frame(by="color")

# %% [markdown]
# ## Two colours that take turns
#
# A chain adds up a row: each PE takes the stream from the west, adds its own and sends it east. Were it one
# colour, a router would have two inputs for it (from the west, and from its own core), which a route cannot have.
# So even and odd PEs alternate two colours, like a checkerboard.

# %%
build = Builder(8, 1, name="chain")
grid = build.grid
x = build.buffer("x", f32, 40)
even, odd = build.color("even"), build.color("odd")
build.route(even, grid[0:-1:2, :], RAMP >> EAST)
build.route(even, grid[1::2, :], WEST >> RAMP)
build.route(odd, grid[1:-1:2, :], RAMP >> EAST)
build.route(odd, grid[2::2, :], WEST >> RAMP)
pe = build.main()
pe.on(grid[0, :]).mov(to=even, a=x)
pe.on(grid[1:-1:2, :]).add(to=odd, a=even, b=x)  # stream in + memory -> stream out
pe.on(grid[2:-1:2, :]).add(to=even, a=odd, b=x)
pe.on(grid[-1, :]).add(to=x, a=even, b=x)
chain = Machine(build.finish(), toy(8, 1), trace=Trace())
chain.write("x", np.ones((1, 8, 40), np.float32))
chain.launch()
chain.recording().draw_paths();

# %%
chain.report().draw_traffic();

# %% [markdown]
# ## When routes do not meet
#
# A route that leads nowhere is found before anything runs; a receiver without a sender when nothing moves any
# more. Both errors say where.

# %%
messages = []
wrong = Builder(3, 1, name="wrong")
lost = wrong.color("lost")
wrong.route(lost, wrong.grid[0, 0], RAMP >> EAST)
wrong.main(wrong.grid[0, 0]).mov(to=lost, a=wrong.buffer("x", f32, 4))
try:
    Machine(wrong.finish(), toy(3, 1))
except ProgramError as error:
    messages.append(str(error))

silent = Builder(2, 1, name="silent")
never = silent.color("never")
silent.route(never, silent.grid[0, 0], RAMP >> EAST)
silent.route(never, silent.grid[1, 0], WEST >> RAMP)
silent.main(silent.grid[1, 0]).mov(to=silent.buffer("x", f32, 4), a=never)
try:
    Machine(silent.finish(), toy(2, 1)).launch()
except RunError as error:
    messages.append(str(error))
print("\n\n".join(messages))

# %%
assert (machine.read("x") == np.arange(N)).all()
links = report.links
assert links.injections.sum() == N
assert links.injections.sum() + links.copies.sum() == links.deliveries.sum() == N * (WIDTH * HEIGHT - 1)
assert (chain.read("x")[0, -1] == 8).all()
assert len(messages) == 2
