"""The builder writes what it is told, and says clearly what it cannot."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wse_sim.errors import ProgramError
from wse_sim.hardware import EAST, NORTH, RAMP, SOUTH, WEST, WSE2, Direction, f16, f32, i32
from wse_sim.program import Builder, Code, Program, Register, activate, check, each, unblock
from wse_sim.program.layout import LINKS

# -- what it writes ---------------------------------------------------------------------------------


def code(build: Builder, task: str = "main") -> list[str]:
    return [repr(p.instruction) for p in build.finish().placed if p.task.name == task]


def test_operations_read_as_they_are_written() -> None:
    build = Builder(2, 1)
    x, y, red = build.buffer("x", f32, 8), build.buffer("y", f16, 8), build.color("red")
    pe, done = build.main(), build.task("done")
    pe.mov(red, x[:4], slot=1, then=activate(done))
    pe.add(x, red, y, carry=f16)
    pe.mac(x[:4], y[:4], each(y))
    pe.sum(pe.real(0), x)
    pe.mov(red, 1.5, n=3)
    assert code(build) == [
        "mov red <- x[0 n=4]  n=4 as f32  async 1 then activate done",
        "add x[0 n=8] <- red, y[0 n=8]  n=8 as f16",
        "mac x[0 n=4] <- y[0 n=4], each(y[0 n=8])  n=4",
        "f0 <- mov 0",
        "sum f0 <- x[0 n=8]  n=8",
        "mov red <- 1.5  n=3 as f32",
    ]


def test_operators_of_registers_emit_scalar_code() -> None:
    build = Builder(1, 1)
    pe = build.main()
    i, x = pe.integer(7), pe.real(2)
    _ = (i + 1, 1 - i, i // 2, 9 % i, i < 3, i >= i, -i, i & 1 | 2, i << 3 ^ i, i.equals(3).minimum(1))
    _ = (x * 0.5, 1 / x, -x, x > 1, x.maximum(0))
    assert code(build)[2:] == [
        "i2 <- iadd i0, 1", "i3 <- isub 1, i0", "i4 <- idiv i0, 2", "i5 <- imod 9, i0", "i6 <- ilt i0, 3",
        "i7 <- ile i0, i0", "i8 <- isub 0, i0", "i9 <- iand i0, 1", "i10 <- ior i9, 2", "i11 <- ishl i0, 3",
        "i12 <- ixor i11, i0", "i13 <- ieq i0, 3", "i14 <- imin i13, 1", "f15 <- fmul f1, 0.5", "f16 <- fdiv 1, f1",
        "f17 <- fneg f1", "i18 <- flt 1, f1", "f19 <- fmax f1, 0",
    ]  # fmt: skip


def test_augmented_assignment_changes_the_register() -> None:
    build = Builder(1, 1)
    pe = build.main()
    total, part = pe.integer(0), pe.real(1)
    before = total
    with pe.loop(3) as i:
        total += i
        part *= 0.5
    assert total is before
    assert code(build)[3:5] == ["i0 <- iadd i0, i2", "f1 <- fmul f1, 0.5"]


def test_an_operator_emits_where_both_registers_are() -> None:
    build = Builder(4, 1)
    pe = build.main()
    inner = pe.on(build.grid[1:3, :])
    wide, narrow = pe.integer(1), inner.integer(2)
    _ = (wide + 1, wide + narrow, narrow + wide)
    assert [p.region.width for p in build.finish().placed] == [4, 2, 4, 2, 2]


def test_a_register_can_be_taken_over_by_other_code() -> None:
    build = Builder(4, 1)
    n = build.argument("n", "int")
    pe, other = build.main(), build.on(build.grid[0, :], build.task("other"))
    pe.store(build.buffer("x", i32, 1), pe.use(n) * 2)
    other.store(build.buffer("y", i32, 1), other.use(n) - 1)
    assert code(build) == ["i1 <- imul i0, 2", "store x[0 n=1], i1"]
    assert code(build, "other") == ["i2 <- isub i0, 1", "store y[0 n=1], i2"]


def test_wavelets_arrive_in_a_register() -> None:
    build = Builder(2, 1)
    data = build.task("data", on_wavelet=build.color("red"))
    pe = build.on(build.grid[1, 0], data)
    _ = pe.wavelet + 1
    program = build.finish()
    assert repr(data.argument) == "i0"
    assert list(program.arguments) == ["data.wavelet"]
    assert code(build, "data") == ["i1 <- iadd i0, 1"]


def test_arguments_never_share_a_register_with_code() -> None:
    build = Builder(1, 1)
    pe = build.main()
    with pe.scope():
        used = {pe.integer(0).index, pe.integer(0).index}
        late = build.argument("late", "int")
    after = {pe.integer(0).index for _ in range(3)}
    assert late.index not in used | after
    assert (used | after, build.finish().registers) == ({0, 1, 3}, 4)


def test_scopes_free_registers() -> None:
    build = Builder(1, 1)
    pe = build.main()
    keep = pe.integer(0)
    with pe.scope():
        pe.integer(0)
        with pe.when(keep):
            pe.real(0)
    with pe.loop(keep):
        assert pe.integer(0).index == 2
    assert (pe.integer(0).index, build.finish().registers) == (1, 3)


def test_an_error_inside_leaves_no_scope_or_section_open() -> None:
    build = Builder(1, 1)
    pe = build.main()
    with suppress(ZeroDivisionError), build.section("s"), pe.scope():
        pe.real(1 / pe.integer(0).index)
    assert pe.integer(0).index == 0
    assert {p.section for p in build.finish().placed} == {0, 1}
    assert build.finish().placed[-1].section == 0


def test_sections_nest() -> None:
    build = Builder(1, 1)
    pe = build.main()
    with build.section("gemv"):
        pe.integer(0)
        with build.section("reduce"):
            pe.integer(0)
        pe.integer(0)
    program = build.finish()
    assert [program.sections[p.section] for p in program.placed] == ["gemv", "gemv/reduce", "gemv"]


def test_code_for_no_pe_is_no_code() -> None:
    build = Builder(4, 1)
    nobody = build.grid[2:2, :]
    build.route(build.color("red"), nobody, RAMP >> EAST)
    build.main(nobody).integer(0)
    task = build.task("idle", start=nobody, blocked=nobody)
    program = build.finish()
    assert (program.placed, program.routes, task in program.entries, task in program.blocked) == ((), (), False, False)


def test_finished_programs_do_not_change() -> None:
    build = Builder(1, 1)
    build.buffer("x", f32, 4)
    program = build.finish()
    build.main().mov(build.buffer("y", f32, 4), 0.0)
    assert (len(program.buffers), len(program.placed), len(build.finish().placed)) == (1, 0, 1)


def test_an_instruction_knows_its_line() -> None:
    build = Builder(1, 1)
    with build.main().loop(3) as i:
        _ = i + 1
    places = [p.where for p in build.finish().placed]
    assert all(where.startswith("test_builder.py:") for where in places)
    first, inside, last = (int(where.split(":")[1]) for where in places)
    assert (inside, last) == (first + 1, first)


def test_numbers_of_numpy_become_plain() -> None:
    build = Builder(1, 1)
    pe = build.main()
    x = build.buffer("x", f32, 4)
    pe.mul(x, x, np.float32(0.5))
    pe.mov(x, np.float64(1), n=np.int64(2))
    pe.integer(np.int16(3))
    with pe.loop(np.int64(2)):
        pe.mov(x, 0)
    assert code(build)[:3] == ["mul x[0 n=4] <- x[0 n=4], 0.5  n=4", "mov x[0 n=4] <- 1.0  n=2", "i0 <- mov 3"]


# -- what it refuses --------------------------------------------------------------------------------


class Bench:
    """A builder with one of everything, and another builder's things."""

    def __init__(self) -> None:
        self.build = Builder(4, 2)
        self.n = self.build.argument("n", "int")
        self.x, self.y = self.build.buffer("x", f32, 8), self.build.buffer("y", i32, 8)
        self.red = self.build.color("red")
        self.task = self.build.task("task")
        self.pe = self.build.main()
        self.i, self.f = self.pe.integer(0), self.pe.real(0)
        other = Builder(4, 2)
        self.foreign = (
            other.buffer("z", f32, 8), other.color("red"), other.task("task"), other.main().integer(0),
        )  # fmt: skip

    def stale(self) -> Register:
        with self.pe.scope():
            return self.pe.integer(0)

    def left(self, how: str) -> None:
        with getattr(self.pe, how)(self.i):
            self.build.finish()

    def otherwise(self, *regions: Any, inside: str = "when") -> None:
        with getattr(self.pe, inside)(self.i):
            for xs in regions:
                self.pe.on(self.build.grid[xs, :]).otherwise()


