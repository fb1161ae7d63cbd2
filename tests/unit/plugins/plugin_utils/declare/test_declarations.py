# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Malformed declarations: each is refused with the host, the variable's path, the value and what to do."""

from __future__ import annotations

import copy
import textwrap
from typing import Any, NamedTuple

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorCode
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

GOOD: dict[str, Any] = {
    "hosts": {
        "db": {"dbports_addresses": ["192.0.2.10"]},
        "app-01": {"dbports_addresses": ["192.0.2.21"]},
        "app-02": {"dbports_addresses": ["192.0.2.22"]},
        "lost": {},
    },
    "groups": {"app_servers": ["app-01", "app-02"], "empty": [], "strays": ["app-01", "lost"]},
    "vars": {},
}
SERVER = "dbports_servers[0]"
ABSENT = ...
"""The error shows no value, because nothing was written there."""


def errors_of(inventory: dict[str, Any]) -> list[DbportsError]:
    """Plan an inventory that cannot be planned and return why."""
    with pytest.raises(PlanError) as caught:
        build_plan(PlainInventory(inventory))
    return caught.value.errors


class Case(NamedTuple):
    """A declaration and the one error that it leads to.

    :param servers: YAML, the entries of ``dbports_servers`` of host db.
    :param reason: a part of the reason, ``fix``: a part of what to do.
    """

    id: str
    servers: str
    path: str
    value: Any
    code: ErrorCode
    reason: str
    fix: str
    host: str = "db"


