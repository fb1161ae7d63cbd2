# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every malformed declaration there is, one a test: its errors say host, path, value, what to do and a code.

The tables come from the engines' and gateways' own data, so that an option without an error of its own is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import OPTION_TYPES, Engine, Option
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorCode
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.kinds import gateway_kinds
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import (
    GLOBAL_VARIABLES,
    HOST_VARIABLES,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

NOTHING_WRITTEN = ("missing", "no_clients", "no_address")
"""The codes of errors that show no value where nothing was written."""

FEWEST = 1000
"""So many malformed declarations there are at least."""

WRONG_ADDRESSES: tuple[Any, ...] = ("db.example.org", "192.0.2.300", "fe80::1%eth0", "192.0.2.0/24", 5, True, [[]], {})
WRONG_PORTS: tuple[Any, ...] = (0, -1, 70000, "x", True, 1.5, {}, [], "2-1", "1433;1434")
WRONG_CLIENTS: tuple[Any, ...] = (5, {}, [5], [[]], [""], [{"name": ""}], [{"name": "app", "os": "linux"}])
UNKNOWN_CLIENTS: tuple[Any, ...] = (["nowhere"], ["192.0.2.300"], ["192.0.2.21/24"], ["fe80::1%eth0"], ["empty"])
WRONG: dict[str, tuple[Any, ...]] = {
    "bool": ("perhaps", 2, [], {}),
    "str": ([], {}, ["a"]),
    "int": ("x", [], {}),
    "port": (*WRONG_PORTS, "1433-1434", [1433]),
    "ports": (*WRONG_PORTS, ["x"], [1433, 0]),
    "clients": (*WRONG_CLIENTS, *UNKNOWN_CLIENTS),
    "address": WRONG_ADDRESSES,
    "addresses": (*WRONG_ADDRESSES, [], *([value] for value in WRONG_ADDRESSES)),
    "listen": (
        5,
        [],
        ["192.0.2.10"],
        [{"address": "192.0.2.10"}],
        [{"address": "192.0.2.10", "tcp_port": 1433, "port": 1}],
        *([{"address": value, "tcp_port": 1433}] for value in WRONG_ADDRESSES),
        *([{"address": "192.0.2.10", "tcp_port": value}] for value in WRONG_PORTS),
    ),
}
"""By type of option, what it cannot be."""

JUNK: tuple[Any, ...] = ("", "a b\n", 5, -1, True, 1.5, [], {}, ["x"], [[]], [{}], {"x": 1}, [5], "nonsense")
"""What hardly any key can be; a declaration that takes one of these is not malformed."""

GATEWAYS: dict[str, dict[str, Any]] = {
    "filter": {},
    "socks": {"engines": ["sql602"], "addresses": {"office": "192.0.2.1", "dc": "198.51.100.1"}},
    "nat": {
        "addresses": {"office": "192.0.2.1", "dc": "198.51.100.1"},
        "inside": "dc",
        "mappings": [{"host": "db", "protocol": "tcp", "port": 1433}],
    },
    "http_proxy": {"mode": "tcp", "addresses": {"office": "192.0.2.1", "dc": "198.51.100.1"}},
}
"""A right one of each kind."""

FLOW: dict[str, Any] = {"name": "sql", "port": "port", "purpose": "Clients connect"}
ENGINE: dict[str, Any] = {
    "source": "its manual",
    "options": {"port": {"type": "port", "default": 9088}},
    "flows": [FLOW],
}


def inventory(server: Any = ..., host: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """Return an inventory with one server, one client, an empty group and other settings."""
    server = {"engine": "mssql", "clients": ["app"]} if server is ... else server
    return {
        "hosts": {
            "db": {"dbports_addresses": ["198.51.100.10"], "dbports_servers": [server], **(host or {})},
            "app": {"dbports_addresses": ["192.0.2.21"]},
        },
        "groups": {"empty": []},
        "vars": {"dbports_networks": {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]}, **settings},
    }


def errors_of(data: dict[str, Any]) -> tuple[DbportsError, ...]:
    """Return why an inventory cannot be planned, nothing when it can."""
    try:
        build_plan(PlainInventory(data))
    except PlanError as error:
        return error.errors
    return ()


def lacks(error: DbportsError) -> list[str]:
    """Return what an error does not say."""
    known = get_args(ErrorCode)
    return [
        name
        for name, said in {
            "host": error.host in ("db", "app", "all"),
            "path": bool(error.path)
            and re.split(r"[.\[]", str(error.path), maxsplit=1)[0] in (*HOST_VARIABLES, *GLOBAL_VARIABLES),
            "value": error.value is not ... or error.code in NOTHING_WRITTEN,
            "fix": bool(error.fix),
            "code": error.code in known,
            "one line": "\n" not in str(error),
        }.items()
        if not said
    ]


def minimal(engine: Engine) -> dict[str, Any]:
    """Return a server of an engine with as little as it takes."""
    return {"engine": engine.name, **({} if engine.outbound else {"clients": ["app"]})}


def of_options(engine: Engine) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every wrong value of every option of a server and of an instance."""
    for option in engine.options:
        for value in _wrong(option):
            yield f"{option.name}={value!r}", {**minimal(engine), option.name: value}
    for option in engine.instance_options:
        for value in _wrong(option):
            yield f"instances[0].{option.name}={value!r}", {**minimal(engine), "instances": [{option.name: value}]}


def _wrong(option: Option) -> tuple[Any, ...]:
    values = tuple(value for value in WRONG[option.type] if str(value).lower() not in option.words)
    return (*values, "nonsense") if option.choices else values


def of_keys() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield junk for every key that is no option: of hosts, servers, networks, gateways, engines and settings."""
    for junk in JUNK:
        for key in HOST_VARIABLES:
            yield f"{key}={junk!r}", inventory(host={key: junk})
        for key in GLOBAL_VARIABLES:
            yield f"{key}={junk!r}", inventory(**{key: junk})
        for key in ("engine", "name", "clients", "forbidden_clients", "instances", "options", "unheard"):
            yield f"server {key}={junk!r}", inventory({"engine": "mssql", "clients": ["app"], key: junk})
        yield f"server={junk!r}", inventory(junk)
        yield f"network={junk!r}", inventory(dbports_networks={"office": junk})
        yield f"network entry={junk!r}", inventory(dbports_networks={"office": [junk]})
        yield f"name of a network={junk!r}", inventory(dbports_networks={str(junk): ["192.0.2.0/24"]})
        yield from _of_gateways(junk)
        yield from _of_engines(junk)


def _of_gateways(junk: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, right in GATEWAYS.items():
        gateway = {"name": "g", "kind": kind, "between": ["office", "dc"], **right}
        keys = {*gateway, "engines", "unheard", *(option.name for option in gateway_kinds()[kind].options)}
        for key in sorted(keys):
            yield f"{kind} {key}={junk!r}", inventory(dbports_gateways=[{**gateway, key: junk}])
            yield f"{kind} without {key}", inventory(dbports_gateways=[{k: v for k, v in gateway.items() if k != key}])
        for network in gateway.get("addresses", ()):
            addresses = {**gateway["addresses"], network: junk}
            yield (
                f"{kind} addresses.{network}={junk!r}",
                inventory(dbports_gateways=[{**gateway, "addresses": addresses}]),
            )
    for key in ("host", "address", "protocol", "port", "public_port", "public_address", "unheard"):
        mapping = {**GATEWAYS["nat"]["mappings"][0], key: junk}
        gateway = {"name": "g", "kind": "nat", "between": ["office", "dc"], **GATEWAYS["nat"], "mappings": [mapping]}
        yield f"mapping {key}={junk!r}", inventory(dbports_gateways=[gateway])


def _of_engines(junk: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in ("title", "source", "options", "flows", "default_os", "unheard"):
        yield f"engine {key}={junk!r}", inventory(dbports_engines={"mine": {**ENGINE, key: junk}})
    for key in ("type", "default", "description", "choices", "maximum", "unheard"):
        option = {**ENGINE["options"]["port"], key: junk}
        yield f"option {key}={junk!r}", inventory(dbports_engines={"mine": {**ENGINE, "options": {"port": option}}})
    keys = (
        "name",
        "protocol",
        "port",
        "purpose",
        "citation",
        "initiator",
        "responder",
        "when",
        "need",
        "process",
        "probe",
    )
    for key in (*keys, "source_port", "address", "shared", "unsolicited", "confirmed", "listens", "broadcast", "mesh"):
        yield f"flow {key}={junk!r}", inventory(dbports_engines={"mine": {**ENGINE, "flows": [{**FLOW, key: junk}]}})
    for name in (str(junk), "source_port", "engine", "os"):
        options = {**ENGINE["options"], name: {"type": "str"}}
        yield f"name of an option={name!r}", inventory(dbports_engines={"mine": {**ENGINE, "options": options}})
    yield "an engine of the collection", inventory(dbports_engines={"mssql": ENGINE})
    yield f"name of an engine={junk!r}", inventory(dbports_engines={str(junk): ENGINE})


@pytest.mark.parametrize("engine", builtin_engines().values(), ids=lambda engine: engine.name)
def test_every_wrong_value_of_every_option(engine: Engine) -> None:
    told = {name: errors_of(inventory(server)) for name, server in of_options(engine)}
    assert not [name for name, errors in told.items() if not errors], "accepted"
    incomplete = [f"{name}: no {lacks(one)}: {one}" for name, errors in told.items() for one in errors if lacks(one)]
    assert not incomplete, "\n".join(incomplete)


def test_junk_in_every_key() -> None:
    told = {name: errors_of(data) for name, data in of_keys()}
    incomplete = [f"{name}: no {lacks(one)}: {one}" for name, errors in told.items() for one in errors if lacks(one)]
    assert not incomplete, "\n".join(incomplete)


def test_these_are_all_and_many() -> None:
    assert set(WRONG) == set(OPTION_TYPES)
    assert set(GATEWAYS) == set(gateway_kinds())
    assert all(
        not errors_of(inventory(dbports_gateways=[{"name": "g", "kind": kind, "between": ["office", "dc"], **right}]))
        for kind, right in GATEWAYS.items()
    )
    options = sum(1 for engine in builtin_engines().values() for _one in of_options(engine))
    keys = sum(1 for _name, data in of_keys() if errors_of(data))
    assert options + keys > FEWEST
