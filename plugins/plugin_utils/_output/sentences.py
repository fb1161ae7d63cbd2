# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings and conflicts of a plan as sentences, and lists that are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports, merge_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import shown_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import (
    Conflict,
    FlowPorts,
    PlanWarning,
    WarningCode,
)

NAMES = 6
"""How many names of a list a run prints."""

LINES = 40
"""How many lines of a kind a run prints."""

_NETSH = "netsh int ipv4 add excludedportrange protocol={protocol} startport={first} numberofports={count}"


def sentence(warning: PlanWarning) -> str:
    """Return a warning as it is printed: where it belongs, and what it says."""
    return f"{warning.host}: {_said(warning)}"


def sentences(warnings: Iterable[PlanWarning], shown: int | None = None) -> list[str]:
    """Return warnings as they are printed, one line for all hosts of which the same is said.

    :param shown: how many of these hosts are named; None means all.
    """
    hosts: dict[str, dict[str, None]] = {}
    for warning in warnings:
        hosts.setdefault(_said(warning), {})[warning.host] = None
    return [f"{listed(names, shown or len(names))}: {text}" for text, names in hosts.items()]


def capped(lines: list[str], rest: str, shown: int = LINES) -> list[str]:
    """Return the first lines, and where the rest is."""
    return lines if len(lines) <= shown else [*lines[:shown], f"and {len(lines) - shown} more, see {rest}"]


def _said(warning: PlanWarning) -> str:
    """Return what a warning says of its host."""
    path = f"{warning.path}: " if warning.path and warning.code != "unused_mapping" else ""
    return f"{path}{_SENTENCES[warning.code](warning)}"


def conflict_name(conflict: Conflict) -> str:
    """Return what a conflict is called where it is accepted: ``db-1 tcp/5002``."""
    return f"{conflict.host} {conflict.protocol}/{conflict.ports}"


def conflict_sentence(conflict: Conflict) -> str:
    """Return a conflict as it is printed: its name, and who wants what by which declarations."""
    first, second = (
        f"{owner} ({declared.path if declared.host == conflict.host else ': '.join(declared)})"
        for owner, declared in zip(conflict.owners, conflict.declared)
    )
    where = f" on {conflict.address}" if conflict.address else ""
    return f"{conflict_name(conflict)}: {first} and {second} both need {conflict.protocol} {conflict.ports}{where}"


def listed(names: Iterable[str], shown: int = NAMES, separator: str = ", ") -> str:
    """Return the first of some names, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - shown} more" if len(found) > shown else ""
    return separator.join(found[:shown]) + more


def _named(flow: FlowPorts) -> str:
    return f"{flow.name} ({shown_ports(flow.protocol, flow.ports)})"


def _dynamic(warning: PlanWarning) -> str:
    owners = [f"{shown_ports(flow.protocol, flow.ports)} ({flow.endpoint})" for flow in warning.flows]
    found: dict[str, list[PortRange]] = {}
    for flow in warning.flows:
        found.setdefault(flow.protocol, []).extend(flow.ports)
    verb = "lies" if len(owners) == 1 else "lie"
    return (
        f"{listed(owners)} {verb} inside this host's own dynamic range {format_ports(warning.ports)} "
        f"({warning.reason}): a connection of the host itself can take a port before the service starts; "
        f"{_reserve(warning.kind, found)}"
    )


def _reserve(os: str, found: dict[str, list[PortRange]]) -> str:
    """Tell how to keep ports out of the dynamic range; Linux has one list for all protocols, set as a whole."""
    together = format_ports(merge_ports(item for ports in found.values() for item in ports))
    linux = f"net.ipv4.ip_local_reserved_ports={together}"
    windows = "; ".join(
        _NETSH.format(protocol=protocol, first=item.first, count=item.last - item.first + 1)
        for protocol, ports in sorted(found.items())
        for item in merge_ports(ports)
    )
    if os.startswith("linux"):
        return f"reserve them: sysctl -w {linux} (with what is reserved already, and in /etc/sysctl.d)"
    if os == "windows":
        return f"reserve them: {windows}"
    if not os:
        return f"reserve them (Linux: sysctl -w {linux}; Windows: {windows})"
    return "give the service ports outside this range"


def _closed(warning: PlanWarning) -> str:
    return (
        f"instance {warning.others[0]} is closed to {listed(warning.peers)}, who are clients of the server and may "
        "name it"
    )


def _families(warning: PlanWarning) -> str:
    return (
        f"{listed(warning.peers)} (IPv4) and {listed(warning.others)} (IPv6) have no address family in common and "
        "cannot reach each other; give one side an address of the other's family (dbports_addresses)"
    )


def _not_declared(warning: PlanWarning) -> str:
    flows = ", ".join(f"{shown_ports(flow.protocol, flow.ports)} ({flow.name})" for flow in warning.flows)
    return (
        f"{flows}: no {warning.kind} server that is declared on {listed(warning.peers)} receives this; correct the "
        "port here, or declare it there"
    )


def _same(warning: PlanWarning) -> str:
    return (
        f"has the same addresses as {listed(warning.others)}, so that no rule can tell them apart; correct "
        "ansible_host or dbports_addresses, unless these are names of one machine"
    )


def _hidden(warning: PlanWarning) -> str:
    return (
        f"{listed(warning.peers)} stands behind {warning.gateway} with clients of this server, which cannot tell them "
        "apart: refuse it there"
    )


def _lost(warning: PlanWarning) -> str:
    verb = "does" if len(warning.flows) == 1 else "do"
    return (
        f"{', '.join(map(_named, warning.flows))} {verb} not pass {warning.kind} {warning.gateway} between "
        f"{' and '.join(warning.networks)}: {warning.reason}"
    )


def _not_published(warning: PlanWarning) -> str:
    flows = ", ".join(map(_named, warning.flows))
    return (
        f"{flows} of {listed(warning.peers)} is not published by {warning.gateway}, so that no host outside reaches it"
    )


def _unused(warning: PlanWarning) -> str:
    flow = warning.flows[0]
    return f"{warning.path} publishes {shown_ports(flow.protocol, flow.ports)}, which no flow of the plan uses"


def _unknown_ports(warning: PlanWarning) -> str:
    return (
        f"answers to {listed(warning.peers)} are permitted to all ports from 1024 to 65535, because the range they "
        "connect from is not known (where you know it, set dbports_os or dbports_ephemeral_ports, or os of a gateway)"
    )


_SENTENCES: dict[WarningCode, Callable[[PlanWarning], str]] = {
    "engine": lambda warning: warning.text,
    "fixed_port_in_dynamic_range": _dynamic,
    "closed_instance": _closed,
    "nobody_admitted": lambda warning: (
        "no other host may connect to this server: its ports are guarded and admit no host"
    ),
    "open_to_everyone": lambda warning: f"{warning.peers[0]} lets in nearly everyone; name the networks of the clients",
    "no_common_family": _families,
    "ipv4_only": lambda warning: (
        f"{warning.kind} uses IPv4 only; add an IPv4 address to dbports_addresses of {listed(warning.peers)}"
    ),
    "not_declared_there": _not_declared,
    "same_addresses": _same,
    "behind_translation": _hidden,
    "lost_on_gateway": _lost,
    "not_published": _not_published,
    "unused_mapping": _unused,
    "unknown_source_ports": _unknown_ports,
}