VALUES = [
    (lambda b: b.build.buffer("a", "f32", 4), "buffer 'a' has dtype 'f32': expected an element type, as f32"),
    (lambda b: b.build.buffer("a", f32, -1), "length of buffer 'a' is -1: expected a whole number, 0 or more"),
    (lambda b: b.build.buffer("a", f32, 1.5), "length of buffer 'a' is 1.5: expected a whole number"),
    (lambda b: b.build.buffer("a", f32, True), "length of buffer 'a' is True: expected a whole number"),
    (lambda b: b.build.buffer("a", f32, b.i), "length of buffer 'a' is i1: expected a whole number"),
    (lambda b: b.build.buffer("a", f32, 4, bank_offset=2), "'a': bank_offset 2 must be 0..15, a multiple of 4"),
    (lambda b: b.build.buffer("a", f32, 4, on=(0, 0)), r"buffer 'a' on \(0, 0\): expected a region, as in builder"),
    (lambda b: b.build.buffer("a", f32, 4, on=Builder(9, 9).grid), r"'a' on \[0:9, 0:9\] reaches outside the 4 x 2"),
    (lambda b: b.build.buffer("", f32, 4), "name of a buffer is '': expected a text"),
    (lambda b: b.build.color(3), "name of a colour is 3: expected a text"),
    (lambda b: b.build.argument("", "int"), "name of an argument is '': expected a text"),
    (lambda b: b.build.section("a\nb").__enter__(), r"name of a section is 'a\\nb': expected a text of one line"),
    (lambda b: Builder(1, 1, name=None), "name of a program is None: expected a text"),
    (lambda b: b.build.release("x"), r"release\('x'\): expected buffers"),
    (lambda b: b.build.route("red", b.build.grid, RAMP >> EAST), "route of 'red': expected a colour; make one with"),
    (lambda b: b.build.route(b.red, b.build.grid, (RAMP, EAST)), "colour red is .*: expected a route, as WEST >> "),
    (lambda b: b.build.route(b.red, (0, 0), RAMP >> EAST), r"route of colour red on \(0, 0\): expected a region"),
    (lambda b: b.build.task("t", start=(0, 0)), r"start of task 't' on \(0, 0\): expected a region"),
    (lambda b: b.build.task("t", blocked=Builder(5, 1).grid), "blocked of task 't' on .* reaches outside the 4 x 2"),
    (lambda b: b.build.task("t", on_wavelet="red"), "task 't' on wavelets of 'red': expected a colour"),
    (lambda b: b.build.task("t", argument="int"), "task 't' has an argument but no colour that brings it"),
    (lambda b: b.build.argument("n", "int"), "argument 'n' exists: expected another name"),
    (lambda b: b.build.argument("m", "f32"), "kind of an argument is 'f32': expected 'int' or 'float'"),
    (lambda b: b.build.on(b.task, b.build.grid), r"on\(task, \[0:4, 0:2\]\): expected a region and a task"),
    (lambda b: b.pe.on(3), r"on\(3\): expected a region, as in builder.grid\[0, :\]"),
    (lambda b: b.pe.on(b.build.grid[0, :]).on(b.build.grid), r"\[0:4, 0:2\] reaches outside \[0, 0:2\]: narrow it"),
    (lambda b: Builder(0, 4), "grid width is 0"),
]

