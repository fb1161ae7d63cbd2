# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix of a report: who uses which endpoint, and how that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.plugin_utils._output.clusters import Cluster
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.flows import Flow
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.states import SIGNS, STATES, State, States, worst


class Cell(NamedTuple):
    """Flows of one row to one column; ``number`` is empty for a single one, ``text`` says how many are how."""

    state: State
    number: str
    text: str


class Matrix(NamedTuple):
    """Rows and columns.

    :param heads: the servers, each with its number of columns.
    :param columns: protocol and ports of each column.
    :param rows: the client, what it is, and a cell for each column, None where nothing is declared.
    """

    heads: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell | None, ...]], ...]


def matrix_of(clusters: Iterable[Cluster], flows: Collection[Flow], states: States) -> Matrix:
    """Return who reaches which endpoint; rows and columns that have no flow are left out."""
    where = {name: cluster for cluster in clusters for name in cluster.members}
    found: dict[tuple[int, tuple[int, str]], Counter[State]] = {}
    named = {cluster.number: cluster for cluster in where.values()}
    for flow in flows:
        source, target = where[flow.source.name], where[flow.target.name]
        found.setdefault((source.number, (target.number, flow.shown)), Counter())[states.of_flow(flow)] += 1

    def order(number: int) -> tuple[bool, str, str]:
        cluster = named[number]
        return cluster.place == "client", cluster.place, cluster.name

    columns = sorted({column for _row, column in found}, key=lambda column: (order(column[0]), column[1]))
    rows = sorted({row for row, _column in found}, key=lambda row: (not order(row)[0], order(row)))
    heads = Counter(number for number, _ports in columns)
    return Matrix(
        tuple((named[number].name, count) for number, count in heads.items()),
        tuple(ports for _number, ports in columns),
        tuple(
            (named[row].name, named[row].detail, tuple(_cell(found.get((row, column))) for column in columns))
            for row in rows
        ),
    )


def _cell(counts: Counter[State] | None) -> Cell | None:
    if not counts:
        return None
    state, total = worst(counts), sum(counts.values())
    if total == 1:
        return Cell(state, "", SIGNS[state].name)
    said = ", ".join(f"{counts[item]:,} {SIGNS[item].name}" for item in STATES if counts[item])
    return Cell(state, f"{counts[state]:,}" if len(counts) == 1 else f"{counts[state]:,}/{total:,}", said)
