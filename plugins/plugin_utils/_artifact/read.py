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
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    Endpoint,
    NegativeCheck,
    PeerKind,
    PortSet,
    Probe,
    RuleKey,
    RulePeer,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import (
    Family,
    GatewayPlan,
    Ports,
    Published,
    Statement,
    StatementKind,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import (
    Conflict,
    FlowPorts,
    PlanWarning,
    WarningCode,
)

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
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass  # whatever is in it, it was not written by this release
    raise DbportsError(
        f"{name} is not a file of a plan that this release reads ({schema})",
        code="unreadable_plan",
        path="plan_dir",
        fix="Plan and review again",
    )


def _exactly(kind: type[T], value: Any) -> T:
    """Return a value of this type; ``true`` is no number here."""
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        raise TypeError(kind.__name__)
    return value


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


def _text(value: Any) -> str:
    return _exactly(str, value)


def _flag(value: Any) -> bool:
    return _exactly(bool, value)


def _list(value: Any) -> list[Any]:
    return _exactly(list, value)


def _names(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value))


def _ranges(value: Any) -> Ranges:
    return tuple(AddressRange.parse(item) for item in _list(value))


def _address(value: Any) -> AddressRange | None:
    return None if value is None else AddressRange.parse(value)


def _range(value: Any) -> PortRange:
    return PortRange.parse(_text(value))


def _ports(value: Any) -> Ports:
    return () if value == "" else parse_ports(_text(value))


def _protocol(value: Any) -> Protocol:
    return _one_of(value, _PROTOCOLS)


def _probe(data: _Data) -> Probe:
    instance = data["instance"]
    return Probe(_text(data["kind"]), None if instance is None else _text(instance))


def _declared(data: _Data) -> Declared:
    return Declared(_text(data["host"]), _text(data["path"]))


def _flow(data: _Data) -> FlowPorts:
    return FlowPorts(_text(data["endpoint"]), _text(data["name"]), _protocol(data["protocol"]), _ports(data["ports"]))


def _warning(data: _Data) -> PlanWarning:
    """Read a warning, of which empty fields are left out."""
    return PlanWarning(
        _one_of(data["code"], _WARNING_CODES),
        _text(data["host"]),
        _text(data.get("path", "")),
        _names(data.get("peers", [])),
        _names(data.get("others", [])),
        tuple(_flow(item) for item in _list(data.get("flows", []))),
        _text(data.get("gateway", "")),
        _text(data.get("kind", "")),
        _names(data.get("networks", [])),
        _text(data.get("reason", "")),
        _text(data.get("text", "")),
        _ports(data.get("ports", "")),
    )


def _warnings(data: _Data) -> list[PlanWarning]:
    return [_warning(item) for item in _list(data["warnings"])]


def _conflict(data: _Data) -> Conflict:
    first, second = _names(data["owners"])
    protocol = _protocol(data["protocol"])
    return Conflict(_text(data["host"]), (first, second), protocol, _range(data["ports"]), _address(data["address"]))


def _index(data: _Data, plan_id: str) -> Index:
    return Index(
        plan_id,
        _text(data["inputs_id"]),
        {name: _exactly(int, number) for name, number in _exactly(dict, data["counts"]).items()},
        tuple((_text(item["host"]), _text(item["sha256"])) for item in _list(data["hosts"])),
        tuple((_text(item["gateway"]), _text(item["sha256"])) for item in _list(data["gateways"])),
        tuple(_conflict(item) for item in _list(data["conflicts"])),
        tuple(_warnings(data)),
    )


def _port_set(data: _Data) -> PortSet:
    settings = data["settings"]
    return PortSet(
        _text(data["host"]),
        _ranges(data["addresses"]),
        Settings(_one_of(settings["policy"], _POLICIES), _flag(settings["filter_outbound"])),
        [_endpoint(item) for item in _list(data["endpoints"])],
        {_key(item): {peer.name: peer for peer in map(_peer, _list(item["peers"]))} for item in _list(data["rules"])},
        [_check(item) for item in _list(data["forbidden"])],
        _warnings(data),
    )


def _endpoint(data: _Data) -> Endpoint:
    return Endpoint(
        _text(data["id"]),
        _text(data["engine"]),
        _text(data["server"]),
        _text(data["instance"]),
        _protocol(data["protocol"]),
        _ports(data["ports"]),
        _address(data["address"]),
        _names(data["process"]),
        _one_of(data["listening"], _NEEDS),
        _text(data["purpose"]),
        _flag(data["shared"]),
    )


def _key(data: _Data) -> RuleKey:
    return RuleKey(
        _one_of(data["direction"], _DIRECTIONS),
        _text(data["endpoint"]),
        _text(data["flow"]),
        _protocol(data["protocol"]),
        _ports(data["ports"]),
        _text(data["purpose"]),
        _one_of(data["need"], _NEEDS),
        _text(data["citation"]),
        _flag(data["unsolicited"]),
        None if data["probe"] is None else _probe(data["probe"]),
    )


def _peer(data: _Data) -> RulePeer:
    source_ports = None if data["source_ports"] is None else _range(data["source_ports"])
    kind = _one_of(data["kind"], _PEER_KINDS)
    return RulePeer(_text(data["name"]), kind, _ranges(data["addresses"]), source_ports, _declared(data["declared"]))


def _check(data: _Data) -> NegativeCheck:
    return NegativeCheck(
        _text(data["endpoint"]),
        _text(data["host"]),
        _ranges(data["addresses"]),
        _protocol(data["protocol"]),
        _ports(data["ports"]),
        _probe(data["probe"]),
        _declared(data["declared"]),
        _flag(data["sampled"]),
    )


def _gateway(data: _Data) -> GatewayPlan:
    return GatewayPlan(
        _text(data["gateway"]),
        _text(data["kind"]),
        _names(data["between"]),
        _flag(data["stateful"]),
        tuple((name, _ranges(items)) for name, items in data["addresses"].items()),
        _text(data["note"]),
        tuple(_statement(item) for item in _list(data["statements"])),
        tuple(_warnings(data)),
    )


def _statement(data: _Data) -> Statement:
    published = data["published"]
    return Statement(
        _text(data["gateway"]),
        _text(data["from"]),
        _text(data["to"]),
        _one_of(data["kind"], _STATEMENT_KINDS),
        _one_of(data["family"], _FAMILIES),
        _protocol(data["protocol"]),
        _ranges(data["source"]),
        _ports(data["source_ports"]),
        _ranges(data["destination"]),
        _ports(data["destination_ports"]),
        _flag(data["established"]),
        _number(data["icmp_type"]),
        _number(data["icmp_code"]),
        None if published is None else Published(_ranges(published["addresses"]), _ports(published["ports"])),
        _text(data["host"]),
        _text(data["endpoint"]),
        _one_of(data["need"], _NEEDS),
        _text(data["reason"]),
        _text(data["citation"]),
    )


def _number(value: Any) -> int | None:
    return None if value is None else _exactly(int, value)
