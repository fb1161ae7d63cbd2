# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to an access list of ASA, whose lines are places: what is inserted moves the others down.

Our entries are those right below a remark of ours. ASA takes no entry twice, so an entry of the list's owner that
permits the same counts as there (Cisco ASA Series Command Reference, access-list extended).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import Data
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.asa import LIMITS, ace_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.decode import Key, key_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import PREFIX, Meaning
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import check_name

_ALL_BITS = 2**32 - 1


class Unit(NamedTuple):
    """An entry, and the remark right above it; either may be missing.

    :param line: where the first of them stands.
    :param key: what the entry does; None without one, and for one that does more or less than entries from here do.
    """

    line: int
    remark: str | None
    ace: Data | None
    key: Key | None

    @property
    def ours(self) -> bool:
        """Whether the remark is one of ours."""
        return bool(self.remark and self.remark.startswith(PREFIX))

    @property
    def last(self) -> int:
        """The line of the last of them."""
        return self.line + (self.remark is not None and self.ace is not None)


def changes(config: Any, current: Any, name: str, mode: str = "entries") -> Data:
    """Return what has to be done to a list; see :func:`..changes.changes`.

    :param config: what ``asa_aces`` returned.
    :param current: what asa_acls gathered or parsed.
    :returns: ``add`` and ``replace`` are a config each, empty where there is nothing to do. ``remove`` has commands,
        the last line first; ``add`` does not move these lines.
    :raises DbportsError: for an entry of the list's owner between a remark of ours and its entry.
    """
    check_name(LIMITS, name, "name")
    wanted, there = (list(_units(_aces(data, path, name))) for data, path in ((config, "config"), (current, "current")))
    found: Data = {"changed": False, "add": {}, "remove": [], "replace": {}, "kept": 0}
    if mode == "whole":
        if wanted and [unit.key for unit in wanted] != [unit.key for unit in there]:
            found["replace"] = _config(name, [ace for unit in wanted for ace in _both(unit, unit.line)])
    else:
        keys = {unit.key for unit in wanted}
        _check_foreign(there, keys, name)
        known = {unit.key for unit in there if unit.key}
        new = [unit for unit in wanted if unit.key not in known]
        old = [unit for unit in there if unit.ours and unit.key not in keys]
        found["kept"] = len(wanted) - len(new)
        # Below all that is ours, so that its lines stay the same. In a place that has a remark with the same text,
        # asa_acls takes a new one for it and does not send it.
        start = max((unit.last + 1 for unit in there if unit.ours), default=wanted[0].line if wanted else 1)
        if new:
            aces = [ace for at, unit in enumerate(new) for ace in _both(unit, start + 2 * at)]
            found["add"] = _config(name, aces)
        if old:
            lines = [line for unit in reversed(old) for line in _removal(name, unit)]
            found["remove"] = [{"lines": lines}]
    found["changed"] = bool(found["add"] or found["remove"] or found["replace"])
    return found


def _config(name: str, aces: list[Data]) -> Data:
    return {"acls": [{"name": name, "acl_type": "extended", "aces": aces}]}


def _both(unit: Unit, line: int) -> list[Data]:
    """Return the remark and the entry of a unit for two lines."""
    return [{"line": line, "remark": unit.remark}, {**(unit.ace or {}), "line": line + 1}]


