# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of iptables-restore that all own chains write: conditions on addresses and ports, and comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import ECHO, SIDES, SLOTS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import checked_comment
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange


def address_condition(side: str, addresses: AddressRange) -> str:
    """Write the condition on the ``source`` or the ``target`` of a packet."""
    text = str(addresses)
    return f"-m iprange {SIDES[side].other} {text}" if "-" in text else f"{SIDES[side].network} {text}"


def echo_condition(family: int) -> str:
    """Write the condition that a packet is an echo request."""
    return "-p {} {}".format(*ECHO[family])


def ports_condition(protocol: str, side: str, ports: Sequence[PortRange]) -> str:
    """Write the condition on ports that one match takes.

    :param side: ``sport`` or ``dport``.
    """
    words = ports_words(ports)
    return f"-m multiport --{side}s {words}" if len(ports) > 1 else f"-m {protocol} --{side} {words}"


def ports_words(ports: Sequence[PortRange]) -> str:
    """Write ports as iptables lists them."""
    return ",".join(str(port).replace("-", ":") for port in ports)


def fitting(ports: Sequence[PortRange]) -> list[list[PortRange]]:
    """Cut ports into lists that one ``multiport`` takes."""
    found: list[list[PortRange]] = []
    left = 0
    for port in ports:
        slots = 1 if port.first == port.last else 2
        if slots > left:
            found.append([])
            left = SLOTS
        found[-1].append(port)
        left -= slots
    return found


def commented(text: str) -> str:
    """Write a comment in the quotes of iptables-restore."""
    escaped = checked_comment(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'-m comment --comment "{escaped}"'


def commented_rules(conditions: Iterable[str], comment: str, target: str) -> Iterator[str]:
    """Write what a rule is, as many as it has conditions; those after the first have no comment."""
    for number, condition in enumerate(conditions):
        yield f"{condition}{'' if number else f' {commented(comment)}'} -j {target}"
