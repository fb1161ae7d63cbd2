# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running firewalld, asked over D-Bus with systemd's busctl: tens of times as fast as firewall-cmd.

Nothing here starts firewalld where its owner stopped it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import filterfalse
from typing import Any, Optional, TypeVar

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import (
    Run,
    find,
    require_root,
    run,
    run_checked,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.names import (
    CALL,
    NAME,
    OWNED,
    PATH,
    POLICIES,
    is_own,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import POLL, TIMEOUT

SAVED = ("iptables", "ip6tables", "ebtables")
"""The programs whose tables a reload may empty; each has a -save and a -restore."""

_IN_BETWEEN = ("activating", "deactivating", "reloading")
_GONE = ("disconnected from message bus", "does not exist", "not provided by any")
"""What busctl says when firewalld ends before it answers, or has ended."""

DIRECT = ("Chains", "Rules", "Passthroughs")
"""The kinds of direct rules, which firewalld keeps in iptables, ip6tables and ebtables."""

_CALLERS = 8
_Found = TypeVar("_Found")


class Firewalld:
    """The firewalld of a host.

    Each start of busctl costs more than the answer. That it runs, and which policies it has, is asked for once until
    :meth:`forget`.

    :param runner: what runs busctl.
    """

    def __init__(self, runner: Run = run) -> None:
        self._run = runner
        self._runs = False
        self._policies: Optional[list[str]] = None

    def forget(self) -> None:
        """Forget what it answered: from now on that may change."""
        self._runs, self._policies = False, None

    def running(self) -> bool:
        """Tell whether firewalld runs; while systemd starts or stops it, wait for what becomes of that.

        :raises DbportsError: when that takes longer than :data:`TIMEOUT` seconds.
        """
        self._runs = self._runs or self._comes_to_run()
        return self._runs

    def policies(self) -> list[str]:
        """Return the names of the policies in force.

        :raises DbportsError: when firewalld does not answer.
        """
        if self._policies is None:
            self._policies = list(self._call("policy", "getPolicies"))
        return self._policies

    def _comes_to_run(self) -> bool:
        if not find("firewall-cmd"):
            return False
        for attempt in range(round(TIMEOUT / POLL)):
            if attempt:
                time.sleep(POLL)
            if self._answers():
                return True
            if not self._in_between():
                return self._answers()  # it may have started in the meantime
        raise DbportsError(
            "systemd has been starting or stopping firewalld for a minute",
            code="busy",
            fix="See why on the host: systemctl status firewalld",
        )

    def enabled(self) -> bool:
        """Tell whether systemd starts firewalld at boot."""
        if not find("firewall-cmd") or not find("systemctl"):
            return False
        return self._run(("systemctl", "is-enabled", "--quiet", "firewalld.service"), "")[0] == 0

    def _answers(self) -> bool:
        if not find("busctl"):
            return self._run(("firewall-cmd", "--state"), "")[0] == 0
        status, stdout, _stderr = self._run(OWNED, "")
        return status == 0 and stdout.strip() == "b true"

    def _in_between(self) -> bool:
        """Tell whether systemd is about to start or stop firewalld; between the two parts of a restart a job waits."""
        if not find("systemctl"):
            return False
        text = self._run(("systemctl", "show", "--property=ActiveState,Job", "firewalld.service"), "").stdout
        shown = dict(line.partition("=")[::2] for line in text.splitlines())
        return shown.get("ActiveState") in _IN_BETWEEN or shown.get("Job", "") not in ("", "0")

    def backend(self) -> str:
        """Return ``nftables`` or ``iptables``: what firewalld itself is set to use."""
        prefix = ("get-property", NAME, f"{PATH}/config", f"{NAME}.config", "FirewallBackend")
        return str(self._json(*prefix).get("data"))

    def panics(self) -> bool:
        """Tell whether firewalld is in panic mode, in which it drops everything."""
        return bool(self._json("call", NAME, PATH, NAME, "queryPanicMode")["data"][0])

    def own(self, policies: Sequence[str], ipsets: bool) -> dict[str, Any]:
        """Read the own policies, and ipsets, that are in force, by name, as JSON of busctl.

        :param policies: the names of all policies in force.
        :param ipsets: whether to read the ipsets, which takes a call for each.
        :raises DbportsError: when firewalld does not answer.
        """
        return {
            "policies": self._each("policy", "getPolicySettings", filter(is_own, policies)),
            "ipsets": self._each("ipset", "getIPSetSettings", filter(is_own, self._ipsets())) if ipsets else {},
        }

    def others(self, policies: Sequence[str], direct: bool) -> dict[str, Any]:
        """Read what else is in force: zones, policies and ipsets by name, and the direct rules, as JSON of busctl.

        Ipsets are only there when a reload would change what they hold.

        :param policies: the names of all policies in force.
        :param direct: whether there can be direct rules, which take three calls.
        :raises DbportsError: when firewalld does not answer.
        """
        ipsets = self._each("ipset", "getIPSetSettings", filterfalse(is_own, self._ipsets()))
        return {
            "zones": self._each("zone", "getZoneSettings2", self._call("zone", "getZones")),
            "policies": self._each("policy", "getPolicySettings", filterfalse(is_own, policies)),
            "ipsets": {name: item for name, item in ipsets.items() if item[5] != self._permanent(name)},
            "direct": {name: self._call("direct", f"getAll{name}") if direct else [] for name in DIRECT},
        }

    def has_own(self) -> bool:
        """Tell whether an own policy is in force; where firewalld does not run there is none."""
        return self.running() and any(map(is_own, self.policies()))

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

    def _permanent(self, ipset: str) -> Any:
        """Return what an ipset holds in the permanent configuration."""
        place = self._json("call", NAME, f"{PATH}/config", f"{NAME}.config", "getIPSetByName", "s", ipset)["data"][0]
        return self._json("call", NAME, place, f"{NAME}.config.ipset", "getSettings")["data"][0][5]

    def _ipsets(self) -> list[str]:
        return list(self._call("ipset", "getIPSets"))

    def _each(self, interface: str, getter: str, names: Iterable[str]) -> dict[str, Any]:
        found = list(names)
        return dict(zip(found, _parallel(lambda name: self._call(interface, getter, "s", name), found)))

    def _call(self, interface: str, method: str, *arguments: str) -> Any:
        answer = self._json("call", NAME, PATH, f"{NAME}.{interface}", method, *arguments)
        return answer["data"][0]

    def _json(self, *arguments: str) -> Mapping[str, Any]:
        require_root()
        if not find("busctl"):
            raise DbportsError(
                "the program busctl is missing", code="program_missing", fix="Install systemd's busctl on the host"
            )
        said = run_checked([*CALL, "--json=short", *arguments], runner=self._run, hint=_hint)
        try:
            answer = json.loads(said)
        except ValueError:
            raise DbportsError("busctl printed no JSON", code="malformed_answer", value=said[:200]) from None
        return dict(answer)


def _parallel(ask: Callable[[str], _Found], names: Sequence[str]) -> list[_Found]:
    if len(names) < 2:
        return [ask(name) for name in names]
    from concurrent.futures import ThreadPoolExecutor  # with logging; a run with nothing to change needs neither

    with ThreadPoolExecutor(_CALLERS) as pool:
        return list(pool.map(ask, names))


def _hint(said: str) -> Optional[str]:
    if "json" in said:
        return "Update systemd to 242 or later, whose busctl prints JSON"
    if any(words in said for words in _GONE):
        return "firewalld was stopped or restarted in the meantime: run again when it runs"
    return None