def _aces(config: Any, path: str, name: str) -> list[Data]:
    """Return the lines of a list in their order."""
    try:
        lists = (config or {}).get("acls") or []
        aces = [dict(ace) for acl in lists if str(acl["name"]) == name for ace in acl.get("aces") or []]
        return sorted(aces, key=lambda ace: int(ace["line"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        raise DbportsError(
            "not the lists that asa_acls takes or gathers", code="wrong_type", path=path, value=config
        ) from None


def _units(aces: list[Data]) -> Iterator[Unit]:
    said: tuple[int, str] | None = None
    for ace in aces:
        line, remark = int(ace["line"]), ace.get("remark")
        if said and (remark is not None or line != said[0] + 1):
            yield Unit(*said, None, None)
            said = None
        if remark is not None:
            said = (line, str(remark))
        elif said:
            yield Unit(*said, ace, _key(ace, said[1].startswith(PREFIX)))
            said = None
        else:
            yield Unit(line, None, ace, _key(ace, False))
    if said:
        yield Unit(*said, None, None)


def _key(ace: Data, ours: bool) -> Key | None:
    """Return what an entry does.

    :raises DbportsError: for a name of a port that is not known, in an entry of ours.
    """
    try:
        return _read(ace)
    except DbportsError as error:
        if ours and error.code == "unknown_name":
            raise
    except (KeyError, ValueError, TypeError, AttributeError):
        pass
    return None


def _read(ace: Data) -> Key | None:
    """Return what an entry does: one list has both families, each network has a mask and every protocol its options."""
    sides = {side: _network(dict(ace.get(side) or {})) for side in ("source", "destination")}
    families = {family for family, _side in sides.values()}
    options = {key: value for key, value in (ace.get("protocol_options") or {}).items() if isinstance(value, dict)}
    kept = {key: value for key, value in ace.items() if key not in ("line", "protocol_options")}
    found = {**kept, **{side: value for side, (_family, value) in sides.items()}}
    if options:
        found["protocol_options"] = options
    if families == {""}:
        return key_of(found, "ipv4") if ace.get("protocol") == "ip" else None
    if len(families) > 1:
        return None
    return key_of(found, "ipv6" if "ipv6" in families else "ipv4")


def _network(side: Data) -> tuple[str, Data]:
    """Return the family of a side, and the side as the other platforms say it; no family for any of both."""
    for word, family in (("any4", "ipv4"), ("any6", "ipv6")):
        if side.pop(word, None):
            return family, {**side, "any": True}
    if side.get("any"):
        return "", side
    mask = side.pop("netmask", None)
    if side.get("host"):
        # The module also gathers the host of a destination as its address (asa_acls, rm_templates).
        side.pop("address", None)
    elif mask is not None:
        side["wildcard_bits"] = _inverted(mask)
    family = "ipv6" if ":" in str(side.get("host") or side.get("address")) else "ipv4"
    return family, side


def _inverted(mask: Any) -> str:
    bits = AddressRange.address(mask).first ^ _ALL_BITS
    return ".".join(str(bits >> shift & 255) for shift in (24, 16, 8, 0))


def _check_foreign(there: list[Unit], wanted: set[Key | None], name: str) -> None:
    """Refuse a list in which something was put between a remark of ours and its entry.

    Either it is nothing that is written here, or the entry that it parted from its remark comes right after it.
    """
    foreign = []
    for unit, below in zip(there, [*there[1:], None]):
        if not unit.ours or unit.ace is None or unit.key in wanted:
            continue
        parted = below is not None and below.remark is None and below.key is not None and below.key in wanted
        if unit.key is None or parted:
            foreign.append(unit.line + 1)
    if foreign:
        raise DbportsError(
            f"{name} has entries below remarks of this collection that are not from here",
            code="not_ours",
            path="current",
            value=foreign[:5],
            fix="Move them away from these remarks, or remove the remarks",
        )


def _removal(name: str, unit: Unit) -> Iterator[str]:
    """Yield the commands that take a unit away, the last line first.

    :raises DbportsError: for a remark that cannot be written.
    """
    remark = unit.remark or ""
    if not remark.isprintable():
        raise DbportsError("a remark with control characters", code="wrong_type", path="current", value=remark)
    start = f"no access-list {name} line"
    if unit.key:
        yield f"{start} {unit.last} extended {unit.key.grant} {_words(unit.key.meaning)}"
    yield f"{start} {unit.line} remark {remark}"


def _words(item: Meaning | None) -> str:
    """Return an entry as ASA takes it on its command line."""
    ace = ace_of(item)
    options = ace.get("protocol_options") or {}
    messages = [message.replace("_", "-") for option in options.values() for message in option]
    return " ".join([ace["protocol"], _side(ace["source"]), _side(ace["destination"]), *messages])


def _side(side: Data) -> str:
    words = []
    for key, value in side.items():
        if key == "port_protocol":
            (operator, ports) = next(iter(value.items()))
            words += [operator, *([str(ports)] if operator == "eq" else [str(ports["start"]), str(ports["end"])])]
        else:
            words += {"host": ["host", value], "address": [value], "netmask": [value]}.get(key, [key])
    return " ".join(words)
