# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wrote about a server, checked against its engine's options."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    Option,
    Values,
    holds,
    written,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import together
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorList
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import ALIASES
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.validation import (
    CLIENTS_FIX,
    no_unknown_keys,
    read_bool,
    read_clients,
    read_each,
    read_name,
    read_options,
    unknown_key,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Server
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.near import near_name

COMMON_KEYS = frozenset({"engine", "name", "clients", "forbidden_clients", "instances", "options", "published"})


def read_server(
    raw: Any, path: str, engines: Mapping[str, Engine], taken: Iterable[str], os: str | None = None
) -> Server:
    """Read one entry of ``dbports_servers``.

    :param path: where it stands, such as ``dbports_servers[0]``.
    :param taken: the names of the servers read before on this host.
    :param os: the operating system of its host, or None.
    :raises DbportsError: with path, value and fix, or several of them; the host is for the caller to add.
    """
    if not isinstance(raw, Mapping):
        raise DbportsError(
            "expected a dictionary with engine and clients",
            code="wrong_type",
            path=path,
            value=raw,
            fix="Write for example {engine: mssql, clients: [app_servers]}",
        )
    engine = _engine(raw, f"{path}.engine", engines)
    errors = ErrorList()
    attempt = errors.collecting_errors
    attempt(None, _check_keys, raw, engine, _keys(engine), path)
    name = attempt(None, _server_name, raw.get("name"), engine, f"{path}.name", set(taken))
    values = attempt(None, _own_values, raw, engine, path) or {}
    clients = attempt(None, read_clients, raw.get("clients", ()), f"{path}.clients")
    instances = attempt(None, _read_instances, raw, engine, path)
    forbidden = attempt(None, read_clients, raw.get("forbidden_clients") or (), f"{path}.forbidden_clients")
    published = attempt(None, read_bool, raw.get("published", False), f"{path}.published")
    covered = engine.outbound or (instances and all(item["clients"] is not None for item in instances))
    if "clients" not in raw and instances is not None and not covered:
        errors.keep(DbportsError("no clients are declared", code="no_clients", path=f"{path}.clients", fix=CLIENTS_FIX))
    errors.raise_all()
    _check_needs(engine, values, instances or [], path)
    values.update(name=name, clients=clients, host_os=values.get("os") or os or engine.default_os)
    warnings = tuple(_normalize(raw, engine, values, instances or [], path))
    return Server(
        engine, values["name"], path, values, tuple(instances or ()), forbidden or (), warnings, bool(published)
    )


def _own_values(raw: Mapping[str, Any], engine: Engine, path: str) -> Values:
    return read_options(_engine_part(raw, engine, path), engine.options, path)


def _check_needs(engine: Engine, values: Values, instances: list[Values], path: str) -> None:
    """Refuse options that mean nothing without another one, see :class:`Option`.

    :raises DbportsError: for each of them.
    """
    errors = ErrorList()
    merged = [together(values, item) for item in instances]
    shared = {option.name for option in engine.instance_options}
    for option in engine.options:
        holders = merged if option.name in shared else [values]
        errors.collecting_errors(None, _check_need, option, values, holders, path)
    for index, item in enumerate(instances):
        for option in engine.instance_options:
            where = f"{path}.instances[{index}]"
            errors.collecting_errors(None, _check_need, option, item, [merged[index]], where)
    errors.raise_all()


def _check_need(option: Option, values: Values, holders: list[Values], path: str) -> None:
    """Check one option.

    :param holders: where it may have what it needs.
    """
    if not (option.needs and values[option.name] and holders) or any(holds((option.needs,), item) for item in holders):
        return
    raise DbportsError(
        option.needs_reason,
        code="contradiction",
        path=f"{path}.{option.name}",
        value=written(values[option.name]),
        fix=f"Set {option.needs.replace('=', ': ')}, or remove {option.name}",
    )


def _normalize(
    raw: Mapping[str, Any], engine: Engine, values: Values, instances: list[Values], path: str
) -> list[EngineWarning]:
    """Let the engine complete the values; its errors get their full path, and the value that was written there."""
    try:
        return engine.normalize(values, instances)
    except DbportsError as error:
        if error.value is ... and error.code != "missing":
            error.value = _written(raw, error.path or "")
        error.path = f"{path}.{error.path}" if error.path else path
        raise


def _written(raw: Mapping[str, Any], path: str) -> Any:
    """Return what is written at a path below a server, None for nothing."""
    found: Any = {**raw, **(raw.get("options") or {})}
    for part in re.findall(r"\w+", path):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, (list, tuple)) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found if path else dict(raw)


