# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a 602SQL client writes into its registration: read back, it is the planned address and port, and no more."""

from __future__ import annotations

import configparser
import re
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.connection_string import connection_string
from hypothesis import given
from hypothesis import strategies as st

ONE = {"engine": "sql602"}


def section(text: str) -> tuple[str, dict[str, str]]:
    """Read the one section of a text for /etc/602sql, keys in lower case as 602SQL compares them."""
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=(";",), default_section="", strict=True)
    parser.read_string(text)
    (name,) = parser.sections()
    assert text.endswith("\n"), "the next section begins on a line of its own"
    return name, dict(parser[name])


def registry(text: str) -> tuple[str, dict[str, str | int]]:
    """Read the one key of a file for regedit."""
    header, empty, key, *lines = text.split("\r\n")
    assert (header, empty, lines.pop()) == ("Windows Registry Editor Version 5.00", "", "")
    root = r"[HKEY_LOCAL_MACHINE\SOFTWARE\Software602\602SQL\Database" + "\\"
    assert key.startswith(root) and key.endswith("]") and "\\" not in key[len(root) :]
    found: dict[str, str | int] = {}
    for line in lines:
        name, number, string = re.fullmatch(r'"([^"]+)"=(?:dword:([0-9a-f]{8})|"([^"\\]*)")', line).groups()
        assert name not in found
        found[name] = string if number is None else int(number, 16)
    return key[len(root) : -1], found


def site(server: dict[str, Any], *gateways: dict[str, Any]) -> dict[str, Any]:
    """Return a server in a data centre, with a client there and one in the office."""
    return {
        "hosts": {
            "db": {
                "dbports_addresses": ["198.51.100.10", "2001:db8::10"],
                "dbports_servers": [{"engine": "sql602", "clients": ["office-pc", "near"], **server}],
            },
            "office-pc": {"ansible_host": "192.0.2.21"},
            "near": {"ansible_host": "198.51.100.77"},
            "stranger": {"ansible_host": "198.51.100.78"},
        },
        "vars": {
            "dbports_networks": {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]},
            "dbports_gateways": list(gateways),
        },
    }


def nat(*mappings: dict[str, Any]) -> dict[str, Any]:
    """Return a device that hides the data centre from the office."""
    return {
        "name": "nat1",
        "kind": "nat",
        "between": ["office", "dc"],
        "inside": "dc",
        "addresses": {"office": ["192.0.2.1"], "dc": ["198.51.100.1"]},
        "mappings": [{"host": "db", "protocol": "tcp", **mapping} for mapping in mappings],
    }


SOCKS = {
    "name": "socks1",
    "kind": "socks",
    "between": ["office", "dc"],
    "addresses": {"office": ["192.0.2.9"], "dc": ["198.51.100.9"]},
}


def test_a_registration_names_the_address_and_portbase() -> None:
    """Not the port of the connection: clients compute PORTBASE+1 themselves."""
    text = connection_string(site({"name": "ERP", "port_base": 6001}), "602sql", client="near")
    assert text == "[ERP]\nIP address=198.51.100.10\nIPPort=6001\n"
    assert section(connection_string(site({}), "602sql")) == (
        "sql602",
        {"ip address": "198.51.100.10", "ipport": "5001"},
    )


def test_the_registry_of_a_windows_client() -> None:
    name, values = registry(connection_string(site({"name": "ERP", "port_base": 6001}), "602sql_windows"))
    assert name == "ERP"
    assert values == {"IP address": "198.51.100.10", "IPPort": 6001, "Use HTTP Tunnel": 0, "Through Firewall": 0}


@pytest.mark.parametrize(
    ("server", "options", "port", "tunnel"),
    [
        ({"http_tunnel_port": 8090}, {}, 5001, False),
        ({"http_tunnel_port": 8090}, {"Use HTTP Tunnel": True}, 8090, True),
        ({"http_tunnel_port": 8090}, {"Use HTTP Tunnel": 1}, 8090, True),
        ({"http_tunnel_port": 8090, "tunnel_only": True}, {}, 8090, True),
        ({"http_tunnel_port": 8090}, {"Use HTTP Tunnel": False}, 5001, False),
    ],
)
def test_a_tunnelled_server_has_the_port_of_the_tunnel(
    server: dict[str, Any], options: dict[str, Any], port: int, tunnel: bool
) -> None:
    _name, values = section(connection_string(site(server), "602sql", client="near", options=options))
    assert (values["ipport"], values.get("use http tunnel")) == (str(port), "1" if tunnel else None)
    _name, values = registry(connection_string(site(server), "602sql_windows", client="near", options=options))
    assert (values["IPPort"], values["Use HTTP Tunnel"]) == (port, int(tunnel))


def test_a_client_behind_address_translation_registers_what_is_published() -> None:
    published = nat({"port": "5001-5002", "public_port": "15001-15002"})
    text = connection_string(site({}, published), "602sql", client="office-pc")
    assert section(text)[1] == {"ip address": "192.0.2.1", "ipport": "15001"}
    text = connection_string(site({}, published), "602sql", client="near")
    assert section(text)[1] == {"ip address": "198.51.100.10", "ipport": "5001"}