SERVERS = [
    # Keys and types
    Case(
        "a server that is a word",
        "- mssql",
        SERVER,
        "mssql",
        "wrong_type",
        "expected a dictionary with engine",
        "engine: mssql",
    ),
    Case("no engine", "- clients: [app_servers]", f"{SERVER}.engine", ABSENT, "missing", "no engine", "mysql, oracle"),
    Case(
        "an unknown engine",
        "- {engine: adabas, clients: [app-01]}",
        f"{SERVER}.engine",
        "adabas",
        "unknown_name",
        "no such engine",
        "mysql, oracle",
    ),
    Case(
        "an engine that is a list",
        "- {engine: [mssql], clients: [app-01]}",
        f"{SERVER}.engine",
        ["mssql"],
        "unknown_name",
        "no such engine",
        "mssql",
    ),
    Case(
        "a key with a typing error",
        "- {engine: sql602, clients: [app-01], portbase: 6001}",
        f"{SERVER}.portbase",
        6001,
        "unknown_key",
        "unknown key",
        "port_base",
    ),
    Case(
        "a key of the other engine",
        "- {engine: sql602, clients: [app-01], instances: [{name: A}]}",
        f"{SERVER}.instances",
        [{"name": "A"}],
        "unknown_key",
        "unknown key",
        "Known keys",
    ),
    Case(
        "an unknown key of an instance",
        "- {engine: mssql, clients: [app-01], instances: [{nmae: SALES}]}",
        f"{SERVER}.instances[0].nmae",
        "SALES",
        "unknown_key",
        "unknown key",
        "name",
    ),
    Case(
        "an unknown key below options",
        "- {engine: mssql, clients: [app-01], options: {brwoser: true}}",
        f"{SERVER}.options.brwoser",
        True,
        "unknown_key",
        "unknown key",
        "browser",
    ),
    Case(
        "options that are a list",
        "- {engine: mssql, clients: [app-01], options: [browser]}",
        f"{SERVER}.options",
        ["browser"],
        "wrong_type",
        "dictionary",
        "browser",
    ),
    Case(
        "an option of an instance beside engine",
        "- {engine: mssql, clients: [app-01], tcp_port: 1500}",
        f"{SERVER}.tcp_port",
        1500,
        "unknown_key",
        "unknown key",
        "instances: [{tcp_port: 1500}]",
    ),
    Case(
        "a misspelt option of an instance beside engine",
        "- {engine: mssql, clients: [app-01], tcp_prt: 1500-1502}",
        f"{SERVER}.tcp_prt",
        "1500-1502",
        "unknown_key",
        "unknown key",
        "instances: [{tcp_port: 1500-1502}]",
    ),
    Case(
        "an option of an instance below options",
        "- {engine: mssql, clients: [app-01], options: {listen: [{address: 192.0.2.10, tcp_port: 1500}]}}",
        f"{SERVER}.options.listen",
        [{"address": "192.0.2.10", "tcp_port": 1500}],
        "unknown_key",
        "unknown key",
        "instances: [{listen: ...}]",
    ),
    Case(
        "a key of the server below options",
        "- {engine: mssql, clients: [app-01], options: {forbidden_clients: [app-02]}}",
        f"{SERVER}.options.forbidden_clients",
        ["app-02"],
        "unknown_key",
        "unknown key",
        "forbidden_clients: ... beside engine: mssql",
    ),
    Case(
        "an option of the server in an instance",
        "- {engine: mssql, clients: [app-01], instances: [{name: SALES, browser: true}]}",
        f"{SERVER}.instances[0].browser",
        True,
        "unknown_key",
        "unknown key",
        "browser: true beside engine: mssql",
    ),
    Case(
        "an option below the options of an instance",
        "- {engine: mssql, clients: [app-01], instances: [{options: {tcp_port: 1500}}]}",
        f"{SERVER}.instances[0].options",
        {"tcp_port": 1500},
        "unknown_key",
        "unknown key",
        "directly in the instance",
    ),
    Case(
        "an address that only means something on its host",
        "- {engine: sql602, clients: [app-01], server_ip_addr: 'fe80::1%eth0'}",
        f"{SERVER}.server_ip_addr",
        "fe80::1%eth0",
        "not_an_address",
        "not an IPv4 or IPv6 address",
        "without a zone id",
    ),
    Case(
        "a key that is a number",
        "- {engine: mssql, clients: [app-01], 1433: true}",
        f"{SERVER}.1433",
        True,
        "unknown_key",
        "unknown key",
        "Known keys",
    ),
    Case(
        "a switch that is neither",
        "- {engine: sql602, clients: [app-01], ping: perhaps}",
        f"{SERVER}.ping",
        "perhaps",
        "not_a_choice",
        "not true or false",
        "true or false",
    ),
    Case(
        "a switch that is a list",
        "- {engine: mssql, clients: [app-01], browser: []}",
        f"{SERVER}.browser",
        [],
        "not_a_choice",
        "not true or false",
        "true or false",
    ),
    Case(
        "an unknown choice",
        "- {engine: mssql, clients: [app-01], dac: everybody}",
        f"{SERVER}.dac",
        "everybody",
        "not_a_choice",
        "not a value for dac",
        "off, local, remote",
    ),
    Case(
        "an unknown release",
        "- {engine: mssql, clients: [app-01], version: 2018}",
        f"{SERVER}.version",
        2018,
        "not_a_choice",
        "not a value for version",
        "2017, 2019",
    ),
    Case(
        "an unknown system of the server",
        "- {engine: mssql, clients: [app-01], os: beos}",
        f"{SERVER}.os",
        "beos",
        "not_a_choice",
        "not a value for os",
        "linux, windows",
    ),
    # Ports
    Case(
        "port 0",
        "- {engine: sql602, clients: [app-01], port_base: 0}",
        f"{SERVER}.port_base",
        0,
        "not_a_port",
        "from 1 to 65535",
        "port",
    ),
    Case(
        "port 65536",
        "- {engine: mssql, clients: [app-01], instances: [{tcp_port: 65536}]}",
        f"{SERVER}.instances[0].tcp_port",
        65536,
        "not_a_port",
        "from 1 to 65535",
        "dynamic",
    ),
    Case(
        "a PORTBASE without a PORTBASE+1",
        "- {engine: sql602, clients: [app-01], port_base: 65535}",
        f"{SERVER}.port_base",
        65535,
        "out_of_range",
        "PORTBASE+1, which must exist",
        "65534",
    ),
    Case(
        "a range where one port is wanted",
        "- {engine: sql602, clients: [app-01], port_base: 5001-5003}",
        f"{SERVER}.port_base",
        "5001-5003",
        "not_a_port",
        "expected one port",
        "one port",
    ),
    Case(
        "a port that is a fraction",
        "- {engine: sql602, clients: [app-01], web_port: 80.5}",
        f"{SERVER}.web_port",
        80.5,
        "not_a_port",
        "not a port",
        "port",
    ),
    Case(
        "a port that is a switch",
        "- {engine: sql602, clients: [app-01], http_tunnel_port: true}",
        f"{SERVER}.http_tunnel_port",
        True,
        "not_a_port",
        "not a port",
        "port",
    ),
    Case(
        "a port that is a word",
        "- {engine: mssql, clients: [app-01], instances: [{tcp_port: any}]}",
        f"{SERVER}.instances[0].tcp_port",
        "any",
        "not_a_port",
        "not a port",
        "dynamic",
    ),
    Case(
        "no port in the list",
        "- {engine: mssql, clients: [app-01], instances: [{tcp_port: []}]}",
        f"{SERVER}.instances[0].tcp_port",
        [],
        "empty",
        "at least one port",
        "dynamic",
    ),
    Case(
        "a range that goes downwards",
        "- {engine: mssql, clients: [app-01], instances: [{tcp_port: 1500-1433}]}",
        f"{SERVER}.instances[0].tcp_port",
        "1500-1433",
        "not_a_port",
        "a range goes upwards",
        "port",
    ),
    # Names
    Case(
        "a name with a quote",
        "- {engine: mssql, clients: [app-01], name: 'a\"b'}",
        f"{SERVER}.name",
        'a"b',
        "not_a_name",
        "without slashes, quotes",
        "name",
    ),
    Case(
        "a name with a line feed",
        '- {engine: mssql, clients: [app-01], name: "a\\nb"}',
        f"{SERVER}.name",
        "a\nb",
        "not_a_name",
        "printable",
        "name",
    ),
    Case(
        "a name with a control character of the upper half",
        '- {engine: mssql, clients: [app-01], name: "a\\u009bb"}',
        f"{SERVER}.name",
        "a\x9bb",
        "not_a_name",
        "printable",
        "name",
    ),
    Case(
        "a name that turns the text around",
        '- {engine: mssql, clients: [app-01], name: "a\\u202eb"}',
        f"{SERVER}.name",
        "a\u202eb",
        "not_a_name",
        "printable",
        "name",
    ),
    Case(
        "a name that is a number",
        "- {engine: mssql, clients: [app-01], name: 7}",
        f"{SERVER}.name",
        7,
        "not_a_name",
        "a name has",
        "name",
    ),
    Case(
        "a name that is a path",
        "- {engine: mssql, clients: [app-01], instances: [{name: ../SALES}]}",
        f"{SERVER}.instances[0].name",
        "../SALES",
        "not_a_name",
        "without slashes",
        "name",
    ),
    Case(
        "a name that is too long",
        f"- {{engine: mssql, clients: [app-01], name: {'x' * 65}}}",
        f"{SERVER}.name",
        "x" * 65,
        "not_a_name",
        "1 to 64",
        "name",
    ),
    Case(
        "a name without a character",
        "- {engine: mssql, clients: [app-01], instances: [{name: ''}]}",
        f"{SERVER}.instances[0].name",
        "",
        "not_a_name",
        "1 to 64",
        "name",
    ),
    Case(
        "two servers of one name",
        "[{engine: mssql, clients: [app-01], name: a}, {engine: sql602, clients: [app-01], name: a}]",
        "dbports_servers[1].name",
        "a",
        "duplicate",
        "two servers of one host",
        "Give each its own",
    ),
    Case(
        "two instances of one name",
        "- {engine: mssql, clients: [app-01], instances: [{name: Sales, tcp_port: 1500}, {name: SALES}]}",
        f"{SERVER}.instances[1].name",
        "SALES",
        "duplicate",
        "two instances",
        "Give each its own",
    ),
    Case(
        "two default instances",
        "- {engine: mssql, clients: [app-01], instances: [{tcp_port: 1500}, {tcp_port: 1501}]}",
        f"{SERVER}.instances[1].name",
        "MSSQLSERVER",
        "duplicate",
        "two instances",
        "Give each its own",
    ),
    # Instances
    Case(
        "no instance in the list",
        "- {engine: mssql, clients: [app-01], instances: []}",
        f"{SERVER}.instances",
        [],
        "empty",
        "neither an instance nor a service is declared",
        "analysis_services",
    ),
    Case(
        "instances that are a dictionary",
        "- {engine: mssql, clients: [app-01], instances: {name: SALES}}",
        f"{SERVER}.instances",
        {"name": "SALES"},
        "wrong_type",
        "expected a list",
        "instances",
    ),
    Case(
        "an instance that is a word",
        "- {engine: mssql, clients: [app-01], instances: [SALES]}",
        f"{SERVER}.instances[0]",
        "SALES",
        "wrong_type",
        "expected a dictionary",
        "name: SALES",
    ),
    # Clients
    Case(
        "no clients",
        "- engine: mssql",
        f"{SERVER}.clients",
        ABSENT,
        "no_clients",
        "no clients are declared",
        "List hosts, groups",
    ),
    Case(
        "clients that are null",
        "- {engine: mssql, clients: }",
        f"{SERVER}.clients",
        None,
        "wrong_type",
        "expected a list of clients",
        "List hosts, groups",
    ),
    Case(
        "clients that are a dictionary",
        "- {engine: mssql, clients: {name: app-01}}",
        f"{SERVER}.clients",
        {"name": "app-01"},
        "wrong_type",
        "expected a list of clients",
        "List hosts, groups",
    ),
    Case(
        "clients of only one of two instances",
        "- {engine: mssql, instances: [{clients: [app-01]}, {name: B, tcp_port: 1500}]}",
        f"{SERVER}.clients",
        ABSENT,
        "no_clients",
        "no clients are declared",
        "List hosts, groups",
    ),
    Case(
        "a client that is a number",
        "- {engine: mssql, clients: [app-01, 21]}",
        f"{SERVER}.clients[1]",
        21,
        "wrong_type",
        "expected a host, group",
        "name",
    ),
    Case(
        "a client without a character",
        "- {engine: mssql, clients: [' ']}",
        f"{SERVER}.clients[0]",
        " ",
        "wrong_type",
        "expected a host, group",
        "name",
    ),
    Case(
        "an unknown group",
        "- {engine: mssql, clients: [app_server]}",
        f"{SERVER}.clients[0]",
        "app_server",
        "unknown_name",
        "neither an inventory host or group",
        "app_servers",
    ),
    Case(
        "a name that DNS may know",
        "- {engine: mssql, clients: [www.example.org]}",
        f"{SERVER}.clients[0]",
        "www.example.org",
        "unknown_name",
        "neither an inventory host or group",
        "an address",
    ),
    Case(
        "an unknown client of an instance",
        "- {engine: mssql, instances: [{clients: [app-01, nobody-here]}]}",
        f"{SERVER}.instances[0].clients[1]",
        "nobody-here",
        "unknown_name",
        "neither an inventory host or group",
        "an address",
    ),
    Case(
        "an empty group",
        "- {engine: mssql, clients: [app-01, empty]}",
        f"{SERVER}.clients[1]",
        "empty",
        "empty_group",
        "has no hosts",
        "allow_empty: true",
    ),
    Case(
        "an unknown key of a client",
        "- {engine: mssql, clients: [{name: empty, alow_empty: true}]}",
        f"{SERVER}.clients[0].alow_empty",
        True,
        "unknown_key",
        "unknown key",
        "allow_empty",
    ),
    Case(
        "a permission that is no switch",
        "- {engine: mssql, clients: [{name: empty, allow_empty: sometimes}]}",
        f"{SERVER}.clients[0].allow_empty",
        "sometimes",
        "not_a_choice",
        "not true or false",
        "true or false",
    ),
    Case(
        "bits behind the mask",
        "- {engine: mssql, clients: [192.0.2.21/24]}",
        f"{SERVER}.clients[0]",
        "192.0.2.21/24",
        "not_an_address",
        "not an IPv4 or IPv6",
        "192.0.2.0/24",
    ),
    Case(
        "half an address",
        "- {engine: mssql, clients: [192.0.2]}",
        f"{SERVER}.clients[0]",
        "192.0.2",
        "not_an_address",
        "not an IPv4 or IPv6",
        "192.0.2.0/24",
    ),
    Case(
        "an address with a zone",
        "- {engine: mssql, clients: ['fe80::1%eth0']}",
        f"{SERVER}.clients[0]",
        "fe80::1%eth0",
        "not_an_address",
        "not an IPv4 or IPv6",
        "2001:db8::/64",
    ),
    Case(
        "an unknown system behind a network",
        "- {engine: mssql, clients: [{name: 192.0.2.0/24, os: beos}]}",
        f"{SERVER}.clients[0].os",
        "beos",
        "not_a_choice",
        "not a known operating system",
        "linux",
    ),
    Case(
        "a system given to a group",
        "- {engine: mssql, clients: [{name: app_servers, os: linux}]}",
        f"{SERVER}.clients[0].os",
        "linux",
        "contradiction",
        "an address or network",
        "dbports_os",
    ),
    Case(
        "a host without an address",
        "- {engine: mssql, clients: [lost]}",
        "dbports_addresses",
        ABSENT,
        "no_address",
        "never resolved",
        "ansible_host",
        host="lost",
    ),
    Case(
        "a group with a host without an address",
        "- {engine: mssql, clients: [strays]}",
        "dbports_addresses",
        ABSENT,
        "no_address",
        "no address is known",
        "gather facts",
        host="lost",
    ),
    # Source ports
    Case(
        "a pinned source port",
        "- {engine: mssql, clients: [app-01], source_port: 1024}",
        f"{SERVER}.source_port",
        1024,
        "source_port",
        "KB 287932",
        "Remove source_port",
    ),
    Case(
        "a pinned source port of a client",
        "- {engine: mssql, clients: [{name: app-01, client_source_ports: 1024}]}",
        f"{SERVER}.clients[0].client_source_ports",
        1024,
        "source_port",
        "a new, unused",
        "Remove client_source_ports",
    ),
    Case(
        "a pinned source port of an instance",
        "- {engine: mssql, clients: [app-01], instances: [{client_port: 1024}]}",
        f"{SERVER}.instances[0].client_port",
        1024,
        "source_port",
        "a new, unused",
        "Remove client_port",
    ),
    # What contradicts itself
    Case(
        "a port that changes and clients that name it",
        "- {engine: mssql, clients: [app-01], instances: [{name: SALES, tcp_port: dynamic, connect_by: port}]}",
        f"{SERVER}.instances[0].connect_by",
        "port",
        "contradiction",
        "a port that changes",
        "IPAll",
    ),
    Case(
        "the default instance asked by its name",
        "- {engine: mssql, clients: [app-01], instances: [{connect_by: name}]}",
        f"{SERVER}.instances[0].connect_by",
        "name",
        "contradiction",
        "never asked for the default instance",
        "Remove connect_by",
    ),
    Case(
        "no Browser for a dynamic instance",
        "- {engine: mssql, clients: [app-01], browser: false, instances: [{name: SALES}]}",
        f"{SERVER}.browser",
        False,
        "missing",
        "UDP 1434",
        "browser: true",
    ),
    Case(
        "the minimum and a tunnel",
        "- {engine: sql602, clients: [app-01], minimum: true, http_tunnel_port: 8080}",
        f"{SERVER}.http_tunnel_port",
        8080,
        "contradiction",
        "means only TCP PORTBASE+1",
        "Remove minimum",
    ),
    Case(
        "the minimum and a web port",
        "- {engine: sql602, clients: [app-01], minimum: true, web_port: 8080}",
        f"{SERVER}.web_port",
        8080,
        "contradiction",
        "means only TCP PORTBASE+1",
        "Remove minimum",
    ),
    Case(
        "a host that is a client and forbidden",
        "- {engine: mssql, clients: [app_servers], forbidden_clients: [app-02]}",
        f"{SERVER}.forbidden_clients[0]",
        "app-02",
        "contradiction",
        "forbidden at once",
        "one of the two",
    ),
    Case(
        "a forbidden host in a client network",
        "- {engine: mssql, clients: [192.0.2.16/28], forbidden_clients: [app-02]}",
        f"{SERVER}.forbidden_clients[0]",
        "app-02",
        "contradiction",
        "forbidden at once",
        "one of the two",
    ),
    Case(
        "a forbidden network",
        "- {engine: mssql, clients: [app-01], forbidden_clients: [198.51.100.0/24]}",
        f"{SERVER}.forbidden_clients[0]",
        "198.51.100.0/24",
        "unknown_name",
        "only inventory hosts",
        "host or group",
    ),
    Case(
        "an unknown forbidden host",
        "- {engine: mssql, clients: [app-01], forbidden_clients: [nobody-here]}",
        f"{SERVER}.forbidden_clients[0]",
        "nobody-here",
        "unknown_name",
        "neither an inventory host or group",
        "inventory host",
    ),
    # dbports_servers itself
    Case(
        "servers that are a dictionary",
        "{engine: mssql}",
        "dbports_servers",
        {"engine": "mssql"},
        "wrong_type",
        "expected a list of servers",
        "engine",
    ),
    Case(
        "servers that are nothing",
        "null",
        "dbports_servers",
        None,
        "wrong_type",
        "expected a list of servers",
        "engine",
    ),
]

