# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every engine has to be, built in or a user's: the one judge of names, ports, conditions and sides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    OPTION_TYPES,
    Engine,
    FlowSpec,
    Guard,
    Option,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import DYNAMIC_RANGES
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorCode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import MAX_COMMENT, RULE, size
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PROTOCOLS, PortRange, parse_ports
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import kinds_for
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import COMMON_KEYS
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.validation import is_pinned, read_options
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.near import did_you_mean, near_name

NEEDS = ("required", "optional")
GUARDS = get_args(Guard)
EACH = ("server", "instance")
NOBODY = "nobody"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)


def check_engine(engine: Engine) -> None:
    """Check what no type says: names, ports, conditions and sides of an engine's flows.

    :raises DbportsError: with a path relative to the engine, such as ``flows[0].port``.
    """
    _one_of(engine.default_os, (None, *DYNAMIC_RANGES), "default_os")
    types = {"clients": "clients", "name": "str"}
    for option in engine.options:
        path = f"options.{option.name}"
        if option.name in COMMON_KEYS or is_pinned(option.name):
            raise reserved(option.name, path)
        _check_option(option, path)
    for option in engine.instance_options:
        _check_option(option, f"instance_options.{option.name}")
    types.update({option.name: option.type for option in (*engine.options, *engine.instance_options)})
    types.update(engine.normalized)
    choices = {option.name: option.choices for option in (*engine.options, *engine.instance_options)}
    for key, options in (("options", engine.options), ("instance_options", engine.instance_options)):
        needs = {f"{key}.{option.name}.needs": option.needs for option in options if option.needs}
        _check_conditions(needs, types, choices)
    seen: set[str] = set()
    for index, flow in enumerate(engine.flows):
        path = f"flows[{index}]"
        check_name(flow.name, f"{path}.name", "a flow")
        if flow.name in seen:
            raise DbportsError(
                "two flows have this name",
                code="duplicate",
                path=f"{path}.name",
                value=flow.name,
                fix="Give each its own",
            )
        seen.add(flow.name)
        _check_flow(flow, path, types)
        _check_conditions({f"{path}.when[{number}]": item for number, item in enumerate(flow.when)}, types, choices)
        if flow.each == "instance" and not engine.instance_options:
            raise DbportsError(
                "the engine has no instances",
                code="contradiction",
                path=f"{path}.each",
                value=flow.each,
                fix="Give it instance_options, or write server",
            )


def _check_option(option: Option, path: str) -> None:
    check_name(option.name, path, "an option")
    _one_of(option.type, OPTION_TYPES, f"{path}.type")
    if option.default is None:
        return
    if option.type == "clients":
        raise DbportsError(
            "clients have no default",
            code="contradiction",
            path=f"{path}.default",
            value=option.default,
            fix="Remove it",
        )
    try:
        read_options({option.name: option.default}, (option,), path)
    except DbportsError as error:
        error.path = f"{path}.default"
        raise


def _check_flow(flow: FlowSpec, path: str, types: Mapping[str, str]) -> None:
    _one_of(flow.protocol, PROTOCOLS, f"{path}.protocol")
    _one_of(flow.need, NEEDS, f"{path}.need")
    _one_of(flow.guard, GUARDS, f"{path}.guard")
    _one_of(flow.each, EACH, f"{path}.each")
    for text, key in ((flow.purpose, "purpose"), (flow.citation, "citation")):
        line_of_text(text, f"{path}.{key}", "Every flow says what it is for and who says so")
    _check_length(flow.purpose, f"{path}.purpose")
    if flow.probe is not None:
        _one_of(flow.probe, kinds_for(flow.protocol), f"{path}.probe")
    _check_port(flow.protocol, flow.port, f"{path}.port", types)
    if flow.source_port != "":
        _check_port(flow.protocol, flow.source_port, f"{path}.source_port", types, single=True)
    _check_sides(flow, path, types)
    if flow.address and (not isinstance(flow.address, str) or flow.address not in types):
        fix = "Name an option of type address or addresses"
        raise DbportsError(
            "no option has this name", code="unknown_name", path=f"{path}.address", value=flow.address, fix=fix
        )


