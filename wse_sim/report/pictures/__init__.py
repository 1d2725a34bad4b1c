"""Pictures for matplotlib, each one function of a report, or of several; those of recordings are in `report.trace`.

Every function returns its axes and takes `ax`; given axes should be of a figure with layout="constrained", which makes
room for labels and colour bars. Reports have the functions as methods, too.
"""

from wse_sim.report.pictures.bars import draw_sections
from wse_sim.report.pictures.comparison import draw_comparison
from wse_sim.report.pictures.heat import draw_memory, draw_state, draw_utilisation
from wse_sim.report.pictures.links import draw_links
from wse_sim.report.pictures.roofline import draw_roofline
from wse_sim.report.pictures.rooflines import draw_rooflines
from wse_sim.report.pictures.sram import draw_sram
from wse_sim.report.pictures.traffic import draw_traffic

__all__ = [
    "draw_comparison", "draw_links", "draw_memory", "draw_roofline", "draw_rooflines", "draw_sections", "draw_sram",
    "draw_state", "draw_traffic", "draw_utilisation",
]  # fmt: skip
