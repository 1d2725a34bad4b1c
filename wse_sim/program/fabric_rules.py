"""Rules about routes: does every wavelet have a way, and somebody at its end?"""

from __future__ import annotations

from collections.abc import Callable

from wse_sim.errors import ProgramError
from wse_sim.hardware.geometry import Direction, Route
from wse_sim.program.fabric import Color, RoutePaint
from wse_sim.program.facts import Facts, RouteAt, at, pe_text, problem
from wse_sim.program.layout import LINKS
from wse_sim.program.program import Program, Role
from wse_sim.program.ways import Bools, Ways


def one_route_per_color(facts: Facts) -> None:
    """A colour has one route on a PE at the start."""
    for role in facts.program.roles:
        first: dict[Color, RoutePaint] = {}
        for paint in facts.program.paints_of(role):
            other = first.setdefault(paint.color, paint)
            if other.route != paint.route:
                what = "inputs" if other.route.input is not paint.route.input else "sets of outputs"
                raise problem(
                    ProgramError,
                    f"colour {paint.color!r} has two {what} on {facts.pes(role)}",
                    f"{other.route} painted at {other.where} and {paint.route} painted at {paint.where}",
                    expected="one route of a colour on each PE",
                    advice="paint regions that share no PE, or take a second colour",
                )


def a_route_is_there_to_rewrite(facts: Facts) -> None:
    """A colour that a PE reroutes has a route there at the start."""
    for role in facts.program.roles:
        painted = {paint.color for paint in facts.program.paints_of(role)}
        for found in facts.routes[role.index]:
            if found.color not in painted:
                raise problem(
                    ProgramError,
                    f"colour {found.color!r} has no route at the start on {facts.pes(role)}",
                    f"{found.route} {found.where}",
                    expected="a route to rewrite",
                    advice="paint the first route with builder.route(...)",
                )


def routes_stay_on_the_grid(facts: Facts) -> None:
    """No route leads off the grid."""
    for link in LINKS:
        edge = {b.role: b.example for b in facts.program.neighbours(link) if b.neighbour < 0}
        for role, example in edge.items():
            for found in facts.routes[role]:
                if link in found.route.outputs:
                    raise problem(
                        ProgramError,
                        f"colour {found.color!r} leaves the grid to the {link} at {pe_text(example)}",
                        f"{found.route} {found.where}",
                        expected=f"a neighbour to the {link}",
                        advice=f"give the PEs of that edge a route without {link}",
                    )


def routes_meet(facts: Facts) -> None:
    """A route leads to a neighbour whose router takes the colour from that side."""
    takes = [{(found.color, found.route.input) for found in routes} for routes in facts.routes]
    for link in LINKS:
        for border in facts.program.neighbours(link):
            if border.neighbour < 0:
                continue
            for found in facts.routes[border.role]:
                if link in found.route.outputs and (found.color, link.opposite) not in takes[border.neighbour]:
                    raise _leads_nowhere(facts, found, border.example, link, border.neighbour)


def _leads_nowhere(facts: Facts, found: RouteAt, pe: tuple[int, int], link: Direction, neighbour: int) -> ProgramError:
    beyond = pe_text((pe[0] + link.dx, pe[1] + link.dy))
    there = [f"{o.route} {o.where}" for o in facts.routes[neighbour] if o.color is found.color]
    return problem(
        ProgramError,
        f"colour {found.color!r} goes {link} from {pe_text(pe)} to {beyond}, which never takes it from {link.opposite}",
        f"{found.route} {found.where}; {beyond} has {' and '.join(there) or 'no route of it'}",
        expected="routes that meet",
        advice=f"give {beyond} a route with input {link.opposite}, or end the colour at {pe_text(pe)}",
    )


def arriving_wavelets_are_read(facts: Facts) -> None:
    """A colour that senders bring to a PE's ramp is received by an operation or a task there."""
    unread: dict[Color, list[tuple[Role, RouteAt]]] = {}
    for role in facts.program.roles:
        deeds = facts.by_role[role.index]
        read = {*deeds.receives, *(task.trigger for task in deeds.code)}
        for found in facts.routes[role.index]:
            if Direction.RAMP in found.route.outputs and found.color not in read:
                unread.setdefault(found.color, []).append((role, found))
    for color, places in unread.items():
        ways = Ways(facts.program, color)
        senders = _senders(facts, color)
        near = ways.reached_roles(senders)
        suspects = [(role, found) for role, found in places if role.index in near and ways.fixed[role.index]]
        if not suspects:
            continue
        reached = ways.reached(senders).reshape(facts.program.height, facts.program.width)
        for role, found in suspects:
            pes = (facts.program.role_map == role.index) & reached
            if pes.any():
                raise _unread(found, facts.program, pes)


