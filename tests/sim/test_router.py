"""Wavelets on their way, cycle by cycle: each expected cycle is worked out by hand from the wafer's fields.

A receiver notes its clock right after it took a word: `taken + 1`, since the taking itself lasts a cycle. A
machine that were a cycle early or late anywhere would show another number.
"""

from __future__ import annotations

import pytest
from outcomes import Outcome, Runner, run_engine, run_naive

from wse_sim.errors import RunError
from wse_sim.hardware import EAST, NORTH, RAMP, SOUTH, WEST, Region, Route, State, Wafer, f32, i32, toy
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color

BOTH = pytest.mark.parametrize("run", [run_naive, run_engine], ids=["naive", "engine"])


def plain(width: int, height: int = 1, **changes: object) -> Wafer:
    """A wafer on which operations start at once, so that only the fabric takes time."""
    zero = {f"{name}_cycles": 0 for name in ("dsr_load", "op_start", "async_issue", "completion", "clock")}
    return toy(width, height).with_(**{
        **zero, "scalar_int_cycles": 1, "task_switch_cycles": 5, "stream_pause_wavelets": 0,
        "hop_cycles": 2, "ramp_out_cycles": 3, "ramp_in_cycles": 4, "router_buffer": 2,
        "input_queue_depths": (3,) * 8, "output_queue_depths": (2,) * 8, **changes,
    })  # fmt: skip


START = 5  # task_switch_cycles of `plain`: the cycle of the first instruction


class Bench:
    """A builder with what these tests need."""

    def __init__(self, width: int, height: int = 1) -> None:
        self.b = Builder(width, height)
        self.task = self.b.task("main", start=True)

    def pe(self, x: int, y: int = 0) -> Region:
        return self.b.grid[x, y]

    def at(self, x: int, y: int = 0) -> Code:
        return self.b.on(self.pe(x, y), self.task)

    def color(self, routes: dict[int | tuple[int, int], Route]) -> Color:
        color = self.b.color(f"color{len(self.b.buffers)}")
        for place, route in routes.items():
            x, y = place if isinstance(place, tuple) else (place, 0)
            self.b.route(color, self.pe(x, y), route)
        return color

    def wait(self, code: Code, cycles: int) -> None:
        with code.scope():
            register = code.integer(0) if cycles else None
            for _ in range(cycles - 1):
                code.set(register, 0)

    def give(self, code: Code, color: Color, n: int = 1, wait: int = 0) -> None:
        """After `wait` cycles, n words in n cycles."""
        self.wait(code, wait)
        code.mov(color, self.b.buffer("sent", f32, n, on=code.region, init=1.0))

    def take(self, code: Code, color: Color, n: int = 1, wait: int = 0, name: str = "heard") -> None:
        """After `wait` cycles, n words; `heard` is the clock right after the last."""
        self.wait(code, wait)
        code.mov(self.b.buffer("taken", f32, n, on=code.region), color)
        code.store(self.b.buffer(name, i32, 1, on=code.region), code.clock())

    def run(self, run: Runner, wafer: Wafer) -> Outcome:
        return run(self.b.finish(), wafer)


# -- latency ------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("out", "hop", "into"), [(1, 1, 1), (3, 2, 4), (9, 3, 1), (1, 3, 9)])
def test_a_word_takes_ramp_out_hops_and_ramp_in(run: Runner, out: int, hop: int, into: int) -> None:
    bench = Bench(4)
    last = {1: WEST >> EAST, 2: WEST >> EAST, 3: WEST >> RAMP}
    color = bench.color({0: RAMP >> EAST, **last})
    bench.give(bench.at(0), color)
    bench.take(bench.at(3), color)
    seen = bench.run(run, plain(4, ramp_out_cycles=out, hop_cycles=hop, ramp_in_cycles=into))
    taken = START + out + 3 * hop + into
    assert seen.value("heard") == taken + 1
    assert seen.count(State.INPUT_WAIT, 3) == taken - START  # every cycle before, and none after


