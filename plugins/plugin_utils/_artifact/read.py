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
from typing import Any, TypeVar, Union

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorCode
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
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import MisfitError, codec, exactly
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    Endpoint,
    ForwardRule,
    NegativeCheck,
    PortSet,
    RuleKey,
    RulePeer,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import Conflict, PlanWarning

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
    return _checked(source, host_file(name), wanted, HOST_SCHEMA, _port_set, name)


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
    found: GatewayPlan = _checked(source, gateway_file(name), wanted, GATEWAY_SCHEMA, codec(GatewayPlan).read)
    return found


def read_gateway_data(data: Any) -> GatewayPlan:
    """Return what a gateway has to permit from the data of its file, wherever that was read.

    :raises DbportsError: for data of another file or release, and for the first value in it that is wrong.
    """
    if not isinstance(data, dict) or data.get("schema") != GATEWAY_SCHEMA:
        raise DbportsError(
            f"this is not the file of a gateway in a plan that this release reads ({GATEWAY_SCHEMA})",
            code="unreadable_plan",
            value=data.get("schema") if isinstance(data, dict) else data,
            fix="Give it gateways/NAME.json of a plan, read with from_json",
        )
    try:
        found: GatewayPlan = codec(GatewayPlan).read(data)
        for number, item in enumerate(found.statements):
            _check_statement(item, f".statements[{number}]")
    except (ValueError, TypeError) as error:
        path, value = (error.path, error.value) if isinstance(error, MisfitError) else ("", ...)
        raise DbportsError(
            "not what a plan writes here", code="changed_plan", path=path.lstrip("."), value=value, fix="Plan again"
        ) from None
    return found


def _check_statement(item: Statement, path: str) -> None:
    """Refuse a statement whose values contradict each other; without that, some device would be told half of it.

    :raises MisfitError: for the first of them.
    """
    family = {"ipv4": 4, "ipv6": 6}[item.family]
    for name, ranges in (("source", item.source), ("destination", item.destination)):
        if not ranges or any(found.family != family for found in ranges):
            raise MisfitError(f"{path}.{name}", str(ranges))
    if (item.protocol == "icmp") != (item.icmp_type is not None):
        raise MisfitError(f"{path}.icmp_type", item.icmp_type)
    if item.protocol == "icmp" and (item.source_ports or item.destination_ports):
        raise MisfitError(f"{path}.destination_ports", str(item.destination_ports))
    if item.established and item.protocol != "tcp":
        raise MisfitError(f"{path}.established", item.established)
    if not all(0 <= (value or 0) <= 255 for value in (item.icmp_type, item.icmp_code)):
        raise MisfitError(f"{path}.icmp_code", item.icmp_code)


def _checked(
    source: Source, file: str, wanted: str, schema: str, read: Callable[[_Data], T], host: str | None = None
) -> T:
    what = f"the plan's file of this {'host' if host else 'gateway'}"
    text = _read(source, file, f"{what} is missing", "changed_plan", host)
    if digest(text) != wanted:
        raise DbportsError(
            f"{what} was changed after the plan was made",
            code="changed_plan",
            host=host,
            path="plan_dir",
            value=f"{source}/{file}",
            fix="Plan and review again",
        )
    return _load(text, schema, file, read)


def _read(source: Source, name: str, missing: str, code: ErrorCode, host: str | None = None) -> str:
    try:
        return source.read(name) if isinstance(source, TextStore) else (source / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        fix = "Run dbports.firewall.plan with this plan_dir first" if code == "no_plan" else "Plan and review again"
        raise DbportsError(missing, code=code, host=host, path="plan_dir", value=str(source), fix=fix) from None


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


def _read_all(kind: Any, data: _Data, name: str) -> list[Any]:
    return [codec(kind).read(item) for item in exactly(list, data[name])]


def _digests(data: _Data, what: str) -> tuple[tuple[str, str], ...]:
    entries = exactly(list, data[f"{what}s"])
    return tuple((exactly(str, item[what]), exactly(str, item["sha256"])) for item in entries)


def _index(data: _Data, plan_id: str) -> Index:
    return Index(
        plan_id,
        exactly(str, data["inputs_id"]),
        {name: exactly(int, number) for name, number in exactly(dict, data["counts"]).items()},
        _digests(data, "host"),
        _digests(data, "gateway"),
        tuple(_read_all(Conflict, data, "conflicts")),
        tuple(_read_all(PlanWarning, data, "warnings")),
    )


def _port_set(data: _Data) -> PortSet:
    rules = exactly(list, data["rules"])
    return PortSet(
        exactly(str, data["host"]),
        codec(Ranges).read(data["addresses"]),
        codec(Settings).read(data["settings"]),
        _read_all(Endpoint, data, "endpoints"),
        {codec(RuleKey).read(rule): {peer.name: peer for peer in _read_all(RulePeer, rule, "peers")} for rule in rules},
        _read_all(NegativeCheck, data, "forbidden"),
        _read_all(PlanWarning, data, "warnings"),
        _read_all(ForwardRule, data, "forwards"),
    )
