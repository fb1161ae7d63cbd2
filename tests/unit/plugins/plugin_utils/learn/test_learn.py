# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From sockets to a declaration, and from the declaration to a plan of exactly these sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import parse_addresses
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
from ansible_collections.dbports.firewall.plugins.plugin_utils._learn.names import names_by_address
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
    return learn_servers(Seen(sockets, values), builtin_engines(), parse_addresses([OWN]))


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
    assert write(path, render("db", merge(read_earlier(path), first, {}), []))
    servers = merge(read_earlier(path), second, {})
    assert write(path, render("db", servers, ["a note\nwith a line end"]))
    assert not write(path, render("db", servers, ["a note\nwith a line end"]))
    assert read_earlier(path) == [
        {"engine": "postgresql", "clients": [NODE, CLIENT]},
        {"engine": "etcd", "clients": []},
    ]
    assert len([line for line in path.read_text().splitlines() if line.startswith("# - ")]) == 1


def test_hosts_are_named_where_their_addresses_are_known() -> None:
    hosts: dict[str, dict[str, Any]] = {
        "app": {"ansible_host": CLIENT},
        "twin-1": {"dbports_addresses": ["192.0.2.31", "2001:db8::31"]},
        "twin-2": {"ansible_host": "192.0.2.31"},
        "{{ lookup('pipe', 'id') }}": {"ansible_host": "192.0.2.32"},
        "tag\U000e0041": {"ansible_host": "192.0.2.33"},
        "db-1.example": {"ansible_host": "db-1.example"},
        "wrong": {"dbports_addresses": "no address"},
    }
    names = names_by_address(PlainInventory({"hosts": hosts}), hosts)
    assert names == {CLIENT: "app", "2001:db8::31": "twin-1"}
    found = learned(
        listener("postgres", 5432), *(connection(5432, item) for item in (CLIENT, "192.0.2.31", "2001:db8::31"))
    )
    assert merge([], found, names)[0]["clients"] == ["192.0.2.31", "app", "twin-1"]
    earlier = [{"engine": "postgresql", "clients": ["192.0.2.50", CLIENT]}]
    assert merge(earlier, found, names)[0]["clients"] == ["192.0.2.31", "192.0.2.50", "app", "twin-1"]


def test_what_a_reviewer_wrote_stays() -> None:
    """In the file itself, which the next run adds to."""
    reviewed = [
        {
            "engine": "postgresql",
            "port": 5432,
            "comment": "ERP",
            "clients": [{"name": "web", "allow_empty": True}, "app_servers"],
        },
        {"engine": "mssql", "instances": [{"name": "SALES", "tcp_port": 1433}], "clients": "reports"},
        {"engine": "sql602", "clients": None},
        {"engine": "ours", "clients": []},
        {},
    ]
    found = learned(
        listener("postgres", 5432, pid=1),
        listener("pgbouncer", 6432, pid=2),
        listener("sqlservr", 1433, pid=3),
        listener("602sql11", 5002, pid=4),
        *(connection(port, CLIENT) for port in (5432, 1433, 5002)),
    )
    assert merge(reviewed, found, {CLIENT: "app"}) == [
        {
            "engine": "postgresql",
            "port": 5432,
            "comment": "ERP",
            "clients": ["app", "app_servers", {"name": "web", "allow_empty": True}],
            "pgbouncer_port": 6432,
        },
        {"engine": "mssql", "instances": [{"name": "SALES", "tcp_port": 1433}], "clients": ["app", "reports"]},
        {"engine": "sql602", "clients": ["app"]},
        {"engine": "ours", "clients": []},
        {},
    ]


def test_the_host_itself_is_no_client() -> None:
    """It connects from any address it has, and the inventory knows only one of them."""
    own = "198.51.100.10"
    there = Socket("ipv4", "tcp", "ESTABLISHED", own, 5432, own, 40000, 7, "postgres")
    (found,) = learned(listener("postgres", 5432), there, connection(5432, CLIENT))
    assert found.values["clients"] == [CLIENT]


FILES = {
    "/var/opt/mssql/mssql.conf": "[sqlagent]\nenabled = false\n\n[network]\ntcpport = 14330\nipaddress = 0.0.0.0\n",
    "/etc/602sql": "[ERP]\r\nPath = /srv/602sql\r\nIPPort=6001\r\nHTTPTunnelPort=8080\r\nIP address = 0.0.0.0\r\n",
    "/etc/postgresql/15/main/postgresql.conf": "#port = 5432\nport 5433\t\t# (change requires restart)\n",
    "/etc/pgbouncer/pgbouncer.ini": "[databases]\n* = host=/run\n[pgbouncer]\nlisten_port = 6433\n",
    "/etc/mysql/mariadb.conf.d/50-server.cnf": "[client]\nport = 1\n[mysqld]\nport = 3310\nmysqlx-port = 33070\n",
    "/etc/firebird/3.0/firebird.conf": "#RemoteServicePort = 3050\nRemoteServicePort = 3055\nRemoteAuxPort = 3056\n",
}


def test_all_configuration_files_are_read(tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True)
        path.write_bytes(text.encode())
    settings = [
        {**item, "files": [f"{tmp_path}{pattern}" for pattern in item["files"]]}
        for item in settings_of(builtin_engines())
    ]
    shown = look(["no such program"], settings)["values"]
    values = tuple(Value(**{**item, "file": item["file"].removeprefix(str(tmp_path))}) for item in shown)
    assert sorted((item.file, item.key, item.value) for item in values) == [
        ("/etc/602sql", "HTTPTunnelPort", "8080"),
        ("/etc/602sql", "IPPort", "6001"),
        ("/etc/firebird/3.0/firebird.conf", "RemoteAuxPort", "3056"),
        ("/etc/firebird/3.0/firebird.conf", "RemoteServicePort", "3055"),
        ("/etc/mysql/mariadb.conf.d/50-server.cnf", "mysqlx_port", "33070"),
        ("/etc/mysql/mariadb.conf.d/50-server.cnf", "port", "3310"),
        ("/etc/pgbouncer/pgbouncer.ini", "listen_port", "6433"),
        ("/etc/postgresql/15/main/postgresql.conf", "port", "5433"),
        ("/var/opt/mssql/mssql.conf", "tcpport", "14330"),
    ]
    programs = {
        "sqlservr": (1433, 14330),
        "602sql11": (6002, 8080),
        "postgres": (5432, 5433),
        "pgbouncer": (6433,),
        "mariadbd": (3306, 3310, 33070),
        "firebird": (3050, 3055),
    }
    sockets = [listener(name, port, pid=pid) for pid, name in enumerate(programs, 1) for port in programs[name]]
    found = {item.values["engine"]: item.values for item in learned(*sockets, values=values)}
    assert found["mssql"]["instances"][0]["tcp_port"] == 14330
    assert (found["sql602"]["port_base"], found["sql602"]["http_tunnel_port"]) == (6001, 8080)
    assert (found["postgresql"]["port"], found["postgresql"]["pgbouncer_port"]) == (5433, 6433)
    assert (found["mysql"]["port"], found["mysql"]["x_port"]) == (3310, 33070)
    assert (found["firebird"]["port"], found["firebird"]["aux_port"]) == (3055, 3056)


def test_a_port_of_another_engines_file_says_nothing() -> None:
    values = (Value("/etc/mysql/my.cnf", "mysqld", "port", "9999"),)
    (found,) = learned(listener("postgres", 5432), listener("postgres", 9999), values=values)
    assert "port" not in found.values


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
