"""A program as text: what an engineer reads, and what its hash stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wse_sim.hardware import EAST, NORTH, RAMP, SOUTH, WEST, WSE2, f16, f32, i32
from wse_sim.program import Builder, HighPriority, Program, activate, check, each, unblock

Golden = Callable[[str, str], None]


def broadcast() -> Program:
    """A vector from the west edge to all PEs of each row."""
    build = Builder(8, 4, name="broadcast")
    grid, x, color = build.grid, build.buffer("x", f32, 64), build.color("x")
    build.route(color, grid[0, :], RAMP >> EAST)
    build.route(color, grid[1:-1, :], WEST >> RAMP | EAST)
    build.route(color, grid[-1, :], WEST >> RAMP)
    with build.section("broadcast"):
        build.main(grid[0, :]).mov(color, x)
        build.main(grid[1:, :]).mov(x, color)
    return build.finish()


def everything() -> Program:
    """One of each thing that a program can hold."""
    build = Builder(4, 3, name="everything")
    grid = build.grid
    steps = build.argument("steps", "int")
    a = build.buffer("a", f16, 32, init=np.arange(32))
    c = build.buffer("c", f32, 8, bank_offset=8)
    old = build.buffer("old", i32, 5, on=grid[::2, 1:])
    build.release(old)
    place = build.constant("place", i32, np.arange(4))
    south, data = build.color("south"), build.color("data")
    build.route(south, grid[:, 0], RAMP >> SOUTH)
    build.route(south, grid[:, 1:2], NORTH >> RAMP | SOUTH)
    build.route(data, grid[1, 0], RAMP >> EAST | SOUTH)
    build.route(data, grid[2, 0], WEST >> RAMP)
    build.route(data, grid[1, 1], NORTH >> RAMP)
    build.route(south, grid[:, 2], NORTH >> RAMP)
    done = build.task("done", blocked=True)
    count = build.task("count", on_wavelet=data, argument="float")
    pe = build.main()
    with build.section("gemv"):
        with pe.loop(pe.use(steps)) as i, pe.scope():
            where = i * 8
            pe.mac(c[:4].stepping(1), a.view(0, 4, stride=2).at(where, advance=True), each(a[:5]))
            with build.section("sum"), pe.when(i < 3):
                total = pe.real(0)
                pe.sum(total, c)
                pe.store(c[-1], total)
                pe.otherwise()
                pe.add(c, c, c)
        pe.load(place)
    pe.on(grid[:, 0]).mov(south, a, slot=HighPriority(0), then=unblock(done))
    pe.on(grid[:, 1:]).add(c, south, a[:16].rows(4, 8), n=8, carry=f16, slot=1, then=activate(done))
    pe.on(grid[1, 0]).mov(data, 1.5, n=1)
    pe.on(grid[2, 0]).reroute(data, WEST >> RAMP | NORTH)
    build.on(grid, done).block(done)
    got = build.on(grid[1:3, 0:2], count)
    got.store(c[0], got.wavelet * 2)
    return build.finish()


@pytest.mark.parametrize("make", [broadcast, everything], ids=lambda make: make.__name__)
def test_listing(make: Callable[[], Program], golden: Golden) -> None:
    golden(f"listing_{make.__name__}.txt", make().listing())


def test_the_broadcast_is_legal() -> None:
    check(broadcast(), WSE2)


def test_a_listing_can_name_the_source() -> None:
    plain, full = (broadcast().listing(source=source).splitlines() for source in (False, True))
    assert [line.split("  ; test_listing.py:")[0].rstrip() for line in full] == plain
    assert sum("  ; test_listing.py:" in line for line in full) == 5


def test_no_line_ends_in_blanks() -> None:
    for line in everything().listing(source=True).splitlines():
        assert line == line.rstrip()


def test_an_empty_program() -> None:
    assert Builder(2, 1, name="empty").finish().listing() == "program empty: 2 x 1 PEs in 1 role\n"


def test_a_program_in_a_notebook() -> None:
    build = Builder(2, 1, name="<b>")
    build.main().integer(0)
    assert build.finish()._repr_html_() == (
        "<b>&lt;b&gt;</b>: 2 x 1 PEs, 1 roles, 1 instructions, 0 colours, 0 buffers "
        "<small>(<code>print(program.listing())</code> shows them)</small>"
    )


# -- hash -------------------------------------------------------------------------------------------


def test_equal_programs_have_equal_hashes() -> None:
    assert everything().hash == everything().hash
    assert len(everything().hash) == 16


def in_section(build: Builder, x: Any, red: Any) -> None:
    with build.section("s"):
        build.main().mov(x, red)


CHANGES: dict[str, Callable[[Builder, Any, Any], Any]] = {
    "nothing": lambda b, x, red: None,
    "values": lambda b, x, red: b.buffer("y", f32, 4, init=1.0),
    "other values": lambda b, x, red: b.buffer("y", f32, 4, init=2.0),
    "values of each": lambda b, x, red: b.buffer("y", f32, 4, init=np.arange(4)),
    "a type": lambda b, x, red: b.buffer("y", i32, 4),
    "a place": lambda b, x, red: b.buffer("y", i32, 4, bank_offset=4),
    "a route": lambda b, x, red: b.route(red, b.grid, NORTH >> SOUTH),
    "code": lambda b, x, red: b.main().mov(x, red),
    "what is carried": lambda b, x, red: b.main().mov(x, red, carry=f16),
    "a slot": lambda b, x, red: b.main().mov(x, red, slot=0),
    "a priority": lambda b, x, red: b.main().mov(x, red, slot=HighPriority(0)),
    "a section": lambda b, x, red: in_section(b, x, red),
    "a region": lambda b, x, red: b.main(b.grid[0, :]).mov(x, red),
    "a step": lambda b, x, red: b.main().mov(x[:2].stepping(1), red),
    "a stride": lambda b, x, red: b.main().mov(x.view(0, 2, stride=2), red),
    "a start": lambda b, x, red: b.task("t", start=True),
    "a block": lambda b, x, red: b.task("t", blocked=True),
    "a trigger": lambda b, x, red: b.task("t", on_wavelet=red),
    "an argument": lambda b, x, red: b.argument("n", "int"),
}


def test_different_programs_have_different_hashes() -> None:
    hashes: dict[str, list[str]] = {}
    for name, change in CHANGES.items():
        build = Builder(2, 2)
        change(build, build.buffer("x", f32, 4), build.color("red"))
        hashes.setdefault(build.finish().hash, []).append(name)
    assert [names for names in hashes.values() if len(names) > 1] == []