HOSTS = [
    (
        "an address that is a name",
        "db",
        "dbports_addresses",
        ["db.example.org"],
        "dbports_addresses[0]",
        "db.example.org",
        "not_an_address",
        "not an IPv4 or IPv6 address",
        "address",
    ),
    (
        "an address that is a network",
        "db",
        "dbports_addresses",
        ["192.0.2.0/24"],
        "dbports_addresses[0]",
        "192.0.2.0/24",
        "not_an_address",
        "not an IPv4 or IPv6 address",
        "address",
    ),
    (
        "a loopback address",
        "db",
        "dbports_addresses",
        ["192.0.2.10", "127.0.0.1"],
        "dbports_addresses[1]",
        "127.0.0.1",
        "unreachable_address",
        "no other host can reach",
        "that its peers see",
    ),
    (
        "a loopback address of IPv6",
        "app-01",
        "dbports_addresses",
        ["::1"],
        "dbports_addresses[0]",
        "::1",
        "unreachable_address",
        "no other host can reach",
        "that its peers see",
    ),
    (
        "the address of nobody",
        "app-01",
        "dbports_addresses",
        "::",
        "dbports_addresses[0]",
        "::",
        "unreachable_address",
        "no other host can reach",
        "that its peers see",
    ),
    (
        "no address in the list",
        "db",
        "dbports_addresses",
        [],
        "dbports_addresses",
        [],
        "wrong_type",
        "list of the host's addresses",
        "address",
    ),
    (
        "addresses that are a number",
        "db",
        "dbports_addresses",
        3221225994,
        "dbports_addresses",
        3221225994,
        "wrong_type",
        "list of the host's addresses",
        "address",
    ),
    (
        "an unknown system",
        "app-01",
        "dbports_os",
        "debian",
        "dbports_os",
        "debian",
        "not_a_choice",
        "not a known operating system",
        "linux",
    ),
    (
        "a system that is a list",
        "app-01",
        "dbports_os",
        ["linux"],
        "dbports_os",
        ["linux"],
        "not_a_choice",
        "not a known operating system",
        "linux",
    ),
    (
        "a pinned ephemeral port",
        "app-01",
        "dbports_ephemeral_ports",
        1024,
        "dbports_ephemeral_ports",
        1024,
        "source_port",
        "KB 287932",
        "32768-60999",
    ),
    (
        "a pinned range of ephemeral ports",
        "app-01",
        "dbports_ephemeral_ports",
        "4000-4000",
        "dbports_ephemeral_ports",
        "4000-4000",
        "source_port",
        "a new, unused",
        "32768-60999",
    ),
    (
        "ephemeral ports that are words",
        "app-01",
        "dbports_ephemeral_ports",
        "high ones",
        "dbports_ephemeral_ports",
        "high ones",
        "not_a_port",
        "not a port",
        "32768-60999",
    ),
    (
        "an unknown policy",
        "db",
        "dbports_policy",
        "deny",
        "dbports_policy",
        "deny",
        "not_a_choice",
        "not a policy",
        "guard or open",
    ),
    (
        "a policy that is a list",
        "app-01",
        "dbports_policy",
        ["guard"],
        "dbports_policy",
        ["guard"],
        "not_a_choice",
        "not a policy",
        "guard or open",
    ),
    (
        "filtering that is no switch",
        "db",
        "dbports_filter_outbound",
        "both",
        "dbports_filter_outbound",
        "both",
        "not_a_choice",
        "not true or false",
        "true or false",
    ),
]


