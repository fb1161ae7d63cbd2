# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to why a port is open: as plain data, with a sentence for each reason, and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.module_utils._visible import counted, visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import Answer
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.question import AskedPeer
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.reasons import Reason, ReasonCode, Verdict
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import RuleKey, RulePeer, shown_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import shown_peer
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import listed, sentence

_SHOWN = 10
_Rule = tuple[RuleKey, tuple[RulePeer, ...]]


def answer_data(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain data.

    :returns: ``host``, ``port``, ``peer``, ``policy``, ``open`` (any host may reach it), ``rules`` (inbound, with
        their peers), ``outbound`` (what the host itself sends to this port elsewhere), ``verdict`` and ``reasons``
        about the peer (empty without one; a reason has ``code`` and ``text``), and ``lines`` for readers.
    """
    asked = answer.peer
    reasons = [{"code": item.code, "text": _text(item, answer, asked)} for item in answer.reasons] if asked else []
    return {
        "host": answer.question.host,
        "port": str(answer.question),
        "peer": asked.name if asked else "",
        "policy": answer.policy,
        "open": any(peers for _key, peers in answer.inbound),
        "rules": [_rule_data(rule) for rule in answer.inbound],
        "outbound": [_rule_data(rule) for rule in answer.outbound],
        "verdict": answer.verdict or "",
        "reasons": reasons,
        "lines": [visible(line) for line in _lines(answer, [item["text"] for item in reasons])],
    }


def _rule_data(rule: _Rule) -> dict[str, Any]:
    key, peers = rule
    return {
        **{name: getattr(key, name) for name in ("endpoint", "flow", "protocol", "purpose", "need", "citation")},
        "ports": format_ports(key.ports),
        "peers": [
            {
                "name": peer.name,
                "addresses": format_addresses(peer.addresses),
                "source_ports": str(peer.source_ports or ""),
                "declared": str(peer.declared),
            }
            for peer in peers
        ],
    }


def _lines(answer: Answer, reasons: list[str]) -> Iterator[str]:
    yield _heading(answer)
    for rule in answer.inbound:
        yield from _rule_lines(rule, "for")
    for rule in answer.outbound:
        yield f"{answer.question.host} itself sends to {shown_ports(rule[0].protocol, rule[0].ports)}:"
        yield from _rule_lines(rule, "to")
    if answer.peer and answer.verdict:
        yield f"{_VERDICTS[answer.verdict].format(peer=_shown(answer.peer))}:"
        yield from (f"  - {text}" for text in reasons)


def _heading(answer: Answer) -> str:
    where = f"{answer.question} on {answer.question.host}"
    if not answer.inbound:
        return f"{where}: no server of the plan uses it, so nothing is opened or closed there"
    count = len({peer.name for _key, peers in answer.inbound for peer in peers})
    to = counted(count, "peer") if count else "no peer"
    guarded = answer.policy == "guard" and answer.question.port is not None
    guarded = guarded and any(key.guarded for key, _peers in answer.inbound)
    return f"{where}: open to {to}, {'refused to everyone else' if guarded else 'this collection refuses no host'}"


def _rule_lines(rule: _Rule, word: str) -> Iterator[str]:
    """Yield one rule: its source, and its peers by the declarations that name them."""
    key, peers = rule
    yield f"  {key.endpoint}: {key.purpose} ({key.need}, {shown_ports(key.protocol, key.ports)})"
    yield f"    source: {key.citation}"
    groups: dict[str, list[str]] = {}
    for peer in peers:
        groups.setdefault(str(peer.declared), []).append(shown_peer(peer))
    for declared, names in groups.items():
        yield f"    {word} {listed(names, _SHOWN)}, declared by {declared}"
    if not groups:
        yield f"    {word} no host: no client is declared"


def _shown(peer: AskedPeer) -> str:
    """Return the peer that is asked about with its addresses; a network has no other name."""
    texts = format_addresses(peer.addresses)
    return f"{peer.name} ({', '.join(texts)})" if texts and texts != [peer.name] else peer.name


_VERDICTS: dict[Verdict, str] = {
    "allowed": "{peer} may reach it",
    "partly": "Only a part of {peer} may reach it",
    "refused": "{peer} may not reach it",
    "unguarded": "{peer} is neither allowed nor refused by this collection",
    "unknown": "Nothing is known about {peer}",
}


def _text(reason: Reason, answer: Answer, peer: AskedPeer) -> str:
    if reason.warning:
        return visible(sentence(reason.warning))
    words = {
        "peer": peer.name,
        "shown": _shown(peer),
        "host": answer.question.host,
        "port": answer.question,
        "endpoints": ", ".join(reason.endpoints),
        "ports": shown_ports(reason.protocol, reason.ports),
        "purpose": reason.purpose,
        "names": listed(reason.names, _SHOWN),
        "meant": f"; did you mean {reason.names[0]}?" if reason.names else "",
        "as": f", as {reason.names[0]}" if reason.names else "",
        "addresses": ", ".join(format_addresses(reason.addresses)),
        "declared": ", ".join(map(str, reason.declared)),
        "lists": listed(map(str, reason.declared), _SHOWN) or "the clients of the server",
    }
    return visible((_gateway(reason) if reason.code == "through_gateway" else _SENTENCES[reason.code]).format(**words))


def _gateway(reason: Reason) -> str:
    if not reason.endpoints:
        return "{names} is let in for those behind it, and the plan does not say here who they are"
    if not reason.addresses:
        sent = "{ports} of {host}, which sees {names} in its place"
    else:
        sent = "{ports} of {names} ({addresses}), which forwards it"
    return f"{{peer}} sends it to {sent} ({{endpoints}}), declared by {{declared}}"


_SENTENCES: dict[ReasonCode, str] = {
    "declared": "{purpose} ({endpoints}), declared by {declared}{as}",
    "not_declared": "{peer} is not among those declared for {endpoints}; if it should be, add it to {lists}",
    "not_in_networks": "{shown} is in none of {names}",
    "other_endpoint": "{peer} is declared for {endpoints} ({ports}) by {declared}",
    "forbidden": "{endpoints} is forbidden to {peer}, declared by {declared}",
    "no_common_family": "{shown} has no address of the family of {host} ({addresses})",
    "partly_in_networks": "only a part of {shown} is allowed",
    "nothing_planned": "no server of the plan uses {port} on {host}; this collection neither opens nor closes it",
    "outbound": "{peer} guards its own traffic to {port} and may not send it to {host} (dbports_filter_outbound)",
    "shared_with_others": "others use this port of {host} as well: no host is refused, the host's other rules decide",
    "open_policy": "{host} has the policy open: no host is refused here, the host's other rules decide",
    "icmp": "echo requests are accepted from clients and never refused",
    "itself": "the collection does not guard the traffic of {peer} to itself",
    "unknown_host": "{peer} is neither an inventory host nor an IP address or network{meant}",
    "group": "{peer} is a group; ask for one of its hosts",
    "no_address": "{peer} has no known address; set its dbports_addresses",
}
"""The sentence of every reason but of gateways and warnings."""
