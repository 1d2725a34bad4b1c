"""Can a mapping be: SRAM, colours, hand-overs, sequences, host link; asked before anything is built."""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.matrix import feed
from wse_sim.mapping.plan.estimate import link_cycles
from wse_sim.mapping.plan.mapping import Mapping, Part
from wse_sim.mapping.plan.ring import distinct_rings, ring_colors, ring_of
from wse_sim.mapping.region.fit import LARGEST, bytes_needed, fit
from wse_sim.mapping.region.layout import Layout


@dataclass(frozen=True)
class Check:
    """One limit of the machine.

    needed, limit  in the unit that `text` names
    text           what was found, and what to try where it does not do
    """

    name: str
    ok: bool
    needed: int
    limit: int
    text: str


def checks(mapping: Mapping) -> tuple[Check, ...]:
    """Every limit, met or not."""
    every = (_sram, _colors, _handovers, _sequences, _prompts, _host)
    return tuple(check(mapping) for check in every)


def why_not(mapping: Mapping) -> str:
    """The first limit that is not met, in words; nothing if the mapping can be."""
    return next((check.text for check in checks(mapping) if not check.ok), "")


def layouts(mapping: Mapping) -> list[Layout]:
    """The layouts of a replica's parts, and of the place that takes its prompts."""
    taking = mapping.replica(0, prompts=True)
    return ring_layouts(mapping) + ([mapping.layout(Part(taking))] if taking else [])


def ring_layouts(mapping: Mapping) -> list[Layout]:
    """The layouts of a replica's parts, in the order of the model."""
    return [mapping.layout(part) for part in mapping.parts(0)]


def _sram(mapping: Mapping) -> Check:
    worst = max(layouts(mapping), key=bytes_needed)
    needed, limit = bytes_needed(worst), mapping.wafer.user_sram_bytes
    text = f"{needed:,} of {limit:,} bytes of SRAM on the fullest PE"
    if needed > limit:
        largest = ", ".join(f"{name} {size:,}" for name, size in fit(worst, mapped=True).buffers[:LARGEST])
        text = (
            f"{needed:,} bytes on a PE of {worst.width}x{worst.height}, {needed - limit:,} more than the {limit:,} "
            f"there are; most of it: {largest}; try f16, a shorter context, more PEs, or streamed weights"
        )
    return Check("SRAM", needed <= limit, needed, limit, text)


def _colors(mapping: Mapping) -> Check:
    streamed = mapping.places[0].streamed
    lines = max(_line_colors(layout, spare=mapping.spare) for layout in layouts(mapping)) + streamed
    needed = lines + max((1 + n for ring in ring_colors(mapping) for bundles in ring for n in bundles), default=0)
    needed += 2 * bool(mapping.replica(0, prompts=True))
    limit = len(mapping.wafer.user_colors)
    text = f"{needed} of {limit} colours"
    if needed > limit:
        text = f"{needed} colours, {lines} for sums, the others for hand-overs, but there are {limit}; place anew"
    return Check("colours", needed <= limit, needed, limit, text)


def _line_colors(layout: Layout, *, spare: bool) -> int:
    """Those of the trees, and one for each broadcast."""
    sizes = zip((layout.width, layout.height), layout.line_words, layout.line_queues(spare=spare), strict=True)
    found = sum(plan(layout.wafer, n, words=words, queues=queues).channels + 1 for n, words, queues in sizes)
    if layout.shards > 1:
        found += plan(layout.wafer, layout.width // layout.shards, groups=()).channels + 1
    return found


def _handovers(mapping: Mapping) -> Check:
    pairs = ring_of(mapping.parts(0))
    links = [(a, b, laid) for ring in distinct_rings(mapping) for (a, b), laid in zip(pairs, ring, strict=True)]
    bad = [link for link in links if not link[2]]
    text = f"{mapping.replicas * len(pairs)} hand-overs"
    if mapping.replica(0, prompts=True):
        text += ", and keys and values of prompts"
    if bad:
        a, b, laid = bad[0]
        text = f"no lanes from {a.region!r}, {a.holds()}, to {b.region!r}, {b.holds()}: {laid.why_not}"
    return Check("hand-overs", not bad, len(bad), 0, text)


def _sequences(mapping: Mapping) -> Check:
    parts = len(mapping.parts(0))
    text = f"{mapping.sequences} sequences in flight over {parts} regions"
    if mapping.places[0].streamed:
        return Check("sequences", True, mapping.sequences, mapping.sequences, f"{mapping.sequences} step together")
    ok = mapping.sequences <= parts
    return Check("sequences", ok, mapping.sequences, parts, text if ok else f"{text}: expected one for each at most")


def _prompts(mapping: Mapping) -> Check:
    """Prompts at once: by regions of one height; keys and values along the rows, to the west."""
    text = f"prompts of {mapping.prompt:,} tokens at once" if mapping.prompt else "prompts token by token"
    if not mapping.prompt:
        return Check("prompts", ok=True, needed=0, limit=0, text=text)
    for index in range(mapping.replicas):
        taking, decoding = mapping.prompt_part(index), mapping.parts(index)
        reason = _why_no_prompts(mapping, decoding)
        if reason:
            return Check("prompts", ok=False, needed=1, limit=0, text=reason)
        if taking is None:
            continue
        here, there = taking.region, decoding[0].region
        if here != there and (here.ys != there.ys or there.xs[-1] >= here.xs[0]):
            text = f"keys and values from {here!r} to {there!r}: expected the same rows, and the target in the west"
            return Check("prompts", ok=False, needed=1, limit=0, text=text)
    return Check("prompts", ok=True, needed=0, limit=0, text=text)


def _why_no_prompts(mapping: Mapping, parts: tuple[Part, ...]) -> str:
    """What the kernels for prompts at once are not written for."""
    heights = sorted({part.region.height for part in parts})
    if len(heights) > 1:
        return f"prompts at once on regions {heights} PEs high: not written; expected one height, as tokens lie on rows"
    if len(parts) > 1 and (mapping.phase == "decode" or mapping.replica(0, prompts=True)):
        return f"keys and values handed over to {len(parts)} parts: not written; expected one region that decodes"
    return ""


def _host(mapping: Mapping) -> Check:
    """Streamed weights come in at the ends of every row of one region, or at one of them."""
    streamed = [place for place in mapping.places if place.streamed]
    if not streamed:
        return Check("host link", ok=True, needed=0, limit=0, text="no streamed weights")
    place, wafer = streamed[0], mapping.wafer
    why = ""
    if len(mapping.places) > 1 or mapping.turned:
        why = "expected one region on an upright wafer; place the mapping anew"
    elif not feed.halves(wafer, place.region):
        why = (
            f"expected it at the west or the east edge of {wafer.name}, and I/O channels there; place the mapping "
            "anew, or give the wafer other io_edges"
        )
    elif wafer.filters < 1:
        why = f"expected a filter on each PE of {wafer.name}"
    link = 0 if why else link_cycles(mapping)
    text = f"weights streamed to {place.region!r}: {why}" if why else f"{link:,} cycles of the host link a step"
    return Check("host link", ok=not why, needed=link, limit=link, text=text)