def one_error(inventory: dict[str, Any]) -> DbportsError:
    """Return the only error of an inventory."""
    errors = errors_of(inventory)
    assert len(errors) == 1, [str(error) for error in errors]
    return errors[0]


@pytest.mark.parametrize("case", SERVERS, ids=[case.id for case in SERVERS])
def test_server(case: Case) -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"]["dbports_servers"] = yaml.safe_load(textwrap.dedent(case.servers))
    error = one_error(inventory)
    assert (error.code, error.host, error.path, error.value) == (case.code, case.host, case.path, case.value)
    assert case.reason in error.reason
    assert case.fix in (error.fix or "")


@pytest.mark.parametrize(
    ("host", "variable", "written", "path", "value", "code", "reason", "fix"),
    [row[1:] for row in HOSTS],
    ids=[row[0] for row in HOSTS],
)
def test_host(host: str, variable: str, written: Any, path: str, value: Any, code: str, reason: str, fix: str) -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"]["dbports_servers"] = [{"engine": "mssql", "clients": ["app_servers"]}]
    inventory["hosts"][host][variable] = written
    error = one_error(inventory)
    assert (error.code, error.host, error.path, error.value) == (code, host, path, value)
    assert reason in error.reason
    assert fix in (error.fix or "")


def test_the_good_part_of_the_table_is_good() -> None:
    """Each case above has one fault: without it there is no error."""
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"]["dbports_servers"] = [{"engine": "mssql", "clients": ["app_servers"]}]
    assert sorted(build_plan(PlainInventory(inventory)).hosts) == ["app-01", "app-02", "db"]


