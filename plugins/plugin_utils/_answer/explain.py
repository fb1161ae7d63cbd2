# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a port of a host is open, for whom, since which declaration and by which source; and why somebody is kept out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, parse_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PROTOCOLS, PortRange, parse_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.artifact import render_host
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peers
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory, PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import _UNSEEN
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

ALLOWED, PARTLY, REFUSED, UNGUARDED, UNKNOWN = "allowed", "partly", "refused", "unguarded", "unknown"
"""The verdicts about a peer; unguarded: the collection refuses nobody there, other rules of the host decide."""

REASONS = {
    "declared": "a declaration names the peer, or a network that holds it",
    "not_declared": "no declaration names the peer for this port",
    "not_in_networks": "the peer's addresses are in none of the networks that are declared",
    "other_endpoint": "the peer is declared for another endpoint of the host",
    "forbidden": "the peer is declared as one that must not reach the endpoint",
    "no_common_family": "the peer has no address of a family in which the host is reached",
    "partly_in_networks": "some addresses of the peer are allowed and others are not",
    "nothing_planned": "no server uses this port of the host",
    "through_gateway": "a gateway that is let in stands in the peer's place",
    "lost_on_gateway": "the flow does not pass a gateway between the two",
    "outbound": "the peer's own outbound rules do not let it out to this port of the host",
    "warning": "what the plan warns of in words that name the peer",
    "open_policy": "the host's policy is open, so that nobody is refused",
    "icmp": "echo requests are refused to nobody",
    "itself": "a host's own traffic is not guarded",
    "unknown_host": "the peer is neither in the inventory nor an address",
    "group": "the peer is a group; ask for one of its hosts",
    "no_address": "the peer has no known address",
}
"""Every reason a verdict can have, by its code."""

_SHOWN = 10
_LOST = re.compile(r" (?:does|do) not pass | is not published by ")
_SHOWN_PORTS = re.compile(r"\((tcp|udp|icmp)(?: ([0-9,-]+))?\)")
"""How the plan's warnings write that a flow does not pass a gateway, and the flows with their ports."""

_NAMED = re.compile(r"\.forbidden_clients\[\d+\]$")
_Rule = dict[str, Any]


@dataclass(frozen=True)
class PlanView:
    """What questions are answered from.

    :param port_set: returns a host's port set, in the shape of its file in the plan, or None without one.
    :param inventory: the inventory, for hosts that are not in the plan.
    """

    port_set: Callable[[str], dict[str, Any] | None]
    inventory: Inventory


def view_of(plan: Plan, inventory: Inventory) -> PlanView:
    """Return the view of a plan that was just computed."""
    return PlanView(lambda name: json.loads(render_host(plan.hosts[name])) if name in plan.hosts else None, inventory)


class Question(NamedTuple):
    """A port of a host, of one protocol or of both; None where the protocol has no ports."""

    host: str
    protocols: tuple[str, ...]
    port: int | None

    def __str__(self) -> str:
        name = "/".join(self.protocols)
        return name if self.port is None else f"{name} {self.port}"

    def asks_for(self, protocol: str, ports: str) -> bool:
        """Tell whether a rule with these ports is meant."""
        if protocol not in self.protocols:
            return False
        return self.port is None or any(self.port in item for item in parse_ports(ports))


class _Who(NamedTuple):
    """The peer that is asked about: its addresses, or the reason why it has none; ``known``: an inventory host."""

    name: str
    ranges: tuple[AddressRange, ...]
    problem: str
    known: bool

    def __str__(self) -> str:
        texts = [str(item) for item in self.ranges]
        return f"{self.name} ({', '.join(texts)})" if texts and texts != [self.name] else self.name


def read_question(host: str, port: Any) -> Question:
    """Read ``1434/udp``, ``1434`` (both protocols) or ``icmp``.

    :raises DbportsError: for anything else.
    """
    text = str(port).strip().lower()
    number, slash, protocol = text.partition("/")
    if number in PROTOCOLS and slash:
        number, protocol = protocol, number
    if text == "icmp":
        return Question(host, ("icmp",), None)
    try:
        ports = PortRange.parse(number)
        if ports.first != ports.last or (slash and protocol not in ("tcp", "udp")):
            raise DbportsError("not one port")
    except DbportsError:
        raise DbportsError(
            "not a port with its protocol", path="port", value=port, fix="Write for example 1434/udp, 1433 or icmp"
        ) from None
    return Question(host, (protocol,) if slash else ("tcp", "udp"), ports.first)


