# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One shell script that reloads firewalld and brings back what a reload takes from others.

New policies and ipsets come into force only by a reload. A reload forgets what was changed only at run time, and puts
into force what was changed only permanently: zones, policies, ipsets and direct rules. Before 2.0, and later when there
are direct rules, it also empties all tables of iptables, ip6tables and ebtables, those of Docker and fail2ban included
(flush_direct_backends in firewall/core/fw.py). So what was in force is set again, as it was observed. Docker and
libvirt write their own rules again after every reload, and are waited for.

The script does nothing on a host where firewalld does not run, so that it can be a way back at boot.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.names import (
    CALL,
    NAME,
    OWNED,
    PATH,
)

_COUNTERS = re.compile(r" \[[0-9:]*\]$", re.MULTILINE)

_TABLES = r"""
seen() { "$1-save" | sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'; }
wait_for_owners() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    now=$(seen "$1")
    sleep 1
    [ "$(seen "$1")" != "$now" ] || return 0
  done
}
bring_back() {
  now=$(seen "$1")
  case $now in "$3") return 0 ;; *"-A "*) wait_for_owners "$1" ;; esac
  [ "$(seen "$1")" = "$3" ] || printf %s "$2" | "$1-restore" || failed=1
}
"""
"""Brings back the tables of a program: what its ``-save`` printed, and the same without counters. Emptied ones at
once; where there are other rules, Docker or libvirt may be writing theirs again, as they do after every reload. What is
restored in between, they would write twice."""

_LISTS = {
    "services": "as",
    "ports": "a(ss)",
    "icmp_blocks": "as",
    "forward_ports": "a(ssss)",
    "protocols": "as",
    "source_ports": "a(ss)",
}
ZONE_LISTS = {**_LISTS, "rules_str": "as", "interfaces": "as", "sources": "as"}
_POLICY_LISTS = {**_LISTS, "rich_rules": "as", "ingress_zones": "as", "egress_zones": "as"}
ZONE_FLAGS = ("masquerade", "icmp_block_inversion", "forward")
_POLICY_FLAGS = ("masquerade",)


def reload_script(settings: Mapping[str, Any], saved: Mapping[str, str]) -> str:
    """Write the script.

    :param settings: what others had in force, as :meth:`Firewalld.others` reads it, and under ``same`` the zones that a
        reload leaves as they are: to set one again takes firewalld and busctl longer than to read it.
    :param saved: what ``iptables-save`` and the like printed, by program; only what a reload would empty.
    """
    lines = [
        f"{shlex.join([*CALL, '--timeout=50', 'call', NAME, PATH, NAME, 'reload'])} ||",
        f'  if [ "$({shlex.join(OWNED)})" = "b true" ]; then exit 1; else exit 0; fi',
        "failed=0",
    ]
    lines += [f"{shlex.join(command)} >/dev/null || failed=1" for command in _settings(settings)]
    # What is there already is an error to firewalld, and what is missing then shows in the tables.
    lines += [f"{shlex.join(command)} >/dev/null 2>&1 || :" for command in _direct(settings["direct"])]
    lines += [_TABLES] if saved else []
    for program, text in saved.items():
        lines.append(shlex.join(["bring_back", program, text, _COUNTERS.sub("", text).rstrip()]))
    return "\n".join([*lines, 'exit "$failed"', ""])


def has_rules(saved: str) -> bool:
    """Tell whether what ``iptables-save`` printed holds more than empty chains of the kernel's own."""
    heads = [line.split()[1] for line in saved.splitlines() if line.startswith(":")]
    return "\n-A " in saved or any(policy != "ACCEPT" for policy in heads)


def _settings(settings: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    zones = {zone: found for zone, found in settings["zones"].items() if zone not in settings["same"]}
    for zone, found in zones.items():
        for key, method in (("interfaces", "changeZoneOfInterface"), ("sources", "changeZoneOfSource")):
            # First to its zone, which fails when another one still has it.
            yield from (_call("zone", method, "ss", zone, item) for item in _data(found, key, []))
    for zone, found in zones.items():
        yield _call("zone", "setZoneSettings2", "sa{sv}", zone, *_typed(found, ZONE_LISTS, ZONE_FLAGS))
    for name, found in settings["policies"].items():
        yield _call("policy", "setPolicySettings", "sa{sv}", name, *_typed(found, _POLICY_LISTS, _POLICY_FLAGS))
    for name, found in settings["ipsets"].items():
        if "timeout" not in found[4]:
            yield _call("ipset", "setEntries", "sas", name, *_words("as", found[5]))


def _direct(direct: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for chain in direct["Chains"]:
        yield _call("direct", "addChain", "sss", *chain)
    for family, table, chain, priority, words in direct["Rules"]:
        yield _call("direct", "addRule", "sssias", family, table, chain, str(priority), *_words("as", words))
    for family, words in direct["Passthroughs"]:
        yield _call("direct", "addPassthrough", "sas", family, *_words("as", words))


def _call(interface: str, method: str, signature: str, *arguments: str) -> Sequence[str]:
    return (*CALL, "call", NAME, PATH, f"{NAME}.{interface}", method, signature, "--", *arguments)


def _data(found: Mapping[str, Any], key: str, missing: Any) -> Any:
    return found[key]["data"] if key in found else missing


def _typed(found: Mapping[str, Any], lists: Mapping[str, str], flags: Sequence[str]) -> list[str]:
    """Write settings as an ``a{sv}`` of busctl; a list that is not there is empty, or firewalld would leave it."""
    words = [str(len(lists) + len(flags))]
    for key, kind in lists.items():
        words += [key, kind, *_words(kind, _data(found, key, []))]
    for key in flags:
        words += [key, "b", "true" if _data(found, key, False) else "false"]
    return words


def _words(kind: str, values: Sequence[Any]) -> list[str]:
    """Write an array of strings, or of tuples of strings, as busctl reads it."""
    parts = [part for value in values for part in ([value] if kind == "as" else value)]
    return [str(len(values)), *map(str, parts)]