def test_a_host_with_a_loopback_ansible_host_has_no_usable_address() -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["lost"] = {"ansible_host": "127.0.0.1"}
    inventory["hosts"]["db"]["dbports_servers"] = [{"engine": "mssql", "clients": ["lost"]}]
    error = one_error(inventory)
    assert (error.host, error.path, error.value) == ("lost", "ansible_host", "127.0.0.1")
    assert "dbports_addresses" in (error.fix or "")


def test_ansible_host_that_is_a_name_is_not_resolved() -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["lost"] = {"ansible_host": "localhost"}
    inventory["hosts"]["db"]["dbports_servers"] = [{"engine": "mssql", "clients": ["lost"]}]
    error = one_error(inventory)
    assert (error.path, error.value) == ("ansible_host", "localhost")


@pytest.mark.parametrize("expected", [5, "5", 10_000])
def test_a_part_of_the_inventory_is_missing(expected: Any) -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["vars"]["dbports_expected_hosts"] = expected
    error = one_error(inventory)
    assert (error.path, error.value) == ("dbports_expected_hosts", expected)
    assert "only 4 hosts" in error.reason
    assert "whole inventory" in (error.fix or "")


@pytest.mark.parametrize("expected", [True, "many", -1, 1.5, [4], "\u00b2"])
def test_expected_hosts_that_are_no_number(expected: Any) -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["vars"]["dbports_expected_hosts"] = expected
    error = one_error(inventory)
    assert (error.path, error.value) == ("dbports_expected_hosts", expected)
    assert "expected a number of hosts" in error.reason
    assert "number" in (error.fix or "")


@pytest.mark.parametrize("expected", [0, 3, 4, "4"])
def test_expected_hosts_that_are_there(expected: Any) -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["vars"]["dbports_expected_hosts"] = expected
    inventory["hosts"]["db"]["dbports_servers"] = [{"engine": "mssql", "clients": ["app-01"]}]
    assert set(build_plan(PlainInventory(inventory)).hosts) == {"app-01", "db"}


def test_all_errors_of_all_hosts_are_told_at_once() -> None:
    errors = errors_of(
        {
            "hosts": {
                "db-1": {
                    "dbports_addresses": ["192.0.2.10"],
                    "dbports_servers": [
                        {"engine": "mssql", "clients": ["nobody-1", "app-01", "nobody-2"]},
                        {"engine": "sql602", "clients": ["app-01"], "port_base": 70000},
                    ],
                },
                "db-2": {"dbports_servers": [{"engine": "mssql", "clients": ["app-01"]}]},
                "db-3": {
                    "dbports_addresses": ["192.0.2.12"],
                    "dbports_servers": [{"engine": "mssql", "clients": ["apps"]}],
                },
                "app-01": {},
                "app-02": {"dbports_os": "beos"},
            },
            "groups": {"apps": ["app-01", "app-02"]},
            "vars": {"dbports_expected_hosts": 6},
        }
    )
    assert sorted((error.host or "", error.path or "") for error in errors) == [
        ("all", "dbports_expected_hosts"),
        ("app-01", "dbports_addresses"),
        ("app-02", "dbports_addresses"),
        ("app-02", "dbports_os"),
        ("db-1", "dbports_servers[0].clients[0]"),
        ("db-1", "dbports_servers[0].clients[2]"),
        ("db-1", "dbports_servers[1].port_base"),
        ("db-2", "dbports_addresses"),
    ]


