"""The collectives put to work on shapes that tests draw.

Sizes: `length` PEs on each of `lines` lines along `axis` (0: x, 1: y), `n` elements or `words` wavelets per PE; a
`root` counts round the line, `source` and `target` round the grid; `operation` is an index of OPERATIONS, `algorithm`
one of ALGORITHMS; `group` is the size of groups where the algorithm has some, 0 the best.
"""

from __future__ import annotations

import numpy as np

from wse_sim.hardware import DType, Region, Wafer, f16, f32, i32
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective import broadcast, example_reductions, gather, handover, message, redeal, scatter, shift
from wse_sim.kernels.collective.example_lines import Lines, random_values
from wse_sim.kernels.collective.lanes import lanes
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.program.builder import Builder


def _broadcast(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n = Lines(wafer, dtype, shape, seed), shape["n"]
    x, values, root = bench.build.buffer("x", dtype, n), bench.values(n), bench.root
    broadcast.make_broadcast(bench.build, bench.region, bench.axis, root=root).emit(bench.build.main(), x)
    outputs = {"x": Expected(bench.placed(broadcast.reference(root, values)))}
    cost = broadcast.cost(wafer, bench.length, root, n, dtype=dtype)
    far = max(root, bench.length - 1 - root)
    return bench.example({"x": values}, outputs, cost, wavelets(n, dtype) + far * wafer.hop_cycles)


def _message(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    width, height, n = shape["width"], shape["height"], shape["n"]
    build = Builder(width, height)
    places = [(shape[name] % (width * height)) for name in ("source", "target")]
    source, target = (build.grid[place % width, place // width] for place in places)
    x, to = build.buffer("x", dtype, n), build.buffer("to", dtype, n)
    message.make_message(build, source, target).emit(build.main(), x, to)
    values = random_values(dtype, (height, width, n), seed)
    hops = abs(source.xs[0] - target.xs[0]) + abs(source.ys[0] - target.ys[0])
    return Example(
        program=build.finish(),
        inputs={"x": values},
        outputs={"to": Expected(values[source.ys[0], source.xs[0]], target)},
        cost=wafer.task_switch_cycles + message.cost(wafer, hops, n, dtype=dtype),
        bound=hops * wafer.hop_cycles + wavelets(n, dtype),
    )


def _apart(shape: Shape) -> bool:
    pes = shape["width"] * shape["height"]
    return shape["source"] % pes != shape["target"] % pes


def _shift(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n = Lines(wafer, dtype, shape, seed), shape["n"]
    forward, ring = shape["forward"] > 0, shape["ring"] > 0
    x, to = bench.build.buffer("x", dtype, n), bench.build.buffer("to", dtype, n)
    values, before = bench.values(n), bench.values(n)
    made = shift.make_shift(bench.build, bench.region, bench.axis, forward=forward, ring=ring)
    made.emit(bench.build.main(), x, to)
    after = shift.reference(values, before, forward=forward, ring=ring)
    cost = shift.cost(wafer, bench.length, n, ring=ring, dtype=dtype)
    far = bench.length - 1 if ring else 1
    bound = wavelets(n, dtype) + far * wafer.hop_cycles
    return bench.example({"x": values, "to": before}, {"to": Expected(bench.placed(after))}, cost, bound)


def _gather(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n = Lines(wafer, dtype, shape, seed), shape["words"] * dtype.per_wavelet
    x, whole = bench.build.buffer("x", dtype, n), bench.build.buffer("whole", dtype, n * bench.length)
    values, root = bench.values(n), bench.root
    made = gather.make_gather(bench.build, bench.region, bench.axis, root=root)
    made.emit(bench.build.main(), x, whole)
    gathered = np.stack([gather.reference(line) for line in values.swapaxes(0, 1)])
    cost = gather.cost(wafer, bench.length, n, root=root, dtype=dtype)
    bound = shape["words"] * (bench.length - 1)
    return bench.example({"x": values}, {"whole": bench.at_root(gathered, root)}, cost, bound)


def _scatter(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n = Lines(wafer, dtype, shape, seed), shape["words"] * dtype.per_wavelet
    whole, x = bench.build.buffer("whole", dtype, n * bench.length), bench.build.buffer("x", dtype, n)
    values, root = bench.values(n * bench.length), bench.root
    made = scatter.make_scatter(bench.build, bench.region, bench.axis, root=root)
    made.emit(bench.build.main(), whole, x)
    dealt = np.stack([scatter.reference(line, bench.length) for line in values[root]], axis=1)
    cost = scatter.cost(wafer, bench.length, n, root=root, dtype=dtype)
    bound = shape["words"] * (bench.length - 1)
    return bench.example({"whole": values}, {"x": Expected(bench.placed(dealt))}, cost, bound)


def _two_regions(shape: Shape) -> tuple[Builder, Region, Region]:
    """A source of rows x columns PEs, and a target of other rows on any side, with columns for half the lanes."""
    rows, other, columns, side, gap = (shape[name] for name in ("rows", "other", "columns", "side", "gap"))
    wide = columns + -(-rows // 2)
    at = [(columns + gap, 0), (-wide - gap, 1), (0, rows + gap), (0, -other - gap), (columns + gap, rows),
          (-wide - gap, rows), (columns, -other - gap), (-wide, -other - gap)][side]  # fmt: skip
    left, top = max(0, -at[0]), max(0, -at[1])
    width, height = max(columns, at[0] + wide), max(rows, at[1] + other)
    build = Builder(width + left, height + top)
    source = build.grid[left : left + max(columns, wide if side in (2, 3) else 0), top : top + rows]
    target = build.grid[left + at[0] : left + at[0] + wide, top + at[1] : top + at[1] + other]
    return build, source, target


def _handover(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    """With the all-reduce that makes the vector known to whole rows, by the host: ends of lanes hold the rest 0."""
    build, source, target = _two_regions(shape)
    total = shape["n"]
    mine, theirs = Blocks(total, source.height), Blocks(total, target.height)
    x, to = build.buffer("x", dtype, mine.size, on=source), build.buffer("to", dtype, theirs.size, on=target)
    made = handover.make_handover(build, source, target, total=total, dtype=dtype)
    made.send(build.main(source), x)
    made.post(build.main(target))
    made.take(build.main(target), to)
    values = np.random.default_rng(seed).standard_normal(total).astype(dtype.numpy)
    dealt = np.broadcast_to(mine.deal(values)[:, None], (mine.parts, source.width, mine.size))
    left = np.zeros((target.height, target.width, theirs.size), dtype.numpy)
    laid = lanes(source, target, total)
    for lane in laid.lanes:
        sent = np.zeros(theirs.parts * theirs.size, dtype.numpy)
        first = (lane.start[1] - source.ys[0]) * mine.size
        part = values[first : first + mine.size]
        sent[first : first + len(part)] = part
        for px, py in lane.ends:
            left[py - target.ys[0], px - target.xs[0]] = sent.reshape(theirs.parts, -1)[py - target.ys[0]]
    cost = handover.cost(wafer, laid, mine.size, dtype=dtype)
    cost += handover.cost_of_taking(wafer, min(mine.size, theirs.size), dtype=dtype)
    bound = wavelets(mine.size, dtype) + laid.hops * wafer.hop_cycles
    return Example(
        build.finish(), {"x": dealt}, {"to": Expected(left, region=target)}, wafer.task_switch_cycles + cost, bound
    )


def _redeal(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    """Three vectors, one right after the other."""
    rows, columns, wide, n, gap = (shape[name] for name in ("rows", "columns", "wide", "n", "gap"))
    build = Builder(wide + gap + columns, rows)
    target, source = build.grid[:wide, :], build.grid[wide + gap :, :]
    given, taken = Blocks(n, source.width), Blocks(n, target.width)
    x = build.buffer("x", dtype, 3 * given.size, on=source)
    to = build.buffer("to", dtype, 3 * taken.size, on=target)
    made = redeal.make_redeal(build, (source, given), (target, taken), dtype=dtype)
    for region, buffer, blocks, move in ((source, x, given, made.give), (target, to, taken, made.take)):
        pe = build.main(region)
        shares = made.shares(pe)
        for k in range(3):
            move(pe, buffer[k * blocks.size : (k + 1) * blocks.size], shares)
    values = random_values(dtype, (rows, 3, n), seed)
    dealt, expected = given.deal(values), redeal.reference(given.deal(values), given, taken)  # (rows, 3, parts, size)
    sent = wavelets(n, redeal.carried(dtype, given, taken))
    return Example(
        build.finish(),
        {"x": dealt.swapaxes(1, 2).reshape(rows, source.width, -1)},
        {"to": Expected(expected.swapaxes(1, 2).reshape(rows, target.width, -1), target)},
        wafer.task_switch_cycles + redeal.cost(wafer, given, taken, gap=gap, dtype=dtype, times=3),
        3 * sent + (gap + 1) * wafer.hop_cycles,
    )


_SIZES = {"axis": (0, 1), "length": (2, 40), "lines": (1, 3)}
_ROOTED = {**_SIZES, "root": (0, 39)}
_GRID = {"width": (1, 12), "height": (1, 12)}
_SIDES = {"rows": (1, 9), "other": (1, 9), "columns": (1, 9), "side": (0, 7), "gap": (0, 4), "n": (1, 90)}
_DEALT = {"rows": (1, 3), "columns": (1, 9), "wide": (1, 9), "gap": (0, 4), "n": (1, 60)}
_ALL = (f32, f16, i32)

KERNELS = (
    *example_reductions.KERNELS,
    Kernel("broadcast", _broadcast, {**_ROOTED, "n": (1, 70)}, _ALL),
    Kernel("message", _message, {**_GRID, "source": (0, 143), "target": (0, 143), "n": (1, 70)}, _ALL, _apart),
    Kernel("shift", _shift, {**_SIZES, "n": (1, 70), "forward": (0, 1), "ring": (0, 1)}, _ALL),
    Kernel("gather", _gather, {**_ROOTED, "words": (1, 24)}, _ALL),
    Kernel("scatter", _scatter, {**_ROOTED, "words": (1, 24)}, _ALL),
    Kernel("redeal", _redeal, _DEALT, (f32, f16), margin=48),
    Kernel("handover", _handover, _SIDES, (f32, f16), margin=24),
)
