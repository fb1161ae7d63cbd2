# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as canonical text that people review, and the digests that prove what was reviewed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports
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
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared, Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    Endpoint,
    NegativeCheck,
    Plan,
    PortSet,
    Probe,
    RuleKey,
    RulePeer,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import Conflict, FlowPorts, PlanWarning


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
    names = {name: host_file(name) for name in sorted(plan.hosts)}
    files = {file: render_host(plan.hosts[name]) for name, file in names.items()}
    files.update((gateway_file(item.name), render_gateway(item)) for item in plan.gateways)
    inputs_id, counts = inputs_digest(plan.inputs), plan.counts()
    hosts = (canonical({"host": name, "file": file, "sha256": digest(files[file])}) for name, file in names.items())
    index = _document(
        [
            ("schema", canonical(INDEX_SCHEMA)),
            ("collection", canonical(f"dbports.firewall {VERSION}")),
            ("inputs_id", canonical(inputs_id)),
            ("counts", canonical(counts)),
            ("hosts", _lines(hosts)),
            ("gateways", _lines(_gateway_entry(item.name, files) for item in plan.gateways)),
            ("conflicts", _lines(canonical(_conflict(item)) for item in plan.conflicts)),
            ("warnings", _lines(canonical(_warning(item)) for item in plan.warnings)),
        ]
    )
    files[INDEX] = index
    files[LIMIT] = "".join(f"{_host_pattern(name)}\n" for name in names)
    return Artifact(files, digest(index), inputs_id, counts)


def render_gateway(plan: GatewayPlan) -> str:
    """Return a gateway's file: what it is, and one line a statement."""
    heading = {
        "schema": GATEWAY_SCHEMA,
        "gateway": plan.name,
        "kind": plan.kind,
        "between": plan.between,
        "stateful": plan.stateful,
        "addresses": {name: _texts(items) for name, items in plan.addresses},
        "note": plan.note,
    }
    return _document(
        [
            *((key, canonical(value)) for key, value in heading.items()),
            ("statements", _lines(canonical(statement_data(item)) for item in plan.statements)),
            ("warnings", _lines(canonical(_warning(item)) for item in plan.warnings)),
        ]
    )


def statement_data(item: Statement) -> dict[str, Any]:
    """Return a statement as plain data, the way it stands in the plan."""
    data = item._asdict()
    data["from"], data["to"], data["action"] = data.pop("origin"), data.pop("target"), "permit"
    for end in ("source", "destination"):
        data[end] = _texts(data[end])
        data[f"{end}_ports"] = format_ports(data[f"{end}_ports"])
    if item.published:
        data["published"] = {
            "addresses": _texts(item.published.addresses),
            "ports": format_ports(item.published.ports),
        }
    return data


def render_host(host: PortSet) -> str:
    """Return a host's file: one line a peer, so that a review shows one changed line a changed flow."""
    rules = []
    for key, peers in host.ordered():
        lines = [_peer_line(peer) for _name, peer in sorted(peers.items())]
        listed = "[\n  " + ",\n  ".join(lines) + "\n ]" if lines else "[]"
        rules.append(f'{_key_line(key)[:-1]},"peers":{listed}}}')
    return _document(
        [
            ("schema", canonical(HOST_SCHEMA)),
            ("host", canonical(host.host)),
            ("addresses", _addresses_text(host.addresses)),
            ("settings", _settings_text(host.settings)),
            ("endpoints", _lines(canonical(_endpoint(item)) for item in sorted(host.endpoints, key=_endpoint_order))),
            ("rules", _lines(rules)),
            ("forbidden", _lines(canonical(_check(item)) for item in sorted(set(host.forbidden), key=_check_order))),
            ("warnings", _lines(canonical(_warning(item)) for item in host.warnings)),
        ]
    )


def _endpoint_order(item: Endpoint) -> tuple[Any, ...]:
    return item[:6], item.address or ()


def _check_order(item: NegativeCheck) -> tuple[Any, ...]:
    return (*item[:5], item.probe.kind, item.probe.instance or "", *item[6:])


def _texts(ranges: Ranges) -> list[str]:
    return [str(item) for item in ranges]


def _endpoint(item: Endpoint) -> dict[str, Any]:
    address = str(item.address) if item.address else None
    return {**item._asdict(), "ports": format_ports(item.ports), "address": address}


def _check(item: NegativeCheck) -> dict[str, Any]:
    return {
        **item._asdict(),
        "addresses": _texts(item.addresses),
        "ports": format_ports(item.ports),
        "probe": _probe(item.probe),
        "declared": item.declared._asdict(),
    }


@lru_cache(maxsize=4096)
def _key_line(key: RuleKey) -> str:
    """Return what all peers of a rule share; the rules of many clients are the same."""
    return canonical({**key._asdict(), "ports": format_ports(key.ports), "probe": _probe(key.probe)})


def _peer_line(peer: RulePeer) -> str:
    """Return a peer as canonical JSON, put together here because most of a plan is this."""
    return (
        f'{{"addresses":{_addresses_text(peer.addresses)},"declared":{_declared_text(peer.declared)},'
        f'"kind":"{peer.kind}","name":{_quoted(peer.name)},"source_ports":{_source_ports_text(peer.source_ports)}}}'
    )


@lru_cache(maxsize=65536)
def _addresses_text(addresses: Ranges) -> str:
    """Return a list of addresses as JSON; a peer is in as many rules as it has flows."""
    return canonical(_texts(addresses))


@lru_cache(maxsize=64)
def _settings_text(settings: Settings) -> str:
    return canonical(settings._asdict())


@lru_cache(maxsize=4096)
def _declared_text(declared: Declared) -> str:
    return canonical(declared._asdict())


@lru_cache(maxsize=4096)
def _source_ports_text(ports: PortRange | None) -> str:
    return canonical(ports and str(ports))


def _probe(probe: Probe | None) -> dict[str, Any] | None:
    return probe._asdict() if probe else None


def _flow(flow: FlowPorts) -> dict[str, Any]:
    return {**flow._asdict(), "ports": format_ports(flow.ports)}


def _warning(item: PlanWarning) -> dict[str, Any]:
    """Return what a warning says; what it says nothing of is left out."""
    flows = [_flow(flow) for flow in item.flows]
    data = {**item._asdict(), "flows": flows, "ports": format_ports(item.ports)}
    return {key: value for key, value in data.items() if value}


def _conflict(item: Conflict) -> dict[str, Any]:
    address = str(item.address) if item.address else None
    return {**item._asdict(), "ports": str(item.ports), "address": address}


def _lines(items: Iterable[str]) -> str:
    listed = list(items)
    return "[\n " + ",\n ".join(listed) + "\n]" if listed else "[]"


def _document(fields: list[tuple[str, str]]) -> str:
    return "{\n" + ",\n".join(f'"{key}":{value}' for key, value in fields) + "\n}\n"


def _gateway_entry(name: str, files: Mapping[str, str]) -> str:
    file = gateway_file(name)
    return canonical({"gateway": name, "file": file, "sha256": digest(files[file])})


def _host_pattern(name: str) -> str:
    """Return a host pattern of one line; ``?`` stands for what means something else in a pattern."""
    return re.sub(r"[^\w.-]", "?", name)
