"""What a prompt taken at once sends over the links of a region, in closed form: every sum, panel and broadcast of its
kernels, line by line.
"""

from __future__ import annotations

from functools import lru_cache

from wse_sim.hardware import DType, f32, i32
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.matrix import gemm_nn, gemm_nt
from wse_sim.kernels.matrix.gemm_panels import filled
from wse_sim.kernels.prefill import causal_work, embedding
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill import panel_width
from wse_sim.mapping.region.prefill_work import products
from wse_sim.mapping.region.traffic import Lines, Traffic, add_head, line_of_a_shard


@lru_cache(maxsize=64)
def prompt_traffic(layout: Layout, count: int, *, spare: bool = False, last: bool = True) -> Traffic:
    """Of a prompt of `count` tokens, not of its hand-over; `spare` and `last` as in `prefill_cycles`."""
    (words_x, words_y), (queues_x, queues_y) = layout.line_words, layout.line_queues(spare=spare)
    x = Lines(plan(layout.wafer, layout.width, words=words_x, queues=queues_x))
    y = Lines(plan(layout.wafer, layout.height, words=words_y, queues=queues_y))
    tree = line_of_a_shard(layout)
    inside = Lines(tree) if tree else x
    work = _Prompt(layout, count, x, y, inside)
    work.layer()
    if inside is not x:
        x.add_stretches(inside)
    for lines in (x, y):  # all are alike
        lines.loads *= len(layout.held)
        lines.hops *= len(layout.held)
    if layout.embedding:
        work.embedding()
    if last:
        work.end()
    if layout.head:
        add_head(layout, x, y, count - 1)
    return Traffic(x.hops + y.hops, x.busiest, y.busiest)


class _Prompt:
    """A prompt's kernels, one after the other. Rows of PEs have `fullest` tokens, or one less.

    inside  lines along x within a shard: those of one
    """

    def __init__(self, layout: Layout, count: int, x: Lines, y: Lines, inside: Lines) -> None:
        self.layout, self.count, self.x, self.y, self.inside = layout, count, x, y, inside
        full, more = divmod(count, layout.height)
        self.rows = [(full + 1, more), (full, layout.height - more)] if more else [(full, layout.height)]
        self.sizes = products(layout, panel_width(layout))

    def layer(self) -> None:
        """One of all."""
        sizes, heads = self.sizes, self.sizes.attention.heads.heads
        self._sum_rows(1, f32, times=4)  # two norms, of two sums each
        for product in (sizes.qkv, sizes.up):
            self._nn(product)
        for transposed in (sizes.out, sizes.down):
            self._nt(transposed)
        self._scores(sizes.attention, heads)
        self._sum_rows(heads, f32, times=2, along=self.inside)
        self._mix(sizes.attention, heads)

    def embedding(self) -> None:
        """Before the layers."""
        layout, x, y, rows = self.layout, self.x, self.y, -(-self.layout.prompt // self.layout.height)
        x.spread(rows, i32, layout.height)
        owners = range(min(self.count, layout.height))
        y.bring(owners, rows, i32, layout.width)
        for here, most in embedding.rounds(self.count, layout.height, self.sizes.embedding):
            lines = len(here) * most
            y.spread(self.sizes.embedding * rows, i32, layout.width)
            x.sum(lines * layout.hidden.size, layout.dtype, layout.height)
            self._turn(y, layout.hidden, layout.residual, lines)

    def end(self) -> None:
        """The last hidden state, behind the layers."""
        layout, x, y = self.layout, self.x, self.y
        last = (self.count - 1) % layout.height
        y.bring(range(last, last + 1), layout.residual.size, layout.dtype, layout.width)
        y.spread(layout.residual.size, layout.dtype, layout.width)
        self._turn(x, layout.residual, layout.hidden, 1)

    def _sum_rows(self, elements: int, dtype: DType, *, times: int = 1, along: Lines | None = None) -> None:
        """So many of each token, along x."""
        for here, lines in self.rows:
            (along or self.x).sum(here * elements, dtype, lines, times=times, busiest=here == self.rows[0][0])

    def _panels(self, owners: range, a_panel: int, tile: int, panel: int) -> None:
        """Panels of tiles of the dtype along y, the same on all columns."""
        self.y.bring(owners, tile, self.layout.dtype, self.layout.width)
        self.y.spread(panel, self.layout.dtype, self.layout.width, times=-(-len(owners) // a_panel))

    def _panels_of_rows(self, along: Lines, owners: range, a_panel: int, tile: int, panel: int) -> None:
        """Panels along x, of so many elements for each token."""
        for here, lines in self.rows:
            most = here == self.rows[0][0]
            along.bring(owners, here * tile, self.layout.dtype, lines, busiest=most)
            times = -(-len(owners) // a_panel)
            along.spread(here * panel, self.layout.dtype, lines, times=times, busiest=most)

    def _nn(self, of: gemm_nn.Sizes) -> None:
        on_x, on_y = of.on_x, of.on_y
        self._panels_of_rows(self.x, range(filled(on_x)), of.wide // on_x.size, on_x.size, of.wide)
        self._panels(range(filled(on_y)), of.high // on_y.size, on_y.size * of.columns, of.high * of.columns)

    def _nt(self, of: gemm_nt.Sizes) -> None:
        inner, on_y = of.inner.size, of.on_y
        self._panels(range(filled(on_y)), of.wide // on_y.size, inner * on_y.size, inner * of.wide)
        self._sum_rows(of.wide, self.layout.accumulate, times=of.panels)

    def _scores(self, of: causal_work.Sizes, heads: int) -> None:
        runs = range(min(self.count, of.height))
        a_panel = of.wide // of.rows
        self._panels(runs, a_panel, of.size * of.rows, of.size * of.wide)
        times = -(-len(runs) // a_panel)
        self._sum_rows(heads * of.wide, self.layout.accumulate, times=times, along=self.inside)

    def _mix(self, of: causal_work.Sizes, heads: int) -> None:
        runs = range(min(self.count, of.height))
        columns, a_panel = range(-(-len(runs) // of.runs)), of.spread // of.kept
        self._panels_of_rows(self.inside, columns, a_panel, heads * of.kept, heads * of.spread)
        self._panels(runs, a_panel * of.runs, of.size * of.rows, of.size * of.spread)

    def _turn(self, lines: Lines, source: Blocks, target: Blocks, rows: int, *, times: int = 1) -> None:
        """Each line fetches the tiles that have its elements; the first one's links count as the busiest."""
        ends = target.starts + target.counts
        for line, (start, end) in enumerate(zip(target.starts.tolist(), ends.tolist(), strict=True)):
            for owner in range(start // source.size, -(-end // source.size)) if end > start else ():
                tile = rows * source.size
                lines.bring(range(owner, owner + 1), tile, self.layout.dtype, 1, times=times, busiest=line == 0)
                lines.spread(tile, self.layout.dtype, 1, times=times, busiest=line == 0)
