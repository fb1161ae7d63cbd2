# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running firewalld, asked over D-Bus: tens of times as fast as firewall-cmd.

Nothing here starts firewalld where its owner stopped it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run, find, run, run_checked
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.dbus import BUS, SystemBus
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.names import (
    NAME,
    PATH,
    POLICIES,
    is_own,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft

SAVED = ("iptables", "ip6tables", "ebtables")
"""The programs whose tables a reload may empty; each has a -save and a -restore."""

Ask = Callable[..., list[Any]]
"""Calls a method of the system bus, as :meth:`SystemBus.call` does."""


class Firewalld:
    """The firewalld of a host.

    :param runner: what runs commands.
    :param ask: what calls methods of the system bus, for tests; None connects to it.
    """

    def __init__(self, runner: Run = run, ask: Optional[Ask] = None) -> None:
        self._run = runner
        self._ask = ask

    def running(self) -> bool:
        """Tell whether firewalld runs."""
        if not find("firewall-cmd"):
            return False
        try:
            return self._bus()(*BUS, "NameHasOwner", NAME) == [True]
        except OSError:  # without a bus it cannot
            self._ask = None
            return False

    def backend(self) -> str:
        """Return ``nftables`` or ``iptables``: what firewalld itself is set to use."""
        interface = "org.freedesktop.DBus.Properties"
        return str(self._call(f"{PATH}/config", interface, "Get", f"{NAME}.config", "FirewallBackend")["data"])

    def own(self, ipsets: bool) -> dict[str, Any]:
        """Read the own policies, and ipsets, that are in force, by name.

        :param ipsets: whether to read the ipsets, which takes a call for each.
        :raises DbportsError: when firewalld does not answer.
        """
        return {
            "policies": self._each("policy", "getPolicies", "getPolicySettings", is_own),
            "ipsets": self._each("ipset", "getIPSets", "getIPSetSettings", is_own) if ipsets else {},
        }

    def others(self) -> dict[str, Any]:
        """Read what else is in force: zones, policies and ipsets by name, and the direct rules.

        Ipsets are only there when a reload would change what they hold. The zones and policies that a reload would
        bring into force as they are now are named in ``same``.

        :raises DbportsError: when firewalld does not answer.
        """
        ipsets = self._each("ipset", "getIPSets", "getIPSetSettings", _is_others)
        zones = self._each("zone", "getZones", "getZoneSettings2")
        policies = self._each("policy", "getPolicies", "getPolicySettings", _is_others)
        kept = {name: self._permanent("IPSet", "ipset", "getSettings", name) for name in ipsets}
        same = {
            "zones": [name for name in zones if zones[name] == self._permanent("Zone", "zone", "getSettings2", name)],
            "policies": [
                name for name in policies if policies[name] == self._permanent("Policy", "policy", "getSettings", name)
            ],
        }
        return {
            "zones": zones,
            "policies": policies,
            "ipsets": {name: item for name, item in ipsets.items() if not kept[name] or item[5] != kept[name][5]},
            "direct": {name: self._main("direct", f"getAll{name}") for name in ("Chains", "Rules", "Passthroughs")},
            "same": same,
        }

    def has_own(self) -> bool:
        """Tell whether an own policy is in force; where firewalld does not run there is none."""
        return self.running() and any(map(is_own, self._main("policy", "getPolicies")))

    def has_left(self) -> bool:
        """Tell whether a firewalld that does not run has left chains of own policies, such as filter_IN_policy_NAME."""
        nft = Nft.locate()
        texts = [*self.saved().values(), nft.terse() if nft else ""]
        return any(f"_{place.name}" in text for text in texts for place in POLICIES.values())

    def saved(self) -> dict[str, str]:
        """Return what iptables-save and the like print, by program, without the lines that tell the time."""
        found = {}
        for program in SAVED:
            if find(f"{program}-save"):
                lines = run_checked([f"{program}-save"], runner=self._run).splitlines()
                found[program] = "".join(f"{line}\n" for line in lines if not line.startswith("#"))
        return found

    def tables(self) -> str:
        """Return nft's JSON of all tables; nothing where nft is missing."""
        nft = Nft.locate()
        return nft.listing() if nft else ""

    def _permanent(self, word: str, interface: str, getter: str, name: str) -> Any:
        """Return the settings of an object in the permanent configuration; None where it has no such object."""
        with contextlib.suppress(DbportsError):
            place = self._call(f"{PATH}/config", f"{NAME}.config", f"get{word}ByName", name)
            return self._call(place, f"{NAME}.config.{interface}", getter)
        return None

    def _each(
        self, interface: str, names: str, getter: str, wanted: Callable[[str], bool] = lambda _name: True
    ) -> dict[str, Any]:
        return {name: self._main(interface, getter, name) for name in self._main(interface, names) if wanted(name)}

    def _main(self, interface: str, method: str, *arguments: str) -> Any:
        return self._call(PATH, f"{NAME}.{interface}", method, *arguments)

    def _call(self, place: str, interface: str, method: str, *arguments: str) -> Any:
        """Call a method of firewalld and return the one value that it returns."""
        if os.geteuid() != 0:
            raise DbportsError(
                "only root may read or change the firewall", code="not_permitted", fix="Set become: true"
            )
        if not find("busctl"):
            raise DbportsError(
                "the program busctl is missing", code="program_missing", fix="Install systemd's busctl on the host"
            )
        try:
            return self._bus()(NAME, place, interface, method, *arguments)[0]
        except OSError as error:
            self._ask = None
            raise DbportsError(f"firewalld does not answer: {error}", code="command_failed") from None

    def _bus(self) -> Ask:
        if self._ask is None:
            self._ask = SystemBus().call
        return self._ask


def _is_others(name: str) -> bool:
    return not is_own(name)
