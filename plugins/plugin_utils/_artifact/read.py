# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan's files read back into the values that they were written from."""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Need
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction, Policy
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol, parse_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import (
    GATEWAY_SCHEMA,
    HOST_SCHEMA,
    INDEX,
    INDEX_SCHEMA,
    digest,
    gateway_file,
    host_file,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.text_store import TextStore
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared, Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Endpoint, NegativeCheck, PeerKind, PortSet, Probe, RuleKey, RulePeer
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family, GatewayPlan, Ports, Published, Statement, StatementKind
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import Conflict, FlowPorts, PlanWarning, WarningCode

Source = Union[Path, TextStore]
"""Where a plan is read from: a directory that people review, or what a run keeps."""

T = TypeVar("T")
_Data = Mapping[str, Any]


@dataclass(frozen=True)
class Index:
    """A plan's index.

    :param plan_id: its own digest.
    :param hosts: the plan's hosts, sorted, each with the digest of its file; ``gateways`` alike.
    """

    plan_id: str
    inputs_id: str
    counts: Mapping[str, int]
    hosts: tuple[tuple[str, str], ...]
    gateways: tuple[tuple[str, str], ...]
    conflicts: tuple[Conflict, ...]
    warnings: tuple[PlanWarning, ...]

    def digest_of(self, host: str) -> str | None:
        """Return the digest of a host's file, or None where the plan says nothing of the host."""
        position = bisect.bisect_left(self.hosts, (host,))
        found = position < len(self.hosts) and self.hosts[position][0] == host
        return self.hosts[position][1] if found else None


def read_index(source: Source, plan_id: str | None) -> Index:
    """Return a plan's index.

    :param plan_id: what was approved, or None to take what is there.
    :raises DbportsError: when there is no plan, or another one than was approved.
    """
    text = _read(source, INDEX, "there is no plan in this directory", "no_plan")
    found = digest(text)
    if plan_id is not None and found != plan_id:
        raise DbportsError(
            f"this is not the approved plan: its plan_id is {found}",
            code="other_plan",
            path="plan_id",
            value=plan_id,
            fix="Review the plan in plan_dir again, or use the directory that was approved",
        )
    return _load(text, INDEX_SCHEMA, INDEX, lambda data: _index(data, found))


def read_host(source: Source, index: Index, name: str) -> PortSet:
    """Return a host's port set from the plan, after comparing its file with the index.

    :raises DbportsError: when the host is not in the plan, or its file is missing or was changed.
    """
    wanted = index.digest_of(name)
    if wanted is None:
        raise DbportsError(
            "this host is not in the plan, which is not the same as having nothing to open",
            code="not_in_plan",
            host=name,
            path="plan_dir",
            value=str(source),
            fix="Plan again with this host, or leave it out with --limit",
        )
    file = host_file(name)
    text = _checked(source, file, wanted, "host", name)
    return _load(text, HOST_SCHEMA, file, _port_set)


def read_gateway(source: Source, index: Index, name: str) -> GatewayPlan:
    """Return what a gateway has to permit from the plan, after comparing its file with the index.

    :raises DbportsError: when the gateway is not in the plan, or its file is missing or was changed.
    """
    wanted = dict(index.gateways).get(name)
    if wanted is None:
        known = ", ".join(gateway for gateway, _digest in index.gateways) or "none is declared"
        raise DbportsError(
            "this gateway is not in the plan",
            code="not_in_plan",
            path="gateway",
            value=name,
            fix=f"Name one of its gateways: {known}",
        )
    file = gateway_file(name)
    return _load(_checked(source, file, wanted, "gateway", None), GATEWAY_SCHEMA, file, _gateway)


def _checked(source: Source, file: str, wanted: str, what: str, host: str | None) -> str:
    """Return a file that is what the index says."""
    text = _read(source, file, f"the plan's file of this {what} is missing", "changed_plan", host)
    if digest(text) != wanted:
        raise DbportsError(
            f"the plan's file of this {what} was changed after the plan was made",
            code="changed_plan",
            host=host,
            path="plan_dir",
            value=f"{source}/{file}",
            fix="Plan and review again",
        )
    return text


def _read(source: Source, name: str, missing: str, code: Any, host: str | None = None) -> str:
    try:
        return source.read(name) if isinstance(source, TextStore) else (source / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise DbportsError(missing, code=code, host=host, path="plan_dir", value=str(source)) from None


def _load(text: str, schema: str, name: str, read: Callable[[_Data], T]) -> T:
    try:
        data = json.loads(text)
        if data["schema"] == schema:
            return read(data)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        pass
    raise DbportsError(
        f"{name} is not a file of a plan that this release reads ({schema})", code="unreadable_plan", path="plan_dir"
    )


def _one_of(value: Any, choices: tuple[T, ...]) -> T:
    """Return the choice that a value is."""
    return choices[choices.index(value)]


_DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
_FAMILIES: tuple[Family, ...] = get_args(Family)
_NEEDS: tuple[Need, ...] = get_args(Need)
_PEER_KINDS: tuple[PeerKind, ...] = get_args(PeerKind)
_POLICIES: tuple[Policy, ...] = get_args(Policy)
_PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
_STATEMENT_KINDS: tuple[StatementKind, ...] = get_args(StatementKind)
_WARNING_CODES: tuple[WarningCode, ...] = get_args(WarningCode)


def _ranges(texts: Any) -> Ranges:
    return tuple(AddressRange.parse(text) for text in texts)


def _ports(text: str) -> Ports:
    return parse_ports(text) if text else ()


def _probe(data: _Data | None) -> Probe | None:
    return Probe(data["kind"], data["instance"]) if data else None


def _declared(data: _Data) -> Declared:
    return Declared(data["host"], data["path"])


def _flow(data: _Data) -> FlowPorts:
    return FlowPorts(data["endpoint"], data["name"], _one_of(data["protocol"], _PROTOCOLS), _ports(data["ports"]))


def _warning(data: _Data) -> PlanWarning:
    return PlanWarning(
        _one_of(data["code"], _WARNING_CODES),
        data["host"],
        data.get("path", ""),
        tuple(data.get("peers", ())),
        tuple(data.get("others", ())),
        tuple(_flow(item) for item in data.get("flows", ())),
        data.get("gateway", ""),
        data.get("kind", ""),
        tuple(data.get("networks", ())),
        data.get("reason", ""),
        data.get("text", ""),
        _ports(data.get("ports", "")),
    )


def _conflict(data: _Data) -> Conflict:
    first, second = data["owners"]
    address = AddressRange.parse(data["address"]) if data["address"] else None
    ports = PortRange.parse(data["ports"])
    return Conflict(data["host"], (first, second), _one_of(data["protocol"], _PROTOCOLS), ports, address)


def _index(data: _Data, plan_id: str) -> Index:
    return Index(
        plan_id,
        data["inputs_id"],
        data["counts"],
        tuple((item["host"], item["sha256"]) for item in data["hosts"]),
        tuple((item["gateway"], item["sha256"]) for item in data["gateways"]),
        tuple(_conflict(item) for item in data["conflicts"]),
        tuple(_warning(item) for item in data["warnings"]),
    )


def _port_set(data: _Data) -> PortSet:
    settings = Settings(_one_of(data["settings"]["policy"], _POLICIES), data["settings"]["filter_outbound"])
    return PortSet(
        data["host"],
        _ranges(data["addresses"]),
        settings,
        [_endpoint(item) for item in data["endpoints"]],
        {_key(item): {peer["name"]: _peer(peer) for peer in item["peers"]} for item in data["rules"]},
        [_check(item) for item in data["forbidden"]],
        [_warning(item) for item in data["warnings"]],
    )


def _endpoint(data: _Data) -> Endpoint:
    return Endpoint(
        data["id"],
        data["engine"],
        data["server"],
        data["instance"],
        _one_of(data["protocol"], _PROTOCOLS),
        _ports(data["ports"]),
        AddressRange.parse(data["address"]) if data["address"] else None,
        tuple(data["process"]),
        _one_of(data["listening"], _NEEDS),
        data["purpose"],
        data["shared"],
    )


def _key(data: _Data) -> RuleKey:
    return RuleKey(
        _one_of(data["direction"], _DIRECTIONS),
        data["endpoint"],
        data["flow"],
        _one_of(data["protocol"], _PROTOCOLS),
        _ports(data["ports"]),
        data["purpose"],
        _one_of(data["need"], _NEEDS),
        data["citation"],
        data["unsolicited"],
        _probe(data["probe"]),
    )


def _peer(data: _Data) -> RulePeer:
    source_ports = PortRange.parse(data["source_ports"]) if data["source_ports"] else None
    kind = _one_of(data["kind"], _PEER_KINDS)
    return RulePeer(data["name"], kind, _ranges(data["addresses"]), source_ports, _declared(data["declared"]))


def _check(data: _Data) -> NegativeCheck:
    return NegativeCheck(
        data["endpoint"],
        data["host"],
        _ranges(data["addresses"]),
        _one_of(data["protocol"], _PROTOCOLS),
        _ports(data["ports"]),
        Probe(data["probe"]["kind"], data["probe"]["instance"]),
        _declared(data["declared"]),
        data["sampled"],
    )


def _gateway(data: _Data) -> GatewayPlan:
    return GatewayPlan(
        data["gateway"],
        data["kind"],
        tuple(data["between"]),
        data["stateful"],
        tuple((name, _ranges(items)) for name, items in data["addresses"].items()),
        data["note"],
        tuple(_statement(item) for item in data["statements"]),
        tuple(_warning(item) for item in data["warnings"]),
    )


def _statement(data: _Data) -> Statement:
    published = data["published"]
    return Statement(
        data["gateway"],
        data["from"],
        data["to"],
        _one_of(data["kind"], _STATEMENT_KINDS),
        _one_of(data["family"], _FAMILIES),
        _one_of(data["protocol"], _PROTOCOLS),
        _ranges(data["source"]),
        _ports(data["source_ports"]),
        _ranges(data["destination"]),
        _ports(data["destination_ports"]),
        data["established"],
        data["icmp_type"],
        data["icmp_code"],
        Published(_ranges(published["addresses"]), _ports(published["ports"])) if published else None,
        data["host"],
        data["endpoint"],
        _one_of(data["need"], _NEEDS),
        data["reason"],
        data["citation"],
    )