@BOTH
def test_a_word_to_oneself_takes_no_hop(run: Runner) -> None:
    bench = Bench(1)
    color = bench.color({0: RAMP >> RAMP})
    bench.give(bench.at(0), color)
    bench.take(bench.at(0), color)
    assert bench.run(run, plain(1)).value("heard") == START + 3 + 4 + 1


@BOTH
def test_a_turn_costs_no_more_than_a_straight_hop(run: Runner) -> None:
    bench = Bench(2, 2)
    up_and_right = {(0, 1): RAMP >> NORTH, (0, 0): SOUTH >> EAST}
    color = bench.color({**up_and_right, (1, 0): WEST >> SOUTH, (1, 1): NORTH >> RAMP})
    bench.give(bench.at(0, 1), color)
    bench.take(bench.at(1, 1), color)
    assert bench.run(run, plain(2, 2)).value("heard") == START + 3 + 3 * 2 + 4 + 1


@BOTH
def test_a_word_per_cycle_flows_without_a_gap(run: Runner) -> None:
    bench = Bench(3)
    color = bench.color({0: RAMP >> EAST, 1: WEST >> EAST, 2: WEST >> RAMP})
    bench.give(bench.at(0), color, 50)
    bench.take(bench.at(2), color, 50)
    seen = bench.run(run, plain(3, router_buffer=1, input_queue_depths=(1,), output_queue_depths=(1,)))
    assert seen.value("heard") == START + 3 + 2 * 2 + 4 + 50
    assert set(seen.blocked.values()) == {0}
    assert set(seen.pops.values()) == {50}


@BOTH
def test_a_stream_pauses_a_cycle_after_every_few_wavelets(run: Runner) -> None:
    bench = Bench(2)
    color = bench.color({0: RAMP >> EAST, 1: WEST >> RAMP})
    bench.give(bench.at(0), color, 12)
    bench.take(bench.at(1), color, 12)
    seen = bench.run(run, plain(2, stream_pause_wavelets=4))
    assert seen.end(0) == START + 12 + 3  # after wavelets 4, 8 and 12
    assert seen.value("heard") == START + 3 + 2 + 4 + 12 + 3  # both pause in step, also after the last


# -- multicast ----------------------------------------------------------------------------------------


@BOTH
def test_a_multicast_reaches_each_receiver_after_its_own_way(run: Runner) -> None:
    bench = Bench(3)
    color = bench.color({0: RAMP >> EAST, 1: WEST >> (RAMP | EAST), 2: WEST >> RAMP})
    bench.give(bench.at(0), color)
    bench.take(bench.at(1), color, name="near")
    bench.take(bench.at(2), color, name="far")
    seen = bench.run(run, plain(3))
    assert (seen.value("near"), seen.value("far")) == (START + 3 + 2 + 4 + 1, START + 3 + 4 + 4 + 1)


@BOTH
def test_a_multicast_waits_until_every_target_has_room(run: Runner) -> None:
    """The queue at PE 1 is full until its core wakes; the word after that reaches nobody before."""
    room = 3 + 4  # the input queue's depth and latency
    bench = Bench(3)
    color = bench.color({0: RAMP >> EAST, 1: WEST >> (RAMP | EAST), 2: WEST >> RAMP})
    bench.give(bench.at(0), color, room + 1)
    bench.take(bench.at(1), color, room + 1, wait=100, name="near")
    bench.take(bench.at(2), color, room + 1, name="far")
    seen = bench.run(run, plain(3))
    freed = START + 100 + 1  # PE 1 takes its first word one cycle earlier
    assert seen.value("far") == freed + 2 + 4 + 1
    assert seen.value("near") == START + 100 + room + 1  # its last word has come in time: 4 < room
    assert seen.pops[1, 0, color.name, "WEST"] == room + 1
    arrived = START + 3 + 2 + room  # when the word that waits became visible at PE 1
    assert seen.blocked[1, 0, color.name, "WEST"] == freed - arrived


# -- room ---------------------------------------------------------------------------------------------

