# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one plan opens or closes against another one, a line for each port and declaration."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Index, Source, read_host
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet, shown_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import shown_peer
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import listed

_Access = dict[tuple[str, str], str]
"""The declaration, by ports and peer; where a port is only guarded, there is one entry with neither."""


def plan_changes(before: tuple[Source, Index], after: tuple[Source, Index]) -> list[str]:
    """Return what differs between two plans: ``+ fb1 tcp 3050 from 192.0.2.99``, host by host.

    :raises DbportsError: when a file of a plan is damaged.
    """
    old, new = dict(before[1].hosts), dict(after[1].hosts)
    lines: list[str] = []
    others: list[str] = []
    for name in sorted({*old, *new}):
        if old.get(name) == new.get(name):
            continue
        was = _access(read_host(*before, name)) if name in old else {}
        will_be = _access(read_host(*after, name)) if name in new else {}
        if was.keys() == will_be.keys():
            others.append(name)
        for sign, mine, theirs in (("-", was, will_be), ("+", will_be, was)):
            lines += _lines(f"{sign} {name}", {key: mine[key] for key in sorted(mine.keys() - theirs.keys())})
    if others:
        lines.append(f"~ {listed(others)}: other details, such as outbound flows, purposes or probes")
    return [visible(line) for line in lines]


def _access(host: PortSet) -> _Access:
    found: _Access = {}
    for key, peers in host.rules.items():
        if key.direction == "in":
            ports = shown_ports(key.protocol, key.ports)
            found.update(((ports, shown_peer(peer)), str(peer.declared)) for peer in peers.values())
            if not peers:
                found[ports, ""] = ""
    return found


def _lines(start: str, found: _Access) -> Iterator[str]:
    """Yield a line for each port and declaration."""
    groups: dict[tuple[str, str], list[str]] = {}
    for (ports, peer), declared in found.items():
        groups.setdefault((ports, declared), []).append(peer)
    for (ports, declared), peers in groups.items():
        yield (
            f"{start} {ports} from {listed(peers)}, declared by {declared}" if declared else f"{start} {ports} guarded"
        )
