# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes that a host sends, and what their results say of the flows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import kind_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import combined
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Data, Finding, Reached, facts
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import ProbeResult
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.rules import RulesInForce
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    BROADCAST,
    NegativeCheck,
    PortSet,
    Probe,
    RuleKey,
    shown_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports

SOCKS = "socks"
"""The kind of probe that asks another host for a connection, whose refusal does not tell who refused."""


class _Check(NamedTuple):
    """An endpoint to probe: at which addresses, and what the results are to show.

    :param key: its part of the probes' ids.
    :param required: a flow that does not work is a failure.
    """

    key: str
    stage: Literal["reachable", "forbidden"]
    server: str
    about: RuleKey | NegativeCheck
    probe: Probe
    addresses: tuple[AddressRange, ...]
    required: bool
    declared: Declared

    def ids(self) -> Iterator[tuple[str, AddressRange, Ports]]:
        """Yield an id for each probe, with its address and ports.

        A probe ends at the first port that does not answer: where none may, each has a probe of its own.
        """
        ports = self.about.ports
        apart = self.stage == "forbidden" and len(ports) > 1
        for address in self.addresses:
            for part in ((port,) for port in ports) if apart else (ports,):
                yield f"{self.key}@{address}" + (f":{part[0]}" if apart else ""), address, part


def _checks(port_set: PortSet) -> Iterator[_Check]:
    """Yield what must answer and what must not, at the addresses of the families that the host itself has."""
    families = {item.family for item in port_set.addresses}

    def usable(addresses: Iterable[AddressRange]) -> tuple[AddressRange, ...]:
        return tuple(item for item in addresses if item != BROADCAST and item.family in families)

    for number, (rule, peers) in enumerate(port_set.ordered()):
        if rule.direction == "out" and rule.probe:
            for name, peer in sorted(peers.items()):
                key, required = f"reach-{number}-{name}", rule.need == "required"
                addresses = usable(peer.addresses)
                yield _Check(key, "reachable", name, rule, rule.probe, addresses, required, peer.declared)
    for number, item in enumerate(port_set.forbidden):
        key, addresses = f"forbid-{number}-{item.host}", usable(item.addresses)
        yield _Check(key, "forbidden", item.host, item, item.probe, addresses, True, item.declared)


def probes_of(port_set: PortSet) -> list[dict[str, Any]]:
    """Return the probes that a host has to send, as the module dbports.firewall.probe takes them.

    Addresses of a family that the host itself does not have are left out.
    """
    return [
        {
            "id": key,
            "kind": check.probe.kind,
            "address": str(address),
            "ports": format_ports(ports),
            "instance": check.probe.instance,
            "patient": check.stage == "reachable" and check.required,
        }
        for check in _checks(port_set)
        for key, address, ports in check.ids()
    ]


def hearing_ports(port_set: PortSet) -> set[int]:
    """Return the UDP ports at which the plan lets answers to the host's probes in, and which a program may hold."""
    hears = {kind_of(rule.probe.kind).hears_at for rule in port_set.rules if rule.direction == "out" and rule.probe}
    planned = {ports for rule in port_set.rules if rule.unsolicited and rule.direction == "in" for ports in rule.ports}
    return {port for port in hears if port and PortRange(port, port) in planned}


def judge_probes(
    port_set: PortSet, results: Iterable[ProbeResult], sockets: Iterable[Socket], rules: RulesInForce
) -> Iterator[Finding]:
    """Yield a finding for every flow that was to be probed.

    :param sockets: those of the host that hold one of :func:`hearing_ports`.
    :param rules: the host's own, which have to let its requests out where it filters them.
    """
    by_id = {result.id: result for result in results}
    hearing = hearing_ports(port_set)
    taken: dict[int | None, Socket] = {
        one.local_port: one for one in sockets if one.protocol == "udp" and one.local_port in hearing
    }
    for check in _checks(port_set):
        found = [by_id[key] for key, _address, _ports in check.ids() if key in by_id]
        reached, data = _reached(check, found)
        holder = taken.get(kind_of(check.probe.kind).hears_at)
        if holder and found and {result.verdict for result in found} <= {"silent", "unknown"}:
            reached, data = "taken", _taken(holder)
        held = _held(port_set, check, rules)
        more = facts(rule=held) if held else ()
        if check.probe.kind == SOCKS and reached == "refused":
            more = (*more, *facts(relayed_to=check.probe.instance or ""))
        yield combined(_place(port_set, check), "held" if held else "", reached=reached, data=(*data, *more))


def _held(port_set: PortSet, check: _Check, rules: RulesInForce) -> str:
    """Return the rule of the host itself that does not let its request out, or an empty string."""
    if not isinstance(check.about, RuleKey) or not port_set.settings.filter_outbound:
        return ""
    found = rules.outcome(check.about, port_set.rules[check.about][check.server])
    return found.rule if found.configured in ("refuses", "blocked") else ""


def _place(port_set: PortSet, check: _Check) -> Finding:
    """Return a finding that says what was probed, and nothing of how it went."""
    about = check.about
    return Finding(
        "not_probed",
        "unknown",
        port_set.host,
        check.server,
        about.endpoint,
        shown_ports(about.protocol, about.ports),
        (port_set.host,),
        "accept" if check.stage == "reachable" else "refuse",
        data=facts(source=", ".join(map(str, port_set.addresses))) if check.stage == "forbidden" else (),
        declared=str(check.declared),
        optional=not check.required,
    )


def _taken(holder: Socket) -> Data:
    """Return why silence says nothing of a firewall: the probe had to name another port, which no rule lets in."""
    program = f"{holder.process} (pid {holder.pid})" if holder.process else "a local program (its name needs become)"
    return facts(program=program, taken=f"udp {holder.local_port}")


def _reached(check: _Check, results: list[ProbeResult]) -> tuple[Reached, Data]:
    """Return what the probes of a flow met, and what a sentence names of it.

    One address that answers is enough: a client tries the others of a server in turn. What is not clear does not count
    beside what is, but for a refusal, which is to hold everywhere.
    """
    if not check.addresses:
        return "no_family", ()
    if not results:
        return "not_sent", ()
    met = [(_met(result, check.stage), result) for result in results]
    good = [result for word, result in met if word == "answers"]
    if good:
        others = ", ".join(f"{result.address} is {word}" for word, result in met if word != "answers")
        reached: Reached = "partly" if others and check.stage == "reachable" else "answers"
        return reached, facts(address=good[0].address, detail=str(good[0]), others=others)
    forbidden = check.stage == "forbidden"
    word, result = next((item for item in met if (item[0] == "unknown") == forbidden), met[0])
    return word, facts(address=result.address, detail=str(result))


def _met(result: ProbeResult, stage: str) -> Reached:
    """Return what a probe met: what got as far as a program got in, whatever that said."""
    return "answers" if stage == "forbidden" and result.reached else result.verdict
