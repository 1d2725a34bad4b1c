"""What the stream engine knows of a launch, as arrays that compiled code reads and writes.

Dates are cycles since the launch began. A *staircase* holds the dates of the words 0, 1, ... of a message at some
place: date of word i = i + lag of the last step at or before i, plus a shift. Lags grow from step to step, since at
most one word passes in a cycle. Staircases are never changed, so a place that a message passes undelayed refers to the
staircase of the place before it, with a larger shift.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wse_sim.engine.state import State

# -- columns of a script: what the main threads of a kind of PEs do ---------------------------------------
C_CODE, C_NEXT, C_ACTIVE, C_BLOCKED, C_WITHIN, C_PES = map(np.int64, range(6))
C_CUE, C_NOTE, C_COUNT, C_NODE, C_RISK, C_GAP = map(np.int64, range(6, 12))  # first; end: the next script's
SCRIPT = 12

# -- columns of a cue: a script's next stream operation; of a note: a section begins or is left ------------
U_ROW, U_GROUPS, U_START, U_A, U_B, U_OUT, U_PACE, U_LAST, U_NOTE, U_NOTES = map(np.int64, range(10))
U_SLOT, U_WITHIN, U_GAP, U_GAPS = map(np.int64, range(10, 14))
CUE = 14  # U_A, U_B, U_OUT: local input queues and router FIFO, -1: none; U_NOTE, U_GAP: the first after it
# U_SLOT: -1: of the main thread; U_WITHIN: section in which the main thread waits for the slot
N_CUE, N_SECTION, N_TIME, N_LEAVES = map(np.int64, range(4))  # N_CUE: the one before; -1: none

# -- columns of a gap: cycles between stream operations in which the main thread leaves the issue slot free ---
H_BEGIN, H_END, H_LABEL, H_SECTION = map(np.int64, range(4))  # what they count as; filed while slots are in use

# -- columns of a count: a section's cycles in a state, or what an instruction has done --------------------
K_TABLE, K_ROW, K_COLUMN, K_VALUE = map(np.int64, range(4))

# -- columns of a node: where a whole number comes from that control has read ------------------------------
X_KIND, X_OP, X_LEFT, X_RIGHT, X_A, X_B, X_NEED, X_VALUE = map(np.int64, range(8))
NODE = 8
REGISTER_NODE, MEMORY_NODE, OPERATION_NODE = map(np.int64, range(3))  # kinds
TRUTH, EXACT = map(np.int64, (1, 2))  # of a node's value, what must be the same; 0: nothing

# -- columns of a risk: an instruction that only numbers can tell to be at fault -----------------------------
S_LOW, S_VALUE, S_ORIGIN = map(np.int64, range(3))  # S_LOW: offset in the data area
R_CUE, R_TIME, R_ORDINAL = map(np.int64, range(3))  # R_ORDINAL: which of the script's instructions

# -- columns of an operation ---------------------------------------------------------------------------
O_PE, O_CUE, O_COUNT, O_START, O_BEFORE, O_AFTER, O_A, O_B = map(np.int64, range(8))
O_OUT, O_AT, O_STEPS, O_SHIFT, O_LEAF_A, O_LEAF_B, O_PACE, O_LAST = map(np.int64, range(8, 16))
OPERATION = 16
ISSUING = np.int64(-1)
"""O_PACE where the main thread starts a slot's operation: O_A is where it did so before on that slot, O_OUT where it
does so next, O_B the operation, -1: none."""

# -- columns of a message ------------------------------------------------------------------------------
G_TREE, G_COUNT, G_SOURCE, G_WORDS, G_PLACES, G_BEFORE, G_AFTER, G_LEFT, G_OPEN = map(np.int64, range(9))
MESSAGE = 9

# -- columns of a message's place at a FIFO ------------------------------------------------------------
P_AT, P_STEPS, P_SHIFT, P_DUE = map(np.int64, range(4))
PLACE = 4

# -- columns of a step, and of the header before a staircase -------------------------------------------
FIRST, LAG = map(np.int64, range(2))
PACE = LAG  # header: cycles that surely lie between two words, pauses besides

# -- what waits for work, bits -------------------------------------------------------------------------
OPERATION_DUE, MESSAGE_DUE, PORTS_DUE = np.uint8(1), np.uint8(2), np.uint8(4)
IN_SLOT = np.uint8(8)  # beside them: the operation is in a background slot
DATES_DUE, MEETINGS_DUE = np.int64(1), np.int64(2)  # of a message at a router

# -- counters ------------------------------------------------------------------------------------------
OPERATIONS, MESSAGES, PLACES, STEPS, WORDS = map(np.int64, range(5))  # of the trace, in use
SCRIPTS, CUES, NOTES, COUNTS, NODES, RISKS = map(np.int64, range(5, 11))  # of the scripts, in use
SCRATCH, TOUCHED, ORDINAL = map(np.int64, range(11, 14))  # of the script in the making
QUEUE_FIRST, QUEUE_LENGTH, LOWEST, LOWEST_PORTS, COMPONENT, PHASE, PLACE_IN = map(np.int64, range(14, 21))
WOKEN, TRACED, SCRIPTS_BEFORE = map(np.int64, range(21, 24))  # TRACED: the component whose trace is whole; -1: none
GAPS, OPEN = map(np.int64, range(24, 26))  # of the scripts, in use; of the script in the making: slots in use, bits
STORED = np.int64(26)  # of the script in the making: known numbers in memory
COUNTERS = 27

# -- phases of a component ---------------------------------------------------------------------------------
CASTING, ACTING, COMPUTING = map(np.int64, range(3))

# -- why the engine stops (first of `failed`) ------------------------------------------------------------
FINE, FULL, FAULT, DEADLOCK, TOO_LONG, UNMATCHED, UNKNOWN_TURN, UNSETTLED, CONTROL, SINGULAR, TANGLED = map(
    np.int64, range(11)
)

SHARES = np.int64(64)  # bit of a router buffer's needs: another buffer needs one of them too
ROUTER_FIFOS = 60  # most router buffers of a PE that the engine arbitrates among


class Trees(NamedTuple):
    """Where the words of each output queue go. A node is a FIFO on the way; parents come before children."""

    first: np.ndarray  # (trees + 1,) int32: first node of each tree, the output queue
    leaves: np.ndarray  # (trees,) int32: input queues
    fifo: np.ndarray  # (nodes,) int32: index of the FIFO
    parent: np.ndarray  # (nodes,) int32: node that fills it; -1: the core
    child: np.ndarray  # (nodes,) int32: first of the nodes it fills, which are neighbours
    children: np.ndarray  # (nodes,) int8
    pe: np.ndarray  # (nodes,) int32: owner
    tree: np.ndarray  # (nodes,) int32
    latency: np.ndarray  # (nodes,) int16
    capacity: np.ndarray  # (nodes,) int16
    needs: np.ndarray  # (nodes,) int8: outputs of its route, RAMP_INPUT, SHARES
    node: np.ndarray  # (fifos,) int32: -1: nothing ever comes there


class Components(NamedTuple):
    """PEs that words or routers join; one of its own for all PEs that talk to nobody."""

    first: np.ndarray  # (components + 1,) int32: index into pe
    pe: np.ndarray  # (pes,) int32
    first_tree: np.ndarray  # (components + 1,) int32: index into tree
    tree: np.ndarray  # (trees,) int32
    streams: np.ndarray  # (components,) uint8: whether it runs here
    place: np.ndarray  # (pes,) int32: each PE's place among those of its component
    tree_place: np.ndarray  # (trees,) int32: where each tree stands in `tree`
    twin: np.ndarray  # (components,) uint8: whether it is shaped like the one before


class Progress(NamedTuple):
    """How far each PE, tree and input queue has come in this launch."""

    script: np.ndarray  # (pes,) int32: what the main thread does now; -1: nothing
    done: np.ndarray  # (pes,) int32: stream operations of that script that it has done
    first: np.ndarray  # (pes,) int32: operation that it did first; -1: none
    last: np.ndarray  # (pes,) int32: operation that the main thread did last; -1: none
    head: np.ndarray  # (trees,) int32: first message
    tail: np.ndarray  # (trees,) int32: last message
    read: np.ndarray  # (nodes,) int32: message that an input queue's PE has read last
    latest: np.ndarray  # (nodes,) int32: a date that no word has left later
    waits: np.ndarray  # (nodes,) uint8: whether it waits for the next
    parked: np.ndarray  # (pes,) uint8: whether its numbers wait for words
    queue: np.ndarray  # (pes + 1,) int32: ring, or stack, of PEs that can go on
    woken: np.ndarray  # (pes,) int32: stack of PEs for which words have come just now
    queued: np.ndarray  # (pes,) uint8: whether it is in the ring, or on that stack
    issue: np.ndarray  # (pes * slots,) int32: operation with which the main thread has last started each slot; -1: none
    pending: np.ndarray  # (pes * slots,) int32: a slot's operation whose numbers wait for words; -1: none
    slotted: np.ndarray  # (pes,) uint8: whether it has started a slot
    first_slot: np.ndarray  # (pes,) int32: slot that is asked first, when the launch began
    contended: np.ndarray  # (pes,) uint8: routers that have refused a word
    turn: np.ndarray  # (pes,) int32: of routers, when the launch began


class Trace(NamedTuple):
    """What a component did: operations in an order in which each comes after those that feed it."""

    operation: np.ndarray  # (n, OPERATION) int32
    message: np.ndarray  # (n, MESSAGE) int32
    place: np.ndarray  # (n, PLACE) int32; of an input queue, P_AT is the operation that reads it
    step: np.ndarray  # (n, 2) int32: staircases, each after its header
    due: np.ndarray  # (n,) uint8: what is to be looked at again, by operation
    word: np.ndarray  # (n,) uint32: values of messages that are not all read
    free: np.ndarray  # (33,) int64: first free block of 2^i words, chained through `word`; 0: none
    draft: np.ndarray  # (2 * ROUTER_FIFOS, n, 2) int32: of a router, staircases in the making


class Scripts(NamedTuple):
    """What the main threads of PEs do that have the same code and read the same in control, each written down once."""

    code: np.ndarray  # (roles,) int32: the same for roles that run the same and number their FIFOs alike
    head: np.ndarray  # (codes,) int32: first script of each; -1: none
    tried: np.ndarray  # (codes,) int32: script that fitted last; -1: none
    stale: np.ndarray  # (codes, registers) uint8: those whose values were not computed
    first: np.ndarray  # (codes + 1,) int64: index into range
    range: np.ndarray  # (n, 2) int64: bytes of a PE's data area that each code writes, begin and end
    script: np.ndarray  # (n, SCRIPT) int32
    core: np.ndarray  # (n, layout.CORE) int64: at rest; cycles of the launch, without stream operations
    ints: np.ndarray  # (n, registers) int32: at rest
    origin: np.ndarray  # (n, registers) int32: where they come from, see origin
    states: np.ndarray  # (n, states) int64: cycles
    work: np.ndarray  # (n, 4) int64
    passed: np.ndarray  # (n, phases, states + 4) int64: of both, what each measured phase has
    cue: np.ndarray  # (n, CUE) int32: stream operations in order
    note: np.ndarray  # (n, 4) int32
    gap: np.ndarray  # (n, 4) int32
    count: np.ndarray  # (n, 4) int64
    node: np.ndarray  # (n, NODE) int64
    risk: np.ndarray  # (n, 3) int32
    scratch: np.ndarray  # (nodes, NODE) int64: of the script in the making
    stored: np.ndarray  # (n, 3) int64: whole numbers that it has stored
    touched: np.ndarray  # (rows,) uint8: instructions that it has come to, bits
    rows: np.ndarray  # (rows,) int32: these, in order
    value: np.ndarray  # (nodes,) int64: of nodes, for a PE that is to be cast


class Stream(NamedTuple):
    """Everything that the stream engine's compiled code gets."""

    state: State
    trees: Trees
    components: Components
    progress: Progress
    trace: Trace
    scripts: Scripts
    solo: State  # a machine of one PE, which plays the others while scripts are written
    router: np.ndarray  # (ROUTER_FIFOS, 10) int64: one router's buffers, while it is arbitrated
    slot: np.ndarray  # (slots, 16) int64: one core's background slots, while they take turns
    window: np.ndarray  # (8,) int64: cycles in which a main thread leaves the issue slot free
    turns: np.ndarray  # (n,) int64: buffers that moved in the same cycle
    counter: np.ndarray  # (COUNTERS,) int64
    failed: np.ndarray  # (3,) int64: why, PE, row
    span: np.ndarray  # (sections, 2) int64: the machine's own; that of `state` is not used
    begin: np.ndarray  # (4,) int64: cycle of the launch, longest run, whether numbers are computed, may be left