def _senders(facts: Facts, color: Color) -> list[int]:
    """Roles whose PEs can bring the colour into the fabric."""
    found = []
    for role in facts.program.roles:
        routes = facts.program.routes_of(role).get(color, ())
        sent = color in facts.by_role[role.index].sends and any(r.input is Direction.RAMP for r in routes)
        if sent or any(s.color is color and role.example in s.region for s in facts.program.streams):
            found.append(role.index)
    return found


def _unread(found: RouteAt, program: Program, pes: Bools) -> ProgramError:
    first = int(pes.argmax())
    more = int(pes.sum()) - 1
    where = pe_text((first % program.width, first // program.width)) + (f" and {more} more" if more else "")
    return problem(
        ProgramError,
        f"colour {found.color!r} arrives on {where}, where nothing receives it",
        f"{found.route} {found.where}",
        expected="an operation that reads the colour, or a task that its wavelets start",
        advice="add the receiver, or take RAMP out of the route",
    )


def senders_have_a_route(facts: Facts) -> None:
    """A PE that sends a colour has a route of it from RAMP."""
    for role in facts.program.roles:
        routes = facts.program.routes_of(role)
        for color, placed in facts.by_role[role.index].sends.items():
            if not any(route.input is Direction.RAMP for route in routes.get(color, ())):
                raise problem(
                    ProgramError,
                    f"`{placed.instruction!r}` sends colour {color!r} on {facts.pes(role)}, {_has(routes, color)}",
                    at(placed),
                    expected="a route of the colour with input RAMP",
                    advice=f"paint one, as builder.route({color.name}, region, RAMP >> EAST)",
                )


def receivers_have_a_route(facts: Facts) -> None:
    """A PE that receives a colour, by an operation or a task, has a route of it to RAMP."""
    for role in facts.program.roles:
        routes, deeds = facts.program.routes_of(role), facts.by_role[role.index]
        tasks = {task.trigger: placed for task, placed in deeds.code.items() if task.trigger is not None}
        for color, placed in {**tasks, **deeds.receives}.items():
            if not any(Direction.RAMP in route.outputs for route in routes.get(color, ())):
                by_task = color not in deeds.receives
                who = f"task {placed.task!r}, which wavelets start," if by_task else f"`{placed.instruction!r}`"
                raise problem(
                    ProgramError,
                    f"{who} receives colour {color!r} on {facts.pes(role)}, {_has(routes, color)}",
                    at(placed),
                    expected="a route of the colour to RAMP",
                    advice=f"paint one, as builder.route({color.name}, region, WEST >> RAMP)",
                )


def _has(routes: dict[Color, list[Route]], color: Color) -> str:
    there = " and ".join(map(repr, routes.get(color, ())))
    return f"which has {there}" if there else "which has no route of it"


def routes_do_not_go_round(facts: Facts) -> None:
    """The routes of a colour at the start do not form a circle."""
    painted = dict.fromkeys(paint.color for paint in facts.program.routes)
    for color in painted:
        circle = Ways(facts.program, color).circle()
        if circle:
            shown = " -> ".join(map(pe_text, circle[:4])) + (" -> ..." if len(circle) > 4 else "")
            where = " and ".join(dict.fromkeys(p.where for p in facts.program.routes if p.color is color))
            raise problem(
                ProgramError,
                f"colour {color!r} goes round in a circle of {len(circle)} PEs, {shown}",
                f"painted at {where}",
                expected="routes that begin at a RAMP",
                advice="open the circle: let one of its PEs take the colour from RAMP",
            )


RULES: tuple[Callable[[Facts], None], ...] = (
    one_route_per_color,
    a_route_is_there_to_rewrite,
    routes_stay_on_the_grid,
    routes_meet,
    senders_have_a_route,
    receivers_have_a_route,
    arriving_wavelets_are_read,
    routes_do_not_go_round,
)
