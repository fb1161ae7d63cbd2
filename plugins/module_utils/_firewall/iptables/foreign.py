# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do other tables, or the other variant of iptables, still drop what the own chains accept?

The own chains are the first rule of ``INPUT`` and ``OUTPUT`` in the table ``filter``: an accept there ends the way
through that table. The other tables and those of the other variant are passed all the same, and a drop is final.
Their rules are written as nft lists them, and judged by the same walk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, of_family
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.forward_lines import lines_of
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.encode import conditions
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.forward import line_conditions
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import (
    Part,
    Rule,
    Table,
    Tables,
    without,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import (
    OPTIONS,
    PROGRAMS,
    SIDES,
    Layout,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.words import address_condition
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import Listing, Node
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.packets import HOOKS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import ForeignFinding

_Part = TypeVar("_Part")

PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
"""The tables that may drop, with the priorities of their chains (nft(8)); ``nat`` does not filter."""

_OTHERS = [name for name in PRIORITIES if name != "filter"]

FAMILIES = {4: "ip", 6: "ip6"}
_BACK: dict[Direction, str] = {"in": "OUTPUT", "out": "INPUT"}
"""The chain that answers pass."""
_HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")

_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return", "NFQUEUE": "queue"}
_UNTRACKED = "NOTRACK"
SILENT = {
    *("AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DSCP", "ECN", "HL", "LOG", "MARK", "NFLOG"),
    *(_UNTRACKED, "RATEEST", "SECMARK", "SET", "TCPMSS", "TCPOPTSTRIP", "TEE", "TOS", "TRACE", "TTL", "ULOG", ""),
}
"""Targets after which the next rule follows (iptables-extensions(8)); so does a rule without any."""

_ANSWERED = {"source": "target", "target": "source"}
"""The side of the peers in an answer."""

_HIDDEN: Node = {"notrack": None}
_UNKNOWN_TARGET: Node = {"xt": None}
_UNKNOWN_FIELD: Node = {"meta": {"key": "unknown"}}

_FIELDS: dict[str, tuple[str, str]] = {
    "-p": ("meta", "l4proto"),
    "-i": ("meta", "iifname"),
    "-o": ("meta", "oifname"),
    "--ctstate": ("ct", "state"),
    "--state": ("ct", "state"),
    "--ctdir": ("ct", "direction"),
}
_PEERS = {"-s": "saddr", "--src-range": "saddr", "-d": "daddr", "--dst-range": "daddr"}
_PORTS = {"--dport": "dport", "--dports": "dport", "--sport": "sport", "--sports": "sport"}
_FLAGS = ("syn", "ack", "fin", "rst", "urg", "psh")
_TRANSLATED = {"dnat", "snat"}
_HEADERS = {"ah", "dst", "esp", "frag", "hbh", "mh", "rt"}
"""Matches on headers that no packet of a declared flow has (iptables-extensions(8))."""
_NO_HEADER: Node = {"match": {"op": "==", "left": {"payload": {"protocol": "ah", "field": "spi"}}, "right": 0}}
_MATCHES = {"comment", "conntrack", "state", "tcp", "udp", "multiport", "iprange"}
"""Matches that are known with the options above."""


def judge_saved(
    tables: Tables, family: int, ruleset: Ruleset, program: str, *, skip: Collection[str] = ()
) -> list[ForeignFinding]:
    """Judge the rules of one family that ``iptables-save`` printed.

    :param program: what the owner of the rules calls to change them.
    :param skip: tables that are not judged: that of the own chains, whose other rules decide nothing then.
    """
    found = judge_foreign(_listing(tables, family, skip), ruleset)
    return [replace(item, text=f"{program}: {item.text}", fix=_fix(item, family, program)) for item in found]


def judge_answers(tables: Tables, family: int, ruleset: Ruleset, own: Layout) -> list[ForeignFinding]:
    """Judge what the table of the own chains does to answers, which pass the other one of its chains.

    :param own: tells which chains are the own ones, which let answers pass.
    """
    found: list[ForeignFinding] = []
    table = without(tables.get("filter", Table()), own.is_own)
    for direction, hook in _BACK.items():
        asked = Ruleset(tuple(accept for accept in ruleset.accepts if accept.direction == direction))
        if asked:
            others = [name for name in _HOOKS if name != hook]
            passed = Table(_but(table.policies, others), _but(table.rules, others))
            found += judge_filter(tables, passed, family, asked)
    return found


def _but(parts: Mapping[str, _Part], names: Collection[str]) -> dict[str, _Part]:
    return {name: part for name, part in parts.items() if name not in names}


def judge_filter(tables: Tables, table: Table, family: int, ruleset: Ruleset) -> list[ForeignFinding]:
    """Judge one table in the place of ``filter``; of the others it only counts whether they hide connections."""
    return judge_saved({**tables, "filter": table}, family, ruleset, PROGRAMS[family], skip=_OTHERS)


def _fix(finding: ForeignFinding, family: int, program: str) -> str:
    """Return the commands that let an accept pass the table of a finding; none for a published port.

    Where what is published leads to is not known.
    """
    accept = finding.accept
    place = f"{program} -t {finding.place['table']} -I {finding.place['chain']}"
    if accept.forward and not accept.forward.targets:
        return ""
    if accept.forward:
        return "; ".join(
            " ".join([place, *filter(None, [source, target]), condition, "-j ACCEPT"])
            for line in lines_of(Ruleset((accept,)))
            for source in _conditions("source", line.source)
            for target in _conditions("target", line.target)
            for condition in line_conditions(line, family)
        )
    side, port = OPTIONS[accept.direction].side, "dport"
    if finding.place["hook"] in HOOKS[accept.direction, True]:
        side, port = _ANSWERED[side], "sport"
    return "; ".join(
        f"{place} {peers} {condition} -j ACCEPT"
        for peers in _conditions(side, list(of_family(accept.peers, family)))
        for condition in conditions(accept, family, port)
    )


def _conditions(side: str, addresses: Sequence[AddressRange]) -> list[str]:
    """Write conditions on one side of a packet, one command each: networks together, other ranges one by one."""
    networks = ",".join(str(item) for item in addresses if "-" not in str(item))
    found = [address_condition(side, item) for item in addresses if "-" in str(item)]
    return [*([f"{SIDES[side].network} {networks}"] if networks else []), *found] or [""]


def _listing(tables: Tables, family: int, skip: Collection[str]) -> Listing:
    """Write tables as nft would list them."""
    found: Listing = []
    for name, priority in PRIORITIES.items():
        place: dict[str, Node] = {"family": FAMILIES[family], "table": name}
        if name in tables and name not in skip:
            found += _objects(tables[name], place, priority)
        elif any(map(_hides, (rule for rules in tables.get(name, Table()).rules.values() for rule in rules))):
            found.append(("rule", {**place, "chain": "", "expr": [_HIDDEN]}))
    return found


def _hides(rule: Rule) -> bool:
    """Tell whether connection tracking does not know what a rule matches."""
    return rule.target == _UNTRACKED or any(part.name == "--notrack" for part in rule.parts)


def _objects(table: Table, place: dict[str, Node], priority: int) -> Iterator[tuple[str, dict[str, Node]]]:
    for chain, policy in table.policies.items():
        base: dict[str, Node] = {}
        if chain in _HOOKS:
            base = {"type": "filter", "hook": chain.lower(), "prio": priority, "policy": policy.lower()}
        yield "chain", {**place, "name": chain, **base}
    for chain, rules in table.rules.items():
        for rule in rules:
            yield "rule", {**place, "chain": chain, "expr": _expressions(rule, str(place["family"]), table)}


def _expressions(rule: Rule, family: str, table: Table) -> list[Node]:
    """Write a rule as nft's expressions; what is not known of it becomes one that may hold or not."""
    found: list[Node] = []
    for part in rule.parts:
        if part.name in ("-j", "-g"):
            # What follows are options of the target, which match nothing.
            break
        if part.name == "-m" and set(part.values) <= _MATCHES:
            continue
        if part.name == "-m" and set(part.values) <= _HEADERS:
            return [_NO_HEADER]
        if part.name != "--comment":
            found.append(_match(part, family))
    return [*found, *_verdict(rule, table)]


def _verdict(rule: Rule, table: Table) -> list[Node]:
    target = rule.target
    if target in table.rules:
        goto = any(part.name == "-g" for part in rule.parts)
        return [{"goto" if goto else "jump": {"target": target}}]
    if target in _VERDICTS:
        return [{_VERDICTS[target]: None}]
    if _hides(rule):
        return [_HIDDEN]
    return [] if target in SILENT else [_UNKNOWN_TARGET]


def _match(part: Part, family: str) -> Node:
    left: Node = _UNKNOWN_FIELD
    right: Node = part.values[0] if part.values else ""
    if part.name in _FIELDS:
        kind, key = _FIELDS[part.name]
        left = {kind: {"key": key}}
        words = str(right).lower().split(",")
        right = words if kind == "ct" else right
        if key == "state" and _TRANSLATED & set(words):
            # They are no states to nft, but a status beside the state.
            left = {"ct": {"key": "status"}} if set(words) <= _TRANSLATED else _UNKNOWN_FIELD
            return {"match": {"op": "!" if part.negated else "in", "left": left, "right": right}}
    elif part.name == "--tcp-flags":
        mask, right = (_flags(word) for word in [*part.values, "NONE", "NONE"][:2])
        left = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, mask]}
    elif part.name in _PEERS:
        left = {"payload": {"protocol": family, "field": _PEERS[part.name]}}
    elif part.name in _PORTS:
        left = {"payload": {"protocol": "th", "field": _PORTS[part.name]}}
        right = [_port(item) for item in str(right).split(",")]
    return {"match": {"op": "!=" if part.negated else "==", "left": left, "right": right}}


def _flags(text: str) -> Node:
    """Read flags of TCP as iptables writes them, in the words of nft."""
    found: list[Node] = [word for word in text.lower().split(",") if word != "none"]
    return list(_FLAGS) if found == ["all"] else found


def _port(text: str) -> Node:
    first, _colon, last = text.partition(":")
    if not first.isdigit() or (last and not last.isdigit()):
        return None
    return {"range": [int(first), int(last)]} if last else int(first)