OPERATIONS = [
    (lambda b: b.pe.vector("fma", b.x, b.x), "unknown vector operation 'fma': known are mov, add"),
    (lambda b: b.pe.vector("add", b.x, b.x), r"add has 1 sources: expected 2, for a \+ b"),
    (lambda b: b.pe.vector("neg", b.x, b.x, b.x), "neg has 2 sources: expected 1"),
    (lambda b: b.pe.mov(3.0, b.x), "mov: to=3.0: expected a buffer, a view, a colour or a register"),
    (lambda b: b.pe.mov(b.x, np.ones(8)), "mov: a=array.*: expected a buffer, a view, a colour, a register or a num"),
    (lambda b: b.pe.mov(b.x, "x"), "mov: a='x': expected a buffer"),
    (lambda b: b.pe.mov(b.x, True), "mov: a=True: expected"),
    (lambda b: b.pe.mul(b.x, each(b.x), b.x), r"a=each\(.*number; each\(...\) goes last, as b"),
    (lambda b: b.pe.mov(b.x, 1e39), r"a of mov is 1e\+39: expected a float32, at most 3.403e\+38"),
    (lambda b: b.pe.mov(b.y, 1 << 40), "a of mov is 1099511627776: expected a number of 32 bits"),
    (lambda b: b.pe.mov(b.red, 1.0), "mov: no operand is a view, so the length is unknown; give n="),
    (lambda b: b.pe.add(b.x, b.x[:4], b.x[:4]), r"add x.* <- x.*: lengths \[4, 8\] differ: expected one length"),
    (lambda b: b.pe.add(b.red, b.x.view(0, b.n), b.x.view(0, b.i)), "lengths are different registers: .* give n="),
    (lambda b: b.pe.mov(b.x, b.red, n=-1), "n of mov is -1: expected a whole number, 0 or more"),
    (lambda b: b.pe.mov(b.x, b.red, n=2.0), "n of mov is 2.0: expected a whole number"),
    (lambda b: b.pe.mov(b.x, b.red, n=b.f), "n of mov is f2, a float: expected an int register; use pe.to_int"),
    (lambda b: b.pe.mov(b.x, b.red, carry="f16"), "mov: carry='f16': expected an element type"),
    (lambda b: b.pe.mov(b.x, b.red, slot=-1), "slot of mov is -1: expected a whole number, 0 or more"),
    (lambda b: b.pe.mov(b.x, b.red, slot="a"), "slot of mov is 'a': expected a whole number"),
    (lambda b: b.pe.mov(b.x, b.red, then=activate(b.task)), "`then` belongs to an asynchronous .* give slot=0"),
    (lambda b: b.pe.mov(b.x, b.red, slot=0, then=b.task), r"then=task: expected activate\(task\) or unblock\(task\)"),
    (lambda b: unblock("task"), r"unblock\('task'\): expected a task; make one with builder.task"),
    (lambda b: b.pe.activate("task"), r"activate\('task'\): expected a task"),
    (lambda b: b.pe.reroute(b.red, EAST), r"reroute\(red, EAST\): expected a colour and a route"),
]

