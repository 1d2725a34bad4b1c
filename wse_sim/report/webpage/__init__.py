"""A report as one HTML file that needs no network: the wafer to hover over, bars, timeline, tables, provenance."""

from wse_sim.report.webpage.page import page, write_html

__all__ = ["page", "write_html"]
