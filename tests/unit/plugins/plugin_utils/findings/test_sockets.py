# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's sockets say: several endpoints on one port, servers that moved, servers beside the declared one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.outside import watched_processes
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import probes_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import awaited_listeners, watched_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

from socket_rows import listening

CLIENT, STANDBY, STRANGER = "192.0.2.21", "192.0.2.11", "192.0.2.66"
SQL602: dict[str, Any] = {"engine": "sql602", "clients": [CLIENT]}
MYSQL: dict[str, Any] = {"engine": "mysql", "clients": [CLIENT]}
POSTGRESQL: dict[str, Any] = {"engine": "postgresql", "clients": [CLIENT]}
FIREBIRD: dict[str, Any] = {"engine": "firebird", "clients": [CLIENT]}
MSSQL: dict[str, Any] = {"engine": "mssql", "clients": [CLIENT], "os": "linux"}


def planned(*servers: dict[str, Any]) -> PortSet:
    """Return the port set of a host with these servers."""
    host = {"dbports_addresses": ["192.0.2.10", "2001:db8::10"], "dbports_servers": list(servers)}
    return build_plan(PlainInventory({"hosts": {"db": host}})).hosts["db"]


def socket(protocol: str, port: int, process: str | None, **other: Any) -> dict[str, Any]:
    """Return a listening socket, with what differs."""
    return listening(port, process, protocol, **other)


def connection(remote: str, port: int, process: str, *, local: str = "192.0.2.10", **other: Any) -> dict[str, Any]:
    """Return a connection from a remote to a port of the host."""
    told = {"state": "ESTABLISHED", "local_address": local, "remote_address": remote, "remote_port": 50000}
    return socket("tcp", port, process, **{**told, **other})


def judged(port_set: PortSet, sockets: list[dict[str, Any]]) -> list[Finding]:
    """Return the findings of a host that shows these sockets."""
    return judge(port_set, read_observation({"sockets": sockets}))


