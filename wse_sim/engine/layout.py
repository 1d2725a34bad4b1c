"""Columns of the integer tables that compiled code reads: one row per instruction, PE, thread or FIFO.

They are numpy integers: compiled code makes a copy of a function for each plain integer constant it is called with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np


def _numbers(values: Iterable[int]) -> Iterator[Any]:
    return map(np.int64, values)


# -- kinds of instruction (column KIND) ---------------------------------------------------------------
VECTOR, MAP, SCALAR, LOOP, END_LOOP, WHEN, OTHERWISE, END_WHEN = _numbers(range(8))
ACTIVATE, BLOCK, UNBLOCK, REROUTE, END_TASK = _numbers(range(8, 13))

# -- kinds of operand (column O_KIND) -----------------------------------------------------------------
NONE, MEMORY, STREAM, REGISTER, IMMEDIATE = _numbers(range(5))

# -- columns of an operand, relative to its first column ----------------------------------------------
_next = _numbers(count())
O_KIND = next(_next)
O_DTYPE = next(_next)
O_BASE = next(_next)  # memory: bytes from the PE's data area; stream: colour; register: index; immediate: float bits
O_STRIDE = next(_next)  # bytes
O_WHERE = next(_next)  # register added to the base, in elements; -1: none
O_INNER = next(_next)  # elements in a row; 0: one dimension
O_OUTER = next(_next)  # bytes between rows
O_STEP = next(_next)  # bytes moved on after each step of a map
O_LOW = next(_next)  # bounds of the buffer, bytes
O_HIGH = next(_next)
O_ADVANCE = next(_next)  # elements added to WHERE's register when the operation is done
OPERAND = next(_next)

# -- columns of an instruction row --------------------------------------------------------------------
_next = _numbers(count())
KIND = next(_next)
OP = next(_next)
SECTION = next(_next)
STATE = next(_next)  # state counted while it works
ISSUE = next(_next)  # overhead cycles before the first element
FREE_AFTER = next(_next)  # asynchronous: cycles after which the task goes on
COST = next(_next)  # scalar and control: cycles
COST_TAKEN = next(_next)  # branch: cycles when taken; loop end: cycles when the loop goes round
LANES = next(_next)  # elements in a group
CYCLES = next(_next)  # cycles of a group, before the SRAM ports
READS = next(_next)  # SRAM bytes read per element
WRITES = next(_next)  # SRAM bytes written per element
S_LANES = next(_next)  # elements in a group that goes by streams or in a background slot
S_CYCLES = next(_next)  # cycles until the next group
MAP_STEP = next(_next)  # least cycles of each step of a map
MAP_GAP = next(_next)  # of these, the least besides its elements'
RELOAD = next(_next)  # cycles of the loads of descriptors in each step of a map, on top
LENGTH = next(_next)
LENGTH_AT = next(_next)  # register with the length; -1: LENGTH
SLOT = next(_next)  # background slot; -1: synchronous
HIGH = next(_next)  # 1: the slot goes before the main thread
DONE = next(_next)  # what completion does: 0 nothing, 1 activate, 2 unblock
TASK = next(_next)
COLOR = next(_next)
INPUT = next(_next)  # reroute: input port
OUTPUTS = next(_next)  # reroute: mask of output ports
BITS = next(_next)  # of a stream element
PLAIN = next(_next)  # 1: one f32 element at a time between streams and contiguous or strided memory
PAIRS = next(_next)  # 1: moves two f16 at a time between streams and contiguous memory
FLOPS = next(_next)  # arithmetic operations per element
LACK = next(_next)  # state counted while a wavelet is missing
COUNT = next(_next)  # map and loop: count
COUNT_AT = next(_next)  # register with the count; -1: COUNT
DST = next(_next)
A = DST + OPERAND
B = A + OPERAND
EACH = B + OPERAND
COLUMNS = EACH + OPERAND

# -- columns of a PE's core ---------------------------------------------------------------------------
_next = _numbers(count())
MODE = next(_next)
ROW = next(_next)  # instruction that the main thread started last
PC = next(_next)  # index into the role's sequence
READY = next(_next)  # cycle at which the main thread may go on
OCCUPIED = next(_next)  # from this cycle until READY the main thread holds the issue slot
BUBBLE = next(_next)  # state counted from the segment's start to OCCUPIED
ACTIVE = next(_next)  # bit per task
BLOCKED = next(_next)  # bit per task
LIVE = next(_next)  # background slots in use
TURN = next(_next)  # slot that is asked first
ISSUED = next(_next)  # cycle in which a slot last did a group
LABEL = next(_next)  # state that holds since SINCE
SINCE = next(_next)
WITHIN = next(_next)  # section
FINISH = next(_next)  # cycle at which it last became idle
CORE = next(_next)

FREE, RUNNING, STREAMING, MAPPING = _numbers(range(4))  # values of MODE

# -- columns of a thread: the main thread's vector operation, or a background slot ---------------------
_next = _numbers(count())
T_STATE = next(_next)
T_ROW = next(_next)
T_DONE = next(_next)  # elements done
T_COUNT = next(_next)
T_READY = next(_next)
T_DST = next(_next)  # byte addresses in the memory pool, or FIFO of a stream
T_A = next(_next)
T_B = next(_next)
T_WHY = next(_next)  # state while it cannot go on
T_STEP = next(_next)  # map: steps done
T_STEPS = next(_next)
T_EACH = next(_next)
T_START = next(_next)  # cycle in which the operation was started
THREAD = next(_next)

UNUSED, WORKING, FINISHING = _numbers(range(3))  # values of T_STATE

# -- int64 words of a FIFO record in the pool ---------------------------------------------------------
_next = _numbers(count())
F_HEAD = next(_next)  # cycle of the last take << 32 | words taken
F_TAIL = next(_next)  # words given
F_BLOCKED = next(_next)  # cycles in which a visible word was not taken
F_SHAPE = next(_next)  # ring size - 1 | capacity << 16 | latency << 32
F_OUTPUTS = next(_next)  # router buffer: mask of output ports; 0 while the colour's route takes another input
F_PORT = next(_next)  # router buffer: input port
F_NUMBER = next(_next)  # router buffer: 1 + its number among those of its router
F_OWNER = next(_next)  # PE that takes from it
F_GIVER = next(_next)  # PE whose router fills it; its own for an input queue, and for what the host fills
F_NEXT = next(_next)  # router buffer: record behind each of the five output ports; -1: none
for _ in range(4):
    next(_next)
F_RING = next(_next)  # cycle of the push << 32 | word

# -- words of a filtered router buffer, behind its ring -------------------------------------------------
_next = _numbers(count())
L_KEEP = next(_next)  # wavelets of each period that go to the ramp
L_OF = next(_next)  # wavelets of a period
L_PLACE = next(_next)  # of the oldest wavelet in its period; those below L_KEEP are taken
L_WITHHELD = next(_next)  # wavelets kept from the ramp so far
FILTER = next(_next)

# -- columns of an entry of the host link ---------------------------------------------------------------
_next = _numbers(count())
P_FIFO = next(_next)  # record of the router buffer it fills
P_STREAM = next(_next)
P_FIRST = next(_next)  # its words, in `Host.words`
P_LENGTH = next(_next)
P_LEFT = next(_next)  # words to send in this launch; P_LENGTH of them go round
P_SENT = next(_next)
P_BEFORE = next(_next)  # words of the launches before
PORT = next(_next)

# -- columns of a channel of the host link --------------------------------------------------------------
_next = _numbers(count())
C_FIRST = next(_next)  # its entries
C_COUNT = next(_next)
C_TURN = next(_next)  # entry that is asked first
C_CREDIT = next(_next)  # at the end of cycle C_SINCE
C_SINCE = next(_next)
C_LEFT = next(_next)  # words of all its entries
C_SENT = next(_next)  # words of all launches
CHANNEL = next(_next)

FILTERED: Any = np.int64(64)  # bit beside the output ports of a filtered router buffer
RAMP_INPUT: Any = np.int64(32)  # bit beside the five output ports: the one wavelet a core hands its router per cycle