def test_a_published_tunnel_is_used_where_nothing_else_is_published() -> None:
    published = nat({"port": 8090, "public_port": 80})
    text = connection_string(site({"http_tunnel_port": 8090}, published), "602sql", client="office-pc")
    assert section(text)[1] == {"ip address": "192.0.2.1", "ipport": "80", "use http tunnel": "1"}
    near = connection_string(site({"http_tunnel_port": 8090}, published), "602sql", client="near")
    assert section(near)[1] == {"ip address": "198.51.100.10", "ipport": "5001"}


def test_a_client_behind_a_socks_host_registers_the_server_and_the_host() -> None:
    data = site({"port_base": 6001}, SOCKS)
    _name, values = registry(connection_string(data, "602sql_windows", client="office-pc"))
    assert values["IP address"] == "198.51.100.10", "the server, which the SOCKS host is asked to connect to"
    assert (values["IPPort"], values["Through Firewall"]) == (6001, 1)
    assert values["Firewall IP address"] == "192.0.2.9"
    with pytest.raises(DbportsError, match="through the SOCKS host") as caught:
        connection_string(data, "602sql", client="office-pc")
    assert caught.value.code == "cannot_pass"


def test_a_socks_host_in_front_of_address_translation_asks_for_the_published_address() -> None:
    """What the client registers is what the SOCKS host is asked for, which sees only the translator."""
    data = site({}, SOCKS, nat({"port": "5001-5002", "public_port": "15001-15002"}))
    _name, values = registry(connection_string(data, "602sql_windows", client="office-pc"))
    assert (values["IP address"], values["IPPort"]) == ("192.0.2.1", 15001)
    assert values["Firewall IP address"] == "192.0.2.9"


@pytest.mark.parametrize(
    ("data", "arguments", "message", "code"),
    [
        (site({}), {"client": "stranger"}, "does not let this client in", "contradiction"),
        (site({}), {"client": "192.0.2.99"}, "does not let this client in", "contradiction"),
        (site({}), {"instance": "NOPE"}, "Name one of sql602", "unknown_name"),
        (site({}), {"options": {"Use HTTP Tunnel": True}}, "do not connect to it in this way", "contradiction"),
        (site({}), {"options": {"Use HTTP Tunnel": "maybe"}}, "do not connect to it in this way", "contradiction"),
        (site({}), {"options": {"Path": "/etc"}}, "Use Use HTTP Tunnel", "not_a_name"),
        (site({}), {"options": {"IPPort": 1}}, "not a keyword", "not_a_name"),
        (site({}, nat()), {"client": "office-pc"}, "not published by nat1", "not_published"),
        (ONE, {}, "Set address", "missing"),
        (ONE, {"address": "2001:db8::10"}, "connect by IPv4", "not_an_address"),
        (ONE, {"address": "x]\nIPPort=1"}, "neither a host name nor an address", "not_an_address"),
        ({"engine": "mssql"}, {"address": "db"}, "for sql602 only", "not_a_choice"),
    ],
)
def test_errors(data: Any, arguments: dict[str, Any], message: str, code: str) -> None:
    with pytest.raises(DbportsError, match=message) as caught:
        connection_string(data, "602sql", **arguments)
    assert caught.value.code == code


def test_host_names_are_for_linux_only() -> None:
    assert section(connection_string(ONE, "602sql", address="db.example.com"))[1]["ip address"] == "db.example.com"
    with pytest.raises(DbportsError, match="no host names"):
        connection_string(ONE, "602sql_windows", address="db.example.com")


def test_two_servers_of_a_host_are_told_apart_by_their_names() -> None:
    data = site({"name": "ERP"})
    other = {"engine": "sql602", "name": "CRM", "port_base": 6001, "clients": ["near"]}
    data["hosts"]["db"]["dbports_servers"].append(other)
    assert section(connection_string(data, "602sql", instance="crm"))[0] == "CRM"
    with pytest.raises(DbportsError, match="Name one of ERP, CRM"):
        connection_string(data, "602sql")


HOSTILE = st.one_of(
    st.text(st.sampled_from("[]=;\\\"'\r\n\t .#AB9\x00\u2028ž"), min_size=1, max_size=12),
    st.text(min_size=1, max_size=40),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,31}", fullmatch=True),
)


@given(name=HOSTILE, port=st.integers(1, 65534))
def test_a_name_stays_one_name(name: str, port: int) -> None:
    """Whatever a server is called, nobody opens another section or key with it: it comes back, or is refused."""
    server = {"engine": "sql602", "name": name, "port_base": port}
    for driver, read in (("602sql", section), ("602sql_windows", registry)):
        try:
            found, values = read(connection_string(server, driver, address="192.0.2.10"))
        except DbportsError as error:
            assert error.code in ("cannot_encode", "not_a_name")
            continue
        assert found == name
        assert {key.lower(): str(value) for key, value in values.items()}["ipport"] == str(port)