def problems(port_set: PortSet, *sockets: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return code, verdict, endpoint and what is said, without what to do, of what is not ok but for probes."""
    bad = [one for one in judged(port_set, list(sockets)) if one.verdict != "ok" and not one.reached]
    return [(one.code, one.verdict, one.endpoint, finding_sentence(one).rpartition(": ")[0]) for one in bad]


class TestOnePort:
    """Endpoints that share a port share its clients."""

    @pytest.mark.parametrize(
        ("server", "port", "process", "endpoints"),
        [
            ({**POSTGRESQL, "replicas": [STANDBY]}, 5432, "postgres", {"postgresql/sql", "postgresql/replication"}),
            (
                {**POSTGRESQL, "patroni_nodes": [STANDBY], "patroni_clients": [CLIENT]},
                8008,
                "patroni",
                {"postgresql/patroni", "postgresql/patroni_api"},
            ),
            ({**MYSQL, "replicas": [STANDBY]}, 3306, "mariadbd", {"mysql/sql", "mysql/replication"}),
        ],
    )
    def test_they_do_not_accuse_each_others_clients(
        self, server: dict[str, Any], port: int, process: str, endpoints: set[str]
    ) -> None:
        port_set = planned(server)
        assert endpoints <= {one.id for one in port_set.endpoints}
        port_set.endpoints = [one for one in port_set.endpoints if one.id in endpoints]
        shown = [socket("tcp", port, process), connection(CLIENT, port, process), connection(STANDBY, port, process)]
        assert problems(port_set, *shown) == []
        found = problems(port_set, *shown, connection(STRANGER, port, process))
        assert [(code, verdict, endpoint) for code, verdict, endpoint, _reason in found] == [
            ("stranger", "fail", port_set.endpoints[0].id)
        ]
        assert f"{STRANGER} port 50000 is connected" in found[0][3]
        assert all(endpoint in f"{found[0][2]} {found[0][3]}" for endpoint in endpoints)

    def test_a_stranger_is_reported_once_whatever_its_connections_and_the_processes_that_share_them(self) -> None:
        shown = [connection(STRANGER, 5432, "postgres", remote_port=port, pid=pid) for port in (5, 6) for pid in (8, 9)]
        found = problems(planned(POSTGRESQL), socket("tcp", 5432, "postgres"), *shown)
        assert [one[3] for one in found] == [
            f"{STRANGER} port 5 and 1 more is connected, and the plan does not allow it"
        ]

    def test_a_host_that_connects_to_itself_by_an_address_of_its_own_is_no_stranger(self) -> None:
        """By one that the inventory does not know; a socket that only is bound to an address proves nothing."""
        port_set = planned(POSTGRESQL)
        listening = socket("tcp", 5432, "postgres")
        itself = connection(STRANGER, 5432, "postgres", local=STRANGER)
        assert problems(port_set, listening, itself) == []
        bound = socket("udp", 5433, "other", local_address=STRANGER)
        assert [one[0] for one in problems(port_set, listening, bound, connection(STRANGER, 5432, "postgres"))] == [
            "stranger"
        ]

    def test_a_listener_has_its_own_clients_beside_those_of_its_instance(self) -> None:
        instance = {"ag_replicas": [STANDBY], "ag_listener_addresses": ["192.0.2.31"], "ag_listener_clients": [CLIENT]}
        port_set = planned({**MSSQL, "clients": ["192.0.2.22"], "instances": [instance]})
        shown = [socket("tcp", 1433, "sqlservr"), socket("tcp", 5022, "sqlservr")]
        shown += [connection("192.0.2.22", 1433, "sqlservr"), connection(CLIENT, 1433, "sqlservr", local="192.0.2.31")]
        assert [one for one in problems(port_set, *shown) if one[0] == "stranger"] == []

    def test_an_endpoint_with_its_own_address_admits_to_that_address_only(self) -> None:
        port_set = planned({**POSTGRESQL, "replicas": [STANDBY]})
        sql, replication = port_set.endpoints
        port_set.endpoints = [sql, replication._replace(address=AddressRange.parse("192.0.2.31"))]
        shown = [socket("tcp", 5432, "postgres"), connection(STANDBY, 5432, "postgres", local="192.0.2.31")]
        assert problems(port_set, *shown, connection(CLIENT, 5432, "postgres", local="192.0.2.31")) == []
        found = problems(port_set, *shown, connection(STANDBY, 5432, "postgres"))
        assert [(code, endpoint) for code, _verdict, endpoint, _text in found] == [("stranger", sql.id)]
        assert found[0][3].startswith(f"{STANDBY} port 50000 is connected, and the plan does not allow it")
        port_set.endpoints = port_set.endpoints[1:]
        assert problems(port_set, *shown, connection(STANDBY, 5432, "postgres")) == []


def outside(port_set: PortSet, *sockets: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return verdict, endpoint, port and what is said of listeners outside the plan."""
    ids = {one.id for one in port_set.endpoints}
    found = judged(port_set, list(sockets))
    said = [(one, finding_sentence(one).partition(": ")[0]) for one in found if one.endpoint not in ids]
    return [(one.verdict, one.endpoint, one.port, text) for one, text in said]


DECLARED_602 = [socket("tcp", 5002, "602sql11"), socket("udp", 5001, "602sql11")]


class TestOutside:
    """What a server's program listens on beside the plan."""

    @pytest.mark.parametrize(
        ("server", "shown", "port", "reason"),
        [
            (
                SQL602,
                [*DECLARED_602, socket("tcp", 6002, "602sql11", pid=8), socket("udp", 6001, "602sql11", pid=8)],
                "tcp 6002, udp 6001",
                "602sql11 listens on tcp 6002, udp 6001, outside the plan",
            ),
            (
                FIREBIRD,
                [socket("tcp", 3050, "firebird"), socket("tcp", 3055, "firebird", pid=8)],
                "tcp 3055",
                "firebird listens on tcp 3055, outside the plan",
            ),
            (
                MYSQL,
                [socket("tcp", 3306, "mysqld"), socket("tcp", 33060, "mysqld", local_address="::", family="ipv6")],
                "tcp 33060",
                "mysqld listens on tcp 33060, outside the plan",
            ),
            (
                {**MSSQL, "instances": [{}]},
                [socket("tcp", 1433, "sqlservr"), socket("tcp", 49712, "sqlservr", local_address="192.0.2.10")],
                "tcp 49712",
                "sqlservr listens on tcp 49712, outside the plan",
            ),
        ],
    )
    def test_an_additional_server_is_a_failure(
        self, server: dict[str, Any], shown: list[dict[str, Any]], port: str, reason: str
    ) -> None:
        assert outside(planned(server), *shown) == [("fail", server["engine"], port, reason)]

    @pytest.mark.parametrize(
        "other",
        [
            socket("tcp", 1434, "sqlservr", local_address="127.0.0.1"),
            socket("tcp", 1434, "sqlservr", local_address="::1", family="ipv6"),
            socket("udp", 40001, "sqlservr"),
            socket("udp", 7000, "sqlservr", remote_address="192.0.2.53", remote_port=53),
            socket("tcp", 40001, "sqlservr"),
            socket("tcp", 8080, "nginx"),
            socket("tcp", 8080, None),
            connection("192.0.2.99", 7000, "sqlservr", remote_port=5022),
        ],
    )
    def test_what_is_nobodys_way_in_or_planned_is_not_accused(self, other: dict[str, Any]) -> None:
        """The local DAC, a resolver's socket, a declared dynamic instance, other programs, outbound connections."""
        port_set = planned({**MSSQL, "instances": [{}, {"name": "DYN"}]})
        assert outside(port_set, socket("tcp", 1433, "sqlservr"), other) == []

    def test_rpc_ports_belong_to_the_plan(self) -> None:
        """An endpoint without a program explains whatever listens at its ports."""
        port_set = planned({**MSSQL, "instances": [{}]})
        (tds,) = port_set.endpoints
        port_set.endpoints.append(tds._replace(id="mssql/rpc", process=(), ports=(PortRange(49152, 65535),)))
        assert outside(port_set, socket("tcp", 1433, "sqlservr"), socket("tcp", 50000, "sqlservr")) == []

    def test_a_port_that_the_plan_guards_for_another_server_is_a_warning(self) -> None:
        shown = [socket("tcp", 3306, "mariadbd"), socket("tcp", 5432, "mariadbd")]
        assert outside(planned(MYSQL, POSTGRESQL), *shown) == [
            ("warn", "mysql", "tcp 5432", "mariadbd listens on tcp 5432, which the plan has for postgresql/sql")
        ]

    @pytest.mark.parametrize(
        ("server", "shown", "reasons"),
        [
            (MYSQL, [], {"nothing listens on tcp 3306"}),
            (
                MYSQL,
                [socket("tcp", 3307, "mariadbd")],
                {"mariadbd moved from tcp 3306 to tcp 3307, but the rules open tcp 3306"},
            ),
            (MYSQL, [socket("tcp", 3307, None)], {"nothing listens on tcp 3306"}),
            (MYSQL, [socket("tcp", 3307, "mariadbd", local_address="127.0.0.1")], {"nothing listens on tcp 3306"}),
            (
                SQL602,
                [socket("tcp", 6002, "602sql11"), socket("udp", 6001, "602sql11")],
                {
                    "602sql11 moved from tcp 5002 to tcp 6002, but the rules open tcp 5002",
                    "602sql11 moved from udp 5001 to udp 6001, but the rules open udp 5001",
                },
            ),
            (
                {**MSSQL, "instances": [{"name": "DYN"}]},
                [socket("tcp", 1500, "sqlservr"), socket("udp", 1434, "sqlbrowser")],
                {"sqlservr moved from tcp 32768-60999 to tcp 1500, but the rules open tcp 32768-60999"},
            ),
            # One more port of a process that serves the plan is none that another one moved to.
            (
                {**MSSQL, "instances": [{}, {"name": "SALES", "tcp_port": 14330}]},
                [socket("tcp", 1433, "sqlservr"), socket("tcp", 1500, "sqlservr"), socket("udp", 1434, "sqlbrowser")],
                {"nothing listens on tcp 14330"},
            ),
        ],
    )
    def test_a_stopped_server_reads_differently_from_a_moved_one(
        self, server: dict[str, Any], shown: list[dict[str, Any]], reasons: set[str]
    ) -> None:
        port_set = planned(server)
        ids = {one.id for one in port_set.endpoints}
        found = {text for _code, _verdict, endpoint, text in problems(port_set, *shown) if endpoint in ids}
        assert found == reasons

    @pytest.mark.parametrize(
        ("second", "reason"),
        [
            ([], "nothing listens on tcp 14330"),
            ([socket("tcp", 14330, "nginx")], "nginx listens on tcp 14330 instead of sqlservr"),
            ([socket("tcp", 14330, "sqlservr")], ""),
        ],
    )
    def test_a_server_with_several_ports_listens_on_all_of_them(
        self, second: list[dict[str, Any]], reason: str
    ) -> None:
        port_set = planned({**MSSQL, "instances": [{"tcp_port": "1433,14330"}]})
        found = problems(port_set, socket("tcp", 1433, "sqlservr"), *second)
        assert [text for _code, _verdict, _endpoint, text in found] == ([reason] if reason else [])
        assert [item["ports"] for item in awaited_listeners(port_set)] == ["1433", "14330"]

    @pytest.mark.parametrize("starter", ["systemd", "xinetd"])
    def test_a_server_that_is_started_by_its_first_client_is_not_stopped(self, starter: str) -> None:
        """systemd starts mariadb.service for mariadb.socket; another program of the port is one all the same."""
        port_set = planned(MYSQL)
        assert problems(port_set, socket("tcp", 3306, starter)) == []
        (found,) = problems(port_set, socket("tcp", 3306, starter), socket("tcp", 3307, "mariadbd"))
        assert found[0] == "outside"
        assert problems(port_set, socket("tcp", 3306, "systemd-journal"))[0][0] == "other_program"

    @pytest.mark.parametrize(
        ("address", "family", "expected"),
        [("0.0.0.0", "ipv4", ["local_only"]), ("::", "ipv6", []), ("2001:db8::10", "ipv6", [])],
    )
    def test_a_host_of_ipv6_is_not_reached_over_ipv4(self, address: str, family: str, expected: list[str]) -> None:
        host = {"ansible_host": "2001:db8::10", "dbports_servers": [{**POSTGRESQL, "clients": ["2001:db8::21"]}]}
        port_set = build_plan(PlainInventory({"hosts": {"db": host}})).hosts["db"]
        found = problems(port_set, socket("tcp", 5432, "postgres", local_address=address, family=family))
        assert [code for code, *_rest in found] == expected

    def test_only_programs_that_are_the_servers_own_are_watched(self) -> None:
        """Patroni's interpreter also runs what has nothing to do with it."""
        port_set = planned({**POSTGRESQL, "patroni_nodes": [STANDBY]}, SQL602)
        assert watched_processes(port_set) == ["602sql*", "patroni", "postgres", "postmaster"]
        patroni = [socket("tcp", 8008, "python3"), socket("tcp", 5432, "postgres"), *DECLARED_602]
        assert problems(port_set, *patroni, socket("tcp", 8080, "python3.11")) == []
        assert watched_processes(PortSet("app", (), port_set.settings)) == []


class TestTaken:
    """A search whose announcement cannot arrive, because another program of the client holds its port."""

    HOLDER = socket("udp", 5002, "602sqlcl")

    def said(self, verdict: str, *sockets: dict[str, Any], **server: Any) -> dict[str, tuple[str, str]]:
        """Return verdict and sentence by endpoint of a client whose probes all met the same."""
        hosts = {
            "db": {"ansible_host": "192.0.2.10", "dbports_servers": [{**SQL602, "clients": ["app"], **server}]},
            "app": {"ansible_host": CLIENT, "dbports_os": "linux"},
            "evil": {"ansible_host": STRANGER},
        }
        port_sets = build_plan(PlainInventory({"hosts": hosts})).hosts
        host = "evil" if "forbidden_clients" in server else "app"
        results = [{**probe, "verdict": verdict, "detail": "why"} for probe in probes_of(port_sets[host])]
        found = judge(port_sets[host], read_observation({"sockets": list(sockets), "probes": results}))
        return {one.endpoint: (one.verdict, finding_sentence(one)) for one in found}

    def test_the_firewall_is_not_blamed(self) -> None:
        assert self.said("silent", self.HOLDER)["sql602/search"] == (
            "unknown",
            "udp 5002 on this host is taken by 602sqlcl (pid 7), so that the probe cannot hear an answer there: verify "
            "again when that program has ended",
        )
        hidden = self.said("silent", socket("udp", 5002, None))["sql602/search"]
        assert hidden[0] == "unknown"
        assert "needs become" in hidden[1]

    def test_only_silence_there_is_explained_by_it(self) -> None:
        assert self.said("silent")["sql602/search"][0] == "warn"
        assert self.said("silent", socket("tcp", 5002, "602sql11"))["sql602/search"][0] == "warn"
        assert self.said("answers", self.HOLDER)["sql602/search"][0] == "ok"
        assert self.said("refused", self.HOLDER)["sql602/search"][0] == "warn"
        assert self.said("silent", self.HOLDER)["sql602/connect"][0] == "fail"
        assert self.said("silent", self.HOLDER, forbidden_clients=["evil"])["sql602/search"][0] == "ok"

    def test_a_client_that_hears_elsewhere_anyway_must_be_answered(self) -> None:
        assert self.said("silent", self.HOLDER, announced_elsewhere=["app"])["sql602/search"][0] == "warn"

    def test_a_client_looks_who_holds_the_port(self) -> None:
        hosts = {
            "db": {"ansible_host": "192.0.2.10", "dbports_servers": [{**SQL602, "clients": ["app", "other"]}]},
            "app": {"ansible_host": CLIENT},
            "other": {"ansible_host": STRANGER, "dbports_servers": [POSTGRESQL]},
        }
        plan = build_plan(PlainInventory({"hosts": hosts}))
        assert [watched_ports(plan.hosts[name]) for name in ("app", "other", "db")] == [
            ["5002"],
            ["5002", "5432"],
            ["5001", "5002"],
        ]