def explain(view: PlanView, host: str, port: Any, peer: str | None = None) -> dict[str, Any]:
    """Answer why a port of a host is open, and, with ``peer``, whether and why that one can reach it.

    :returns: ``host``, ``port``, ``peer``, ``policy``, ``open`` (somebody may reach it), ``rules`` (inbound, with
        their peers), ``outbound`` (what the host itself sends to this port elsewhere), ``verdict`` and ``reasons``
        about the peer (empty without one; a reason has ``code`` and ``text``), and ``lines`` for readers.
    :raises DbportsError: when there is no such host or the port cannot be read.
    """
    question = read_question(host, port)
    port_set = view.port_set(host)
    if port_set is None and view.inventory.host(host) is None:
        raise DbportsError("no such host in the plan or the inventory", path="host", value=host)
    settings = port_set["settings"] if port_set else {"policy": "guard", "filter_outbound": False}
    rules = port_set["rules"] if port_set else []
    found = [rule for rule in rules if question.asks_for(rule["protocol"], rule["ports"])]
    inbound = [rule for rule in found if rule["direction"] == "in"]
    outbound = [rule for rule in found if rule["direction"] == "out"]
    answer: dict[str, Any] = {
        "host": host,
        "port": str(question),
        "peer": peer or "",
        "policy": settings["policy"],
        "open": any(rule["peers"] for rule in inbound),
        "rules": [_told(rule) for rule in inbound],
        "outbound": [_told(rule) for rule in outbound],
        "verdict": "",
        "reasons": [],
    }
    lines = _rule_lines(question, answer)
    if peer:
        who = _identify(view, host, peer)
        case = _Case(view, question, who, port_set, inbound)
        answer["verdict"], reasons = case.judge()
        answer["reasons"] = [{"code": code, "text": text} for code, text in reasons]
        lines += _verdict_lines(who, answer)
    answer["lines"] = [_UNSEEN.sub("?", line) for line in lines]
    return answer


def explain_data(data: Any, host: str, port: Any, peer: str | None = None) -> dict[str, Any]:
    """Answer from ``{"hosts": .., "groups": .., "vars": ..}``; see :func:`explain`."""
    if not isinstance(data, Mapping):
        raise DbportsError("an inventory is a dictionary with hosts, groups and vars", value=data)
    inventory = PlainInventory(data)
    return explain(view_of(build_plan(inventory), inventory), host, port, peer)


def _told(rule: _Rule) -> dict[str, Any]:
    keys = ("endpoint", "flow", "protocol", "ports", "purpose", "need", "citation")
    peers = [
        {
            "name": ref["name"],
            "addresses": list(ref["addresses"]),
            "source_ports": ref["source_ports"],
            "declared": ref["declared"],
        }
        for ref in rule["peers"]
    ]
    return {**{key: rule[key] for key in keys}, "peers": peers}


def _identify(view: PlanView, host: str, peer: str) -> _Who:
    if peer == host:
        return _Who(peer, (), "itself", True)
    port_set = view.port_set(peer)
    if port_set is not None:
        return _Who(peer, parse_addresses(port_set["addresses"]), "", True)
    if view.inventory.host(peer) is not None:
        try:
            return _Who(peer, parse_addresses(Peers(view.inventory).host(peer).addresses), "", True)
        except DbportsError:
            return _Who(peer, (), "no_address", True)
    if view.inventory.group(peer) is not None:
        return _Who(peer, (), "group", False)
    try:
        return _Who(peer, (AddressRange.parse(peer),), "", False)
    except DbportsError:
        return _Who(peer, (), "unknown_host", False)


_Reason = tuple[str, str]


