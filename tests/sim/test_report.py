"""A report as a value: derived figures, differences, tiles, JSON, tables, and what it says of a run."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.hardware import EAST, GROUPS, RAMP, WEST, WSE3, State, f16, f32, toy
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program
from wse_sim.report.breakdown import kernel_of, phase_of
from wse_sim.report.grids import Box
from wse_sim.report.report import Report

EXP = toy(1, 1).scalar_exp_cycles

# -- programs -------------------------------------------------------------------------------------------------


def row(pes: int, *, prepare: str | None = None, receive: str = "mov", n: int = 64, rows: int = 1) -> Program:
    """The first PE of each row works on a vector and sends it to all others."""
    build = Builder(pes, rows, name="row")
    red, grid, x = build.color("red"), build.grid, build.buffer("x", f32, n, init=1.0)
    build.route(red, grid[0, :], RAMP >> EAST)
    build.route(red, grid[1:-1, :], WEST >> (RAMP | EAST))
    build.route(red, grid[-1, :], WEST >> RAMP)
    if prepare:
        with build.section("prepare"):
            build.main(grid[0, :]).vector(prepare, x, x)
    with build.section("send"):
        build.main(grid[0, :]).mov(red, x)
    with build.section("receive"):
        build.main(grid[1:, :]).vector(receive, x, red)
    return build.finish()


def sum_of_two(pes: int) -> Program:
    """The last of some PEs adds two vectors that lie in the same banks; the others have nothing to do."""
    build = Builder(pes, 1, name="sum")
    here = build.grid[-1, 0]
    x, y, z = (build.buffer(name, f32, 512, on=here, init=1.0) for name in "xyz")
    with build.section("adding"):
        build.on(here, build.task("adder", start=here)).add(z, x, y)
    return build.finish()


def chain(pes: int, n: int = 1) -> Program:
    """A sum that goes from PE to PE, on two colours in turn; the last one takes elements slowly if n is large."""
    build = Builder(pes, 1, name="chain")
    red, blue, grid, x = build.color("red"), build.color("blue"), build.grid, build.buffer("x", f32, n, init=1.0)
    build.route(red, grid[0::2, :], RAMP >> EAST)
    build.route(red, grid[1::2, :], WEST >> RAMP)
    build.route(blue, grid[1:-1:2, :], RAMP >> EAST)
    build.route(blue, grid[2::2, :], WEST >> RAMP)
    with build.section("start"):
        build.main(grid[0, :]).mov(red, x)
    with build.section("pass on"):
        build.main(grid[1:-1:2, :]).add(blue, red, x)
        build.main(grid[2:-1:2, :]).add(red, blue, x)
    with build.section("end"):
        build.main(grid[-1, :]).vector("exp", x, red if pes % 2 == 0 else blue)
    return build.finish()


def run(program: Program, launches: int = 1) -> Report:
    machine = Machine(program, toy(program.width, program.height))
    for _ in range(launches):
        machine.launch()
    return machine.report()


@pytest.fixture(scope="module")
def report() -> Report:
    return run(row(5, prepare="exp", n=16, rows=3))


# -- a value ------------------------------------------------------------------------------------------------------


def test_a_report_is_frozen(report: Report) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.cycles = 1  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.links.injected = report.links.delivered  # type: ignore[misc]
    grids = (report.states, report.links.wavelets, report.sram.peak, report.work.elements, report.sections.cycles)
    for grid in (*grids, report.cell_cycles):
        with pytest.raises(ValueError, match="read-only"):
            grid.flat[0] = 7
    with pytest.raises(TypeError):
        report.work.by_operation["mov"] = 1  # type: ignore[index]


def test_equal_runs_give_equal_reports(report: Report) -> None:
    assert run(row(5, prepare="exp", n=16, rows=3)) == report
    assert run(row(5, prepare="tanh", n=16, rows=3)) != report
    assert report != "report"
    assert dataclasses.replace(report, cycles=0) != report


def test_derived_figures(report: Report) -> None:
    busy = [State.MOVE, State.MATH]
    assert report.pes == 15
    assert report.seconds == pytest.approx(report.cycles / 850e6)
    assert report.utilisation == pytest.approx(report.states[..., busy].sum() / (15 * report.cycles))
    assert report.busy.shape == (3, 5)
    assert report.busy.mean() == pytest.approx(report.utilisation)
    assert report.shares(State.MATH)[1, 0] == pytest.approx(16 * EXP / report.cycles)
    assert sum(report.totals.values()) == 15 * report.cycles
    assert sum(report.share(*members) for members in GROUPS.values()) == pytest.approx(1)
    assert set(report.memory_stalls) == {State.PORT_STALL, State.BANK_STALL, State.PENDING_WRITE}


def test_busiest_links_are_sorted_and_the_first_among_equals(report: Report) -> None:
    links = report.busiest_links(5)
    assert [(link.x, link.y, link.direction, link.wavelets) for link in links] == [
        (0, 0, EAST, 16), (1, 0, EAST, 16), (2, 0, EAST, 16), (3, 0, EAST, 16), (0, 1, EAST, 16)]  # fmt: skip
    assert links[0].share == 16 / report.cycles
    assert len(report.busiest_links(100)) == 12
    assert report.busiest_links(0) == ()


def test_busiest_links_put_more_wavelets_first() -> None:
    report = run(row(3, n=4))
    wavelets = report.links.wavelets.copy()
    wavelets[0, 1, WEST] = 9
    changed = dataclasses.replace(report, links=dataclasses.replace(report.links, wavelets=wavelets))
    assert [(link.x, link.direction) for link in changed.busiest_links(2)] == [(1, WEST), (0, EAST)]


def test_laws_name_what_does_not_add_up(report: Report) -> None:
    states = report.states.copy()
    states[2, 1, State.IDLE] += 1
    injections = report.links.injections + 2
    broken = dataclasses.replace(
        report, states=states, links=dataclasses.replace(report.links, injections=injections)
    ).broken_laws()
    assert report.broken_laws() == ()
    assert broken[0] == f"states of PE (1, 2) sum to {report.cycles + 1}, not to {report.cycles} cycles"
    assert "2 wavelets of colour red are neither delivered nor held" in broken


# -- differences ----------------------------------------------------------------------------------------------------


def test_a_difference_of_equals_is_nothing(report: Report) -> None:
    nothing = report - report
    assert (nothing.cycles, nothing.launches, nothing.states.any()) == (0, (), False)
    assert (nothing.utilisation, nothing.busiest_links(), nothing.work.by_operation) == (0.0, (), {})
    assert nothing.sram.peak.tolist() == report.sram.peak.tolist()
    assert nothing.broken_laws() == ()


def test_only_reports_of_one_machine_subtract(report: Report) -> None:
    with pytest.raises(UsageError, match="two programs, 'row' and 'chain'"):
        report - run(chain(4))
    with pytest.raises(UsageError, match=r"does not go on from the second.*the later one first"):
        report - run(row(5, prepare="exp", n=16, rows=3), launches=2)
    with pytest.raises(UsageError, match="two wafers"):
        report - dataclasses.replace(report, wafer=WSE3)
    with pytest.raises(UsageError, match="sums over tiles"):
        report.tiled(2) - report.tiled(2)
    with pytest.raises(TypeError):
        report - 1  # type: ignore[operator]


# -- tiles and JSON ---------------------------------------------------------------------------------------------------


def test_tiles_keep_every_sum(report: Report) -> None:
    tiled = report.tiled(2)
    assert tiled.states.shape == (2, 3, len(State))
    assert tiled.states[0, 2].tolist() == report.states[:2, 4].sum(axis=0).tolist()
    assert tiled.cell_cycles.tolist() == [[4 * report.cycles, 4 * report.cycles, 2 * report.cycles],
                                          [2 * report.cycles, 2 * report.cycles, report.cycles]]  # fmt: skip
    assert tiled.broken_laws() == ()
    assert (tiled.totals, tiled.utilisation, tiled.energy) == (report.totals, report.utilisation, report.energy)
    assert tiled.busiest_links(3) == report.busiest_links(3)
    assert tiled.sram.peak.tolist() == [[64, 64, 64], [64, 64, 64]], "the largest of each tile"
    assert report.tiled(1) is report
    assert tiled.tiled(2) is tiled
    with pytest.raises(UsageError, match="tile is 3"):
        tiled.tiled(3)


def test_json_round_trip(report: Report, tmp_path: Path) -> None:
    text = report.to_json(tmp_path / "report.json")
    assert Report.from_json(text) == report
    again = Report.from_json(tmp_path / "report.json")
    assert again == report
    assert again.describe() == report.describe()
    assert again.busiest_links() == report.busiest_links()
    assert again.wafer == report.wafer
    with pytest.raises(ValueError, match="read-only"):
        again.states[0, 0, 0] = 1


def test_json_of_a_large_grid_is_tiles_and_says_so(report: Report) -> None:
    document = json.loads(report.to_json(cells=4))
    assert document["grids"].startswith("2 x 1 cells: each holds the sum over 3 x 3 PEs")
    assert json.loads(report.to_json())["grids"] == "5 x 3 cells, one per PE"
    coarse = Report.from_json(report.to_json(cells=4))
    assert coarse == report.tiled(3)
    assert coarse.totals == report.totals
    assert coarse.to_json(cells=1) == coarse.to_json(), "tiles are not tiled again"
    assert "grids hold sums over 3 x 3 PEs" in coarse.describe()


def test_json_tells_readers_the_main_figures(report: Report) -> None:
    document = json.loads(report.to_json())
    assert document["summary"]["utilisation"] == report.utilisation
    assert document["summary"]["explain"] == report.explain().splitlines()
    assert document["state_names"][int(State.MAC)] == "MAC"
    assert document["wafer"]["origins"]["task_switch_cycles"]["kind"] == "inferred"


def test_json_of_something_else_is_refused(report: Report) -> None:
    with pytest.raises(UsageError, match="not JSON"):
        Report.from_json("{")
    for other in ("[]", "{}", '{"format": "other 2"}'):
        with pytest.raises(UsageError, match="expected 'wse_sim report 1'"):
            Report.from_json(other)
    with pytest.raises(UsageError, match="cells is 0"):
        report.to_json(cells=0)
    with pytest.raises(UsageError, match="a report with states"):
        Report.from_json(report.to_json().replace('"MAC"', '"MACS"', 1))
    document = json.loads(report.to_json())
    for name, broken, message in (
        ("links", None, "no whole report: 'links' is missing"),
        ("state_names", None, "a report with states None: expected"),
        ("sections", 3, "no whole report: 'int' object is not subscriptable; expected what was written"),
        ("states", document["states"] | {"values": [1]}, "no whole report: cannot reshape array of size 1"),
        ("wafer", {}, "no whole report: 'name' is missing"),
    ):
        changed = {k: v for k, v in document.items() if k != name} | ({} if broken is None else {name: broken})
        with pytest.raises(UsageError, match=message):
            Report.from_json(json.dumps(changed))


# -- tables -----------------------------------------------------------------------------------------------------------


def test_table_by_state(report: Report) -> None:
    table = report.to_frame()
    assert table.columns.tolist() == ["state", "group", "pe_cycles", "share", "cycles_per_pe"]
    assert len(table) == len(State)
    assert table.pe_cycles.sum() == 15 * report.cycles
    assert table.share.sum() == pytest.approx(1)
    assert table.cycles_per_pe.sum() == pytest.approx(report.cycles)
    assert table[table.state == "MATH"].pe_cycles.item() == 3 * 16 * EXP


def test_table_by_section(report: Report) -> None:
    table = report.to_frame("section")
    assert set(table.section) == {"program", "prepare", "send", "receive"}
    assert table.pe_cycles.sum() == 15 * report.cycles
    assert table.pe_cycles.min() > 0
    prepare = table[(table.section == "prepare") & (table.state == "MATH")].iloc[0]
    assert (prepare.group, prepare.pe_cycles) == ("busy", 3 * 16 * EXP)
    assert (prepare["first"], prepare["last"]) == (18, 18 + 4 + 16 * EXP)
    assert table[table.section == "program"]["first"].isna().all()


def test_tables_by_phase_and_kernel() -> None:
    build = Builder(4, 1)
    x, red = build.buffer("x", f16, 5), build.color("red")
    build.route(red, build.grid[0, 0], RAMP >> EAST)
    build.route(red, build.grid[1:-1, 0], WEST >> (RAMP | EAST))
    build.route(red, build.grid[-1, 0], WEST >> RAMP)
    for layer in range(2):
        with build.section(f"layer {layer}"):
            with build.section("hand on"):
                build.main(build.grid[0, 0]).mov(red, x)
                build.main(build.grid[1:, 0]).mov(x, red)
            with build.section("double"):
                build.main().add(x, x, x)
    report = run(build.finish())
    phases, kernels = report.to_frame("phase").set_index("name"), report.to_frame("kernel").set_index("name")
    assert list(phases.index) == ["program", "layer 0", "layer 1"]
    assert list(kernels.index) == ["program", "hand on", "double"]
    for table in (phases, kernels):
        assert table.cycles.sum() == report.cycles
        assert table.share.sum() == pytest.approx(1)
        assert table[list(GROUPS)].sum(axis=1).tolist() == (4 * table.cycles).tolist()
    assert phases.wavelets.tolist() == [0, 3, 3]  # five halves in three wavelets
    assert kernels.wavelets.tolist() == [0, 6, 0]
    assert kernels.operations.tolist() == [0, 0, 2 * 4 * 5]
    assert kernels.loc["hand on", "fabric"] == report.totals[State.INPUT_WAIT]
    assert int(report.links.injections.sum()) == 6


def test_table_by_pe(report: Report) -> None:
    table = report.to_frame("pe")
    assert len(table) == 15
    assert (table[[s.name.lower() for s in State]].sum(axis=1) == report.cycles).all()
    assert table[(table.x == 0) & (table.y == 2)].injected.item() == 16
    assert table.delivered.sum() == 3 * 4 * 16
    assert report.tiled(2).to_frame("pe").pes.tolist() == [4, 4, 2, 2, 2, 1]


def test_other_tables(report: Report) -> None:
    links = report.to_frame("link")
    assert (len(links), set(links.to), set(links.wavelets)) == (12, {"EAST"}, {16})
    assert links.share.max() == 16 / report.cycles
    assert report.to_frame("color").copies.tolist() == [3 * 3 * 16]
    assert report.to_frame("operation").set_index("operation").elements.to_dict() == {"mov": 240, "exp": 48}
    assert report.to_frame("buffer").bytes.tolist() == [64]
    with pytest.raises(UsageError, match=r"no table by 'colour'. Did you mean 'color'\? Known: state, section"):
        report.to_frame("colour")  # type: ignore[arg-type]


# -- what it says of a run ----------------------------------------------------------------------------------------


def test_a_slow_sender_is_found() -> None:
    report = run(row(4, prepare="exp"))
    found = report.bottleneck()
    assert (found.state, found.section, found.section_share) == (State.INPUT_WAIT, "receive", 1.0)
    assert found.box == Box(1, 0, 3, 0)
    assert (found.worker, found.worker_state) == (Box(0, 0, 0, 0), State.MATH)
    bound, limit, cure = report.explain().splitlines()
    assert bound.startswith("INPUT_WAIT (the input queue has no wavelet to work on) took 74 % of all PE-cycles, in "
                            "section 'receive', mainly on PEs x 1..3, y 0; ")  # fmt: skip
    assert bound.endswith("PE (0, 0) worked for more than 99 % of the run, MATH most of that time: the others wait "
                          "for it.")  # fmt: skip
    assert "PE (0, 0) to the EAST: 64 wavelets, 1 % of what it can carry" in limit
    assert State.INPUT_WAIT.cure in cure
    assert cure.count(State.MATH.cure) == 1


def test_a_kernel_of_all_layers_is_found() -> None:
    """Each time less than at the end, but together more."""
    build = Builder(3, 1, name="layers")
    red, grid, x = build.color("red"), build.grid, build.buffer("x", f32, 60, init=1.0)
    build.route(red, grid[0, :], RAMP >> EAST)
    build.route(red, grid[1, :], WEST >> (RAMP | EAST))
    build.route(red, grid[2, :], WEST >> RAMP)
    for name, words in (("layer 0/hand on", 40), ("layer 1/hand on", 40), ("head/last", 60)):
        with build.section(name):
            build.main(grid[0, :]).vector("exp", red, x[:words])
            build.main(grid[1:, :]).mov(x[:words], red)
    report = run(build.finish())
    sections = report.sections
    waits = dict(zip(sections.names, sections.cycles[:, State.INPUT_WAIT].tolist(), strict=True))
    layers = [waits[f"layer {i}/hand on"] for i in range(2)]
    assert max(layers) < waits["head/last"] < sum(layers)
    found = report.bottleneck()
    assert (found.section, found.sections, found.state) == ("hand on", 2, State.INPUT_WAIT)
    assert "in the 2 sections of 'hand on', mainly on PEs x 1..2, y 0" in report.explain()


def test_a_slow_receiver_is_found() -> None:
    found = run(chain(6, n=200)).bottleneck()
    assert (found.state, found.section) == (State.OUTPUT_BLOCKED, "pass on")
    assert (found.worker, found.worker_state) == (Box(5, 0, 5, 0), State.MATH)
    assert found.worker_share > 0.9


def test_a_long_chain_is_found() -> None:
    report = run(chain(24))
    found = report.bottleneck()
    assert (found.state, found.section) == (State.INPUT_WAIT, "pass on")
    assert found.worker_share < 0.5
    bound, _, cure = report.explain().splitlines()
    assert "the time goes into the way of the wavelets from PE to PE" in bound
    assert "shorten the path, or send longer vectors along it" in cure


def test_a_shared_link_is_found() -> None:
    """Every PE of a row sends to the last, which sums: the last link carries all."""
    build = Builder(9, 1)
    grid, x = build.grid, build.buffer("x", f32, 100, init=1.0)
    for i in range(8):
        color = build.color(f"from{i}")
        build.route(color, grid[i, :], RAMP >> EAST)
        build.route(color, grid[i + 1 : 8, :], WEST >> EAST)
        build.route(color, grid[8, :], WEST >> RAMP)
        build.main(grid[i, :]).mov(color, x)
        build.main(grid[8, :]).mov(x, color, slot=i)
    found = run(build.finish()).bottleneck()
    assert found.link_share > 0.9
    assert found.worker == Box(8, 0, 8, 0)


def test_bank_conflicts_are_found() -> None:
    report = run(sum_of_two(1))
    found = report.bottleneck()
    assert (found.state, found.section, found.box) == (State.BANK_STALL, "adding", Box(0, 0, 0, 0))
    bound, limit, cure = report.explain().splitlines()
    assert "BANK_STALL (two operands lie in the same SRAM banks) took 48 %" in bound
    assert limit.startswith("SRAM ports and banks cost 48 % of all PE-cycles, BANK_STALL")
    assert cure == f"Try: {State.BANK_STALL.cure}."


def test_idle_pes_are_found() -> None:
    report = run(sum_of_two(4))
    found = report.bottleneck()
    assert (found.state, found.box) == (State.IDLE, Box(0, 0, 2, 0))
    assert (found.second, found.second_share) == (State.BANK_STALL, pytest.approx(256 / (4 * report.cycles)))
    assert (found.worker, found.worker_share) == (Box(3, 0, 3, 0), 1.0)
    assert State.BANK_STALL.cure in report.explain()


def test_work_alone_is_said_plainly() -> None:
    build = Builder(1, 1, name="alone")
    x = build.buffer("x", f16, 800, init=1.0)
    build.main().add(x, x, 1.0)
    bound, limit, cure = run(build.finish()).explain().splitlines()
    assert bound.startswith("ARITH (elementwise arithmetic without a multiply-add) took 90 % of all PE-cycles, in ")
    assert "wait" not in bound
    assert limit == "No wavelet used a link, and buffers take 1,600 of 44,976 bytes of SRAM on PE (0, 0)."
    assert cure == f"Try: {State.ARITH.cure}."


def test_explain_in_tiles_speaks_of_tiles() -> None:
    report = run(row(6, prepare="exp", rows=4))
    coarse = report.tiled(2)
    assert coarse.bottleneck().state is State.INPUT_WAIT
    assert coarse.bottleneck().worker == Box(0, 0, 1, 1)
    assert "PEs x 0..1, y 0..1" in coarse.explain()


def test_a_machine_that_never_ran() -> None:
    report = Machine(row(3), toy(3, 1)).report()
    assert report.explain().splitlines()[0] == "'row' has run for no cycle yet."
    assert (report.utilisation, report.energy.joules, report.energy.watts) == (0.0, 0.0, 0.0)
    assert "0 cycles = 0 ns" in report.describe()
    assert Report.from_json(report.to_json()) == report


def test_describe_has_every_part(report: Report) -> None:
    text = report.describe()
    for part in ("row on toy, 5 x 3 PEs", "INPUT_WAIT", "prepare", "busiest link: PE (0, 0) EAST, 16 wavelets",
                 "48 arithmetic operations", "an estimate", "engine cycle", "assumed router_buffer"):  # fmt: skip
        assert part in text, part
    assert max(len(line) for line in text.splitlines()) < 130
    assert "BROKEN" not in text
    assert "BROKEN LAW" in dataclasses.replace(report, cycles=report.cycles + 1).describe()


def test_html_is_short_and_escaped(report: Report) -> None:
    html = report._repr_html_()
    assert html.startswith("<b>row on toy, 5 x 3 PEs</b>, ")
    assert len(html) < 1000
    assert "<script>" not in dataclasses.replace(report, name="<script>")._repr_html_()
    assert repr(report) == f"<Report of 'row': 5 x 3 PEs, {report.cycles} cycles>"


# -- memory wall and energy ---------------------------------------------------------------------------------------


def test_the_memory_wall_has_three_faces() -> None:
    report = run(sum_of_two(1))
    wall = report.memory_wall()
    assert wall.stalls == report.memory_stalls
    assert wall.stall_share == pytest.approx(256 / report.cycles)
    assert wall.port_bytes_per_cycle == pytest.approx(2 * 4 * 512 / report.cycles)
    assert (wall.port_limit, wall.port_pe) == (16, Box(0, 0, 0, 0))
    assert wall.operations_per_byte == pytest.approx(512 / (3 * 4 * 512))
    assert (wall.peak_bytes, wall.left_bytes) == (6144, 44_976 - 6144)
    assert (wall.weight_wait, wall.weight_share, wall.host_bytes) == (0, 0.0, 0)
    assert wall.describe().count("\n") == 3


def test_energy_is_events_times_the_wafers_figures(report: Report) -> None:
    wafer, energy = report.wafer, report.energy
    by_hand = {
        "16-bit arithmetic": 0,
        "32-bit arithmetic": 48 * wafer.energy_f32_op_fj,
        "SRAM reads": (2 * 16 * 3 * 4 / 8) * wafer.energy_sram_read_fj,
        "SRAM writes": (16 * 3 * 4 / 8 + 4 * 16 * 3 * 4 / 8) * wafer.energy_sram_write_fj,
        "hops": 4 * 3 * 16 * wafer.energy_hop_fj,
        "ramps": (3 * 16 + 4 * 3 * 16) * wafer.energy_ramp_fj,
        "control": (3 * 16 * EXP + 240) * wafer.energy_control_fj,
        "static": 15 * report.cycles * wafer.energy_static_fj,
    }
    assert dict(energy.femtojoules) == by_hand
    assert energy.joules == pytest.approx(sum(by_hand.values()) * 1e-15)
    assert energy.watts == pytest.approx(energy.joules / report.seconds)
    assert math.isclose(sum(energy.share(name) for name in by_hand), 1)
    assert "estimate" in energy.note


def test_16_bit_arithmetic_is_cheaper() -> None:
    build = Builder(1, 1)
    x, y = build.buffer("x", f16, 10, init=1.0), build.buffer("y", f32, 10)
    pe = build.main()
    pe.add(x, x, 1.0)
    pe.mul(y, y, 2.0)
    pe.mul(x, x, 2.0)
    energy = run(build.finish()).energy
    assert energy.events["16-bit arithmetic"] == 10
    assert energy.events["32-bit arithmetic"] == 20, "an operation used on both widths is priced as the wider"


@pytest.mark.parametrize(
    ("section", "phase", "kernel"),
    [
        ("embedding", "embedding", "embedding"),
        ("head/logits", "head", "logits"),
        ("layer 3", "layer 3", "layer"),
        ("layer 3/qkv/gemv", "layer 3", "qkv/gemv"),
        ("replica 0/stage 12/layer 3/qkv/gemv", "replica 0/stage 12/layer 3", "qkv/gemv"),
        ("replica 0/stage 1/take", "replica 0/stage 1", "take"),
        ("replica 0/stage 1", "replica 0/stage 1", "stage"),
    ],
)
def test_a_section_is_a_kernel_in_a_phase(section: str, phase: str, kernel: str) -> None:
    assert (phase_of(section), kernel_of(section)) == (phase, kernel)
