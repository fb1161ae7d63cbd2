# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a plan: clients on the left, gateways in the middle, servers on the right, and flows between them.

All lengths are in the units of the picture, :data:`WIDTH` of which are its width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.plugin_utils._output.clusters import PLACES, Cluster, Place
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.flows import Flow
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import listed
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.states import (
    BARRED,
    SIGNS,
    STATES,
    URGENT,
    State,
    States,
    worst,
)

WIDTH, BOX, MARGIN = 1040, 260, 60
HEAD, LINE, GAP, TOP = 46, 20, 20, 34
PORTS = 8
"""How many ports a box lists."""

_LETTERS = 32
_SIGNS, _CLEAR = 80, 20
"""So many signs are drawn, so far apart."""

_LEFT: dict[Place, int] = {"client": MARGIN, "gateway": (WIDTH - BOX // 2) // 2, "server": WIDTH - MARGIN - BOX}
_WIDTHS: dict[Place, int] = {"client": BOX, "gateway": BOX // 2, "server": BOX}


class Line(NamedTuple):
    """One line of a box, at which the flows to some ports arrive, and their short names; of a gateway a number."""

    ports: str
    names: str
    y: int


class Box(NamedTuple):
    """One cluster in the picture."""

    cluster: Cluster
    state: State
    x: int
    y: int
    width: int
    height: int
    title: str
    lines: tuple[Line, ...]

    @property
    def middle(self) -> int:
        """Where flows leave it."""
        return self.y + HEAD // 2

    def line_of(self, ports: str) -> int:
        """Return where the flows to ports arrive; those of ports that are not listed arrive at the last line."""
        last = self.lines[-1].y if self.lines and ports and self.cluster.place != "gateway" else self.middle
        return next((line.y for line in self.lines if line.ports == ports), last)


class Edge(NamedTuple):
    """Flows that are drawn as one line: an SVG path, what it says, and where its sign stands if it has one.

    :param quiet: what was kept out as planned, and only tried as a sample.
    """

    state: State
    source: int
    target: int
    path: str
    text: str
    quiet: bool
    at: tuple[int, int] | None = None


class Picture(NamedTuple):
    """What is drawn; ``titles`` are those of the columns, with their left edge."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    titles: tuple[tuple[int, str], ...]


_Key = tuple[int, int, str, tuple[int, ...], bool]


def picture_of(
    clusters: Collection[Cluster],
    flows: Iterable[Flow],
    states: States,
    passing: Mapping[str, tuple[int, int]] | None = None,
) -> Picture:
    """Return the picture of a plan.

    :param passing: how many statements each gateway has to permit, and how many flows it loses, by its name.
    """
    where = {name: cluster for cluster in clusters for name in cluster.members}
    groups: dict[_Key, list[Flow]] = {}
    for flow in flows:
        way = tuple(dict.fromkeys(where[name].number for name in flow.gateways))
        ends = where[flow.source.name].number, where[flow.target.name].number
        ports = flow.shown if flow.allowed else ""  # a refusal is one line, whatever was tried
        groups.setdefault((*ends, ports, way, flow.allowed), []).append(flow)
    boxes = _boxes(_in_order(clusters, groups), groups, states, passing or {})
    edges = _signed([_edge(key, found, boxes, states) for key, found in groups.items()])
    used = {box.cluster.place for box in boxes.values()}
    titles = {"client": "Clients", "gateway": "Gateways", "server": "Servers"}
    height = max((box.y + box.height for box in boxes.values()), default=0) + GAP
    shown = tuple((_LEFT[place], titles[place]) for place in PLACES if place in used)
    return Picture(WIDTH, height, tuple(boxes.values()), tuple(edges), shown)


def _in_order(clusters: Iterable[Cluster], groups: Mapping[_Key, Collection[Flow]]) -> list[Cluster]:
    """Sort clients by the servers that they use, so that fewer lines cross."""
    found = list(clusters)
    rows = {cluster.number: row for row, cluster in enumerate(found)}
    aims: dict[int, list[int]] = {}
    for source, target, _ports, _way, allowed in groups:
        if allowed:
            aims.setdefault(source, []).append(rows[target])

    def rank(cluster: Cluster) -> tuple[int, float, str]:
        mine = aims.get(cluster.number) if cluster.place == "client" else None
        # what only must be refused comes last
        mean = sum(mine) / len(mine) if mine else float(len(rows)) if cluster.place == "client" else 0.0
        return PLACES.index(cluster.place), mean, cluster.name

    return sorted(found, key=rank)


def _boxes(
    clusters: Iterable[Cluster],
    groups: Mapping[_Key, Collection[Flow]],
    states: States,
    passing: Mapping[str, tuple[int, int]],
) -> dict[int, Box]:
    arriving: dict[int, dict[str, set[str]]] = {}
    for (_source, target, ports, _way, allowed), flows in groups.items():
        if not allowed:
            continue
        names = arriving.setdefault(target, {}).setdefault(ports, set())
        names.update(flow.endpoint.rpartition("/")[2].replace("_", " ") for flow in flows)
    below = dict.fromkeys(PLACES, TOP)
    boxes: dict[int, Box] = {}
    for cluster in clusters:
        found = sorted(arriving.get(cluster.number, {}).items())
        texts = [(text, _cut(", ".join(sorted(names)), _LETTERS - len(text))) for text, names in found[:PORTS]]
        if cluster.place == "gateway":
            texts, found = _gateway_lines(passing.get(name, (0, 0)) for name in cluster.members), []
        y = below[cluster.place]
        lines = [Line(*text, y + HEAD + LINE * row + LINE // 2) for row, text in enumerate(texts)]
        if len(found) > PORTS:
            lines[-1] = Line("", f"and {len(found) - PORTS + 1} more ports", lines[-1].y)
        height = HEAD + LINE * len(lines) + (8 if lines else 0)
        place = cluster.place
        boxes[cluster.number] = Box(
            cluster,
            worst(states.of_host(name) for name in cluster.members),
            _LEFT[place],
            y,
            _WIDTHS[place],
            height,
            _cut(cluster.name, _LETTERS * _WIDTHS[place] // BOX),
            tuple(lines),
        )
        below[place] = y + height + GAP
    return _centred(boxes)


def _gateway_lines(passing: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
    """Return what gateways permit and lose together; nothing where neither is known."""
    permitted, lost = (sum(numbers) for numbers in zip((0, 0), *passing))
    lines = [(f"{permitted:,}", "permitted"), (f"{lost:,}", "lost")]
    return [line for line in lines if line[0] != "0"]


def _centred(boxes: dict[int, Box]) -> dict[int, Box]:
    """Move each column to the middle of the picture's height."""
    ends: dict[Place, int] = {}
    for box in boxes.values():
        ends[box.cluster.place] = box.y + box.height
    height = max(ends.values(), default=0)

    def moved(box: Box) -> Box:
        by = (height - ends[box.cluster.place]) // 2
        return box._replace(y=box.y + by, lines=tuple(line._replace(y=line.y + by) for line in box.lines))

    return {number: moved(box) for number, box in boxes.items()}


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


_Piece = tuple[int, int, int, int, int, int, int, int]
"""The four points of a cubic curve."""


def _edge(key: _Key, flows: Collection[Flow], boxes: Mapping[int, Box], states: States) -> tuple[Edge, _Piece]:
    """Return the line for some flows, and the last curve that it is made of."""
    source, target, ports, way, _allowed = key
    counts = Counter(states.of_flow(flow) for flow in flows)
    stops = [boxes[source], *(boxes[number] for number in way), boxes[target]]
    pieces = [
        _piece(first, second, second.line_of(ports) if second is stops[-1] else second.middle)
        for first, second in zip(stops, stops[1:])
    ]
    path = "M" + "L".join("{} {}C{} {} {} {} {} {}".format(*piece) for piece in pieces)
    through = f" through {listed(boxes[number].cluster.name for number in way)}" if way else ""
    said = ", ".join(f"{counts[item]:,} {SIGNS[item].name}" for item in STATES if counts[item])
    ends = f"{stops[0].cluster.name} to {stops[-1].cluster.name}{f', {ports}' if ports else ''}{through}"
    state = worst(counts)
    quiet = state in BARRED and not any(flow.named for flow in flows)
    return Edge(state, source, target, path, f"{ends}: {said}", quiet), pieces[-1]


def _piece(first: Box, second: Box, arrive: int) -> _Piece:
    """Return the curve from the side of one box to the side of another."""
    leave = first.middle
    if first.x == second.x:  # around the outside
        outside, bow = (first.x, -MARGIN) if first.cluster.place == "client" else (first.x + first.width, MARGIN)
        return outside, leave, outside + bow, leave, outside + bow, arrive, outside, arrive
    start = first.x + first.width if first.x < second.x else first.x
    end = second.x if first.x < second.x else second.x + second.width
    bend = (end - start) // 2
    return start, leave, start + bend, leave, end - bend, arrive, end, arrive


def _signed(drawn: list[tuple[Edge, _Piece]]) -> list[Edge]:
    """Give the lines their signs, which keep clear of each other; of many lines only those that need attention.

    What needs attention most is drawn last, above the rest.
    """
    drawn.sort(key=lambda item: (not item[0].quiet, -STATES.index(item[0].state), item[0].source, item[0].target))
    places: list[tuple[int, int]] = []
    edges = []
    for left, (edge, piece) in zip(range(len(drawn), 0, -1), drawn):
        if left <= _SIGNS and (edge.state in URGENT or (not edge.quiet and len(drawn) <= _SIGNS)):
            spots = [_point(piece, part) for part in (50, 36, 64, 22, 78)]
            free = (x_y for x_y in spots if all(abs(x_y[0] - x) + abs(x_y[1] - y) > _CLEAR for x, y in places))
            edge = edge._replace(at=next(free, spots[0]))
            places += [edge.at] if edge.at else []
        edges.append(edge)
    return edges


def _point(piece: _Piece, percent: int) -> tuple[int, int]:
    """Return the point of a curve that is so far along it."""
    two = percent / 100
    one = 1 - two
    weights = (one**3, 3 * one * one * two, 3 * one * two * two, two**3)
    x, y = (sum(weight * value for weight, value in zip(weights, piece[axis::2])) for axis in (0, 1))
    return round(x), round(y)
