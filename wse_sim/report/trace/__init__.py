"""What happened in each cycle of a window of a run: recordings, their pictures, and the formats that viewers open."""

from wse_sim.report.trace.animation import animate
from wse_sim.report.trace.movie import Movie
from wse_sim.report.trace.paths import draw_paths
from wse_sim.report.trace.recording import Recording
from wse_sim.report.trace.request import Trace
from wse_sim.report.trace.timeline import draw_timeline

__all__ = ["Movie", "Recording", "Trace", "animate", "draw_paths", "draw_timeline"]