def _check_sides(flow: FlowSpec, path: str, types: Mapping[str, str]) -> None:
    for end, key in ((flow.initiator, "initiator"), (flow.responder, "responder")):
        sides = ("server", NOBODY) if key == "initiator" else ("server",)
        if end not in sides and (not isinstance(end, str) or types.get(end) != "clients"):
            known = sorted(name for name, kind in types.items() if kind == "clients")
            raise DbportsError(
                "neither server nor an option of type clients",
                code="not_a_choice",
                path=f"{path}.{key}",
                value=end,
                fix=f"Use {', '.join((*sides, *known))}",
            )
    if flow.initiator == flow.responder and not (flow.mesh and flow.initiator != "server"):
        raise DbportsError(
            "both sides are the same",
            code="contradiction",
            path=f"{path}.responder",
            value=flow.responder,
            fix="Name another side, or set mesh for a cluster whose hosts all reach each other",
        )
    if flow.mesh and flow.initiator != flow.responder:
        raise DbportsError(
            "a mesh has the same option, with all its hosts, on both sides",
            code="contradiction",
            path=f"{path}.mesh",
            value=True,
            fix="Name the same option as initiator and responder",
        )


def _check_length(purpose: str, path: str) -> None:
    if size(purpose) > MAX_COMMENT:
        fix = "Shorten it: it is the comment of the rules"
        raise DbportsError(f"a purpose is {RULE}", code="wrong_type", path=path, value=purpose, fix=fix)


def _check_port(protocol: str, port: Any, path: str, types: Mapping[str, str], single: bool = False) -> None:
    """Check a port expression; ``single``: it has to be one port or range, and the same for every peer."""
    if not isinstance(port, str) or bool(port) == (protocol == "icmp"):
        reason = "ICMP has no ports" if protocol == "icmp" else "no port"
        raise DbportsError(
            reason, code="not_a_port", path=path, value=port, fix="Write a port, a range or the name of an option"
        )
    if not port or (port == "dynamic" and not single):
        return
    allowed = ("port",) if single else ("port", "ports")
    name, plus, offset = port.partition("+")
    if plus and not (offset.isascii() and offset.isdecimal() and 0 < int(offset) < MAX_PORT):
        raise DbportsError(
            "expected a number after +", code="wrong_type", path=path, value=port, fix="Write for example port+1"
        )
    if types.get(name) in allowed:
        return
    try:
        shift = int(offset or 0)
        for item in [PortRange.parse(name)] if single else parse_ports(name):
            PortRange(item.first + shift, item.last + shift)
    except DbportsError:
        known = sorted(key for key, kind in types.items() if kind in allowed)
        words = "a range, " if single else "a range, dynamic, "
        raise DbportsError(
            "neither a port nor an option that is one",
            code="not_a_port",
            path=path,
            value=port,
            fix=f"Use a number from 1 to {MAX_PORT}, {words}or one of {', '.join(known) or 'no options'}",
        ) from None


def _check_conditions(
    conditions: Mapping[str, str], types: Mapping[str, str], choices: Mapping[str, tuple[Any, ...]]
) -> None:
    """Check conditions, each by its path."""
    for where, condition in conditions.items():
        name, equals, wanted = condition.partition("=")
        name = name[1:] if name.startswith("!") else name
        if name not in types:
            raise DbportsError(
                "this condition names no option",
                code="unknown_name",
                path=where,
                value=condition,
                fix=did_you_mean(near_name(name, types), "Write option, !option or option=value"),
            )
        if equals and choices.get(name) and wanted not in map(str, choices[name]):
            raise DbportsError(
                f"{name} is never {wanted}",
                code="not_a_choice",
                path=where,
                value=condition,
                fix=f"Use one of {', '.join(map(str, choices[name]))}",
            )


def check_name(name: Any, path: str, what: str) -> None:
    """Refuse what is no name of an engine, an option or a flow.

    :param what: what it is to be the name of.
    :raises DbportsError: with ``path``.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DbportsError(
            f"the name of {what} has 1 to 40 lowercase letters, digits and underscores, a letter first",
            code="not_a_name",
            path=path,
            value=name,
            fix="Write for example my_engine",
        )


def reserved(name: str, path: str) -> DbportsError:
    """Return the error of an option with a name that means something else."""
    fix = "Give the option another name"
    return DbportsError("this name is reserved", code="not_a_name", path=path, value=name, fix=fix)


def _one_of(value: Any, allowed: Iterable[Any], path: str) -> None:
    listed = tuple(allowed)
    if value not in listed:
        raise DbportsError(
            "not a known value",
            code="not_a_choice",
            path=path,
            value=value,
            fix=f"Use one of {', '.join(str(item) for item in listed if item is not None)}",
        )


def line_of_text(value: Any, path: str, fix: str) -> str:
    """Return text that rules and pages show.

    :param fix: what the error advises.
    :raises DbportsError: for anything but one printable line of at most 500 characters.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > 500 or not value.isprintable():
        code: ErrorCode = "missing" if value is None else "wrong_type"
        raise DbportsError("expected one line of text", code=code, path=path, value=value, fix=fix)
    return str(value)
