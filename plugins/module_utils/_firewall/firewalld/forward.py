# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld cannot do for what a host forwards, said before anything changes: pure.

Its chain for the hook ``forward`` accepts what is established, and then everything whose destination was translated
(``ct status dnat``), before it asks any policy (firewall/core/nftables.py of 1.3.3 and 2.3.1). Since 2.0 it asks
policies by pairs of interfaces and sources of zones, and leaves out the pair of two interfaces that are in no zone and
so have the default one (``_ingress_egress_zone`` in firewall/core/fw_policy.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, AddressSet
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Guard, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

_ELSE = "or let nftables carry the rules of this host"

_FORWARD_PORT = re.compile(
    r'forward-port port="([0-9-]+)" protocol="(\w+)"(?: to-port="([0-9-]*)")?(?: to-addr="([^"]*)")?'
)


def refuse_unknown(ruleset: Ruleset) -> None:
    """Refuse rules that firewalld does not have.

    :raises DbportsError: at the first one.
    """
    for item in ruleset.parts:
        if item.forward and not item.forward.targets:
            reason = "published ports: it lets translated packets pass before it asks any policy"
            raise _error(reason, item, f"Leave published out of the server's declaration, {_ELSE}")
        if item.forward and item.forward.stateless:
            reason = "stateless rules for what this host forwards: it tracks all connections"
            raise _error(reason, item, f"Declare the gateway with stateful: true, {_ELSE}")
        if item.forward and item.forward.source_ports:
            reason = "rules with source ports beside the ports that are asked for"
            raise _error(reason, item, f"Leave the source ports out, {_ELSE}")


def _error(reason: str, item: Accept | Guard, fix: str) -> DbportsError:
    said = [str(port) for port in item.ports]
    return DbportsError(f"firewalld carries no {reason}", code="cannot_encode", path="rules", value=said, fix=fix)


class Forwarding(NamedTuple):
    """What decides which forwarded packets are shown to policies.

    :ivar settings: zones and policies of others in force, as :meth:`Firewalld.others` reads them.
    :ivar routed: the interfaces that the host has routes through.
    :ivar by_interface: whether policies are asked by interfaces, as since firewalld 2.0.
    """

    settings: Mapping[str, Any]
    routed: Sequence[str]
    by_interface: bool

    def refuse_passed_by(self, ruleset: Ruleset) -> None:
        """Refuse rules for packets that firewalld would not show to any policy.

        :raises DbportsError: naming the interfaces, or the port that firewalld forwards to a guarded one.
        """
        parts = [item for item in ruleset.parts if item.forward]
        unbound = self._unbound() if self.by_interface else []
        if len(unbound) > 1 and not all(map(self._has_source, parts)):
            names = ", ".join(unbound)
            raise DbportsError(
                f"firewalld asks no policy about what passes between interfaces that are in no zone: {names}",
                code="cannot_encode",
                path="rules",
                fix="Put each of them into the zone that it has by default: firewall-cmd --permanent "
                f'--zone="$(firewall-cmd --get-default-zone)" --add-interface={unbound[0]}; then firewall-cmd --reload',
            )
        for where, asked, protocol, port, address in self._forward_ports():
            for guard in ruleset.guards:
                targets = guard.forward.targets if guard.forward else ()
                if (
                    guard.protocol == protocol
                    and any(address.overlaps(target) for target in targets)
                    and any(port.first <= item.last and item.first <= port.last for item in guard.ports)
                ):
                    raise DbportsError(
                        f"{where} forwards port {asked} to {address} port {port}, which is guarded, and firewalld lets "
                        "translated packets pass before it asks any policy",
                        code="cannot_encode",
                        path="rules",
                        fix=f"Remove that forward port, {_ELSE}",
                    )

    def _zones(self, key: str) -> list[str]:
        return [str(item) for zone in self.settings["zones"].values() for item in _data(zone, key)]

    def _unbound(self) -> list[str]:
        bound = self._zones("interfaces")
        return [
            name
            for name in self.routed
            if not any(name == one or (one.endswith("+") and name.startswith(one[:-1])) for one in bound)
        ]

    def _has_source(self, item: Accept | Guard) -> bool:
        """Tell whether one side of what is forwarded has a zone by its addresses."""
        found = []
        for text in self._zones("sources"):
            try:
                found.append(AddressRange.parse(text))
            except DbportsError:  # a hardware address or an ipset
                continue
        sources = AddressSet(found)
        sides = [item.forward.targets if item.forward else (), item.peers if isinstance(item, Accept) else ()]
        return any(side and all(sources.holds(one) for one in side) for side in sides)

    def _forward_ports(self) -> Iterator[tuple[str, str, str, PortRange, AddressRange]]:
        """Yield the ports that firewalld forwards to another host: where, the port, protocol, new port and address."""
        for kind, rules in (("zones", "rules_str"), ("policies", "rich_rules")):
            for name, found in self.settings[kind].items():
                listed = [tuple(map(str, item)) for item in _data(found, "forward_ports")]
                listed += [match for text in _data(found, rules) for match in _FORWARD_PORT.findall(str(text))]
                for asked, protocol, port, address in listed:
                    if address:
                        where = f"{kind[:-1] if kind == 'zones' else 'policy'} {name}"
                        yield where, asked, protocol, PortRange.parse(port or asked), AddressRange.parse(address)


def _data(found: Mapping[str, Any], key: str) -> Sequence[Any]:
    return found[key]["data"] if key in found else ()
