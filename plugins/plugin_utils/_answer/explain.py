# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a port of a host is open, for whom, by which declaration and source; and why a peer is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction, Policy
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.question import (
    AskedPeer,
    PlanView,
    Question,
    find_peer,
    read_question,
    view_of,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.reasons import Case, Reason, Rules, Verdict
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.near import HOST_FIX, did_you_mean, near_host
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan


class Answer(NamedTuple):
    """What the plan says of a port, and of a peer where one is asked about.

    :param inbound: the rules that open the port, ``outbound`` what the host itself sends to this port elsewhere.
    :param peer: who wants to reach it, or None; then there is no verdict, and no reasons.
    """

    question: Question
    policy: Policy
    inbound: Rules
    outbound: Rules
    peer: AskedPeer | None = None
    verdict: Verdict | None = None
    reasons: tuple[Reason, ...] = ()


def explain(view: PlanView, host: str, port: Any, peer: str | None = None) -> Answer:
    """Answer why a port of a host is open, and, with ``peer``, whether and why that one can reach it.

    :raises DbportsError: when there is no such host or the port cannot be read.
    """
    question = read_question(host, port)
    port_set = view.port_set(host)
    if port_set is None:
        if view.inventory.host(host) is None:
            raise DbportsError(
                "no such host in the plan or the inventory",
                code="unknown_name",
                path="host",
                value=host,
                fix=did_you_mean(near_host(view.inventory, host), HOST_FIX),
            )
        port_set = PortSet(host, (), Settings("guard", False))
    inbound, outbound = _rules(question, port_set, "in"), _rules(question, port_set, "out")
    answer = Answer(question, port_set.settings.policy, inbound, outbound)
    if not peer:
        return answer
    asked = find_peer(view, host, peer)
    verdict, reasons = Case(view, question, asked, port_set, inbound).judge()
    return answer._replace(peer=asked, verdict=verdict, reasons=reasons)


def explain_data(data: Any, host: str, port: Any, peer: str | None = None) -> Answer:
    """Answer from ``{"hosts": .., "groups": .., "vars": ..}``; see :func:`explain`."""
    if not isinstance(data, Mapping):
        raise DbportsError("expected an inventory: a dictionary with hosts, groups and vars", value=data)
    inventory = PlainInventory(data)
    return explain(view_of(build_plan(inventory), inventory), host, port, peer)


def _rules(question: Question, port_set: PortSet, direction: Direction) -> Rules:
    return tuple(
        (key, tuple(peers[name] for name in sorted(peers)))
        for key, peers in port_set.ordered()
        if key.direction == direction and question.asks_for(key.protocol, key.ports)
    )
