# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of made-up fleets, the same ones every time: a small one, and one of thousands of hosts."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import combined
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import (
    Finding,
    Intended,
    Listening,
    facts,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan, PortSet, shown_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import HostFindings, Verified
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.overview import Overview, overview_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import Report
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

NOW, BEFORE, RUN = "2026-01-02T03:04:05+00:00", "2026-01-01T03:04:05+00:00", "this run"
HOSTILE = "\x1b\x9b\u202e\u2066\u200f\u061c\u2028\x00\U000e0041\u200b\ufff9"
"""An escape, CSI in one character, overrides and isolates of direction, marks, a line's end, a tag, no width at all."""

MARKUP = "</script><img src=x onerror=alert(1)>'\"]]>{{7*7}}"
"""What would do something in a page, a template or an attribute."""

Groups = Mapping[str, Sequence[str]]

THREE: dict[str, Any] = {
    "hosts": {
        "erp-db": {
            "ansible_host": "192.0.2.10",
            "dbports_os": "linux",
            "dbports_servers": [{"engine": "mssql", "clients": ["app-01"], "forbidden_clients": ["guest-01"]}],
        },
        "app-01": {"ansible_host": "192.0.2.21", "dbports_os": "linux"},
        "guest-01": {"ansible_host": "192.0.2.66", "dbports_os": "linux"},
    },
    "groups": {},
}


class Fleet(NamedTuple):
    """Servers of one engine, and the groups of clients that they share out among themselves."""

    servers: str
    engine: str
    count: int
    clients: Mapping[str, int]


FLEETS = (
    Fleet("erp_db", "mssql", 24, {"erp_app": 420, "erp_web": 360}),
    Fleet("crm_db", "postgresql", 16, {"crm_app": 340, "bi_desks": 180}),
    Fleet("billing_db", "sql602", 12, {"billing_desks": 560}),
    Fleet("shop_db", "mysql", 20, {"shop_web": 610}),
    Fleet("archive_db", "firebird", 6, {"archive_desks": 150}),
    Fleet("dwh_db", "oracle", 8, {"dwh_etl": 90, "dwh_reports": 164}),
)
"""2,960 hosts."""

GUESTS = 40
"""Hosts that nobody may let in, which makes 3,000."""


def fleet(scale: float = 1.0) -> dict[str, Any]:
    """Return the declarations of 3,000 hosts, or of a part of them, in inventory groups as such fleets have them."""
    hosts: dict[str, Any] = {}
    groups: dict[str, list[str]] = {}
    addresses = (str(ipaddress.ip_address("10.20.0.1") + number) for number in range(100_000))

    def add(group: str, count: int) -> list[str]:
        names = [f"{group.replace('_', '-')}-{number:03d}" for number in range(1, max(int(count * scale), 1) + 1)]
        hosts.update((name, {"ansible_host": next(addresses), "dbports_os": "linux"}) for name in names)
        groups[group] = names
        return names

    guests = itertools.cycle(add("guests", GUESTS))
    for item in FLEETS:
        servers = add(item.servers, item.count)
        for group, count in item.clients.items():
            for number, name in enumerate(add(group, count)):
                groups.setdefault(f"{group}_of_{servers[number % len(servers)]}", []).append(name)
        for name in servers:
            mine = [f"{group}_of_{name}" for group in item.clients if f"{group}_of_{name}" in groups]
            hosts[name]["dbports_servers"] = [
                {"engine": item.engine, "clients": mine, "forbidden_clients": [next(guests)]}
            ]
    return {"hosts": hosts, "groups": groups}


def planned(data: Mapping[str, Any]) -> tuple[Plan, Index]:
    """Return the plan of declarations, and its index."""
    plan = build_plan(PlainInventory(data))
    artifact = render_plan(plan)
    hosts = tuple((name, "") for name in sorted(plan.hosts))
    gateways = tuple((item.name, "") for item in plan.gateways)
    conflicts, warnings = tuple(plan.conflicts), tuple(plan.warnings)
    index = Index(artifact.plan_id, artifact.inputs_id, artifact.counts, hosts, gateways, conflicts, warnings)
    return plan, index


def overview(
    data: Mapping[str, Any],
    verified: Mapping[str, HostFindings],
    groups: Groups | None = None,
    fail_on: Sequence[str] = ("fail",),
) -> Overview:
    """Return what a report of declarations and findings is written from."""
    plan, index = planned(data)
    report = Report(index, Verified(verified, {}), RUN, fail_on)
    return overview_of(report, list(plan.hosts.values()), plan.gateways, data["groups"] if groups is None else groups)


def sample_findings(data: Mapping[str, Any], note: str = "") -> dict[str, HostFindings]:
    """Return what a verification of such hosts finds: nearly all is well, and something of each kind is not.

    :param note: what programs of the hosts call themselves.
    """
    plan, _index = planned(data)
    found = {}
    for name, host in plan.hosts.items():
        if name in _NOT_VERIFIED:
            continue
        old = name in _OLD
        found[name] = HostFindings(BEFORE if old else NOW, "before" if old else RUN, tuple(_findings(host, note)))
    return found


_STOPPED, _OPEN = "crm-db-003", "archive-db-002"
"""A server that does not run, and one without rules."""

_NOT_VERIFIED = {f"dwh-reports-{number:03d}" for number in range(20, 33)}
_OLD = {f"bi-desks-{number:03d}" for number in range(1, 8)}


def _findings(host: PortSet, note: str) -> Iterator[Finding]:
    stopped = host.host == _STOPPED
    programs = {endpoint.id: endpoint.process for endpoint in host.endpoints}
    for rule, _peers in host.ordered():
        ports = shown_ports(rule.protocol, rule.ports)
        if rule.direction == "in":
            process = programs.get(rule.endpoint)
            what = Finding("ready", "ok", host.host, host.host, rule.endpoint, ports, intended="accept")
            data = facts(program=f"{process[0]}{note}", pid="812", bound="0.0.0.0") if process else ()
            listening: Listening = "" if not process else "nothing" if stopped else "listens"
            yield combined(what, "open" if host.host == _OPEN else "accepts", listening, data=data)
    for rule, peers in host.ordered():
        if rule.direction == "out" and rule.probe:
            ports = shown_ports(rule.protocol, rule.ports)
            for peer in peers.values():
                what = _tried(host, peer.name, rule.endpoint, ports, "accept", str(peer.declared))
                lost = peer.name == _STOPPED
                detail = facts(detail=f"{'connection refused' if lost else 'answers'}{note}")
                yield combined(what, reached="refused" if lost else "answers", data=detail)
    for check in host.forbidden:
        ports, entered = shown_ports(check.protocol, check.ports), check.host == _OPEN
        what = _tried(host, check.host, check.endpoint, ports, "refuse", str(check.declared))
        said, there = f"{'answers' if entered else 'no answer'}{note}", str(check.addresses[0])
        detail = facts(detail=said, source=str(host.addresses[0]), address=there)
        yield combined(what, reached="answers" if entered else "filtered", data=detail)


def _tried(host: PortSet, server: str, endpoint: str, ports: str, intended: Intended, declared: str) -> Finding:
    return Finding(
        "not_probed",
        "unknown",
        host.host,
        server,
        endpoint,
        ports,
        peers=(host.host,),
        intended=intended,
        declared=declared,
    )
