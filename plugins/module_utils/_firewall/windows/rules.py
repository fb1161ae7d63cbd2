# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule of Windows Defender Firewall, read from and written as its text in the registry.

Grammar: [MS-GPFAS] 2.2.2, ``v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=1433|RA4=192.0.2.21|Name=x|``. It
has no escapes, so no value can hold a vertical bar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Literal, NamedTuple, Optional, TypeVar

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, merge_ports

Action = Literal["allow", "block", "bypass"]
Store = Literal["local", "policy"]
"""The host's own rules, or those of Group Policy."""

GROUP = "dbports"
"""``EmbedCtxt`` (COM: Grouping) of every rule of ours; as plain text it is never translated."""

OWN_NAME = re.compile(r"dbports-[0-9a-f]{16}(-[0-9]+)?")
NUMBERS = {"tcp": 6, "udp": 17}
ICMP = {4: 1, 6: 58}
ECHO = {4: "8:*", 6: "128:*"}
"""Echo request, RFC 792 and RFC 4443."""

PROFILES = ("Domain", "Private", "Public")

_Value = TypeVar("_Value")
_ACTIONS: dict[str, Action] = {"allow": "allow", "block": "block", "bypass": "bypass"}
_DIRECTIONS: dict[str, Direction] = {"in": "in", "out": "out"}
_ANY_PROTOCOL = 256
_SILENT = {"edge", "defer", "lsm", "lom", "pcross", "skipver", "name", "desc", "embedctxt"}
"""Keys that do not narrow what a rule matches."""


class Listed(NamedTuple):
    """A list in a rule: its values, and the keywords, such as ``RPC`` or ``LocalSubnet``, that only Windows resolves.

    With neither, the rule matches everything.

    :param addresses: merged, in their order.
    """

    addresses: tuple[AddressRange, ...] = ()
    ports: tuple[PortRange, ...] = ()
    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.addresses or self.ports or self.words)


