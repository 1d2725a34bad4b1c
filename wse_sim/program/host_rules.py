"""Rules about host streams and filters."""

from __future__ import annotations

from collections.abc import Callable

from wse_sim.errors import FitError, ProgramError
from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.link import edges_of
from wse_sim.program.fabric import Color
from wse_sim.program.facts import Facts, pe_text, problem
from wse_sim.program.host import Filter, HostStream


def streams_enter_at_an_edge(facts: Facts) -> None:
    """A host stream's port faces an edge of the wafer with I/O channels; the program lies in the north-west corner."""
    grid, wafer = facts.program.grid, facts.wafer
    edges = edges_of(wafer, grid.width, grid.height)
    for stream in facts.program.streams:
        if stream.side not in edges.sides:
            raise problem(
                ProgramError,
                f"host stream {stream.name!r} enters from the {stream.side}",
                f"made at {stream.where}",
                expected=f"an edge with I/O channels of {wafer.name}: {', '.join(map(str, edges.sides))}",
                advice="move its region to such an edge, or give the wafer other io_edges",
            )
        for x, y in stream.region:
            if (x + stream.side.dx, y + stream.side.dy) in grid:
                raise problem(
                    ProgramError,
                    f"host stream {stream.name!r} enters {pe_text((x, y))} from the {stream.side}, where a neighbour "
                    "is",
                    f"made at {stream.where}",
                    expected=f"PEs at the {stream.side} end of the {grid.width} x {grid.height} grid",
                    advice="move its region to the edge, and route the colour from there",
                )
        if stream.side not in edges.reached(grid):
            raise problem(
                ProgramError,
                f"host stream {stream.name!r} enters from the {stream.side}, where the {grid.width} x {grid.height} "
                f"grid ends and {wafer.name} goes on",
                f"made at {stream.where}",
                expected=f"a grid as {'wide' if stream.side.dx else 'high'} as {wafer.name}, "
                f"{edges.width} x {edges.height} PEs",
                advice="let it enter where the grid ends at the wafer's edge, build a larger grid, or take a smaller "
                f"wafer, as wafer.crop({grid.width}, {grid.height})",
            )


def streams_have_a_route(facts: Facts) -> None:
    """Where a host stream enters, its colour has one fixed route from that side, and no other stream comes in."""
    taken: dict[tuple[int, int, Direction], HostStream] = {}
    for stream in facts.program.streams:
        for role in facts.program.roles:
            if role.example not in stream.region:
                continue
            routes = facts.program.routes_of(role).get(stream.color, [])
            if not routes or any(route.input is not stream.side or route != routes[0] for route in routes):
                there = " and ".join(map(str, routes)) or "no route of it"
                raise problem(
                    ProgramError,
                    f"host stream {stream.name!r} brings colour {stream.color!r} to {facts.pes(role)}, which has "
                    f"{there}",
                    f"made at {stream.where}",
                    expected=f"one route with input {stream.side} that stays as it is",
                    advice=f"paint one, as builder.route({stream.color.name}, region, {stream.side} >> RAMP)",
                )
        for x, y in stream.region:
            other = taken.setdefault((x, y, stream.side), stream)
            if other is not stream:
                raise problem(
                    ProgramError,
                    f"host streams {other.name!r} and {stream.name!r} both enter {pe_text((x, y))} from the "
                    f"{stream.side}",
                    f"made at {other.where} and {stream.where}",
                    expected="one stream at each entry, a link that carries one word a cycle",
                    advice="send one after the other in one stream, or let one enter elsewhere",
                )


def filters_have_a_ramp(facts: Facts) -> None:
    """A filtered colour has one fixed route to the ramp, and one filter, on a PE."""
    for role in facts.program.roles:
        found: dict[Color, Filter] = {}
        for made in facts.program.filters:
            if role.example not in made.region:
                continue
            routes = facts.program.routes_of(role).get(made.color, [])
            fixed = routes and all(route == routes[0] for route in routes)
            if not fixed or Direction.RAMP not in routes[0].outputs:
                there = " and ".join(map(str, routes)) or "no route of it"
                raise problem(
                    ProgramError,
                    f"colour {made.color!r} is filtered on {facts.pes(role)}, which has {there}",
                    f"made at {made.where}",
                    expected="one route to RAMP that stays as it is",
                    advice=f"paint one, as builder.route({made.color.name}, region, WEST >> (RAMP | EAST))",
                )
            if found.setdefault(made.color, made) is not made:
                raise problem(
                    ProgramError,
                    f"colour {made.color!r} has two filters on {facts.pes(role)}",
                    f"made at {found[made.color].where} and {made.where}",
                    expected="one filter of a colour on each PE",
                    advice="filter regions that share no PE, or take a second colour",
                )
        if len(found) > facts.wafer.filters:
            raise problem(
                FitError,
                f"{len(found)} colours are filtered on {facts.pes(role)}",
                ", ".join(f"{color!r} at {made.where}" for color, made in found.items()),
                expected=f"at most {facts.wafer.filters} on {facts.wafer.name}",
                advice="send two of them on one colour",
            )


RULES: tuple[Callable[[Facts], None], ...] = (streams_enter_at_an_edge, streams_have_a_route, filters_have_a_ramp)