ROOM = (2 + 3) + (2 + 2) + (3 + 4)  # output queue, router buffer, input queue, each with its latency


@BOTH
@pytest.mark.parametrize("extra", [0, 1])
def test_a_way_holds_as_many_words_as_its_queues_have_room(run: Runner, extra: int) -> None:
    """One word more, and the sender waits until the receiver's first taking has made room all the way up."""
    bench = Bench(2)
    color = bench.color({0: RAMP >> EAST, 1: WEST >> RAMP})
    bench.give(bench.at(0), color, ROOM + extra)
    bench.take(bench.at(1), color, ROOM + extra, wait=200)
    seen = bench.run(run, plain(2))
    first = START + 200  # the receiver takes, then move its router, the sender's router, the sender
    assert seen.end(0) == (START + ROOM if extra == 0 else first + 3 + 1)
    assert seen.count(State.OUTPUT_BLOCKED) == (0 if extra == 0 else first + 3 - (START + ROOM))


@BOTH
def test_room_appears_in_the_cycle_after_a_pop(run: Runner) -> None:
    """With one word of room beyond the latencies, a receiver of half speed never waits for a word."""
    bench = Bench(2)
    color = bench.color({0: RAMP >> EAST, 1: WEST >> RAMP})
    bench.give(bench.at(0), color, 40)
    code = bench.at(1)
    total = code.real(0.0)
    code.vector("sum", total, color, n=40)  # a reduction takes two cycles per element
    seen = bench.run(run, plain(2, router_buffer=1, input_queue_depths=(1,), output_queue_depths=(1,)))
    first = START + 3 + 2 + 4
    assert seen.end(1) == first + 2 * 40
    assert seen.count(State.REDUCE, 1) == 2 * 40


# -- who goes first -----------------------------------------------------------------------------------


def contest(run: Runner, *, through_first: bool) -> tuple[Outcome, str, str]:
    """Ten words each of a colour that passes PE 1 and of one that PE 1 sends; both want its link east."""
    bench = Bench(4)
    through_routes: dict[int | tuple[int, int], Route] = {
        0: RAMP >> EAST, 1: WEST >> EAST, 2: WEST >> EAST, 3: WEST >> RAMP,
    }  # fmt: skip
    own_routes: dict[int | tuple[int, int], Route] = {1: RAMP >> EAST, 2: WEST >> RAMP}
    if through_first:
        through, own = bench.color(through_routes), bench.color(own_routes)
    else:
        own, through = bench.color(own_routes), bench.color(through_routes)
    bench.give(bench.at(0), through, 10)
    bench.give(bench.at(1), own, 10, wait=2)  # a hop later, so that both come up in the same cycle
    bench.take(bench.at(2), own, 10, name="own")
    bench.take(bench.at(3), through, 10, name="through")
    return bench.run(run, plain(4, router_buffer=9, output_queue_depths=(9, 9))), own.name, through.name


@BOTH
def test_buffers_that_want_one_output_take_turns(run: Runner) -> None:
    """The lower colour first, then one each: 20 words in 20 cycles."""
    meet = START + 3 + 2  # both heads are visible at PE 1
    seen, own, through = contest(run, through_first=True)
    assert seen.value("through") == meet + 2 * 9 + 2 + 2 + 4 + 1
    assert seen.value("own") == meet + 2 * 9 + 1 + 2 + 4 + 1
    seen, own, through = contest(run, through_first=False)
    assert seen.value("own") == meet + 2 * 9 + 2 + 4 + 1
    assert seen.value("through") == meet + 2 * 9 + 1 + 2 + 2 + 4 + 1
    # each word waits one cycle for the other colour's; the first of the winner waits for none
    assert (seen.blocked[1, 0, own, "RAMP"], seen.blocked[1, 0, through, "WEST"]) == (9, 10)