class WindowsRule(NamedTuple):
    """One rule.

    :param protocol: its number, None for any.
    :param profiles: the profiles it holds in; empty for all of them.
    :param icmp: ``type:code``; empty for every type.
    :param conditions: everything else that narrows it: program, service, interface, IPsec, and what is not understood.
    """

    action: Action
    direction: Direction
    protocol: Optional[int] = None
    local_ports: Listed = Listed()
    remote_ports: Listed = Listed()
    local: Listed = Listed()
    remote: Listed = Listed()
    icmp: tuple[str, ...] = ()
    name: str = ""
    description: str = ""
    group: str = ""
    active: bool = True
    profiles: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether it is ours: by its group and by its name; with only one of them, hands off."""
        return self.group == GROUP and bool(OWN_NAME.fullmatch(self.name))

    @property
    def only_secure(self) -> bool:
        """Whether it allows what IPsec protects and blocks the rest of what it matches: [MS-FASP] 2.2.35."""
        return self.action == "allow" and any(item.startswith("security") for item in self.conditions)

    @property
    def is_port_exception(self) -> bool:
        """Whether Group Policy can ignore it as a local exception for a port: [MS-FASP] 2.2.38.

        That is a rule of TCP or UDP for one entry of local ports, and for no program and no service.
        """
        entries = (*self.local_ports.ports, *self.local_ports.words)
        narrowed = any(item.startswith(("app=", "svc=")) for item in self.conditions)
        return self.protocol in NUMBERS.values() and len(entries) == 1 and not narrowed

    def text(self) -> str:
        """Write it as the registry has it; :func:`parse_rule` reads it back."""
        tokens = [f"Action={self.action.capitalize()}" if self.action != "bypass" else "Action=ByPass"]
        tokens += [f"Active={str(self.active).upper()}", f"Dir={self.direction.capitalize()}"]
        tokens += [] if self.protocol is None else [f"Protocol={self.protocol}"]
        tokens += [f"Profile={item}" for item in self.profiles]
        for side, ports in (("L", self.local_ports), ("R", self.remote_ports)):
            tokens += [_port_token(side, item) for item in ports.ports]
            tokens += [f"{side}Port={word}" for word in ports.words]
        for side, listed in (("L", self.local), ("R", self.remote)):
            tokens += [f"{side}A{item.family}={range_text(item)}" for item in listed.addresses]
            tokens += [f"{side}A4={word}" for word in listed.words]
        tokens += [f"ICMP{6 if self.protocol == ICMP[6] else 4}={item}" for item in self.icmp]
        tokens += self.conditions
        tokens += [f"Name={self.name}", f"Desc={self.description}"]
        tokens += [f"EmbedCtxt={self.group}"] if self.group else []
        return "v2.20|" + "".join(f"{token}|" for token in tokens)


def _port_token(side: str, item: PortRange) -> str:
    return f"{side}Port={item}" if item.first == item.last else f"{side}Port2_10={item}"


def range_text(item: AddressRange) -> str:
    """Write addresses as rules take them: one address, or ``first-last``, which has no forbidden prefix lengths."""
    first, last = (str(item._replace(first=end, last=end)) for end in (item.first, item.last))
    return first if first == last else f"{first}-{last}"


@lru_cache(maxsize=4096)
def parse_rule(text: str) -> WindowsRule:
    """Read a rule.

    What is not understood becomes one of its conditions, so that the rule is kept and no verdict is certain of it.

    :raises DbportsError: when the text is no rule at all.
    """
    version, *tokens = text.split("|")
    fields: dict[str, list[str]] = {}
    unknown: list[str] = []
    for token in tokens:
        key, equals, value = token.partition("=")
        if equals:
            fields.setdefault(key.lower(), []).append(value)
        elif token:
            unknown.append(token)
    if not re.fullmatch(r"v\d{1,4}\.\d{1,4}", version, re.ASCII) or "action" not in fields or "dir" not in fields:
        raise DbportsError("not a rule of Windows Defender Firewall", code="malformed_answer", value=text)
    return _rule(_Fields(fields, unknown))


class _Fields:
    """The tokens of a rule; what nobody takes narrows it in a way that is not understood."""

    def __init__(self, fields: dict[str, list[str]], unknown: list[str]) -> None:
        self._fields = fields
        self.unknown = unknown

    def one(self, key: str) -> str:
        """Take a token that may stand once; more of them are not understood."""
        values = self._fields.pop(key, [""])
        self.unknown += [f"{key}={value}" for value in values[1:]]
        return values[0]

    def choice(self, key: str, choices: dict[str, _Value], default: _Value) -> _Value:
        """Take a token with one of some values."""
        value = self.one(key)
        if value.lower() not in choices:
            self.unknown.append(f"{key}={value}")
        return choices.get(value.lower(), default)

    def listed(self, keys: Iterable[str], read: Callable[[str], Listed]) -> Listed:
        """Take all tokens of a list; what cannot be read is a keyword."""
        found = []
        for key in keys:
            for value in self._fields.pop(key, ()):
                try:
                    found.append(read(value))
                except DbportsError:
                    found.append(Listed(words=(value,)))
        return Listed(
            merge_addresses(item for part in found for item in part.addresses),
            merge_ports(item for part in found for item in part.ports),
            tuple(word for part in found for word in part.words),
        )

    def many(self, *keys: str) -> tuple[str, ...]:
        """Take all tokens of some keys as they are."""
        return tuple(value for key in keys for value in self._fields.pop(key, ()))

    def rest(self) -> tuple[str, ...]:
        """Return what is left and may narrow the rule."""
        left = (f"{key}={value}" for key, values in self._fields.items() if key not in _SILENT for value in values)
        return (*left, *self.unknown)


def _rule(fields: _Fields) -> WindowsRule:
    action = fields.choice("action", _ACTIONS, "allow")
    direction = fields.choice("dir", _DIRECTIONS, "in")
    local_ports, remote_ports = (
        fields.listed((f"{side}port", f"{side}port2_10", f"{side}port2_20", f"{side}port2_24"), _read_ports)
        for side in "lr"
    )
    local, remote = (
        fields.listed((f"{side}a4", f"{side}a6", f"{side}a42", f"{side}a62"), _read_range) for side in "lr"
    )
    return WindowsRule(
        action=action,
        direction=direction,
        protocol=_number(fields),
        local_ports=local_ports,
        remote_ports=remote_ports,
        local=local,
        remote=remote,
        icmp=fields.many("icmp4", "icmp6"),
        name=fields.one("name"),
        description=fields.one("desc"),
        group=fields.one("embedctxt"),
        active=fields.one("active").upper() == "TRUE",
        profiles=fields.many("profile"),
        conditions=fields.rest(),
    )


def _number(fields: _Fields) -> Optional[int]:
    text = fields.one("protocol")
    if re.fullmatch(r"\d{1,3}", text, re.ASCII):
        return None if int(text) == _ANY_PROTOCOL else int(text)
    if text:
        fields.unknown.append(f"protocol={text}")
    return None


def _read_ports(text: str) -> Listed:
    # The grammar counts from 0, where nothing can listen.
    text = re.sub("^0-", "1-", text)
    return Listed(ports=(PortRange.parse(text),))


def _read_range(text: str) -> Listed:
    return Listed(addresses=(AddressRange.parse(text),))
