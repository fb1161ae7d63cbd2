# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines that users describe in ``dbports_engines``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import KINDS
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.engine_check import (
    NOBODY,
    check_engine,
    check_name,
    line_of_text,
    reserved,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.validation import no_unknown_keys, read_bool

NO_PROBE = "none"
RESERVED = frozenset({"server", NOBODY, "os", "host_os", "dynamic", "probe_instance"})
"""Names that users cannot give to options, because they mean something else where options are looked up."""

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
    check_name(name, path, "an engine")
    _dictionary(raw, _ENGINE_KEYS, path, _EXAMPLE)
    source = line_of_text(raw.get("source"), f"{path}.source", "Name the document that lists the ports")
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
        title=line_of_text(raw.get("title", name), f"{path}.title", "Write the product's name"),
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
    check_name(name, path, "an option")
    if name in RESERVED:
        raise reserved(name, path)
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
        line_of_text(description, f"{path}.description", "Write a sentence"),
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
        purpose=line_of_text(raw.get("purpose"), f"{path}.purpose", "Write what it is needed for"),
        citation=line_of_text(raw.get("citation", source), f"{path}.citation", "Name the document that says so"),
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


def _dictionary(raw: Any, known: set[str], path: str, example: str) -> None:
    if not isinstance(raw, Mapping):
        raise DbportsError(
            "expected a dictionary", code="wrong_type", path=path, value=raw, fix=f"Write for example {example}"
        )
    no_unknown_keys(raw, known, path)


def _words(value: Any, path: str) -> tuple[str, ...]:
    listed = (value,) if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(item, str) and item.strip() for item in listed):
        raise DbportsError(
            "expected a list of words", code="wrong_type", path=path, value=value, fix="Write a word or a list of words"
        )
    return tuple(str(item) for item in listed)