def test_no_error_of_a_host_hides_another() -> None:
    """A bad address hides neither bad keys nor bad engines, and each bad value and client of a server is named."""
    server = {
        "engine": "sql602",
        "clients": ["nowhere", "app-01", "192.0.2.300"],
        "port_base": 70000,
        "ping": "perhaps",
        "portbase": 1,
        "serch": True,
        "forbidden_clients": 7,
    }
    instances = [{"name": "A", "tcp_port": "x"}, {"name": "B", "hidden": "maybe", "nmae": "C"}]
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"] = {
        "ansible_host": "192.0.2.300",
        "dbports_os": "beos",
        "dbports_policy": "shut",
        "dbports_servers": [server, {"engine": "mssqll"}, {"engine": "mssql", "instances": instances}, 5],
    }
    inventory["hosts"]["app-01"] = {"dbports_addresses": ["db.example.org", "127.0.0.1"]}
    inventory["vars"] = {"dbports_networks": {"office": ["192.0.2.1/24", "x"], "9": []}}
    assert sorted((error.host or "", error.path or "") for error in errors_of(inventory)) == [
        ("all", "dbports_networks.9"),
        ("all", "dbports_networks.office[0]"),
        ("all", "dbports_networks.office[1]"),
        ("app-01", "dbports_addresses[0]"),
        ("app-01", "dbports_addresses[1]"),
        ("db", "ansible_host"),
        ("db", "dbports_os"),
        ("db", "dbports_policy"),
        ("db", "dbports_servers[0].clients[0]"),
        ("db", "dbports_servers[0].clients[2]"),
        ("db", "dbports_servers[0].forbidden_clients"),
        ("db", "dbports_servers[0].ping"),
        ("db", "dbports_servers[0].port_base"),
        ("db", "dbports_servers[0].portbase"),
        ("db", "dbports_servers[0].serch"),
        ("db", "dbports_servers[1].engine"),
        ("db", "dbports_servers[2].instances[0].tcp_port"),
        ("db", "dbports_servers[2].instances[1].hidden"),
        ("db", "dbports_servers[2].instances[1].nmae"),
        ("db", "dbports_servers[3]"),
    ]
    inventory["hosts"]["db"]["dbports_servers"] = [{"engine": "sql602", "clients": server["clients"]}]
    assert {(error.host, error.path) for error in errors_of(inventory)} >= {
        ("app-01", "dbports_addresses[0]"),
        ("app-01", "dbports_addresses[1]"),
        ("db", "ansible_host"),
        ("db", "dbports_servers[0].clients[0]"),
        ("db", "dbports_servers[0].clients[2]"),
    }


def test_an_error_that_many_servers_meet_is_told_once() -> None:
    """A client without an address matters to forty servers, but it is one thing to put right."""
    hosts: dict[str, Any] = {
        f"db-{n:02}": {
            "dbports_addresses": [f"192.0.2.{n}"],
            "dbports_servers": [{"engine": "mssql", "clients": ["lost"]}],
        }
        for n in range(1, 41)
    }
    errors = errors_of({"hosts": {**hosts, "lost": {}}})
    assert [error.host for error in errors] == ["lost"]


def test_an_error_is_a_sentence_with_everything_in_it() -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"]["dbports_servers"] = [{"engine": "mssql", "clients": ["app_server"]}]
    with pytest.raises(PlanError) as caught:
        build_plan(PlainInventory(inventory))
    assert str(caught.value) == (
        "db: dbports_servers[0].clients[0]: neither an inventory host or group nor an IP address or network "
        "(got 'app_server'). Did you mean app_servers?"
    )


@pytest.mark.parametrize(
    ("client", "fix"),
    [
        ("APP-01", "Did you mean app-01?"),
        ("app-02.example.net", "Did you mean app-02?"),
        ("app-1", "Did you mean app-01?"),
        ("office", "Write the addresses of dbports_networks.office; only gateways know this name"),
        ("quite another", None),
        ("app-01,app-02", None),
        ("app-*", None),
        ("printers", "Name an inventory host or group, an address or a network"),
    ],
)
def test_an_unknown_client_is_told_from_a_list_and_a_pattern(client: str, fix: str | None) -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["vars"]["dbports_networks"] = {"office": ["198.51.100.0/24"]}
    inventory["hosts"]["db"]["dbports_servers"] = [{"engine": "mssql", "clients": [client]}]
    (error,) = errors_of(inventory)
    expected = fix or "Write each host, group, address or network as an entry of its own; patterns are not read"
    assert (error.code, error.value, error.fix) == ("unknown_name", client, expected)


def test_a_mistake_that_many_hosts_inherit_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing with 10,000 names takes tenths of a second, and a group's variable makes it for each of its hosts."""
    asked: list[str] = []

    def compare(name: str, known: list[str], count: int) -> list[str]:
        asked.append(name)
        return [known[0]]

    monkeypatch.setattr("difflib.get_close_matches", compare)
    server = {"engine": "mssql", "clients": ["no-such-group"]}
    hosts = {f"db-{n}": {"dbports_addresses": [f"192.0.2.{n}"], "dbports_servers": [server]} for n in range(1, 41)}
    assert len(errors_of({"hosts": hosts})) == 40
    assert asked == ["no-such-group"]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"hosts": {}, "group": {}}, "group"),
        ({"hosts": ["db"]}, "hosts"),
        ({"groups": "all"}, "groups"),
    ],
)
def test_a_dictionary_that_is_no_inventory(data: dict[str, Any], path: str) -> None:
    with pytest.raises(DbportsError) as caught:
        PlainInventory(data)
    assert caught.value.path == path


def refused(**server: Any) -> list[tuple[str | None, str | None, Any, str]]:
    """Return where a server of host db is refused, the value and the code."""
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"] = {"dbports_addresses": ["192.0.2.10", "2001:db8::10"], "dbports_servers": [server]}
    return [(error.host, error.path, error.value, error.code) for error in errors_of(inventory)]


