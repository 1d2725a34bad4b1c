"""The machines: tables of field -> (value, origin).

Sources. SDK: the public documentation of the Cerebras SDK, version 2.10, and its csl-examples repository.
HC34: Sean Lie, Hot Chips 34 (2022), and IEEE Micro 43(3), 2023. HPDC24: Luczynski et al., arXiv 2404.15888.
JACQ: Jacquelin et al., arXiv 2204.03775. ROCKI: Rocki et al., arXiv 2010.03660. FABRICA: the WSE-3 measurements of
the repository luozoupi/FABRICA-CUDA2CSL-Optmization-Benchmark-and-Agentic-Framework, docs/PERFORMANCE_MODEL.md,
on silicon and on the vendor's simulator. WaferLLM: arXiv 2502.04563 and the repository MeshInfra/WaferLLM.
FABSIL-n, FABSIM-n, MIMD-n, SUMMA-n: rows of the figures that `wse-sim validate` compares with, by their id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wse_sim.errors import UsageError
from wse_sim.hardware.checks import closest
from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.operations import OTHER, REDUCE
from wse_sim.hardware.origin import Origin, assumed, inferred, measured, published
from wse_sim.hardware.wafer import Rate, Wafer

Table = dict[str, tuple[Any, Origin]]

# -- vector rates: elements and cycles of one group ---------------------------------------------------

_HALF = "faddh fsubh fmulh fmach fmovh fnegh fabsh add16 sub16 and16 or16 xor16 mov16"
_SINGLE = "fadds fsubs fmovs fnegs fabss mov32 faddhs fsubhs fmachs"
_CONVERT_SINGLE = "fh2s fs2h xp162fs fs2xp16 sar16 sll16 fmaxs"
_CONVERT_HALF = "fmaxh fh2xp16 xp162fh"
_SLOW = f"fmuls fmacs {OTHER}"


def _rates(half: int, single: int, convert_single: int, convert_half: int) -> dict[str, Rate]:
    lanes = {_HALF: half, _SINGLE: single, _CONVERT_SINGLE: convert_single, _CONVERT_HALF: convert_half, _SLOW: 1}
    table = {name: (lane, 1) for names, lane in lanes.items() for name in names.split()}
    return {**table, REDUCE: (1, 2)}


# -- WSE-2 --------------------------------------------------------------------------------------------

_PIPELINE = "FABRICA, descriptor-operation latency on the WSE-3 simulator"
_GEMM_FIT = "fit to the MeshGEMM and MeshGEMV timings on WSE-3 silicon published in the WaferLLM repository"
_ENERGY = "none is published; chosen so that HC34's 30 mW core at 1.1 GHz and JACQ's 6.7 kW above idle come out to 2 %"

_WSE2: Table = {
    "width": (750, published("csl-examples, single-tile-matvec README: fabric 757 x 996, width at most W - 7")),
    "height": (994, published("csl-examples, single-tile-matvec README: height at most H - 2",
                              "Ltaief et al., SC'23: 35 784 000 PEs on 48 systems is 750 x 994 each")),
    "clock_hz": (850_000_000, published("csl-examples run scripts, HPDC24, JACQ", "HC34 gives 1.1 GHz for the core")),

    "sram_bytes": (49_152, published("SDK, Computing with Cerebras: 48 KB per PE")),
    "sram_reserve_bytes": (4_176, measured("FABRICA: bytes of the smallest program with the host's memcpy, compiled",
                                           "code of a real program comes on top")),
    "banks": (8, published("HC34; SDK, Appendix SIMD Mode")),
    "bank_bytes": (6_144, published("HC34: 8 banks of 6 KB")),
    "bank_interleave_bytes": (4, inferred(
        "HC34: banks 32 bits wide; SDK, Appendix SIMD Mode, says consecutive 16-bit words",
        "with 4 the appendix's conflict rule, its advice (addresses 4 16-bit words apart modulo 8) and the conflicts "
        "measured on silicon agree: all repeat after 16 bytes")),
    "read_conflict_modulo": (4, published("SDK, Appendix SIMD Mode: two reads conflict if bank1 % 4 == bank2 % 4")),
    "read_port_bytes": (8, published("HC34, JACQ: two 64-bit reads", "SDK prose says two 32-bit reads, which its "
                                     "own SIMD table contradicts")),
    "read_bytes_per_cycle": (16, published("HC34, JACQ: two 64-bit reads")),
    "write_bytes_per_cycle": (8, published("HC34, JACQ: one 64-bit write")),
    "bank_conflict_cycles": (1, measured("FABRICA: 1.94 times slower on silicon where operands conflict",
                                         "one more cycle for a group of one cycle")),
    "pending_write_cycles": (1, inferred("the stall class that the viewer davidz-cerebras/wse-viz names",
                                         "a write pends for one cycle in its bank")),

    "colors": (24, published("SDK, Computing with Cerebras: 24 routable colours")),
    "reserved_colors": ((21, 22, 23), published("csl-examples, topic-05: colours of the host's memcpy")),
    "input_queue_depths": ((6, 6, 4, 4, 2, 2, 2, 2), published("SDK, CSL language, DSDs: queue depths")),
    "output_queue_depths": ((2, 2, 6, 6, 2, 2), published("SDK, CSL language, DSDs: queue depths")),
    "router_buffer": (4, assumed("no depth is published; HC34 says low buffering, per colour",
                                 "must cover a hop and the credit's way back")),
    "hop_cycles": (1, published("HC34; HPDC24, whose model with 1 errs by less than 4 %")),
    "die_columns": ((), assumed("7 x 12 dies, whose edges cost nothing as long as a crossing costs nothing")),
    "die_rows": ((), assumed("7 x 12 dies, whose edges cost nothing as long as a crossing costs nothing")),
    "die_crossing_cycles": (0, assumed("HPDC24: a model with uniform hops errs by less than 4 %",
                                       "no rows along a whole column are published; see WSE-3")),
    "ramp_out_cycles": (3, inferred("HPDC24: ramp latency 2 each way, pipelined chain stage 2 * 2 + 2 = 6 cycles",
                                    "3 out + 1 hop + 2 in = 6")),
    "ramp_in_cycles": (2, published("HPDC24: ramp latency 2")),
    "stream_pause_wavelets": (0, published("HPDC24: one wavelet per cycle")),

    "filters": (3, assumed("SDK, tutorial topic 8, shows filters by counter; their number is not published")),
    "microthreads": (8, published("SDK, CSL language, DSDs: one per queue id")),
    "registers": (64, assumed("no spilling is modelled", "the core has 16 16-bit registers, HC34")),
    "dsr_load_cycles": (1, measured(_PIPELINE, "one issue cycle per operand")),
    "op_start_cycles": (3, measured(
        _PIPELINE,
        "loads in cycles 0, 1, 2; first use 4 cycles after the last load, so 3 idle cycles and elements from cycle 6: "
        "the issue slot is taken for 6 + 2 * ceil(N / 8) cycles, as measured. The last execute comes 3 cycles later, "
        "see completion_cycles: 11, 13, 25 for N = 8, 16, 64, as measured")),
    "async_issue_cycles": (1, measured("FABRICA: an asynchronous operation takes one issue cycle")),
    "map_start_cycles": (3, measured(
        "FABRICA, WSE-3 simulator: 2840 cycles for a map of 256 steps, 3032 for a loop around 16 of them of 16 steps",
        "12 cycles per loop: its back edge, and what any vector operation takes to start")),
    "map_step_cycles": (3, inferred(
        _GEMM_FIT, "MeshGEMV, Mt 1 to 8: 3.0 at Nt = 1 and 2.7 at Nt = 8, where the elements alone take as long; "
        "MeshGEMM: 2.3 to 3.6 on 1 to 8 elements; the vendor's simulator keeps steps apart, see map_gap_cycles there")),
    "map_gap_cycles": (0, inferred(
        _GEMM_FIT, "MeshGEMV on tiles with 8 columns: 2.7 cycles per step, no more than the elements take")),
    "loop_start_cycles": (2, assumed("two instructions: clear the counter, test the count")),
    "loop_edge_cycles": (9, measured("FABRICA: counted loop on the WSE-3 simulator", "9 to 10")),
    "branch_taken_cycles": (6, measured("FABRICA: on the WSE-3 simulator; no branch prediction")),
    "branch_not_taken_cycles": (3, measured("FABRICA: on the WSE-3 simulator")),
    "task_switch_cycles": (18, inferred(
        "MeshGEMM on silicon: 159 cycles per step of three tasks and half a skew step of two, at Mt = Kt = Nt = 1",
        "siddharthbc/CSR-graph-coloring: 31 per data task with a body of 10 to 15 instructions, simulator")),
    "completion_cycles": (3, measured("FABRICA: 3 cycles from the last wavelet to the completion task's pick")),
    "task_control_cycles": (1, published("wse-viz: activate, block and unblock are one instruction each")),
    "reroute_cycles": (6, assumed("about six instructions: read, change, write a router's configuration word",
                                  "tearing a colour down before is the program's own work")),

    "scalar_int_cycles": (1, measured("FABRICA: one instruction per cycle, in order")),
    "scalar_float_cycles": (2, inferred("FABRICA: 1 if independent, 2 if it uses the result before it",
                                        "scalar float code is mostly dependent")),
    "scalar_memory_cycles": (1, published("SDK white paper, 2022: one cycle", "FABRICA: no bubble after a load")),
    "scalar_divide_cycles": (50, published("csl-examples, blas.csl: a division costs about 50 cycles")),
    "scalar_sqrt_cycles": (74, inferred(
        "vendor's WSE-3 simulator: L2 norm of 512 f32 on a PE, 18 112 cycles (FABSIM-082)",
        "35 per element in two loops of plain code, the rest a root and a division")),
    "scalar_exp_cycles": (76, inferred(
        "vendor's WSE-3 simulator: cross entropy of 256 f32 on a PE, 29 283 cycles (FABSIM-086)",
        "an exponential per element beside two loops of plain code")),
    "scalar_tanh_cycles": (60, assumed("a rational approximation: one division and a few steps")),
    "scalar_erf_cycles": (70, assumed("a rational approximation with more terms: one division and 20 steps")),
    "half_function_percent": (50, inferred(
        "vendor's WSE-3 simulator: SiLU gates of f16 take 109 cycles per element (MIMD-015, 016), SiLU of f32 204 "
        "(FABSIM-080)", "an exponential and a division in each")),
    "clock_cycles": (10, inferred(
        "FABRICA, silicon: set-up of 15 cycles for a copy and 16 for a multiply-add, less 2 or 3 descriptor loads and "
        "3 to start", "csl-examples, time library: the counter is read as three 16-bit words and stored")),

    "rates": ({**_rates(4, 2, 1, 1), "fmacs": (1, 2)}, published(
        "SDK, Appendix SIMD Mode: elements per cycle of each vector instruction",
        "fmacs 2 cycles, where the SDK says 1: SUMMA on a CS-2 takes 2.0 per multiply-add with tiles of 4 to 16, and "
        "2.6 with tiles of 46, half of whose columns meet in the banks; no minimum is listed: taken as the maximum; "
        f"'{REDUCE}' is measured on the WSE-3 simulator by FABRICA")),

    "host_bytes_per_second": (150_000_000_000, published("vendor: 12 x 100 Gb Ethernet = 1.2 Tb/s")),
    "host_channels": (16, published("csl-examples, bandwidth-test: at most 16 channels", "the rate saturates near 8")),
    "io_channels": (12, published("vendor: 12 x 100 Gb Ethernet")),
    "io_edges": ((Direction.EAST, Direction.WEST), assumed(
        "no entry points are published", "a wavelet per cycle and row of both edges is more than the link gives")),

    "energy_f16_op_fj": (400, inferred(_ENERGY)),
    "energy_f32_op_fj": (1_200, inferred(_ENERGY)),
    "energy_sram_read_fj": (2_800, inferred(_ENERGY)),
    "energy_sram_write_fj": (3_500, inferred(_ENERGY)),
    "energy_hop_fj": (2_000, inferred(_ENERGY)),
    "energy_ramp_fj": (1_000, inferred(_ENERGY)),
    "energy_control_fj": (9_000, inferred(_ENERGY, "descriptor and queue steps included")),
    "energy_static_fj": (20_000, inferred(
        "JACQ: a system draws 16.1 kW idle, which is 25 pJ per PE and cycle with power supply and pumps",
        "taken as 15 to 19 mW per PE; 4 to 6 mW if only the wafer counts")),
}  # fmt: skip

# -- WSE-1: what differs from WSE-2 -------------------------------------------------------------------

_NODE_16NM = "WSE-2 figure times 2.2 for the 16 nm process"

_WSE1: Table = {
    "width": (600, published("ROCKI: 600 x 595 mesh used")),
    "height": (595, published("ROCKI: 600 x 595 mesh used")),
    "clock_hz": (850_000_000, inferred("ROCKI: 0.86 PFLOPS is a third of the peak of 8 flop per cycle")),
    "sram_bytes": (49_152, published("vendor: 18 GB over 400 000 PEs, 48 KB each")),
    "host_bytes_per_second": (150_000_000_000, published("vendor: 12 x 100 Gb Ethernet = 1.2 Tb/s")),
    "energy_f16_op_fj": (880, inferred(_NODE_16NM)),
    "energy_f32_op_fj": (2_640, inferred(_NODE_16NM)),
    "energy_sram_read_fj": (6_160, inferred(_NODE_16NM)),
    "energy_sram_write_fj": (7_700, inferred(_NODE_16NM)),
    "energy_hop_fj": (4_400, inferred(_NODE_16NM)),
    "energy_ramp_fj": (2_200, inferred(_NODE_16NM)),
    "energy_control_fj": (19_800, inferred(_NODE_16NM)),
    "energy_static_fj": (44_000, inferred(_NODE_16NM)),
}

# -- WSE-3: what differs from WSE-2, or is known of it apart ------------------------------------------

_NODE_5NM = "WSE-2 figure times 0.75 for the 5 nm process"

_WSE3: Table = {
    "width": (755, published("SDK launch scripts: fabric 762 x 1172, width at most W - 7")),
    "height": (1_170, published("SDK launch scripts: fabric 762 x 1172, height at most H - 2")),
    "clock_hz": (1_100_000_000, inferred(
        "WaferLLM scripts; 125 PFLOPS marketed is 900 000 x 16 x 8 x 1.085 GHz",
        "nominal: SDK scripts say 0.85 GHz, one team of users converts with 0.75 GHz; try both")),
    "sram_bytes": (49_152, measured("FABRICA: programs link at 49 152 bytes and fail above")),
    "bank_interleave_bytes": (4, measured(
        "FABRICA: f32 operands conflict in one of four offsets, with a period of 16 bytes, on silicon")),
    "read_bytes_per_cycle": (12, inferred(
        "FABRICA, silicon: 2.92 f16 multiply-adds per cycle, which read 11.7 bytes per cycle",
        "the ports give 16, and so does the vendor's simulator; why silicon does not is not published")),
    "write_bytes_per_cycle": (10, inferred(
        "FABRICA, silicon: copies of 4.82 f16 or 2.44 f32 per cycle write 9.6 and 9.8 bytes per cycle",
        "16 on the vendor's simulator")),
    "input_queue_depths": ((8, 8, 4, 4, 4, 4, 4, 4), published("SDK, CSL language, DSDs: queue depths",
                                                               "queues 0 and 1 serve the host's memcpy")),
    "output_queue_depths": ((8,) * 8, published("SDK, CSL language, DSDs: queue depths")),
    "hop_cycles": (2, measured("FABRICA, silicon and simulator: 2.000; MeshGEMV on silicon: 2.01; a third team too",
                               "the SDK's own corrections use 1")),
    "die_columns": (tuple(-(-127 * die // 2) - 4 for die in range(1, 12)), inferred(
        "SDK launch scripts: fabric 762 x 1172, programs 4 columns and 1 row into it; 12 dies of 63.5 columns",
        "MeshGEMM at P = 80, 272, 336 ... 656 takes 16 cycles more for every 64 PEs of side")),
    "die_rows": (tuple(-(-1172 * die // 7) - 1 for die in range(1, 7)), inferred(
        "SDK launch scripts: fabric 762 x 1172, programs 4 columns and 1 row into it; 7 dies of 167.4 rows",
        "MeshGEMV takes 35 cycles more where the way to the middle root first leads past row 167, and again past 334")),
    "die_crossing_cycles": (17, inferred(
        "MeshGEMV on silicon, rows with P = 272, 336, 592 and 720: steps of 35 cycles, a crossing there and one back",
        "MeshGEMM on silicon, Mt = Kt = Nt = 1: 16 cycles per die, in the skew's shifts alone; none of the two fits "
        "without. FABRICA's 2.000 cycles per hop eastwards are by clocks that a message from the west has set")),
    "ramp_out_cycles": (7, measured(
        "FABRICA: 7 from the dispatch of a send to its first wavelet on the link, simulator",
        "MeshGEMV on silicon agrees: 7 out + 2 hop + 3 in per stage of a chain, P = 80, groups 2, 4 and 8")),
    "ramp_in_cycles": (3, measured("FABRICA: arrival at the router -> the receiving operation executes, simulator")),
    "stream_pause_wavelets": (8, inferred(
        "FABRICA, silicon: 1.125 cycles per wavelet, payloads of 64 to 4096", "1.000 on the vendor's simulator")),
    "microthreads": (8, published("SDK, CSL language, DSDs: ut_id 0 to 7, apart from queues")),
    "registers": (64, assumed("no spilling is modelled", "the core has 16 16-bit registers, HC34")),
    "scalar_divide_cycles": (106, inferred(
        "vendor's simulator: SiLU of 512 f32 on a PE, 104 473 cycles (FABSIM-080)",
        "204 per element, less an exponential and 22 of plain code; csl-examples, blas.csl, says about 50 on WSE-2")),
    "scalar_tanh_cycles": (116, assumed("a rational approximation: one division and a few steps")),
    "scalar_erf_cycles": (126, assumed("a rational approximation with more terms: one division and 20 steps")),
    "rates": ({**_rates(8, 4, 4, 8), "fmacs": (1, 2)}, published(
        "SDK, Appendix SIMD Mode: elements per cycle of each vector instruction",
        "fmacs 2 cycles: FABRICA, silicon and simulator, where the SDK says 1; no minimum is listed: taken as the "
        f"maximum; '{REDUCE}' is measured on the simulator by FABRICA")),
    "energy_f16_op_fj": (300, inferred(_NODE_5NM)),
    "energy_f32_op_fj": (900, inferred(_NODE_5NM)),
    "energy_sram_read_fj": (2_100, inferred(_NODE_5NM)),
    "energy_sram_write_fj": (2_625, inferred(_NODE_5NM)),
    "energy_hop_fj": (1_500, inferred(_NODE_5NM)),
    "energy_ramp_fj": (750, inferred(_NODE_5NM)),
    "energy_control_fj": (6_750, inferred(_NODE_5NM)),
    "energy_static_fj": (15_000, inferred(_NODE_5NM)),
}  # fmt: skip

# -- WSE-3 as the vendor's simulator models it: what differs from silicon ------------------------------

_SIMULATOR: Table = {
    "read_bytes_per_cycle": (16, measured("FABRICA: 4.0 f16 multiply-adds per cycle")),
    "write_bytes_per_cycle": (16, measured("FABRICA: copies of 8 f16 or 4 f32 per cycle")),
    "stream_pause_wavelets": (0, measured("FABRICA: 1.000 cycles per wavelet")),
    "die_columns": ((), assumed("the simulator has no dies")),
    "die_rows": ((), assumed("the simulator has no dies")),
    "die_crossing_cycles": (0, assumed("the simulator has no dies")),
    "map_gap_cycles": (4, inferred(
        "GEMV and GEMM kernels (MIMD-001, 003, 004, 021): 3.0 to 4.4 per step besides its elements",
        "FABRICA: 7 in a micro-benchmark whose steps load two descriptors; on silicon MeshGEMV shows none")),
    "bank_conflict_cycles": (0, measured("FABRICA: times do not depend on where operands lie")),
}

_COVERS_BOTH = (
    "banks", "read_conflict_modulo", "colors", "reserved_colors", "host_bytes_per_second", "host_channels",
    "io_channels",
)  # fmt: skip
_MEASURED_ON_WSE3 = (
    "sram_reserve_bytes", "dsr_load_cycles", "op_start_cycles", "async_issue_cycles", "map_start_cycles",
    "map_step_cycles", "map_gap_cycles", "task_switch_cycles", "clock_cycles", "loop_edge_cycles",
    "branch_taken_cycles", "branch_not_taken_cycles", "completion_cycles", "half_function_percent",
    "bank_conflict_cycles", "scalar_int_cycles", "scalar_float_cycles",
)  # fmt: skip


def _taken_from(other: str, origin: Origin) -> Origin:
    """The origin of a number that was found on another machine: no better than inferred."""
    kind = origin.kind if origin.kind == "assumed" else "inferred"
    return replace(origin, kind=kind, source=f"as on {other}: {origin.source}")


def _wafer(name: str, table: Table) -> Wafer:
    values = {field: value for field, (value, _) in table.items()}
    return Wafer(name=name, **values, origins={field: origin for field, (_, origin) in table.items()})


def _wse2() -> Table:
    moved = {f: (_WSE2[f][0], _taken_from("WSE-3", _WSE2[f][1])) for f in _MEASURED_ON_WSE3}
    return {**_WSE2, **moved}


def _wse1() -> Table:
    return {**{f: (value, _taken_from("WSE-2", origin)) for f, (value, origin) in _WSE2.items()}, **_WSE1}


def _wse3() -> Table:
    own = (*_MEASURED_ON_WSE3, *_COVERS_BOTH)
    shared = {f: (v, origin if f in own else _taken_from("WSE-2", origin)) for f, (v, origin) in _WSE2.items()}
    return {**shared, **_WSE3}


WSE1 = _wafer("WSE-1", _wse1())
WSE2 = _wafer("WSE-2", _wse2())
WSE3 = _wafer("WSE-3", _wse3())
WSE3_SIMULATOR = _wafer("WSE-3 simulator", {**_wse3(), **_SIMULATOR})


def toy(width: int, height: int) -> Wafer:
    """A small grid with the numbers of WSE-2."""
    return WSE2.crop(width, height).with_(name="toy")


PRESETS: dict[str, Wafer] = {"wse1": WSE1, "wse2": WSE2, "wse3": WSE3}


def by_name(name: str) -> Wafer:
    """The preset of that name; case and dashes do not matter. Raises UsageError that names the known ones."""
    plain = "".join(c for c in str(name).lower() if c.isalnum())
    if plain not in PRESETS:
        raise UsageError(f"no wafer is called {name!r}.{closest(plain, PRESETS)} Known: {', '.join(PRESETS)}")
    return PRESETS[plain]
