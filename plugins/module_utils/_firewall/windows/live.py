# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections a change of rules ends on Windows: pure, from sockets and rules.

A change makes the next packet of every connection be decided anew, as its first packet was (Windows Filtering Platform,
ALE reauthorization). What the host itself opened was decided by outbound rules, of which none here blocks.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressSet
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live import connections
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import Connection
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.policy import (
    Decider,
    Packet,
    WindowsPolicy,
)


def newly_cut(
    live: Iterable[Connection], policy: WindowsPolicy, before: Ruleset, after: Ruleset
) -> tuple[Connection, ...]:
    """Return the connections that end with the new rules.

    Those that the new rules block, and those that only the old ones let in.

    :param policy: all rules on the host, with the own ones as they are before.
    """
    if not any(policy.switches[profile].enabled for profile in policy.active):
        return ()
    opened = [one for one in live if one.opener == "peer" and one.established]
    blocked = set(connections.newly_cut(opened, before, after))
    old, new = _Admitted(before), _Admitted(after)
    foreign = [rule for rule in policy.rules["local"] if not rule.is_own]
    then = policy._replace(rules={**policy.rules, "local": [*foreign, *encode(after)]})
    decider = Decider(then)

    def closes(one: Connection) -> bool:
        if not old.holds(one) or new.holds(one):
            return False
        return decider.decide(Packet("in", one.protocol, one.local_port, one.peer)).verdict == "block"

    return tuple(one for one in opened if one in blocked or closes(one))


class _Admitted:
    """Whom a ruleset lets in; asked for thousands of connections."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._accepts = [item for item in ruleset.accepts if item.direction == "in"]
        self._peers: dict[tuple[str, int], AddressSet] = {}

    def holds(self, one: Connection) -> bool:
        """Tell whether it lets a connection in."""
        key = one.protocol, one.local_port
        if key not in self._peers:
            self._peers[key] = AddressSet(
                peer
                for item in self._accepts
                if item.protocol == one.protocol and any(one.local_port in ports for ports in item.ports)
                for peer in item.peers
            )
        return self._peers[key].overlaps(one.peer)