NOT_OTHERS = [
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "239.1.0.0/16",
    "127.0.0.1",
    "127.0.0.0/8",
    "::",
    "::1",
    "ff02::1",
]
"""Addresses of no other host: unspecified, broadcast, multicast, loopback."""


@pytest.mark.parametrize("address", NOT_OTHERS)
def test_nobody_comes_from_there(address: str) -> None:
    """In every list of hosts, whichever option it is."""
    for option in ("clients", "forbidden_clients", "replication_partners", "smtp_servers"):
        server = {"engine": "sql602", "clients": ["app-01"], option: ["198.51.100.7", address]}
        where = ("db", f"{SERVER}.{option}[1]", address, "unreachable_address")
        assert refused(**server) == [where], option


@pytest.mark.parametrize("address", [item for item in NOT_OTHERS if "/" not in item])
def test_nobody_is_reached_there(address: str) -> None:
    """In every option with an address of a host or gateway."""
    code = "unreachable_address"
    one = {"engine": "sql602", "clients": ["app-01"], "server_ip_addr": address}
    assert refused(**one) == [("db", f"{SERVER}.server_ip_addr", address, code)]
    listen = [{"address": "192.0.2.10", "tcp_port": 1433}, {"address": address, "tcp_port": 1433}]
    several = {"engine": "mssql", "clients": ["app-01"], "instances": [{"listen": listen}]}
    assert refused(**several) == [("db", f"{SERVER}.instances[0].listen[1].address", address, code)]
    cluster = {"engine": "mssql", "clients": ["app-01"], "fci_addresses": ["192.0.2.50", address]}
    assert refused(**cluster) == [("db", f"{SERVER}.fci_addresses[1]", address, code)]
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"] = {"dbports_addresses": [address], "dbports_servers": []}
    inventory["vars"] = {
        "dbports_networks": {"a": ["192.0.2.0/24"], "b": [address], "c": ["198.51.100.0/24"]},
        "dbports_gateways": [
            {"name": "n", "kind": "socks", "between": ["a", "c"], "addresses": {"a": address, "c": "198.51.100.1"}}
        ],
    }
    found = {(error.host, error.path, error.code) for error in errors_of(inventory)}
    assert {("db", "dbports_addresses[0]", code), ("all", "dbports_networks.b[0]", code)} <= found
    del inventory["vars"]["dbports_networks"]["b"]
    found = {(error.host, error.path, error.code) for error in errors_of(inventory)}
    assert ("all", "dbports_gateways[0].addresses.a[0]", code) in found


@pytest.mark.parametrize(
    ("server", "path", "value", "code"),
    [
        ("{engine: sql602, http_tunnel_port: 5001}", "http_tunnel_port", 5001, "contradiction"),
        ("{engine: sql602, http_tunnel_port: 5002}", "http_tunnel_port", 5002, "contradiction"),
        ("{engine: sql602, web_port: 6001, port_base: 6001}", "web_port", 6001, "contradiction"),
        ("{engine: sql602, web_port: 6002, port_base: 6001}", "web_port", 6002, "contradiction"),
        ("{engine: sql602, web_port: 5003, replication_partners: [app-02]}", "web_port", 5003, "contradiction"),
        ("{engine: sql602, replication_partners: [app-02, db]}", "replication_partners[1]", "db", "contradiction"),
        (
            "{engine: sql602, replication_partners: [192.0.2.10]}",
            "replication_partners[0]",
            "192.0.2.10",
            "contradiction",
        ),
        ("{engine: mssql, broker_port: 4022, broker_peers: [db]}", "broker_peers[0]", "db", "contradiction"),
        ("{engine: db2, hadr_port: 4000, hadr_partners: [db]}", "hadr_partners[0]", "db", "contradiction"),
        ("{engine: sql602, server_ip_addr: 192.0.2.99}", "server_ip_addr", "192.0.2.99", "contradiction"),
        (
            "{engine: mssql, instances: [{listen: [{address: 192.0.2.99, tcp_port: 1433}]}]}",
            "instances[0].listen[0].address",
            "192.0.2.99",
            "contradiction",
        ),
        (
            "{engine: mssql, instances: [{tcp_port: 1500}, {name: B, tcp_port: 1500}]}",
            "instances[1]",
            1500,
            "duplicate",
        ),
        ("{engine: postgresql, pgbouncer_port: 5432}", "pgbouncer_port", 5432, "duplicate"),
        ("{engine: mysql, x_port: 3306}", "x_port", 3306, "duplicate"),
        ("{engine: oracle, tcps_port: 1521}", "tcps_port", 1521, "duplicate"),
        ("{engine: db2, ssl_port: 50000}", "ssl_port", 50000, "duplicate"),
        ("{engine: etcd, port: 2380, nodes: [app-02]}", "peer_port", 2380, "duplicate"),
    ],
)
def test_what_cannot_be(server: str, path: str, value: Any, code: str) -> None:
    assert refused(**{"clients": ["app-01"], **yaml.safe_load(server)}) == [("db", f"{SERVER}.{path}", value, code)]


@pytest.mark.parametrize(
    "server",
    [
        "{engine: sql602, http_tunnel_port: 80, web_port: 80}",
        "{engine: sql602, tunnel_only: true, http_tunnel_port: 5001}",
        "{engine: sql602, server_ip_addr: '2001:db8::10'}",
        "{engine: sql602, replication_partners: [everybody]}",
        "{engine: mssql, ag_replicas: [db, app-02]}",
        "{engine: mssql, instances: [{listen: [{address: 192.0.2.10, tcp_port: 1433}]}, {name: B, listen: "
        "[{address: '2001:db8::10', tcp_port: 1433}]}]}",
        "{engine: postgresql, clients: [fe80::1, 169.254.7.7, 192.0.2.0-192.0.2.9]}",
    ],
)
def test_what_only_looks_wrong(server: str) -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["groups"]["everybody"] = ["db", "app-02"]
    inventory["hosts"]["db"] = {
        "dbports_addresses": ["192.0.2.10", "2001:db8::10"],
        "dbports_servers": [{"clients": ["app-01"], **yaml.safe_load(server)}],
    }
    assert build_plan(PlainInventory(inventory)).hosts["db"].rules


