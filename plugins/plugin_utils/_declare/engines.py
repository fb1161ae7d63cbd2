# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines that users describe in ``dbports_engines``, and what every engine has to be, built in or not."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Mapping
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
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import KINDS, kinds_for
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import COMMON_KEYS
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.validation import (
    is_pinned,
    no_unknown_keys,
    read_bool,
    read_options,
)

NEEDS = ("required", "optional")
GUARDS = get_args(Guard)
EACH = ("server", "instance")
NO_PROBE = "none"
NOBODY = "nobody"
RESERVED = frozenset({"server", NOBODY, "os", "host_os", "dynamic", "probe_instance"})
"""Names that users cannot give to options, because they mean something else where options are looked up."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_ENGINE_KEYS = {"title", "source", "options", "flows", "default_os"}
_OPTION_KEYS = {"type", "default", "description", "choices", "maximum"}
_SWITCHES = ("shared", "unsolicited", "confirmed", "listens", "broadcast", "mesh")
_FLOW_KEYS = {
    "name",
    "protocol",
    "port",
    "source_port",
    "purpose",
    "citation",
    "initiator",
    "responder",
    "when",
    "need",
    "guard",
    "process",
    "probe",
    "address",
    *_SWITCHES,
}
_EXAMPLE = "{source: ..., flows: [{name: sql, port: 9088, purpose: Clients connect}]}"

Report = Callable[[DbportsError], None]


def read_engines(raw: Any, builtin: Mapping[str, Engine], report: Report) -> tuple[dict[str, Engine], set[str]]:
    """Read ``dbports_engines``.

    :param builtin: the engines whose names are taken.
    :param report: gets the first error of each engine.
    :returns: the engines by name, and the names of those that were refused.
    """
    if raw is None:
        return {}, set()
    if not isinstance(raw, Mapping):
        report(
            DbportsError(
                "expected a dictionary of engines by name",
                code="wrong_type",
                path="dbports_engines",
                value=raw,
                fix=f"Write my_engine: {_EXAMPLE}",
            )
        )
        return {}, set()
    engines: dict[str, Engine] = {}
    refused: set[str] = set()
    for name in sorted(raw, key=str):
        path = f"dbports_engines.{name}"
        try:
            if name in builtin:
                raise DbportsError(
                    "the collection has an engine of this name",
                    code="duplicate",
                    path=path,
                    value=name,
                    fix="Give it another name",
                )
            engines[name] = read_engine(name, raw[name], path)
        except DbportsError as error:
            refused.add(str(name))
            report(error)
    return engines, refused


def read_engine(name: Any, raw: Any, path: str) -> Engine:
    """Read one engine as a user describes it.

    :raises DbportsError: with path, value and fix.
    """
    _check_name(name, path, "an engine")
    _dictionary(raw, _ENGINE_KEYS, path, _EXAMPLE)
    source = _text(raw.get("source"), f"{path}.source", "Name the document that lists the ports")
    listed = raw.get("options") or {}
    if not isinstance(listed, Mapping):
        raise DbportsError(
            "expected a dictionary of options by name",
            code="wrong_type",
            path=f"{path}.options",
            value=listed,
            fix="Write for example {port: {type: port, default: 9088}}",
        )
    options = tuple(_read_option(key, value, f"{path}.options.{key}") for key, value in listed.items())
    flows = raw.get("flows")
    if not isinstance(flows, (list, tuple)) or not flows:
        raise DbportsError(
            "expected a list of flows",
            code="wrong_type",
            path=f"{path}.flows",
            value=flows,
            fix=f"Write for example {_EXAMPLE}",
        )
    specs = tuple(_read_flow(item, f"{path}.flows[{index}]", source) for index, item in enumerate(flows))
    engine = Engine(
        name=name,
        title=_text(raw.get("title", name), f"{path}.title", "Write the product's name"),
        source=source,
        options=options,
        flows=specs,
        default_os=raw.get("default_os"),
    )
    engine = _completed(engine)
    try:
        check_engine(engine)
    except DbportsError as error:
        error.path = f"{path}.{error.path}"
        raise
    return engine


def _completed(engine: Engine) -> Engine:
    """Let a flow exist only where its port is known, and limit ports from which others are counted."""
    by_name = {option.name: option for option in engine.options}
    flows = []
    for flow in engine.flows:
        for port in (str(flow.port), str(flow.source_port)):
            name, _plus, offset = port.partition("+")
            option = by_name.get(name)
            if option is not None and option.default is None and name not in flow.when:
                flow = dataclasses.replace(flow, when=(*flow.when, name))
            last = MAX_PORT - int(offset) if offset.isdecimal() else MAX_PORT
            if option is not None and 0 < last < option.maximum:
                by_name[name] = dataclasses.replace(option, maximum=last, why=f"flow {flow.name} needs port {port}")
        flows.append(flow)
    options = tuple(by_name[option.name] for option in engine.options)
    return dataclasses.replace(engine, options=options, flows=tuple(flows))


def _read_option(name: Any, raw: Any, path: str) -> Option:
    _check_name(name, path, "an option")
    if name in RESERVED:
        raise _reserved(name, path)
    _dictionary(raw, _OPTION_KEYS, path, "{type: port, default: 9088}")
    maximum = raw.get("maximum", MAX_PORT)
    if isinstance(maximum, bool) or not isinstance(maximum, int) or not 1 <= maximum <= MAX_PORT:
        raise DbportsError(
            "not a port",
            code="not_a_port",
            path=f"{path}.maximum",
            value=maximum,
            fix=f"Write a number from 1 to {MAX_PORT}",
        )
    choices = raw.get("choices") or ()
    if not isinstance(choices, (list, tuple)) or not all(isinstance(item, (str, int)) for item in choices):
        raise DbportsError(
            "expected a list of values",
            code="wrong_type",
            path=f"{path}.choices",
            value=choices,
            fix="Write for example [one, two]",
        )
    description = raw.get("description", name)
    return Option(
        name,
        raw.get("type", ""),
        _text(description, f"{path}.description", "Write a sentence"),
        raw.get("default"),
        choices=tuple(choices),
        maximum=maximum,
        why="the engine is described so",
    )


def _read_flow(raw: Any, path: str, source: str) -> FlowSpec:
    _dictionary(raw, _FLOW_KEYS, path, "{name: sql, port: 9088, purpose: Clients connect}")
    protocol = raw.get("protocol", "tcp")
    responder = raw.get("responder", "server")
    switches: dict[str, Any] = {key: read_bool(raw[key], f"{path}.{key}") for key in _SWITCHES if key in raw}
    # A TCP port of the server is proved by a connection, unless the user says that nothing may be sent there.
    reachable = responder == "server" or switches.get("mesh", False)
    provable = protocol == "tcp" and switches.get("listens", True) and reachable
    probe = raw.get("probe", "tcp" if provable else NO_PROBE)
    usable = [kind.name for kind in KINDS.values() if kind.generic]
    if probe not in (*usable, NO_PROBE):
        fix = f"Use {', '.join(usable)} or {NO_PROBE}"
        raise DbportsError("not a probe", code="not_a_choice", path=f"{path}.probe", value=probe, fix=fix)
    return FlowSpec(
        name=raw.get("name", ""),
        protocol=protocol,
        port=_port_text(raw.get("port", "")),
        source_port=_port_text(raw.get("source_port", "")),
        purpose=_text(raw.get("purpose"), f"{path}.purpose", "Write what it is needed for"),
        citation=_text(raw.get("citation", source), f"{path}.citation", "Name the document that says so"),
        initiator=raw.get("initiator", "clients"),
        responder=responder,
        when=_words(raw.get("when", ()), f"{path}.when"),
        need=raw.get("need", "required"),
        guard=raw.get("guard", "always"),
        process=_words(raw.get("process", ()), f"{path}.process"),
        probe=None if probe == NO_PROBE else probe,
        address=raw.get("address", ""),
        **switches,
    )


def _port_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def check_engine(engine: Engine) -> None:
    """Check what no type says: names, ports, conditions and sides of an engine's flows.

    :raises DbportsError: with a path relative to the engine, such as ``flows[0].port``.
    """
    _one_of(engine.default_os, (None, *DYNAMIC_RANGES), "default_os")
    types = {"clients": "clients", "name": "str"}
    for option in engine.options:
        path = f"options.{option.name}"
        if option.name in COMMON_KEYS or is_pinned(option.name):
            raise _reserved(option.name, path)
        _check_option(option, path)
    for option in engine.instance_options:
        _check_option(option, f"instance_options.{option.name}")
    types.update({option.name: option.type for option in (*engine.options, *engine.instance_options)})
    types.update(engine.normalized)
    choices = {option.name: option.choices for option in (*engine.options, *engine.instance_options)}
    seen: set[str] = set()
    for index, flow in enumerate(engine.flows):
        path = f"flows[{index}]"
        _check_name(flow.name, f"{path}.name", "a flow")
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
        _check_conditions(flow, path, types, choices)
        if flow.each == "instance" and not engine.instance_options:
            raise DbportsError(
                "the engine has no instances",
                code="contradiction",
                path=f"{path}.each",
                value=flow.each,
                fix="Give it instance_options, or write server",
            )


def _check_option(option: Option, path: str) -> None:
    _check_name(option.name, path, "an option")
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
        _text(text, f"{path}.{key}", "Every flow says what it is for and who says so")
    _check_length(flow.purpose, f"{path}.purpose")
    if flow.probe is not None:
        _one_of(flow.probe, kinds_for(flow.protocol), f"{path}.probe")
    _check_port(flow.protocol, flow.port, f"{path}.port", types)
    if flow.source_port != "":
        _check_port(flow.protocol, flow.source_port, f"{path}.source_port", types, single=True)
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
    if flow.address and (not isinstance(flow.address, str) or flow.address not in types):
        fix = "Name an option of type address or addresses"
        raise DbportsError(
            "no option has this name", code="unknown_name", path=f"{path}.address", value=flow.address, fix=fix
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
    flow: FlowSpec, path: str, types: Mapping[str, str], choices: Mapping[str, tuple[Any, ...]]
) -> None:
    for number, condition in enumerate(flow.when):
        name, equals, wanted = condition.partition("=")
        name = name[1:] if name.startswith("!") else name
        where = f"{path}.when[{number}]"
        if name not in types:
            near = difflib.get_close_matches(name, sorted(types), 1)
            raise DbportsError(
                "this condition names no option",
                code="unknown_name",
                path=where,
                value=condition,
                fix=f"Did you mean {near[0]}?" if near else "Write option, !option or option=value",
            )
        if equals and choices.get(name) and wanted not in map(str, choices[name]):
            raise DbportsError(
                f"{name} is never {wanted}",
                code="not_a_choice",
                path=where,
                value=condition,
                fix=f"Use one of {', '.join(map(str, choices[name]))}",
            )


def _check_name(name: Any, path: str, what: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DbportsError(
            f"the name of {what} has 1 to 40 lowercase letters, digits and underscores, a letter first",
            code="not_a_name",
            path=path,
            value=name,
            fix="Write for example my_engine",
        )


def _reserved(name: str, path: str) -> DbportsError:
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


def _dictionary(raw: Any, known: set[str], path: str, example: str) -> None:
    if not isinstance(raw, Mapping):
        raise DbportsError(
            "expected a dictionary", code="wrong_type", path=path, value=raw, fix=f"Write for example {example}"
        )
    no_unknown_keys(raw, known, path)


def _text(value: Any, path: str, fix: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 500 or not value.isprintable():
        code: ErrorCode = "missing" if value is None else "wrong_type"
        raise DbportsError("expected one line of text", code=code, path=path, value=value, fix=fix)
    return str(value)


def _words(value: Any, path: str) -> tuple[str, ...]:
    listed = (value,) if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(item, str) and item.strip() for item in listed):
        raise DbportsError(
            "expected a list of words", code="wrong_type", path=path, value=value, fix="Write a word or a list of words"
        )
    return tuple(str(item) for item in listed)