class _Case:
    """One peer and one port: finds the verdict and its reasons."""

    def __init__(
        self, view: PlanView, question: Question, who: _Who, port_set: dict[str, Any] | None, rules: list[_Rule]
    ) -> None:
        self._view = view
        self._question = question
        self._who = who
        self._port_set = port_set or {"addresses": [], "endpoints": [], "rules": [], "warnings": [], "settings": {}}
        self._rules = rules
        self._own = (view.port_set(who.name) if not who.problem else None) or {
            "settings": {},
            "rules": [],
            "forbidden": [],
            "warnings": [],
        }

    def judge(self) -> tuple[str, list[_Reason]]:
        """Return the verdict and every reason that holds."""
        if self._who.problem == "itself":
            return UNGUARDED, [("itself", f"{self._who.name} itself is not kept from its own ports")]
        if self._who.problem:
            return UNKNOWN, [(self._who.problem, _problem(self._who))]
        named, reached = self._declared()
        outbound = self._outbound()
        through = [] if reached else self._through()
        if through:
            return REFUSED if outbound else ALLOWED, [*through, *outbound]
        if reached:
            verdict = ALLOWED if named or self._held() else PARTLY
            part = [("partly_in_networks", f"only a part of {self._who} is allowed")] if verdict == PARTLY else []
            return REFUSED if outbound else verdict, [*reached, *part, *outbound]
        lost = self._lost()
        if not lost and not self._who.known and self._gateways():
            return UNKNOWN, self._gateways()
        absent = lost if lost and self._is_client() else [*lost, *self._missing()]
        reasons = [*self._families(), *self._forbidden(), *self._elsewhere(), *absent, *outbound]
        lenient = self._lenient()
        return UNGUARDED if lenient else REFUSED, [*reasons, *self._warned(), *lenient]

    def _lenient(self) -> list[_Reason]:
        """Return why somebody whom no rule names is not refused either."""
        if self._question.port is None:
            return [("icmp", "echo requests are accepted from clients and refused to nobody")]
        if not self._rules:
            return [
                (
                    "nothing_planned",
                    f"no server of the plan uses {self._question} on {self._question.host}; this "
                    "collection neither opens nor closes it",
                )
            ]
        if self._port_set["settings"].get("policy") == "open":
            return [
                (
                    "open_policy",
                    f"{self._question.host} has the policy open: nobody is refused here, the host's other rules decide",
                )
            ]
        return []

    def _declared(self) -> tuple[bool, list[_Reason]]:
        """Return whether a rule names the peer itself, and through which declarations it gets in."""
        named, reasons = False, []
        for rule in self._rules:
            for ref in rule["peers"]:
                held = self._overlapping(ref["addresses"])
                by_name = ref["name"] == self._who.name
                if (by_name or held) and self._shares_family(held or self._who.ranges):
                    named = named or by_name
                    how = "" if by_name else f", as {ref['name']}"
                    text = f"{rule['purpose']} ({rule['endpoint']}), since {ref['declared']}{how}"
                    reasons.append(("declared", text))
        return named, reasons

    def _through(self) -> list[_Reason]:
        """Return the gateways that the peer sends to in the host's place, by the same declarations."""
        ids = {rule["endpoint"] for rule in self._rules}
        return [
            (
                "through_gateway",
                f"{self._who.name} sends it to {_ports(rule)} of {ref['name']} ({', '.join(ref['addresses'])}), which "
                f"passes it on ({rule['endpoint']}), since {ref['declared']}",
            )
            for rule in self._own["rules"]
            if rule["direction"] == "out" and rule["endpoint"] in ids
            for ref in rule["peers"]
            if ref["declared"].startswith(f"{self._question.host}: ") and self._is_gateway(ref)
        ] or self._translated()

    def _translated(self) -> list[_Reason]:
        """Return the devices that hide the peer: it sends to the host itself, which sees the device."""
        hidden = {
            rule["endpoint"]: ref["name"] for rule in self._rules for ref in rule["peers"] if self._is_gateway(ref)
        }
        return [
            (
                "through_gateway",
                f"{self._who.name} sends it to {_ports(rule)} of {ref['name']}, which sees {hidden[rule['endpoint']]} "
                f"in its place ({rule['endpoint']}), since {ref['declared']}",
            )
            for rule in self._own["rules"]
            if rule["direction"] == "out" and rule["endpoint"] in hidden
            for ref in rule["peers"]
            if ref["name"] == self._question.host and self._question.asks_for(rule["protocol"], rule["ports"])
        ]

    def _gateways(self) -> list[_Reason]:
        """Return the gateways that are let in, for whoever is behind them."""
        names = dict.fromkeys(ref["name"] for rule in self._rules for ref in rule["peers"] if self._is_gateway(ref))
        return [
            ("through_gateway", f"{name} is let in for those behind it, and the plan does not tell here who they are")
            for name in names
        ]

    def _is_client(self) -> bool:
        """Tell whether the peer is declared for anything of this host; who is no host of the inventory may be."""
        declared = (ref["declared"] for rule in self._own["rules"] for ref in rule["peers"])
        return not self._who.known or any(text.startswith(f"{self._question.host}: ") for text in declared)

    def _is_gateway(self, ref: dict[str, Any]) -> bool:
        name = ref["name"]
        known = self._view.port_set(name) is not None or self._view.inventory.host(name) is not None
        return not known and name not in ref["addresses"]

    def _lost(self) -> list[_Reason]:
        """Return what the plan says of flows to this port that do not pass a gateway, where the peer is behind it."""
        return [
            ("lost_on_gateway", text)
            for text in self._port_set["warnings"]
            if _LOST.search(text)
            and any(self._question.asks_for(protocol, ports or "") for protocol, ports in _SHOWN_PORTS.findall(text))
            and self._is_behind(text)
        ]

    def _is_behind(self, text: str) -> bool:
        """Tell whether the peer is in a network that a warning names."""
        _before, between, names = text.partition(" between ")
        networks = self._view.inventory.settings().get("dbports_networks")
        if not between or not isinstance(networks, Mapping):
            return bool(_LOST.search(text))
        return any(_names(names, str(name)) and bool(self._overlapping(listed)) for name, listed in networks.items())

    def _is_meant(self, ref: dict[str, Any]) -> bool:
        """Tell whether a declaration names the peer or some of its addresses, reached or not."""
        return ref["name"] == self._who.name or bool(self._overlapping(ref["addresses"]))

    def _overlapping(self, addresses: Iterable[str]) -> list[AddressRange]:
        """Return the ranges of the peer that hold one of the addresses, or are held by one."""
        ranges = [AddressRange.parse(text) for text in addresses]
        return [one for one in self._who.ranges if any(item.overlaps(one) for item in ranges)]

    def _held(self) -> bool:
        """Tell whether some address of a host, or the whole of a network, is allowed."""
        allowed = parse_addresses(text for rule in self._rules for ref in rule["peers"] for text in ref["addresses"])
        return any(
            item.family == one.family and item.first <= one.first and one.last <= item.last
            for one in self._who.ranges
            for item in allowed
        )

    def _server_ranges(self) -> list[AddressRange]:
        """Return the addresses under which the port answers."""
        ids = {rule["endpoint"] for rule in self._rules}
        bound = [item["address"] for item in self._port_set["endpoints"] if item["id"] in ids]
        texts = bound if bound and all(bound) else self._port_set["addresses"]
        return [AddressRange.parse(text) for text in texts]

    def _shares_family(self, ranges: Iterable[AddressRange]) -> bool:
        return bool({one.family for one in ranges} & {one.family for one in self._server_ranges()})

    def _families(self) -> list[_Reason]:
        server = self._server_ranges()
        if not server or self._shares_family(self._who.ranges):
            return []
        return [
            (
                "no_common_family",
                f"{self._who} has no address of the family of {self._question.host} ({', '.join(map(str, server))})",
            )
        ]

    def _forbidden(self) -> list[_Reason]:
        return [
            ("forbidden", f"{item['endpoint']} is forbidden to {self._who.name} since {item['declared']}")
            for item in self._own["forbidden"]
            # The others are clients of other servers, whom verify takes for its proof: nobody forbade them anything.
            if item["host"] == self._question.host
            and _NAMED.search(item["declared"])
            and self._question.asks_for(item["protocol"], item["ports"])
        ]

    def _elsewhere(self) -> list[_Reason]:
        """Return what the peer is declared for on this host, when it is something else."""
        return [
            (
                "other_endpoint",
                f"{self._who.name} is declared for {rule['endpoint']} ({_ports(rule)}) since {ref['declared']}",
            )
            for rule in self._port_set["rules"]
            if rule["direction"] == "in" and rule not in self._rules
            for ref in rule["peers"]
            if ref["name"] == self._who.name
        ]

    def _missing(self) -> list[_Reason]:
        """Return that nobody declared the peer, and where the others are declared."""
        if not self._rules or any(self._is_meant(ref) for rule in self._rules for ref in rule["peers"]):
            return []
        endpoints = ", ".join(dict.fromkeys(rule["endpoint"] for rule in self._rules))
        places = ", ".join(
            dict.fromkeys(
                ref["declared"].rsplit("[", 1)[0] if ref["declared"].endswith("]") else ref["declared"]
                for rule in self._rules
                for ref in rule["peers"]
            )
        )
        where = f"add it to {places}" if places else "add it to the clients of the server"
        text = f"{self._who.name} is not among those declared for {endpoints}; if it should be, {where}"
        reasons = [("not_declared", text)]
        networks = list(
            dict.fromkeys(
                ref["name"] for rule in self._rules for ref in rule["peers"] if ref["name"] in ref["addresses"]
            )
        )
        if networks and self._who.ranges:
            more = f" and {len(networks) - _SHOWN} more" if len(networks) > _SHOWN else ""
            reasons.append(("not_in_networks", f"{self._who} is in none of {', '.join(networks[:_SHOWN])}{more}"))
        return reasons

    def _outbound(self) -> list[_Reason]:
        """Return that the peer guards its own traffic to this port and does not let it out to this host."""
        if not self._own["settings"].get("filter_outbound"):
            return []
        out = [
            rule
            for rule in self._own["rules"]
            if rule["direction"] == "out" and self._question.asks_for(rule["protocol"], rule["ports"])
        ]
        if not out or any(ref["name"] == self._question.host for rule in out for ref in rule["peers"]):
            return []
        return [
            (
                "outbound",
                f"{self._who.name} guards its own traffic to {self._question} and lets none out to "
                f"{self._question.host} (dbports_filter_outbound)",
            )
        ]

    def _warned(self) -> list[_Reason]:
        """Return what the plan warns of in words that name the peer."""
        texts = dict.fromkeys([*self._port_set["warnings"], *self._own["warnings"]])
        return [("warning", text) for text in texts if _names(text, self._who.name)]


