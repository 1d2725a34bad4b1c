"""Everything that changes while a program runs, and the tables that do not: arrays, one meaning each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wse_sim.engine.arithmetic import Memory

PLANES = 64  # cycles ahead that a wake-up can be booked; a power of two
GROUP_BITS = 6
GROUP = 1 << GROUP_BITS  # PEs that share one byte of the summary


class Fabric(NamedTuple):
    """Routers and queues. A FIFO is a router's buffer of one (PE, colour, input port) or an input queue.

    FIFOs of routers come first, sorted by PE, colour, port; then the input queues, sorted by PE and queue. The buffer
    of the port RAMP is the core's output queue of that colour.
    """

    first: np.ndarray  # (pes + 1,) int64: first router FIFO of each PE, an index into `at`
    queue: np.ndarray  # (pes + 1,) int64: first input queue of each PE, an index into `at`
    at: np.ndarray  # (fifos,) int64: place of each FIFO's record in the pool
    pool: np.ndarray  # (words,) int64: FIFO records, see layout
    color: np.ndarray  # (fifos,) uint8
    fifos: int
    turn: np.ndarray  # (pes,) int64: router FIFO that is asked first
    waiting: np.ndarray  # (pes, words) uint64: bit per router FIFO that holds a visible word, kept by the router


class Cores(NamedTuple):
    """Cores: the main thread, its registers, the background slots."""

    state: np.ndarray  # (pes, layout.CORE) int64
    thread: np.ndarray  # (pes * threads, layout.THREAD) int64: main thread first, then the slots
    ints: np.ndarray  # (pes, registers) int32
    floats: np.ndarray  # (pes, registers) float32, the same memory as ints
    role: np.ndarray  # (pes,) int64
    threads: int  # of each PE: the main thread and its slots


class Code(NamedTuple):
    """Instructions, and each role's way through them."""

    row: np.ndarray  # (rows, layout.COLUMNS) int64
    sequence: np.ndarray  # (n,) int64: row of each step of each role's tasks
    jump: np.ndarray  # (n,) int64: step to jump to from a loop end or a branch
    entry: np.ndarray  # (roles, tasks) int64: first step; -1: the role has no code for the task
    trigger: np.ndarray  # (roles, tasks) int64: local input queue whose wavelets start the task; -1: none
    tasks: int
    argument: np.ndarray  # (tasks,) int64: register of the wavelet that started the task; -1: none
    input: np.ndarray  # (roles, colours) int64: local input queue of a colour; -1: none
    output: np.ndarray  # (roles, colours) int64: local router FIFO of the colour's port RAMP; -1: none
    fifo: np.ndarray  # (roles, colours, 5) int64: local router FIFO of a colour and port; -1: none


class Host(NamedTuple):
    """The host's link: channels put the words of host streams into routers at the edge."""

    port: np.ndarray  # (entries, layout.PORT) int64
    channel: np.ndarray  # (channels, layout.CHANNEL) int64
    words: np.ndarray  # (n,) uint32: of this launch
    channels: int
    gain: int  # credit of a channel in a cycle
    price: int  # credit that a word takes
    full: int  # cycles after which an unused credit grows no more


class Wakes(NamedTuple):
    """Who is looked at in which cycle: plane = cycle modulo planes, PLANES of them but for routers."""

    router: np.ndarray  # (router planes, padded pes) uint64: of each port the FIFO that a word reaches; see `wake`
    router_byte: np.ndarray  # (router planes, padded pes, 8) uint8, the same memory
    router_group: np.ndarray  # (router planes, groups) uint8: any router of the group
    router_last: int  # router planes - 1; they reach as far ahead as the fabric's longest latency
    core: np.ndarray  # (PLANES, padded pes) uint8
    core_group: np.ndarray  # (PLANES, groups) uint8
    any: np.ndarray  # (PLANES,) uint8: anything at all
    visited: np.ndarray  # (padded pes,) int32: PEs that a phase visits in this cycle, a strip's from its first PE on
    horizon: np.ndarray  # (1,) int64: cycle beyond which no core runs ahead
    aged: np.ndarray  # (1,) int64: cycle at which old time stamps were last brought forward


class Tally(NamedTuple):
    """What the report is made of."""

    state: np.ndarray  # (pes, states) int64, cycles
    section: np.ndarray  # (strips, sections, states) int64, PE-cycles
    span: np.ndarray  # (strips, sections, 2) int64: first and last cycle
    work: np.ndarray  # (pes, 4) int64: elements, floating-point operations, SRAM bytes read, SRAM bytes written
    instruction: np.ndarray  # (strips, rows, 2) int64: elements, wavelets sent
    strips: int
    fault: np.ndarray  # (strips, 5) int64: code, PE, cycle, row, detail
    measured: np.ndarray  # (sections,) uint8: which measured phase, from 1 on, a section belongs to; 0: none
    passed: np.ndarray  # (phases, pes, states + 4) int64: what `state` and `work` counted in each; see `cross`
    passed_words: np.ndarray  # (phases, fifos, 2) int64: words taken, and blocked cycles, in it as the taker saw it


class Costs(NamedTuple):
    """The machine's latencies that no instruction row holds."""

    task_switch: int
    completion: int
    ramp_out: int
    ramp_in: int
    bank_conflict: int
    pending_write: int
    read_port: int  # bytes of one read
    read_rate: int  # bytes a cycle, all reads together
    write_rate: int
    stream_pause: int  # groups of a stream operation after which it pauses for a cycle; 0: never
    interleave: int  # bytes after which the next bank begins
    bank_modulo: int  # reads of banks equal modulo this conflict


class State(NamedTuple):
    """One machine."""

    fabric: Fabric
    cores: Cores
    code: Code
    wakes: Wakes
    tally: Tally
    memory: Memory
    costs: Costs
    host: Host