def _engine(raw: Mapping[str, Any], path: str, engines: Mapping[str, Engine]) -> Engine:
    listed = ", ".join(sorted(engines))
    if "engine" not in raw:
        near = near_name("engine", map(str, raw))
        fix = f"Write engine in place of {near}" if near else f"Name one of {listed}"
        raise DbportsError("no engine is named", code="missing", path=path, fix=fix)
    name = raw["engine"]
    if not isinstance(name, str) or name not in engines:
        meant = _meant(str(name), engines)
        fix = f"Did you mean {meant}?" if meant else f"Use one of {listed}"
        raise DbportsError("no such engine", code="unknown_name", path=path, value=name, fix=fix)
    return engines[name]


def _meant(name: str, engines: Mapping[str, Engine]) -> str | None:
    """Return the engine that a name is an alias of or resembles, or None."""
    names = {**ALIASES, **{engine: engine for engine in engines}}
    plain = "".join(char for char in name.lower() if char.isalnum())
    return next((names[item] for item in (name.lower(), plain, near_name(plain, names)) if item in names), None)


def _keys(engine: Engine) -> set[str]:
    meaningless = set() if engine.instance_options else {"instances"}
    if engine.outbound:
        meaningless |= {"clients", "forbidden_clients", "published"}
    return {*COMMON_KEYS, *(option.name for option in engine.options)} - meaningless


def _instance_keys(engine: Engine) -> set[str]:
    return {option.name for option in engine.instance_options}


def _check_keys(raw: Mapping[str, Any], engine: Engine, known: set[str], path: str) -> None:
    """Refuse keys that mean nothing at their level, and point to the level where they, or similar ones, belong.

    :param known: the keys of this level.
    """
    if known.issuperset(raw):
        return
    levels = sorted(known | _keys(engine) | _instance_keys(engine))
    errors = ErrorList()
    for key in raw:
        near = None if key in known else near_name(key, levels)
        if near and near not in known:
            errors.keep(unknown_key(key, raw[key], path, _elsewhere(near, raw[key], engine)))
        else:
            errors.collecting_errors(None, no_unknown_keys, {key: raw[key]}, known, path)
    errors.raise_all()


def _elsewhere(key: str, value: Any, engine: Engine) -> str:
    """Return how to write a key at the level that it belongs to."""
    shown = json.dumps(value) if isinstance(value, (bool, int, float)) else str(value)
    written = f"{key}: {shown if isinstance(value, (str, int, float)) and len(shown) <= 40 else '...'}"
    if key == "options":
        return "Write its options directly in the instance"
    if key in _keys(engine):
        return f"Write {written} beside engine: {engine.name}"
    return f"Write it as an option of an instance: instances: [{{{written}}}]"


def _engine_part(raw: Mapping[str, Any], engine: Engine, path: str) -> dict[str, Any]:
    """Return what was written for the engine's own options, beside ``engine`` or below ``options``."""
    names = {option.name for option in engine.options}
    below = raw.get("options")
    if below is None:
        below = {}
    if not isinstance(below, Mapping):
        raise DbportsError(
            "expected a dictionary of options",
            code="wrong_type",
            path=f"{path}.options",
            value=below,
            fix=f"Known keys: {', '.join(sorted(names))}",
        )
    _check_keys(below, engine, names, f"{path}.options")
    return {**{key: raw[key] for key in raw if key in names}, **below}


def _server_name(raw: Any, engine: Engine, path: str, taken: set[str]) -> str:
    if raw is None:
        names = (engine.name if n == 1 else f"{engine.name}-{n}" for n in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)
    name = read_name(raw, path)
    if name in taken:
        raise DbportsError(
            "two servers of one host have this name", code="duplicate", path=path, value=name, fix="Give each its own"
        )
    return name


def _read_instances(raw: Mapping[str, Any], engine: Engine, path: str) -> list[Values]:
    if not engine.instance_options:
        return []
    where = f"{path}.instances"
    listed = raw.get("instances", [{}])
    if not isinstance(listed, (list, tuple)):
        raise DbportsError(
            "expected a list of instances",
            code="wrong_type",
            path=where,
            value=listed,
            fix="Write instances as [{name: SALES, tcp_port: 14330}], or remove it for only the default instance",
        )
    names: set[str] = set()

    def read(item: Any, here: str) -> Values:
        values = _read_instance(item, engine, here)
        if values["name"].upper() in names:
            raise DbportsError(
                "two instances have this name",
                code="duplicate",
                path=f"{here}.name",
                value=values["name"],
                fix="Give each its own",
            )
        names.add(values["name"].upper())
        return values

    return list(read_each(listed, where, read))


def _read_instance(raw: Any, engine: Engine, path: str) -> Values:
    if not isinstance(raw, Mapping):
        raise DbportsError(
            "expected a dictionary with the options of an instance",
            code="wrong_type",
            path=path,
            value=raw,
            fix="Write for example {name: SALES}",
        )
    errors = ErrorList()
    errors.collecting_errors(None, _check_keys, raw, engine, _instance_keys(engine), path)
    values = errors.collecting_errors(None, read_options, raw, engine.instance_options, path)
    errors.raise_all()
    return {**(values or {}), "name": read_name((values or {}).get("name"), f"{path}.name")}
