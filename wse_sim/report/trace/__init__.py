"""What happened in each cycle of a window of a run: recordings, and the formats that viewers open."""

from wse_sim.report.trace.recording import Recording
from wse_sim.report.trace.request import Trace

__all__ = ["Recording", "Trace"]
