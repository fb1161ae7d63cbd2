# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From sockets to a declaration, and from the declaration to a plan of exactly these sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressSet, parse_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._learn import look, read_values
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.outside import listeners_outside
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._learn.files import (
    HEADER,
    learned_file,
    merge,
    read_earlier,
    render,
    write,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._learn.servers import (
    Learned,
    Seen,
    Value,
    learn_servers,
    processes_of,
    settings_of,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

OWN, CLIENT, NODE = "192.0.2.10", "192.0.2.21", "192.0.2.11"


def listener(process: str, port: int, address: str = "0.0.0.0", pid: int = 7, protocol: Any = "tcp") -> Socket:
    """Return a listening socket."""
    return Socket("ipv4", protocol, "LISTEN" if protocol == "tcp" else None, address, port, None, None, pid, process)


def connection(port: int, peer: str) -> Socket:
    """Return an established connection to a port of the host."""
    return Socket("ipv4", "tcp", "ESTABLISHED", OWN, port, peer, 40000, 7, "server")


def learned(*sockets: Socket, values: tuple[Value, ...] = ()) -> list[Learned]:
    """Learn from what a host shows."""
    return learn_servers(Seen(sockets, values), builtin_engines(), AddressSet(parse_addresses([OWN])))


def left_over(servers: list[Learned], *sockets: Socket) -> list[str]:
    """Plan what was learned, and return what of it does not listen and what listens outside it."""
    hosts = {"db": {"dbports_addresses": [OWN], "dbports_os": "linux", "dbports_servers": [s.values for s in servers]}}
    port_set = build_plan(PlainInventory({"hosts": hosts})).hosts["db"]
    silent = [
        f"no {item.id}"
        for item in port_set.endpoints
        if item.listening == "required"
        and not any(one.protocol == item.protocol and any(one.local_port in p for p in item.ports) for one in sockets)
    ]
    return silent + [f"{one.process} {one.local_port}" for one in listeners_outside(port_set, sockets)]


CASES: dict[str, tuple[list[Socket], list[dict[str, Any]]]] = {
    "postgresql at its port": (
        [listener("postgres", 5432), connection(5432, CLIENT)],
        [{"engine": "postgresql", "clients": [CLIENT]}],
    ),
    "postgresql at another port, with PgBouncer": (
        [listener("postgres", 5433), listener("pgbouncer", 6432, pid=8), connection(5433, CLIENT)],
        [{"engine": "postgresql", "port": 5433, "pgbouncer_port": 6432, "clients": [CLIENT]}],
    ),
    "PgBouncer alone": ([listener("pgbouncer", 6432)], [{"engine": "pgbouncer", "clients": []}]),
    "two postgresql": (
        [listener("postgres", 5432, pid=1), listener("postgres", 5444, pid=2)],
        [{"engine": "postgresql", "clients": []}, {"engine": "postgresql", "port": 5444, "clients": []}],
    ),
    "mysql with X Protocol": (
        [listener("mysqld", 3306), listener("mysqld", 33060)],
        [{"engine": "mysql", "x_port": 33060, "clients": []}],
    ),
    "galera": (
        [listener("mariadbd", 3306), listener("mariadbd", 4567), connection(4567, NODE), connection(3306, CLIENT)],
        [{"engine": "mysql", "galera_nodes": [NODE], "clients": [CLIENT]}],
    ),
    "etcd": (
        [listener("etcd", 2379), listener("etcd", 2380), connection(2380, NODE), connection(2379, CLIENT)],
        [{"engine": "etcd", "nodes": [NODE], "clients": [CLIENT]}],
    ),
    "firebird": ([listener("firebird", 3055)], [{"engine": "firebird", "port": 3055, "clients": []}]),
    "602SQL": (
        [listener("602sql11", 6002), listener("602sql11", 6001, protocol="udp")],
        [{"engine": "sql602", "port_base": 6001, "clients": []}],
    ),
    "SQL Server": (
        [listener("sqlservr", 1433), listener("sqlservr", 1434, "127.0.0.1")],
        [{"engine": "mssql", "instances": [{"name": "MSSQLSERVER", "tcp_port": 1433}], "clients": []}],
    ),
    "loopback only": ([listener("postgres", 5432, "127.0.0.1")], []),
    "something else": ([listener("nginx", 80)], []),
}


@pytest.mark.parametrize(("sockets", "expected"), CASES.values(), ids=list(CASES))
def test_what_listens_is_declared(sockets: list[Socket], expected: list[dict[str, Any]]) -> None:
    found = learned(*sockets)
    assert sorted(map(repr, (item.values for item in found))) == sorted(map(repr, expected))
    assert left_over(found, *sockets) == []


def test_a_port_that_no_option_explains_is_noted() -> None:
    sockets = [listener("postgres", 5432), listener("postgres", 9999)]
    (found,) = learned(*sockets)
    assert any("tcp 9999" in note for note in found.notes)
    assert left_over([found], *sockets) == ["postgres 9999"]


def test_the_configuration_tells_ports_apart() -> None:
    values = (Value("/etc/firebird/3.0/firebird.conf", "", "RemoteAuxPort", "3051"),)
    (found,) = learned(listener("firebird", 3050), values=values)
    assert found.values == {"engine": "firebird", "aux_port": 3051, "events": True, "clients": []}
    values = (Value("/etc/my.cnf", "mysqld", "port", "3310"),)
    (found,) = learned(listener("mariadbd", 3307), listener("mariadbd", 3310), values=values)
    assert found.values["port"] == 3310


def test_hostile_values_are_passed_over() -> None:
    values = tuple(Value("/etc/my.cnf", "mysqld", "port", text) for text in ("0", "99999", "9" * 5000, "-1", "x"))
    (found,) = learned(listener("mariadbd", 3306), values=values)
    assert found.values == {"engine": "mysql", "clients": []}


def test_a_configuration_is_read_as_its_server_reads_it() -> None:
    text = "# port = 1\n[mysqld]\nPort=3307 # why\nmysqlx-port = '33070'\n[client]\nport=1\npassword = secret\n"
    assert list(read_values(text)) == [
        ("mysqld", "port", "3307"),
        ("mysqld", "mysqlx_port", "33070"),
        ("client", "port", "1"),
        ("client", "password", "secret"),
    ]


def test_only_what_was_asked_for_leaves_the_host(tmp_path: Path) -> None:
    (tmp_path / "my.cnf").write_text("[mysqld]\nport=3307\npassword=secret\n[client]\nport=1\n")
    setting = {"files": [f"{tmp_path}/*.cnf", "/nowhere"], "key": "Port", "sections": ["mysqld"]}
    found = look(["no such program"], [setting])
    assert found == {
        "sockets": [],
        "values": [{"file": f"{tmp_path}/my.cnf", "section": "mysqld", "key": "Port", "value": "3307"}],
    }


def test_runs_are_merged(tmp_path: Path) -> None:
    first = learned(listener("postgres", 5432), connection(5432, CLIENT))
    second = learned(listener("postgres", 5432), listener("etcd", 2379, pid=9), connection(5432, NODE))
    path = tmp_path / "new" / learned_file("db")
    assert write(path, render("db", merge(read_earlier(path), first), []))
    servers = merge(read_earlier(path), second)
    assert write(path, render("db", servers, ["a note\nwith a line end"]))
    assert not write(path, render("db", servers, ["a note\nwith a line end"]))
    assert read_earlier(path) == [
        {"engine": "postgresql", "clients": [NODE, CLIENT]},
        {"engine": "etcd", "clients": []},
    ]
    assert len([line for line in path.read_text().splitlines() if line.startswith("# - ")]) == 1


@pytest.mark.parametrize("text", ["", "dbports_servers: []\n", f"{HEADER}- x\n", f"{HEADER}dbports_servers: [x]\n"])
def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "db.yml"
    path.write_text(text)
    with pytest.raises(DbportsError) as caught:
        read_earlier(path)
    assert caught.value.code == "not_ours"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "db.yml").symlink_to(tmp_path / "other")
    with pytest.raises(DbportsError) as caught:
        read_earlier(tmp_path / "db.yml")
    assert caught.value.code == "not_ours"


def test_every_setting_belongs_to_an_option() -> None:
    for engine in builtin_engines().values():
        options = {item.name for item in (*engine.options, *engine.instance_options)}
        assert {item.option for item in engine.settings} <= options
        assert {item.implies for item in engine.settings} - {""} <= options
    assert {"postgres", "mariadbd", "sqlservr", "602sql*", "firebird", "etcd"} <= set(processes_of(builtin_engines()))
    assert yaml.safe_dump(settings_of(builtin_engines()))