@BOTH
def test_one_word_a_cycle_leaves_the_ramp(run: Runner) -> None:
    """A word for the east is held up by a cycle, and so meets one for the west; only one of them may go."""
    bench = Bench(3)
    through = bench.color({0: RAMP >> EAST, 1: WEST >> EAST, 2: WEST >> RAMP})
    east = bench.color({1: RAMP >> EAST, 2: WEST >> RAMP})
    west = bench.color({1: RAMP >> WEST, 0: EAST >> RAMP})
    bench.give(bench.at(0), through)
    bench.give(bench.at(1), east, wait=2)
    bench.give(bench.at(1), west)
    bench.take(bench.at(0), west, name="west")
    bench.take(bench.at(2), through, name="through")
    bench.take(bench.at(2), east, name="east")
    seen = bench.run(run, plain(3))
    meet = START + 2 + 3
    assert seen.value("through") == meet + 2 + 4 + 1
    assert seen.value("east") == max(meet + 1 + 2 + 4, seen.value("through") + 1) + 1  # a store lies between
    assert seen.value("west") == meet + 2 + 2 + 4 + 1  # not meet + 1, though its output was free
    assert seen.blocked[1, 0, east.name, "RAMP"] == 1
    assert seen.blocked[1, 0, west.name, "RAMP"] == 1


@BOTH
def test_different_outputs_go_in_the_same_cycle(run: Runner) -> None:
    bench = Bench(3)
    east = bench.color({0: RAMP >> EAST, 1: WEST >> EAST, 2: WEST >> RAMP})
    west = bench.color({2: RAMP >> WEST, 1: EAST >> WEST, 0: EAST >> RAMP})
    for giver, color in ((0, east), (2, west)):
        bench.give(bench.at(giver), color, 9)
    bench.take(bench.at(2), east, 9, name="east")
    bench.take(bench.at(0), west, 9, name="west")
    seen = bench.run(run, plain(3))
    assert set(seen.blocked.values()) == {0}


# -- routes that change -------------------------------------------------------------------------------


def turning() -> Bench:
    """PE 1 first hears PE 0, then PE 2, whose word lies ready."""
    bench = Bench(3)
    color = bench.color({0: RAMP >> EAST, 1: WEST >> RAMP, 2: RAMP >> WEST})
    bench.give(bench.at(0), color)
    bench.give(bench.at(2), color)
    code = bench.at(1)
    bench.take(code, color, name="first")
    bench.wait(code, 50)
    code.reroute(color, EAST >> RAMP)
    bench.take(code, color, name="second")
    return bench


@BOTH
def test_routers_see_a_new_route_from_the_next_cycle(run: Runner) -> None:
    bench = turning()
    seen = bench.run(run, plain(3, reroute_cycles=2, scalar_memory_cycles=1))
    first = START + 3 + 2 + 4 + 1
    rewritten = first + 1 + 50  # after the store and 50 moves
    assert seen.value("first") == first
    assert seen.value("second") == rewritten + 1 + 4 + 1  # the rewriting itself takes only 2
    assert seen.count(State.SCALAR, 1) == 1 + 50 + 2 + 1


@BOTH
def test_a_route_is_not_rewritten_while_words_wait(run: Runner) -> None:
    bench = Bench(2)
    color = bench.color({0: RAMP >> EAST, 1: WEST >> RAMP})
    room = 3 + 4
    bench.give(bench.at(0), color, room + 1)
    code = bench.at(1)
    bench.wait(code, 60)
    code.reroute(color, WEST >> RAMP)
    bench.take(code, color, room + 1)
    with pytest.raises(RunError, match="rerout"):
        bench.run(run, plain(2))


# -- no way on ----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("sent", "expected"), [(2, 3), (3, 2)])
def test_a_word_too_few_or_too_many_is_a_deadlock(run: Runner, sent: int, expected: int) -> None:
    bench = Bench(2)
    color = bench.color({0: RAMP >> EAST, 1: WEST >> RAMP})
    bench.give(bench.at(0), color, sent)
    bench.take(bench.at(1), color, expected)
    with pytest.raises(RunError, match="deadlock"):
        bench.run(run, plain(2))