def _names(text: str, name: str) -> bool:
    """Tell whether a warning names a host as a whole word."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def _ports(rule: _Rule) -> str:
    return f"{rule['protocol']} {rule['ports']}".rstrip()


def _problem(who: _Who) -> str:
    return {
        "unknown_host": f"{who.name} is neither a host of the inventory nor an address or network",
        "group": f"{who.name} is a group; ask for one of its hosts",
        "no_address": f"{who.name} has no known address; set its dbports_addresses",
    }[who.problem]


def _rule_lines(question: Question, answer: dict[str, Any]) -> list[str]:
    """Return what stands above every answer: the rules with source, declarations and peers."""
    names = {ref["name"] for rule in answer["rules"] for ref in rule["peers"]}
    where = f"{question} on {question.host}"
    if not answer["rules"]:
        lines = [f"{where}: no server of the plan uses it, so nothing is opened or closed there"]
    else:
        count = f"open to {len(names)} peer{'' if len(names) == 1 else 's'}" if names else "open to nobody"
        rest = (
            "refused to everyone else"
            if answer["policy"] == "guard" and question.port is not None
            else ("refused to nobody by this collection")
        )
        lines = [f"{where}: {count}, {rest}"]
    for rule in answer["rules"]:
        lines += _one_rule(rule, "for")
    for rule in answer["outbound"]:
        lines.append(f"{question.host} itself sends to {_ports(rule)}:")
        lines += _one_rule(rule, "to")
    return lines


def _one_rule(rule: dict[str, Any], word: str) -> list[str]:
    lines = [
        f"  {rule['endpoint']}: {rule['purpose']} ({rule['need']}, {_ports(rule)})",
        f"    source: {rule['citation']}",
    ]
    groups: dict[str, list[str]] = {}
    for ref in rule["peers"]:
        shown = ref["name"] if ref["name"] in ref["addresses"] else f"{ref['name']} ({', '.join(ref['addresses'])})"
        groups.setdefault(ref["declared"], []).append(shown)
    for declared, names in groups.items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        lines.append(f"    {word} {', '.join(names[:_SHOWN])}{more}, since {declared}")
    return lines if groups else [*lines, f"    {word} nobody: no client is declared"]


def _verdict_lines(who: _Who, answer: dict[str, Any]) -> list[str]:
    heads = {
        ALLOWED: f"{who} may reach it:",
        PARTLY: f"A part of {who} may reach it:",
        REFUSED: f"{who} may not reach it:",
        UNGUARDED: f"{who} is neither let in nor refused by this collection:",
        UNKNOWN: f"Nothing can be said of {who}:",
    }
    return [heads[answer["verdict"]], *(f"  - {reason['text']}" for reason in answer["reasons"])]
