"""Each rule refuses a small program that breaks it, in words, and lets its legal neighbour pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wse_sim.errors import FitError, ProgramError, WseError
from wse_sim.hardware import EAST, NORTH, RAMP, SOUTH, WEST, WSE2, Direction, Wafer, f16, f32, i16, i32
from wse_sim.program import Builder, Program, activate, check, each, unblock
from wse_sim.program.check import RULES
from wse_sim.program.facts import Facts
from wse_sim.program.fit_rules import buffers_do_not_overlap
from wse_sim.program.instruction import Control, Mark
from wse_sim.program.layout import LINKS
from wse_sim.program.ways import Ways

TOY = WSE2.crop(8, 8).with_(name="toy")
HERE = r"test_check\.py:\d+"


class Case:
    """An 8 x 4 program to be."""

    def __init__(self) -> None:
        self.build = Builder(8, 4, name="case")
        self.grid = self.build.grid
        self.red, self.blue = self.build.color("red"), self.build.color("blue")
        self.x, self.y = self.build.buffer("x", f32, 8), self.build.buffer("y", i32, 8)
        self.h = self.build.buffer("h", f16, 8)
        self.pe = self.build.main()

    def hop(self, color: Any = None) -> None:
        """A route from column 0 to column 1, used by both."""
        color = color or self.red
        self.build.route(color, self.grid[0, :], RAMP >> EAST)
        self.build.route(color, self.grid[1, :], WEST >> RAMP)
        self.pe.on(self.grid[0, :]).mov(color, self.x)
        self.pe.on(self.grid[1, :]).mov(self.x, color)


def refused(case: Case, kind: type[WseError], message: str, wafer: Wafer = TOY) -> None:
    with pytest.raises(kind, match=message) as caught:
        check(case.build.finish(), wafer)
    text = str(caught.value)
    assert "\n" not in text
    assert "; expected " in text


Write = Callable[[Case], Any]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_says_what_it_demands_in_one_sentence(rule: Any) -> None:
    assert rule.__doc__.endswith(".")
    assert "\n" not in rule.__doc__
    assert rule.__doc__.count(". ") == 0


# -- one instruction ----------------------------------------------------------------------------------

SHAPES: list[tuple[Write, str]] = [
    (lambda c: c.pe.add(c.x, c.red, c.blue), "two input streams, red and blue.*expected one at most; move one"),
    (lambda c: c.pe.mac(c.red, c.x, c.x), "mac reads its destination, but red is a stream.*; compute in memory"),
    (lambda c: c.pe.mul(c.x, c.red, each(c.x), n=8), "a map with the stream red.*expected views in memory; mov the"),
    (lambda c: c.pe.mul(c.red, c.x, each(c.x)), "a map with the stream red"),
    (lambda c: c.pe.mul(c.x, c.x, each(c.x), slot=1), "a map in background slot 1.*; leave out slot and then"),
    (lambda c: c.pe.mov(c.x[:4].stepping(1), c.x[:4]), r"x\[0 n=4 step=1\] steps, but this is no map.*use each"),
    (lambda c: c.pe.store(c.x[0].stepping(1), 1.0), "steps, but this is no map"),
    (lambda c: c.pe.mac(c.x, c.x, each(c.x.view(0, 4).stepping(1))), r"of each\(...\) steps or advances"),
    (
        lambda c: c.pe.mac(c.x, c.x, each(c.x[:4].at(c.pe.integer(0), advance=True))),
        r"of each\(...\) steps or advances.*expected a plain view",
    ),
]

TYPES: list[tuple[Write, str]] = [
    (lambda c: c.pe.sum(c.x[0], c.x, n=1), r"sum gives one number, but x\[0 n=1\] is no register.*; make one with"),
    (lambda c: c.pe.dot(c.red, c.x, c.x), "dot gives one number, but red is no register"),
    (lambda c: c.pe.add(c.pe.real(0), c.x, c.x), "add gives elements, but f0 is a register.*; reduce with sum, dot"),
    (lambda c: c.pe.add(c.x, c.x, c.y), r"add mixes floats and integers \(to f32, a f32, b i32\).*; convert with mov"),
    (lambda c: c.pe.add(c.x, c.x, c.pe.integer(1)), r"mixes floats and integers \(to f32, a f32, b i32\)"),
    (lambda c: c.pe.sum(c.pe.integer(0), c.x), r"mixes floats and integers \(to i32, a f32\)"),
    (lambda c: c.pe.add(c.x, c.red, c.x, carry=i16), r"mixes floats and integers \(to f32, a i16, b f32\)"),
    (lambda c: c.pe.mul(c.x, c.x, 2, carry=i32), r"mixes floats and integers \(to f32, a f32, carry i32\)"),
    (lambda c: c.pe.mul(c.x, c.x, each(c.y)), r"mixes floats and integers \(to f32, a f32, b i32\)"),
    (lambda c: c.pe.vector("exp", c.y, c.y), "exp on to, which holds i32.*expected floats; convert with mov first"),
    (lambda c: c.pe.vector("and", c.x, c.x, c.x), "and on to, which holds f32.*expected integers"),
    (lambda c: c.pe.add(c.y, c.y, 0.5), "the float 0.5 among integers.*expected a whole number, written as int"),
    (lambda c: c.pe.mov(c.y, 0.5), "the float 0.5 among integers"),
]

BOUNDS: list[tuple[Write, str]] = [
    (lambda c: c.pe.mov(c.x, c.x[:4], n=8), r"8 elements of x\[0 n=4\], which has 4.*expected a view of 8 or more"),
    (lambda c: c.pe.mov(c.x[:4], c.red, n=5), r"5 elements of x\[0 n=4\], which has 4.*; lengthen the view or lower n"),
    (
        lambda c: c.pe.mac(c.x[:4].stepping(1), c.x[:4], each(c.x[:6])),
        r"x\[0 n=4 step=1\] reaches elements 0..8 in 6 steps of 1.*expected elements 0..7 of x: f32\[8\]; shorten",
    ),
    (
        lambda c: c.pe.mac(c.x[:2], c.x[6:].stepping(-4), each(c.x[:3])),
        r"reaches elements -2..7 in 3 steps of -4",
    ),
    (lambda c: c.pe.mov(c.red, c.x.view(4, c.pe.integer(2)), n=6), r"x\[4 n=i0\] reaches elements 4..9"),
    (lambda c: c.pe.load(c.x.view(8, 0)), r"x\[8 n=0\] reaches elements 8..8"),
]


@pytest.mark.parametrize(("write", "message"), [*SHAPES, *TYPES, *BOUNDS])
def test_an_instruction_the_machine_cannot_do(write: Write, message: str) -> None:
    case = Case()
    case.pe = case.build.main(case.grid[2:6, :])
    write(case)
    refused(case, ProgramError, message)
    refused(case, ProgramError, rf", `.*` at {HERE}, task main, PEs \[2:6, 0:4\]; expected")


def test_a_buffer_must_be_where_it_is_used() -> None:
    case = Case()
    near = case.build.buffer("near", f32, 4, on=case.grid[:4, :])
    case.pe.on(case.grid[1:4:2, :]).mov(near, 0.0)
    check(case.build.finish(), TOY)
    case.pe.on(case.grid[2:5, :]).store(near, 1.0)
    refused(
        case, ProgramError,
        rf"buffer near: f32\[4\] lies on \[0:4, 0:4\] only, `store .*` at {HERE}, task main, PEs \[2:5, 0:4\]; "
        r"expected a buffer on all of \[2:5, 0:4\]; narrow the code with pe.on\(region\), or allocate",
    )  # fmt: skip


def test_the_view_of_each_must_be_there_too() -> None:
    case = Case()
    near = case.build.buffer("near", f32, 4, on=case.grid[:4, :])
    case.pe.mac(case.x, case.x, each(near))
    refused(case, ProgramError, "buffer near.* only, `mac")


def test_legal_instructions_pass() -> None:
    case = Case()
    pe, x, y, h = case.pe, case.x, case.y, case.h
    case.hop()
    case.hop(case.blue)
    pe.on(case.grid[0, :]).add(case.red, x, h, carry=f16)
    pe.on(case.grid[0, :]).mov(case.blue, y, carry=f32)
    pe.on(case.grid[1, :]).mac(x, case.red, h, slot=7)
    pe.on(case.grid[1, :]).sum(pe.real(0), case.blue, n=3)
    pe.mov(y, x)
    pe.mov(x, 3)
    pe.mov(h, pe.integer(3))
    pe.add(x, h, 3)
    pe.add(y, y, 3)
    pe.max(h, x, pe.real(2))
    pe.dot(pe.integer(0), y, y)
    pe.dot(pe.real(0), x[:2].stepping(1), each(h[:7]))
    pe.mac(x[:2].stepping(1), x[:2].stepping(1), each(h[:7]))
    pe.mac(x[:2].at(pe.integer(0)).stepping(9), h[:2], each(h[:7]))
    pe.mac(x[:2].stepping(100), h[:2], each(h[:0]))
    pe.mov(x, h[:4], n=pe.integer(4))
    pe.mov(x[:4], h, n=3)
    check(case.build.finish(), TOY)


# -- tasks and control ----------------------------------------------------------------------------------


def test_tasks_have_a_bit_each() -> None:
    case = Case()
    for i in range(61):
        case.build.task(f"t{i}", start=True)
    check(case.build.finish(), TOY)
    case.build.task("last", start=True)
    refused(case, ProgramError, f"program 'case' has 63 tasks, task last, made at {HERE}, is .*; expected at most 62")


@pytest.mark.parametrize("how", ["activate", "unblock", "then activate", "then unblock"])
def test_a_task_that_is_named_has_code_there(how: str) -> None:
    case = Case()
    task = case.build.task("next", start=True)
    west = case.pe.on(case.grid[:5, :])
    if how.startswith("then"):
        west.mov(case.x, 0.0, slot=0, then=activate(task) if how.endswith("e") else unblock(task))
    else:
        getattr(west, how)(task)
    refused(case, ProgramError, r"names task next, which has no code on PE \(0, 0\) and 19 more.*has code nowhere")
    case.build.on(case.grid[:4, :], task).mov(case.x, 1.0)
    refused(
        case, ProgramError,
        rf"`.*next` names task next, which has no code on PE \(4, 0\) and 3 more, at {HERE}, task main, PEs "
        rf"\[0:5, 0:4\]; it has code only where at {HERE}, task next, PEs \[0:4, 0:4\] runs; expected code of the "
        r"task on every PE that starts it; write it with builder.on\(region, next\), or narrow",
    )  # fmt: skip
    case.build.on(case.grid[4, :], task).mov(case.x, 1.0)
    check(case.build.finish(), TOY)


def test_blocking_a_task_needs_no_code() -> None:
    case = Case()
    case.pe.block(case.build.task("next"))
    check(case.build.finish(), TOY)


def test_code_that_nothing_starts() -> None:
    case = Case()
    task = case.build.task("lost")
    case.build.on(case.grid, task).mov(case.x, 1.0)
    case.pe.unblock(task)
    refused(
        case, ProgramError,
        rf"task lost has code, but nothing ever activates it, made at {HERE}, code at {HERE}, task lost, PEs .*; "
        r"expected a start, .*; make it with start=True, or write pe.activate\(lost\)",
    )  # fmt: skip
    case.pe.on(case.grid[0, 0]).activate(task)
    check(case.build.finish(), TOY)


def test_a_task_started_by_wavelets_shares_them_with_nobody() -> None:
    case = Case()
    case.hop()
    data = case.build.task("data", on_wavelet=case.red)
    code = case.build.on(case.grid[1, :], data)
    code.store(case.x, 0.0)
    refused(
        case, ProgramError,
        rf"colour red has two readers on PE \(1, 0\) and 3 more, task data and `mov x.* <- red.*`, at {HERE}, task "
        r"main, PEs \[1, 0:4\]; expected one task, or operations only; use a second colour",
    )  # fmt: skip


def test_two_tasks_started_by_one_color() -> None:
    case = Case()
    case.build.route(case.red, case.grid[0, :], RAMP >> EAST)
    case.build.route(case.red, case.grid[1, :], WEST >> RAMP)
    case.pe.on(case.grid[0, :]).mov(case.red, case.x)
    for ys in (slice(0, 2), slice(2, 4)):
        case.build.on(case.grid[1, ys], case.build.task("data", on_wavelet=case.red)).store(case.x, 0.0)
    check(case.build.finish(), TOY)
    case.build.on(case.grid[1, 1:3], case.build.task("third", on_wavelet=case.red)).store(case.x, 0.0)
    refused(case, ProgramError, r"colour red has two readers on PE \(1, 1\), tasks data and third, at")


def _marked(case: Case, marks: str) -> Program:
    """A program whose loops and branches no builder would write: each a letter and the columns it is on.

    L begins a loop, l ends it; W begins a branch, o is its otherwise, w ends it.
    """
    program = case.build.finish()
    first = program.placed[0]
    kinds = {"L": Mark.LOOP, "l": Mark.END_LOOP, "W": Mark.WHEN, "o": Mark.OTHERWISE, "w": Mark.END_WHEN}
    placed = [first]
    for word in marks.split():
        register = None if word[0] == "o" else first.instruction.to
        region = case.grid[int(word[1]) : int(word[2]), :]
        placed.append(replace(first, region=region, instruction=Control(kinds[word[0]], register)))
    return replace(program, placed=tuple(placed))


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ("L04", r"`loop i0 to None` has no end on PE \(0, 0\)"),
        ("w24", r"`end when i0` outside all loops and branches on PE \(2, 0\)"),
        ("L04 w04", rf"`end when i0` inside `loop .*` of {HERE} on PE"),
        ("W02 o04 w02", r"`otherwise` outside .* on PE \(2, 0\)"),
        ("L04 l02", r"`loop i0 to None` has no end on PE \(2, 0\)"),
        ("W04 o13 o02 w04", r"`otherwise` inside `when i0` of .* on PE \(1, 0\)"),
        ("W04 L13 w04 l13", r"`end when i0` inside `loop .* on PE \(1, 0\).*expected loops and branches that nest on"),
    ],
)
def test_loops_and_branches_nest_on_every_pe(marks: str, message: str) -> None:
    case = Case()
    case.pe.integer(0)
    program = _marked(case, marks)
    with pytest.raises(ProgramError, match=message):
        check(program, TOY)


@pytest.mark.parametrize("marks", ["L04 l04", "W04 o13 w04", "L04 W13 o12 o23 w13 l04", "L02 W24 l02 w24"])
def test_loops_and_branches_that_nest_pass(marks: str) -> None:
    case = Case()
    case.pe.integer(0)
    check(_marked(case, marks), TOY)


def test_a_loop_ends_with_its_own_counter() -> None:
    case = Case()
    with case.pe.loop(3), case.pe.loop(2):
        pass
    program = case.build.finish()
    first, second, end_second, end_first = program.placed
    with pytest.raises(ProgramError, match="`end loop i0` inside `loop i1 to 2`"):
        check(replace(program, placed=(first, second, end_first, end_second)), TOY)


def test_branches_of_parts_of_a_region_pass() -> None:
    case = Case()
    flag = case.pe.integer(1)
    with case.pe.loop(3), case.pe.when(flag):
        with case.pe.on(case.grid[2:4, :]).loop(2):
            case.pe.on(case.grid[3, :]).mov(case.x, 0.0)
        case.pe.on(case.grid[0, :]).otherwise()
    check(case.build.finish(), TOY)


# -- the fabric ---------------------------------------------------------------------------------------


def test_one_hop_passes() -> None:
    case = Case()
    case.hop()
    case.build.route(case.blue, case.grid[:3, :], WEST >> RAMP | EAST)
    case.build.route(case.blue, case.grid[3, :], WEST >> RAMP)
    check(case.build.finish(), TOY)


def test_two_inputs_of_a_color() -> None:
    case = Case()
    case.hop()
    case.build.route(case.red, case.grid[1, 2:], WEST >> RAMP)
    check(case.build.finish(), TOY)
    case.build.route(case.red, case.grid[1:3, 2:], EAST >> RAMP)
    refused(
        case, ProgramError,
        rf"colour red has two inputs on PE \(1, 2\) and 1 more, WEST >> RAMP painted at {HERE} and EAST >> RAMP "
        rf"painted at {HERE}; expected one route of a colour on each PE; paint regions that share no PE",
    )  # fmt: skip


def test_two_sets_of_outputs_of_a_color() -> None:
    case = Case()
    case.hop()
    case.build.route(case.red, case.grid[1, 0], WEST >> RAMP | EAST)
    refused(case, ProgramError, r"red has two sets of outputs on PE \(1, 0\), WEST >> RAMP painted .* WEST >> RAMP|EA")


def test_a_route_off_the_grid() -> None:
    case = Case()
    case.build.route(case.red, case.grid[:, 1], RAMP >> NORTH)
    case.build.route(case.red, case.grid[:, 0], SOUTH >> NORTH)
    refused(
        case, ProgramError,
        rf"colour red leaves the grid to the NORTH at PE \(0, 0\), SOUTH >> NORTH painted at {HERE}; "
        "expected a neighbour to the NORTH; give the PEs of that edge a route without NORTH",
    )  # fmt: skip


def test_an_input_at_the_edge_is_no_error() -> None:
    case = Case()
    case.build.route(case.red, case.grid[:1, :], WEST >> RAMP)
    check(case.build.finish(), TOY)


def test_routes_that_do_not_meet() -> None:
    case = Case()
    case.hop()
    case.build.route(case.blue, case.grid[:, 1], RAMP >> SOUTH)
    case.build.route(case.blue, case.grid[:, 2], NORTH >> SOUTH)
    refused(
        case, ProgramError,
        rf"colour blue goes SOUTH from PE \(0, 2\) to PE \(0, 3\), which never takes it from NORTH, NORTH >> SOUTH "
        rf"painted at {HERE}; PE \(0, 3\) has no route of it; expected routes that meet; give PE \(0, 3\) a route "
        r"with input NORTH, or end the colour at PE \(0, 2\)",
    )  # fmt: skip
    case.build.route(case.blue, case.grid[:, 3], WEST >> RAMP)
    refused(case, ProgramError, rf"PE \(0, 3\) has WEST >> RAMP painted at {HERE}; expected")


def test_a_route_may_meet_one_that_comes_later() -> None:
    case = Case()
    case.hop()
    case.build.route(case.red, case.grid[2, :], RAMP >> WEST)
    refused(case, ProgramError, r"red goes WEST from PE \(2, 0\) to PE \(1, 0\), which never takes it from EAST")
    case.pe.on(case.grid[1, :]).reroute(case.red, EAST >> RAMP)
    check(case.build.finish(), TOY)


def test_a_rewritten_route_must_meet_too() -> None:
    case = Case()
    case.hop()
    case.pe.on(case.grid[1, :]).reroute(case.red, WEST >> EAST)
    refused(case, ProgramError, rf"red goes EAST from PE \(1, 0\) to PE \(2, 0\), .*WEST >> EAST rerouted at {HERE};")


def test_a_route_must_be_there_to_be_rewritten() -> None:
    case = Case()
    case.hop()
    case.pe.on(case.grid[:2, :]).reroute(case.blue, WEST >> RAMP)
    refused(
        case, ProgramError,
        rf"colour blue has no route at the start on PE \(0, 0\) and 3 more, WEST >> RAMP rerouted at {HERE}; "
        r"expected a route to rewrite; paint the first route with builder.route",
    )  # fmt: skip


def test_sending_without_a_route() -> None:
    case = Case()
    case.hop()
    case.pe.on(case.grid[1:3, 1]).mov(case.red, case.x)
    refused(
        case, ProgramError,
        rf"`mov red <- x.*` sends colour red on PE \(1, 1\), which has WEST >> RAMP, at {HERE}, task main, PEs "
        r"\[1:3, 1\]; expected a route of the colour with input RAMP; paint one, as builder.route\(red, region",
    )  # fmt: skip


def test_receiving_without_a_route() -> None:
    case = Case()
    case.hop()
    case.pe.on(case.grid[2, :]).add(case.x, case.x, case.red)
    refused(
        case, ProgramError,
        rf"`add x.* <- .*, red.*` receives colour red on PE \(2, 0\) and 3 more, which has no route of it, at {HERE}.*"
        r"; expected a route of the colour to RAMP; paint one, as builder.route\(red, region, WEST >> RAMP\)",
    )  # fmt: skip


def test_a_task_whose_wavelets_never_arrive() -> None:
    case = Case()
    case.hop()
    case.build.on(case.grid[3, :], case.build.task("data", on_wavelet=case.red)).store(case.x, 0.0)
    refused(
        case, ProgramError,
        r"task data, which wavelets start, receives colour red on PE \(3, 0\) and 3 more, which has no route of it, at",
    )  # fmt: skip


def test_a_route_written_later_serves_too() -> None:
    case = Case()
    case.hop()
    case.build.route(case.blue, case.grid[0, 0], WEST >> RAMP)
    pe = case.pe.on(case.grid[0, 0])
    pe.mov(case.x, case.blue)
    pe.reroute(case.blue, RAMP >> EAST)
    pe.mov(case.blue, case.x)
    case.build.route(case.blue, case.grid[1, 0], WEST >> RAMP)
    case.pe.on(case.grid[1, 0]).mov(case.x, case.blue)
    check(case.build.finish(), TOY)


def test_wavelets_that_nobody_reads() -> None:
    case = Case()
    case.build.route(case.red, case.grid[0, :], RAMP >> EAST)
    case.build.route(case.red, case.grid[1:3, :], WEST >> RAMP | EAST)
    case.build.route(case.red, case.grid[3, :], WEST >> RAMP)
    check(case.build.finish(), TOY)
    case.pe.on(case.grid[0, 1]).mov(case.red, case.x)
    case.pe.on(case.grid[1::2, 1]).mov(case.x, case.blue)
    case.build.route(case.blue, case.grid[1::2, 1], WEST >> RAMP)
    case.pe.on(case.grid[1, 1]).mov(case.x, case.red)
    case.pe.on(case.grid[3, 1]).mov(case.x, case.red)
    refused(
        case, ProgramError,
        rf"colour red arrives on PE \(2, 1\), where nothing receives it, WEST >> RAMP\|EAST painted at {HERE}; "
        "expected an operation that reads the colour, or a task that its wavelets start; add the receiver, or take",
    )  # fmt: skip
    case.build.on(case.grid[2, 1], case.build.task("data", on_wavelet=case.red)).store(case.x, 0.0)
    check(case.build.finish(), TOY)


def test_a_ring_goes_round_for_ever() -> None:
    case = Case()
    for (x, y), route in {
        (1, 1): SOUTH >> EAST, (2, 1): WEST >> EAST, (3, 1): WEST >> SOUTH,
        (3, 2): NORTH >> WEST, (2, 2): EAST >> WEST, (1, 2): EAST >> NORTH,
    }.items():  # fmt: skip
        case.build.route(case.red, case.grid[x, y], route)
    refused(
        case, ProgramError,
        r"colour red goes round in a circle of 6 PEs, PE \(1, 1\) -> PE \(2, 1\) -> .* -> ..., painted at "
        rf"{HERE}; expected routes that begin at a RAMP; open the circle: let one of its PEs take the colour from RAMP",
    )  # fmt: skip
    case.pe.on(case.grid[1, 1]).reroute(case.red, RAMP >> EAST)
    check(case.build.finish(), TOY)


@pytest.mark.parametrize("along", [(1, 0), (0, 1)])
def test_two_pes_that_feed_each_other(along: tuple[int, int]) -> None:
    case = Case()
    there, back = (EAST, WEST) if along[0] else (SOUTH, NORTH)
    case.build.route(case.red, case.grid[2, 1], there >> there)
    case.build.route(case.red, case.grid[2 + along[0], 1 + along[1]], back >> back)
    refused(case, ProgramError, rf"circle of 2 PEs, PE \(2, 1\) -> PE \({2 + along[0]}, {1 + along[1]}\), painted at")


def test_a_star_is_no_circle() -> None:
    case = Case()
    case.build.route(case.red, case.grid[3, 1], RAMP >> (EAST, WEST, NORTH, SOUTH))
    case.build.route(case.red, case.grid[4, 1], WEST >> RAMP | NORTH | SOUTH)
    case.build.route(case.red, case.grid[2, 1], EAST >> RAMP | NORTH | SOUTH)
    case.build.route(case.red, case.grid[2:5, 0], SOUTH >> RAMP)
    case.build.route(case.red, case.grid[2:5, 2], NORTH >> RAMP)
    check(case.build.finish(), TOY)


# -- ways, against a plain walk -----------------------------------------------------------------------

SIZE = 4
ports = st.sampled_from([*LINKS, RAMP])
links = st.sets(st.sampled_from(LINKS), min_size=1)
painted = st.dictionaries(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), st.tuples(ports, links))
Painted = dict[tuple[int, int], tuple[Direction, set[Direction]]]


def _behind(pe: tuple[int, int], link: Direction) -> tuple[int, int]:
    return pe[0] + link.dx, pe[1] + link.dy


def _ways(routes: Painted) -> Ways:
    build = Builder(SIZE, SIZE)
    color = build.color("c")
    for pe, (port, outputs) in routes.items():
        build.route(color, build.grid[pe], port >> outputs)
    return Ways(build.finish(), color)


@given(painted)
def test_circles_are_those_of_a_walk_back(routes: Painted) -> None:
    def feeder(pe: tuple[int, int]) -> tuple[int, int] | None:
        if pe not in routes or routes[pe][0] is RAMP:
            return None
        before = _behind(pe, routes[pe][0])
        return before if before in routes and routes[pe][0].opposite in routes[before][1] else None

    circles = []
    for start in routes:
        walked, pe = [start], feeder(start)
        while pe is not None and pe != start and len(walked) <= SIZE * SIZE:
            walked.append(pe)
            pe = feeder(pe)
        if pe == start:
            circles.append(set(walked))
    found = _ways(routes).circle()
    assert bool(found) == bool(circles)
    if found:
        assert set(found) in circles
        assert all(feeder(pe) == before for before, pe in zip(found, [*found[1:], found[0]], strict=True))


@given(painted)
def test_wavelets_reach_what_a_walk_reaches(routes: Painted) -> None:
    grid = Builder(SIZE, SIZE).grid
    kept = {pe: (port, {o for o in outputs if _behind(pe, o) in grid}) for pe, (port, outputs) in routes.items()}
    inside = {pe: (port, outputs) for pe, (port, outputs) in kept.items() if outputs}
    ways = _ways(inside)
    senders = {pe for pe, (port, _) in inside.items() if port is RAMP}
    reached, front = set(senders), list(senders)
    while front:
        pe = front.pop()
        for output in inside[pe][1]:
            there = _behind(pe, output)
            if there in inside and inside[there][0] is output.opposite and there not in reached:
                reached.add(there)
                front.append(there)
    roles = {int(ways.program.role_map[y, x]) for x, y in senders}
    found = ways.reached(roles).reshape(SIZE, SIZE)
    assert {(x, y) for y in range(SIZE) for x in range(SIZE) if found[y, x]} == reached
    assert {int(ways.program.role_map[y, x]) for x, y in reached} <= ways.reached_roles(roles)


# -- size ---------------------------------------------------------------------------------------------


def test_a_grid_larger_than_the_wafer() -> None:
    case = Case()
    check(case.build.finish(), TOY.crop(8, 4))
    refused(
        case, FitError,
        "program 'case' is larger than the wafer, 8 x 4 PEs; expected at most 8 x 3 on toy; make the builder's grid",
        TOY.crop(8, 3),
    )  # fmt: skip


def test_sram_overflow() -> None:
    case = Case()
    limit = TOY.user_sram_bytes
    used = case.h.end
    case.build.buffer("weights", f16, (limit - used) // 2)
    check(case.build.finish(), TOY)
    case.build.buffer("more", f32, 25, on=case.grid[2:4, :])
    case.build.buffer("most", f32, 50, on=case.grid[5, 1])
    refused(
        case, FitError,
        rf"SRAM overflows by 200 bytes on PE \(5, 1\) and 8 more, where buffers end at byte {limit + 200}; expected at "
        rf"most {limit} bytes on toy; largest are weights {limit - used}, most 200, x 32, y 32, h 16; release some, "
        "use f16, or spread them over more PEs",
    )  # fmt: skip


def test_an_overflow_names_gaps_and_sums_small_buffers() -> None:
    case = Case()
    first = case.build.buffer("first", f32, 250)
    for _ in range(3):
        case.build.buffer("small", f32, 1)
    case.build.release(first)
    case.build.buffer("weights", f32, 12_000)
    case.build.buffer("next", f32, 1)
    refused(case, FitError, "largest are weights 48000, first 1000, x 32, y 32, h 16, 4 others 16, gaps 44;")


def test_live_buffers_that_overlap_are_our_own_mistake() -> None:
    case = Case()
    program = case.build.finish()
    broken = replace(program, buffers=(*program.buffers, replace(program.buffers[0], name="twin")))
    with pytest.raises(AssertionError, match=r"x: f32\[8\] and twin: f32\[8\] overlap on PE \(0, 0\)"):
        buffers_do_not_overlap(Facts(broken, TOY))
    buffers_do_not_overlap(Facts(replace(broken, released=frozenset(program.buffers)), TOY))


def test_more_colors_than_the_wafer_has() -> None:
    case = Case()
    colors = [case.build.color(f"c{i}") for i in range(21)]
    for color in colors:
        case.build.route(color, case.grid[0, 0], WEST >> EAST)
        case.build.route(color, case.grid[1, 0], WEST >> SOUTH)
        case.build.route(color, case.grid[1, 1], NORTH >> RAMP)
    refused(case, FitError, "receives 21 colours")
    for color in colors[:7]:
        case.build.route(color, case.grid[6, 0], EAST >> RAMP)
    wide = TOY.with_(input_queue_depths=(2,) * 32)
    check(case.build.finish(), wide)
    case.build.route(case.red, case.grid[6, 0], EAST >> RAMP)
    refused(
        case, FitError,
        "program 'case' routes 22 colours, which are red, c0, c1, c2, c3, c4, c5, c6, c7, c8 and 12 more; expected at "
        "most 21 on toy; share a colour between parts of the grid",
        wide,
    )  # fmt: skip


@pytest.mark.parametrize("side", ["input", "output"])
def test_more_colors_than_queues(side: str) -> None:
    case = Case()
    limit = {"input": len(TOY.input_queue_depths), "output": len(TOY.output_queue_depths)}[side]
    colors = [case.build.color(f"c{i}") for i in range(limit + 1)]

    def paint(color: Any) -> None:
        if side == "input":
            case.build.route(color, case.grid[2:4, 1], EAST >> RAMP)
            return
        case.build.route(color, case.grid[2:4, 1], RAMP >> SOUTH)
        case.build.route(color, case.grid[2:4, 2], NORTH >> RAMP if color.id % 2 else NORTH >> SOUTH)
        if not color.id % 2:
            case.build.route(color, case.grid[2:4, 3], NORTH >> RAMP)

    for color in colors[:-1]:
        paint(color)
    check(case.build.finish(), TOY)
    paint(colors[-1])
    verb = "receives" if side == "input" else "sends"
    refused(
        case, FitError,
        rf"PE \(2, 1\) and 1 more {verb} {limit + 1} colours, which are c0, c1, .*; expected at most {limit}, the "
        rf"{side} queues of toy; let phases that do not meet share a colour",
    )  # fmt: skip


def test_a_slot_that_the_wafer_lacks() -> None:
    case = Case()
    case.pe.mov(case.x, 0.0, slot=7)
    check(case.build.finish(), TOY)
    case.pe.mov(case.x, 0.0, slot=8)
    refused(case, FitError, rf"slot 8 of `mov .*` does not exist, at {HERE}.*; expected a slot from 0 to 7 on toy; reu")


def test_more_registers_than_the_wafer_has() -> None:
    case = Case()
    for _ in range(64):
        case.pe.integer(0)
    with pytest.raises(FitError):
        check(case.build.finish(), TOY.with_(registers=63))
    check(case.build.finish(), TOY)
    case.pe.real(1.0)
    refused(
        case, FitError,
        rf"program 'case' holds 65 registers at once, one too many at {HERE}, task main, PEs .*; expected at most 64 "
        r"on toy; free some with `with pe.scope\(\):`",
    )  # fmt: skip


def test_too_many_arguments() -> None:
    case = Case()
    for i in range(65):
        case.build.argument(f"a{i}", "int")
    refused(case, FitError, "holds 65 registers at once, arguments included; expected at most 64")


# -- speed --------------------------------------------------------------------------------------------


def test_a_program_for_the_whole_wafer_takes_no_time() -> None:
    start = time.process_time()
    build = Builder(750, 994)
    grid, x = build.grid, build.buffer("x", f32, 256)
    row, column = build.color("row"), build.color("column")
    build.route(row, grid[0, 0], RAMP >> EAST)
    build.route(row, grid[1:-1, 0], WEST >> RAMP | EAST)
    build.route(row, grid[-1, 0], WEST >> RAMP)
    build.route(column, grid[:, 0], RAMP >> SOUTH)
    build.route(column, grid[:, 1:-1], NORTH >> RAMP | SOUTH)
    build.route(column, grid[:, -1], NORTH >> RAMP)
    build.main(grid[0, 0]).mov(row, x)
    build.main(grid[1:, 0]).mov(x, row)
    build.main(grid[:, 0]).mov(column, x)
    build.main(grid[:, 1:]).mov(x, column)
    program = build.finish()
    check(program, WSE2)
    assert len(program.roles) == 5
    assert len(program.listing().splitlines()) == 22
    assert time.process_time() - start < 5
