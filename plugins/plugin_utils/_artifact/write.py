# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as canonical text that people review, and the digests that prove what was reviewed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._visible import is_seen
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import (
    GATEWAY_SCHEMA,
    HOST_SCHEMA,
    INDEX,
    INDEX_SCHEMA,
    LIMIT,
    VERSION,
    canonical,
    digest,
    gateway_file,
    host_file,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    Endpoint,
    ForwardRule,
    NegativeCheck,
    Plan,
    PortSet,
    RuleKey,
    RulePeer,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import Conflict, PlanWarning

_write_key, _write_peer = codec(RuleKey).write, codec(RulePeer).write
_write_ranges, _write_settings = codec(Ranges).write, codec(Settings).write


@dataclass(frozen=True)
class Artifact:
    """A plan as text: every file by its path below the plan's directory, and its digests."""

    files: Mapping[str, str]
    plan_id: str
    inputs_id: str
    counts: Mapping[str, int]


def inputs_digest(inputs: Mapping[str, Any]) -> str:
    """Return the digest of all that a plan was made from, and of the version that made it."""
    return digest(canonical({"collection": VERSION, **inputs}))


def render_plan(plan: Plan) -> Artifact:
    """Write a plan as text, with its index and its digests."""
    hosts = {name: host_file(name) for name in sorted(plan.hosts)}
    gateways = {item.name: gateway_file(item.name) for item in plan.gateways}
    servers: dict[int, str] = {}
    files = {file: render_host(plan.hosts[name], servers) for name, file in hosts.items()}
    files.update((gateways[item.name], render_gateway(item)) for item in plan.gateways)
    inputs_id, counts = inputs_digest(plan.inputs), plan.counts()
    index = _document(
        INDEX_SCHEMA,
        collection=canonical(f"dbports.firewall {VERSION}"),
        inputs_id=canonical(inputs_id),
        counts=canonical(counts),
        hosts=_entries("host", hosts, files),
        gateways=_entries("gateway", gateways, files),
        conflicts=_lines(Conflict, plan.conflicts),
        warnings=_lines(PlanWarning, plan.warnings),
    )
    files[INDEX] = index
    files[LIMIT] = "".join(f"{_host_pattern(name)}\n" for name in hosts)
    return Artifact(files, digest(index), inputs_id, counts)


def render_gateway(plan: GatewayPlan) -> str:
    """Return a gateway's file: what it is, and one line a statement."""
    return _document(
        GATEWAY_SCHEMA,
        gateway=canonical(plan.name),
        kind=canonical(plan.kind),
        platform=canonical(plan.platform),
        host=canonical(plan.host),
        owner=canonical(plan.owner),
        between=canonical(plan.between),
        stateful=canonical(plan.stateful),
        addresses=canonical({name: format_addresses(items) for name, items in plan.addresses}),
        note=canonical(plan.note),
        statements=_lines(Statement, plan.statements),
        warnings=_lines(PlanWarning, plan.warnings),
    )


def render_host(host: PortSet, servers: dict[int, str] | None = None) -> str:
    """Return a host's file: one line a peer, so that a review shows one changed line a changed flow.

    :param servers: how peers of outbound rules are written, by their id: clients of one server share them.
    """
    servers = {} if servers is None else servers
    rules = []
    for key, peers in host.ordered():
        found = [peers[name] for name in sorted(peers)]
        if key.direction == "out":
            lines = [servers.get(id(peer)) or servers.setdefault(id(peer), _write_peer(peer)) for peer in found]
        else:
            lines = [_write_peer(peer) for peer in found]
        listed = "[\n  " + ",\n  ".join(lines) + "\n ]" if lines else "[]"
        rules.append(f'{_write_key(key)[:-1]},"peers":{listed}}}')
    return _document(
        HOST_SCHEMA,
        host=_quoted(host.host),
        addresses=_write_ranges(host.addresses),
        settings=_write_settings(host.settings),
        endpoints=_lines(Endpoint, sorted(host.endpoints, key=_endpoint_order)),
        rules=_listed(rules),
        forwards=_lines(ForwardRule, sorted(set(host.forwards))),
        forbidden=_lines(NegativeCheck, sorted(set(host.forbidden), key=_check_order)),
        warnings=_lines(PlanWarning, host.warnings),
    )


def _endpoint_order(item: Endpoint) -> tuple[Any, ...]:
    return item[:6], item.address or ()


def _check_order(item: NegativeCheck) -> tuple[Any, ...]:
    return (*item[:5], item.probe.kind, item.probe.instance or "", *item[6:])


def _lines(kind: type, items: Sequence[Any]) -> str:
    return _listed(list(map(codec(kind).write, items))) if items else "[]"


def _listed(items: list[str]) -> str:
    return "[\n " + ",\n ".join(items) + "\n]" if items else "[]"


def _document(schema: str, **fields: str) -> str:
    return f'{{\n"schema":"{schema}",\n' + ",\n".join(f'"{key}":{value}' for key, value in fields.items()) + "\n}\n"


def _entries(what: str, named: Mapping[str, str], files: Mapping[str, str]) -> str:
    """Return an index's entries: what has a file, by name, and the file's digest."""
    entries = ((_quoted(file), _quoted(name), digest(files[file])) for name, file in named.items())
    return _listed([f'{{"file":{file},"{what}":{name},"sha256":"{found}"}}' for file, name, found in entries])


def _host_pattern(name: str) -> str:
    """Return a host pattern of one line; ``?`` stands for what means something else in a pattern."""
    return "".join(char if is_seen(char) else "?" for char in re.sub(r"[^\w.-]", "?", name))