@pytest.mark.parametrize("clients", [["db"], ["192.0.2.10"], ["db", "2001:db8::10"], ["everybody"]])
def test_a_server_whose_only_client_is_itself(clients: list[str]) -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["groups"]["everybody"] = ["db"]
    inventory["hosts"]["db"] = {
        "dbports_addresses": ["192.0.2.10", "2001:db8::10"],
        "dbports_servers": [{"engine": "postgresql", "clients": clients}],
    }
    (warning,) = build_plan(PlainInventory(inventory)).warnings
    assert (warning.code, warning.host, warning.path) == ("nobody_admitted", "db", f"{SERVER}.clients")


@pytest.mark.parametrize(
    ("clients", "wide"),
    [
        (["0.0.0.0/0"], [0]),
        (["app-01", "::/0"], [1]),
        (["0.0.0.0/1", "128.0.0.0/1"], [0, 1]),
        (["1.0.0.0-223.255.255.255", "2000::/3"], [0, 1]),
        (["10.0.0.0/8", "2001:db8::/32", "192.0.0.0/3"], [2]),
    ],
)
def test_a_list_of_clients_that_lets_in_everyone(clients: list[str], wide: list[int]) -> None:
    inventory = copy.deepcopy(GOOD)
    server = {"engine": "sql602", "clients": ["app-01"], "replication_partners": clients}
    inventory["hosts"]["db"]["dbports_servers"] = [{"engine": "postgresql", "clients": clients}, server]
    found = [item for item in build_plan(PlainInventory(inventory)).warnings if item.code == "open_to_everyone"]
    assert [(item.host, item.path, item.peers) for item in found] == [
        ("db", f"dbports_servers[{server}].{option}[{index}]", (clients[index],))
        for server, option in enumerate(("clients", "replication_partners"))
        for index in wide
    ]


def test_clients_of_a_server_with_errors_are_looked_up_too() -> None:
    inventory = copy.deepcopy(GOOD)
    wrong = {"engine": "mssql", "browser": "maybe", "clients": ["app-1"], "forbidden_clients": ["empty"]}
    inventory["hosts"]["db"]["dbports_servers"] = [wrong, {"engine": "nothing", "clients": ["nobody-1"]}]
    assert [(error.path, error.value) for error in errors_of(inventory)] == [
        (f"{SERVER}.browser", "maybe"),
        (f"{SERVER}.clients[0]", "app-1"),
        (f"{SERVER}.forbidden_clients[0]", "empty"),
        ("dbports_servers[1].engine", "nothing"),
        ("dbports_servers[1].clients[0]", "nobody-1"),
    ]


def test_a_misspelt_engine_key_is_named() -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"]["dbports_servers"] = [{"engin": "mssql", "clients": ["app-01"]}]
    assert "in place of engin" in (one_error(inventory).fix or "")


@pytest.mark.parametrize(
    ("server", "path", "fix"),
    [
        ("{engine: mssql, clients: [db], dac_clients: [app-01]}", "dac_clients", "Set dac: remote"),
        (
            "{engine: mssql, clients: [db], dac: remote, instances: [{}, {name: X, tcp_port: 1500, dac: local, "
            "dac_clients: [app-01]}]}",
            "instances[1].dac_clients",
            "Set dac: remote",
        ),
        ("{engine: mysql, clients: [db], admin_clients: [app-01]}", "admin_clients", "Set admin_port"),
        ("{engine: oracle, clients: [db], admin_clients: [app-01]}", "admin_clients", "Set em_express_port"),
    ],
)
def test_clients_of_what_is_not_there(server: str, path: str, fix: str) -> None:
    """They would open nothing, and administrators would be shut out without a word."""
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"]["dbports_servers"] = [yaml.safe_load(server)]
    (error,) = errors_of(inventory)
    assert (error.host, error.path, error.code) == ("db", f"{SERVER}.{path}", "contradiction")
    assert error.value == ["app-01"]
    assert str(error.fix).startswith(fix)


def test_all_options_that_lack_another_are_reported() -> None:
    """Each with what it needs, at the server and at its instances."""
    inventory = copy.deepcopy(GOOD)
    mysql = "{engine: mysql, clients: [db], admin_clients: [app-01], galera_multicast: 239.192.0.11}"
    mssql = "{engine: mssql, clients: [db], health_probe_port: 59999, instances: [{dac_clients: [app-01]}]}"
    inventory["hosts"]["db"]["dbports_servers"] = [yaml.safe_load(mysql), yaml.safe_load(mssql)]
    assert {(error.path, error.fix) for error in errors_of(inventory)} == {
        (f"{SERVER}.admin_clients", "Set admin_port, or remove admin_clients"),
        (f"{SERVER}.galera_multicast", "Set galera_nodes, or remove galera_multicast"),
        ("dbports_servers[1].health_probe_port", "Set health_probe_from, or remove health_probe_port"),
        ("dbports_servers[1].instances[0].dac_clients", "Set dac: remote, or remove dac_clients"),
    }


@pytest.mark.parametrize(
    "server",
    [
        "{engine: mssql, clients: [app-01], dac_clients: [], dac: local}",
        "{engine: mssql, clients: [app-01], dac_clients: [app-02], instances: [{dac: remote}, {name: X, tcp_port: 9}]}",
        "{engine: mysql, clients: [app-01], admin_clients: [app-02], admin_port: 33062}",
    ],
)
def test_clients_of_what_is_there(server: str) -> None:
    inventory = copy.deepcopy(GOOD)
    inventory["hosts"]["db"]["dbports_servers"] = [yaml.safe_load(server)]
    assert build_plan(PlainInventory(inventory)).counts()["servers"] == 1