SCALARS = [
    (lambda b: b.pe.integer(1.5), "mov takes int operands, not 1.5: expected a whole number"),
    (lambda b: b.pe.integer(b.f), "mov takes int operands, not f2; convert it first with pe.to_int"),
    (lambda b: b.pe.real("a"), "mov of 'a': expected a register or a number"),
    (lambda b: b.pe.set(3, 4), r"set\(3\): expected a register; make one with pe.integer or pe.real"),
    (lambda b: b.pe.set(b.i, b.f), "mov takes int operands, not f2"),
    (lambda b: b.pe.load(b.red), r"load\(red\): expected a buffer or a view"),
    (lambda b: b.pe.store(b.y, b.f), "store takes int operands, not f2; convert it first with pe.to_int"),
    (lambda b: b.pe.store(b.y, 0.5), "store takes int operands, not 0.5"),
    (lambda b: b.pe.scalar("pow", b.i), "unknown scalar operation 'pow': known are iadd"),
    (lambda b: b.pe.scalar("iadd", b.i), r"iadd has 1 operands: expected 2, for a \+ b"),
    (lambda b: b.pe.scalar("fexp", b.f, b.f), "fexp has 2 operands: expected 1"),
    (lambda b: b.pe.scalar("iadd", b.i, b.f), "iadd takes int operands, not f2; convert it first with pe.to_int"),
    (lambda b: b.pe.scalar("flt", b.f, 1.0, to=b.f), "flt gives int results, but f2 holds float: expected a register"),
    (lambda b: b.pe.scalar("load", b.i), r"scalar\('load'\): expected arithmetic; use pe.load"),
    (lambda b: b.pe.scalar("mov", b.i), r"scalar\('mov'\): expected arithmetic; use pe.integer, pe.real or pe.set"),
    (lambda b: b.i + 1.5, "iadd takes int operands, not 1.5"),
    (lambda b: b.i + b.f, "iadd takes int operands, not f2"),
    (lambda b: b.i / 2, "operator / on i1: expected a register of kind float, not int; use `//`"),
    (lambda b: b.f // 2, "operator // on f2: expected a register of kind int, not float; use pe.to_int"),
    (lambda b: 5 if b.i else 6, r"i1 has a value only while a PE runs: use `with pe.when\(...\)`, not Python's if"),
    (lambda b: min(b.i, 3), "has a value only while a PE runs"),
    (lambda b: 0 < b.i < 3, "has a value only while a PE runs"),
    (lambda b: list(range(b.i)), r"has a value only while a PE runs: use `with pe.loop\(register\)`"),
    (lambda b: int(b.f), r"use `pe.to_int\(register\)`"),
    (lambda b: float(b.i), r"use `pe.to_float\(register\)`"),
    (lambda b: b.n + 1, r"operator on i0, which was declared outside all code.*take it over with `n = pe.use\(n\)`"),
    (lambda b: b.i + b.build.on(b.build.grid, b.task).integer(0), "registers of two tasks, main and task: expected"),
    (
        lambda b: b.pe.on(b.build.grid[0, :]).integer(0) + b.pe.on(b.build.grid[1, :]).integer(0),
        r"registers of \[0, 0:2\] and \[1, 0:2\]: expected one region inside the other",
    ),
    (lambda b: b.pe.wavelet, "task main has no wavelet: expected a task made with on_wavelet=color"),
]

CONTROL = [
    (lambda b: b.pe.loop(2.0).__enter__(), "loop count is 2.0: expected a whole number, 0 or more"),
    (lambda b: b.pe.loop(-1).__enter__(), "loop count is -1: expected a whole number, 0 or more"),
    (lambda b: b.pe.loop(b.f).__enter__(), "loop count is f2, a float: expected an int register; use pe.to_int"),
    (lambda b: b.pe.when(b.i == 3).__enter__(), r"when\(False\): expected a register; compare with .*equals\(x\)"),
    (lambda b: b.pe.when(b.f).__enter__(), r"when\(f2\) on a float: expected an int register; compare it"),
    (lambda b: b.pe.otherwise(), "otherwise on .* at test_builder.py:.*: expected it right inside `with pe.when`"),
    (lambda b: b.otherwise(0, inside="loop"), r"otherwise on \[0, 0:2\].*expected it right inside"),
    (lambda b: b.otherwise(0, slice(0, 2)), "second otherwise of one when at .*: expected one"),
    (lambda b: b.left("loop"), r"finish\(\) inside a loop of task main: expected its end before"),
    (lambda b: b.pe.integer(b.stale()), "register i3 is used after its loop, when or scope has ended at test_builder"),
    (lambda b: b.stale() + 1, "register i3 is used after .*; make it before, and change it inside with pe.set"),
    (lambda b: b.pe.mov(b.x, b.x.at(b.stale(), 8)), "register i3 is used after"),
    (lambda b: b.pe.use(b.stale()), "register i3 is used after"),
]

FOREIGN = [
    (lambda b: b.pe.mov(b.x, b.foreign[0]), r"buffer z: f32\[8\] belongs to another builder"),
    (lambda b: b.build.release(b.foreign[0]), "buffer z.* belongs to another builder"),
    (lambda b: b.pe.mov(b.x, b.foreign[1]), "colour red belongs to another builder: expected one that this builder"),
    (lambda b: b.build.route(b.foreign[1], b.build.grid, RAMP >> EAST), "colour red belongs to another builder"),
    (lambda b: b.build.task("t", on_wavelet=b.foreign[1]), "colour red belongs to another builder"),
    (lambda b: b.pe.reroute(b.foreign[1], RAMP >> EAST), "colour red belongs to another builder"),
    (lambda b: b.pe.activate(b.foreign[2]), "task task belongs to another builder"),
    (lambda b: b.build.on(b.build.grid, b.foreign[2]), "task task belongs to another builder"),
    (lambda b: b.pe.mov(b.x, b.red, slot=0, then=activate(b.foreign[2])), "task task belongs to another builder"),
    (lambda b: b.pe.set(b.i, b.foreign[3]), "register i0 belongs to another builder"),
    (lambda b: b.pe.mov(b.x, b.red, n=b.foreign[3]), "register i0 belongs to another builder"),
]


@pytest.mark.parametrize(("misuse", "message"), [*VALUES, *OPERATIONS, *SCALARS, *CONTROL, *FOREIGN])
def test_misuse_is_refused_in_words(misuse: Any, message: str) -> None:
    with pytest.raises(ProgramError, match=message) as caught:
        misuse(Bench())
    assert "\n" not in str(caught.value)


def test_otherwise_may_differ_by_region() -> None:
    bench = Bench()
    bench.pe.store(bench.y, bench.i)
    bench.otherwise(0, slice(2, 4))
    check(bench.build.finish(), WSE2)


# -- roles ------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 7, 5
spans = st.builds(slice, st.integers(0, 6), st.integers(0, 7), st.sampled_from([1, 2, 3, -1]))


def program_of(regions: list[Any]) -> Program:
    build = Builder(WIDTH, HEIGHT)
    for i, (xs, ys) in enumerate(regions):
        build.buffer(f"b{i}", f32, 1, on=build.grid[xs, ys])
    return build.finish()


@given(st.lists(st.tuples(spans, spans), max_size=6))
def test_a_role_is_what_the_same_regions_cover(regions: list[Any]) -> None:
    program = program_of(regions)
    inside = {pe: tuple(i for i, region in enumerate(program.regions) if pe in region) for pe in program.grid}
    role_of = {pe: program.roles[program.role_map[pe[1], pe[0]]] for pe in program.grid}
    for pe, role in role_of.items():
        assert inside[pe] == inside[role.example] == program.regions_of(role)
        assert [program.covers(role, region) for region in program.regions] == [pe in r for r in program.regions]
    assert len({inside[role.example] for role in program.roles}) == len(program.roles)
    firsts = [next(pe for pe in program.grid if role_of[pe] is role) for role in program.roles]
    assert [role.example for role in program.roles] == firsts == sorted(firsts, key=lambda pe: (pe[1], pe[0]))
    assert [role.count for role in program.roles] == [list(role_of.values()).count(role) for role in program.roles]


@given(st.lists(st.tuples(spans, spans), max_size=6), st.sampled_from(LINKS))
def test_neighbours_are_the_pairs_of_roles_that_touch(regions: list[Any], link: Direction) -> None:
    program = program_of(regions)

    def role(x: int, y: int) -> int:
        return int(program.role_map[y, x]) if (x, y) in program.grid else -1

    expected = {(role(x, y), role(x + link.dx, y + link.dy)) for x, y in program.grid}
    found = program.neighbours(link)
    assert sorted((b.role, b.neighbour) for b in found) == sorted(expected)
    for border in found:
        x, y = border.example
        assert (role(x, y), role(x + link.dx, y + link.dy)) == (border.role, border.neighbour)


def test_the_code_of_a_role_is_in_order() -> None:
    build = Builder(3, 1)
    other = build.task("other", start=True)
    for i, region in enumerate([build.grid, build.grid[1:, :], build.grid, build.grid[:2, :]]):
        build.main(region).integer(i)
        build.on(region, other).integer(10 + i)
    program = build.finish()
    held = [
        [p.instruction.a for p in program.code(role, task)]  # type: ignore[union-attr]
        for task in reversed(program.tasks)
        for role in program.roles
    ]
    assert held == [[0, 2, 3], [0, 1, 2, 3], [0, 1, 2], [10, 12, 13], [10, 11, 12, 13], [10, 11, 12]]


def test_queues_are_numbered_by_color() -> None:
    build = Builder(2, 1)
    a, b, c = (build.color(name) for name in "abc")
    for color in (c, a):
        build.route(color, build.grid[0, 0], RAMP >> EAST)
        build.route(color, build.grid[1, 0], WEST >> RAMP)
    build.route(b, build.grid, NORTH >> SOUTH)
    build.main().reroute(b, NORTH >> RAMP)
    program = build.finish()
    left, right = program.roles
    assert (program.output_queues(left), program.input_queues(left)) == ({a: 0, c: 1}, {b: 0})
    assert (program.output_queues(right), program.input_queues(right)) == ({}, {a: 0, b: 1, c: 2})
    assert program.routes_of(right)[b] == [NORTH >> SOUTH, NORTH >> RAMP]


def test_a_block_of_buffers_has_no_gaps() -> None:
    build = Builder(2, 2)
    first = build.buffer("first", f32, 5)
    half, third, single = build.block([("half", f16, 3), ("half", f16, 2), ("single", f32, 1)], on=build.grid[0, :])
    assert [b.address for b in (first, half, third, single)] == [0, 32, 38, 44]
    assert [b.name for b in (half, third, single)] == ["half", "half.2", "single"]
    other = build.block([("other", f32, 2)], on=build.grid[1, :])[0]
    assert other.address == 32  # on other PEs
    assert build.buffer("last", f16, 1).address == 48
    assert build.finish().buffer("half.2") is third


def test_a_program_finds_its_buffers() -> None:
    build = Builder(2, 1)
    made = build.buffer("x", f32, 4, on=build.grid[1, :])
    program = build.finish()
    assert program.buffer("x") is made
    assert [program.sram_bytes(role) for role in program.roles] == [0, 16]
    with pytest.raises(KeyError, match="no buffer 'y' in program 'program': it has x"):
        program.buffer("y")


def test_code_is_plain_data() -> None:
    pe = Builder(1, 1).main()
    assert isinstance(pe, Code)
    assert repr(pe.integer(0)) == "i0"
