# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports of SQL Server are set, refused and told, from a plan and from what Windows and Linux hosts show."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import ANY_IPV4, Socket
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._static_port.decide import Decision, decide
from ansible_collections.dbports.firewall.plugins.plugin_utils._static_port.instances import (
    Declared,
    DeclaredInstance,
    declared_on,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._static_port.read import (
    CONFIGURATION,
    RANGE,
    RESERVED,
    on_linux,
    on_windows,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost

from simulated_sql_server import IP_ALL, NATIVE, WOW, host_with, rows
from simulated_windows import SimulatedWindows

EXCLUDED = """
Start Port    End Port
----------    --------
     14300       14399
     50000       50000     *
"""


def declared(*instances: dict[str, Any], **server: Any) -> Declared:
    """Return what the plan of a host with these instances says."""
    servers = [{"engine": "mssql", "clients": ["198.51.100.0/24"], "instances": list(instances), **server}]
    host = {"ansible_host": "192.0.2.10", "dbports_os": "windows", "dbports_servers": servers}
    return declared_on(build_plan(PlainInventory({"hosts": {"db": host}})).hosts["db"])


def sales(**values: Any) -> dict[str, Any]:
    """Return a Windows host with a running instance SALES that listens on 49721, its dynamic port."""
    state = host_with(SimulatedWindows.fresh(), "SALES", "", "49721", 49721)
    state["instances"]["SALES"][IP_ALL].update(values)
    return state


def judge(state: dict[str, Any], *instances: dict[str, Any], restart: bool = True, **server: Any) -> Decision:
    """Decide on a Windows host."""
    shown = WindowsHost(SimulatedWindows(state).call).collect(sockets=True, ports=True)
    return decide(declared(*instances, **server), on_windows(shown), restart=restart)


def linux(configuration: str, *ports: int, reserved: str = "\n") -> Any:
    """Return a Linux host whose SQL Server listens on these ports, and on loopback for administrators."""
    sockets = [Socket("ipv4", "tcp", "LISTEN", ANY_IPV4, port, pid=7, process="sqlservr") for port in ports]
    sockets.append(Socket("ipv4", "tcp", "LISTEN", "127.0.0.1", 1434, pid=7, process="sqlservr"))
    return on_linux({CONFIGURATION: configuration, RANGE: "32768\t60999\n", RESERVED: reserved}, sockets)


FIXED = {"name": "SALES", "tcp_port": 14330}


def test_what_the_plan_says() -> None:
    found = declared(
        {"name": "A", "tcp_port": "dynamic"},
        {"name": "B", "tcp_port": [14331, 14330], "tcp_dynamic_port": True},
        {"name": "C", "listen": [{"address": "192.0.2.10", "tcp_port": [1500]}]},
        {"name": "D", "fci_addresses": ["192.0.2.50"], "tcp_port": "1600-1602"},
        {"name": "E", "tcp_enabled": False},
    )
    assert found.instances == (
        DeclaredInstance("A", ()),
        DeclaredInstance("B", (14330, 14331), beside=True),
        DeclaredInstance("C", (1500,), by_address=True),
        DeclaredInstance("D", (1600, 1601, 1602)),
    )
    assert found.browser == "mssql/browser"
    assert declared(FIXED).browser == ""
    assert declared(FIXED, browser=True).browser


@pytest.mark.parametrize("root", [NATIVE, WOW])
def test_a_dynamic_port_becomes_the_declared_one(root: str) -> None:
    state = sales()
    state["instances"]["SALES"]["key"] = rf"{root}\MSSQL16.SALES"
    found = judge(state, FIXED)
    key = rf"HKLM:\{root}\MSSQL16.SALES\MSSQLServer\SuperSocketNetLib\Tcp\IPAll"
    assert [item[1:] for item in found.writes] == [
        (key, "TcpPort", "", "14330"),
        (key, "TcpDynamicPorts", "49721", ""),
    ]
    assert (tuple(found.not_listening), found.restart, found.browser_unneeded) == (
        ("MSSQL$SALES",),
        ("MSSQL$SALES",),
        True,
    )
    assert not found.warnings


def test_what_is_as_declared_stays() -> None:
    state = sales(TcpPort="14331,14330", TcpDynamicPorts="")
    state["netstat"] = "".join([*rows(14330, 4711), *rows(14331, 4711)])
    found = judge(state, {"name": "sales", "tcp_port": [14330, 14331]}, restart=False)
    assert found == Decision((), {}, (), browser_unneeded=True, warnings=())


def test_only_the_instances_own_process_counts() -> None:
    state = sales(TcpPort="14330", TcpDynamicPorts="")
    state["netstat"] += "".join(rows(14330, 99))
    found = judge(state, FIXED, restart=False)
    assert (found.writes, tuple(found.not_listening), found.restart) == ((), ("MSSQL$SALES",), ())
    assert found.warnings == (
        "SALES (MSSQL$SALES) listens on 49721, and is to listen on tcp 14330; it needs a restart: set dbports_restart "
        "(restart) to true",
    )
    assert not found.browser_unneeded


def test_services_have_no_case() -> None:
    """Windows compares names of services without case, and the registry may write an instance's name otherwise."""
    state = sales()
    state["services"][0]["name"], state["services"][1]["name"] = "mssql$Sales", "SQLBROWSER"
    found = judge(state, FIXED)
    assert (tuple(found.not_listening), found.restart, found.browser_unneeded) == (
        ("MSSQL$SALES",),
        ("MSSQL$SALES",),
        True,
    )
    assert not found.warnings
    state["services"].append({"name": "MSOLAP$Cubes", "pid": 5, "state": "Running", "path": ""})
    assert not judge(state, FIXED).browser_unneeded
    state["services"][2]["name"] = "msolap$CUBES"
    assert not judge(state, FIXED).browser_unneeded


def test_a_stopped_instance_is_set_and_not_started() -> None:
    state = sales()
    state["services"][0].update(state="Stopped", pid=0)
    found = judge(state, FIXED, restart=False)
    assert len(found.writes) == 2
    assert (tuple(found.not_listening), found.warnings) == (
        ("MSSQL$SALES",),
        ("SALES is not running and takes tcp 14330 when it starts",),
    )


@pytest.mark.parametrize("clustered", [True, False])
def test_clusters(clustered: bool) -> None:
    state = sales()
    if clustered:
        state["instances"]["SALES"]["Cluster"] = {"ClusterName": "SQLFCI"}
        found = judge(state, FIXED)
        assert (len(found.writes), tuple(found.not_listening), found.restart) == (2, ("MSSQL$SALES",), ())
        assert "Stop-ClusterResource" in found.warnings[0]
        assert not found.browser_unneeded
    state["services"][0].update(state="Stopped", pid=0)
    if not clustered:
        assert judge(state, FIXED).writes
        return
    with pytest.raises(DbportsError, match=r"does not run on this node.*Run the role on the node that owns"):
        judge(state, FIXED)


@pytest.mark.parametrize(
    ("values", "instance", "says"),
    [
        ({IP_ALL: {"TcpPort": "1433 ", "TcpDynamicPorts": ""}}, FIXED, r"TcpPort has a blank \('1433 '\)"),
        ({IP_ALL: {"TcpPort": "", "TcpDynamicPorts": " "}}, FIXED, "TcpDynamicPorts has a blank"),
        ({"Tcp": {"Enabled": "0"}}, FIXED, "TCP/IP is disabled for SALES"),
        ({"Tcp": {"ListenOnAllIPs": "0"}}, FIXED, "Listen All is off"),
        ({}, {"name": "SALES", "listen": [{"address": "192.0.2.10", "tcp_port": [15000]}]}, "listen gives addresses"),
        ({}, {"name": "HR", "tcp_port": 14331}, "no instance HR of SQL Server.*Declare what is there: SALES"),
        (
            {},
            {"name": "SALES", "tcp_port": 49152},
            "49152-65535, the dynamic ports.*excludedportrange.*startport=49152",
        ),
        ({}, {"name": "SALES", "tcp_port": 14350}, "14300-14399, which Windows has reserved.*startport=14350"),
    ],
)
def test_refused(values: dict[str, Any], instance: dict[str, Any], says: str) -> None:
    state = sales()
    state["instances"]["SALES"].update(values)
    state["excluded"] = EXCLUDED if instance.get("tcp_port") == 14350 else ""
    with pytest.raises(DbportsError, match=says):
        judge(state, instance)


def test_a_reserved_port_and_one_that_the_server_has_are_not_refused() -> None:
    assert judge({**sales(), "excluded": EXCLUDED}, {"name": "SALES", "tcp_port": 50000}).writes
    found = judge(sales(TcpPort="49721", TcpDynamicPorts=""), {"name": "SALES", "tcp_port": 49721})
    assert (found.writes, tuple(found.not_listening)) == ((), ())


def test_all_reasons_at_once() -> None:
    with pytest.raises(DbportsError) as caught:
        judge(sales(TcpPort=" "), FIXED, {"name": "HR", "tcp_port": 14331})
    assert "has a blank" in str(caught.value)
    assert "no instance HR" in str(caught.value)


def test_browser_announces_nothing_too_early() -> None:
    with pytest.raises(DbportsError, match="Browser would announce tcp 14330 of SALES at once") as caught:
        judge(sales(), FIXED, restart=False)
    assert caught.value.code == "not_permitted"
    state = host_with(SimulatedWindows.fresh(), "MSSQLSERVER", "1433", "", 1433)
    assert judge(state, {"tcp_port": 1500}, restart=False).writes  # Browser is never asked for the default instance


@pytest.mark.parametrize(
    ("more", "server"),
    [
        ({}, {"browser": True}),
        ({}, {"browser_clients": ["198.51.100.7"]}),
        ({"name": "MSOLAP$CUBES", "pid": 5, "state": "Running", "path": ""}, {}),
        ("instance", {}),
    ],
)
def test_browser_stays_where_it_may_be_asked(more: Any, server: dict[str, Any]) -> None:
    state = sales()
    if more == "instance":
        state["instances"]["HR"] = {**state["instances"]["SALES"], "key": rf"{NATIVE}\MSSQL16.HR"}
    elif more:
        state["services"].append(more)
    found = judge(state, FIXED, **server)
    assert not found.browser_unneeded
    assert bool(found.warnings) == (more == "instance")


@pytest.mark.parametrize(
    ("values", "instance", "says"),
    [
        (
            {"TcpPort": "14330", "TcpDynamicPorts": ""},
            {"name": "SALES", "tcp_port": "dynamic"},
            "SALES is declared with a dynamic port, and the server has the fixed port 14330: declare tcp_port: 14330",
        ),
        (
            {},
            {"name": "SALES", "tcp_port": "dynamic"},
            "SALES is declared with a dynamic port, so that nothing is fixed: declare tcp_port with a number outside "
            "49152-65535 (now: 49721)",
        ),
        (
            {"TcpPort": "14330"},
            {**FIXED, "tcp_dynamic_port": True},
            "SALES keeps its dynamic port beside tcp 14330: remove tcp_dynamic_port to have it cleared",
        ),
        (
            {"TcpPort": "14330", "TcpDynamicPorts": ""},
            {**FIXED, "tcp_dynamic_port": True},
            "SALES has no dynamic port beside tcp 14330: remove tcp_dynamic_port",
        ),
    ],
)
def test_told(values: dict[str, str], instance: dict[str, Any], says: str) -> None:
    state = sales(**values)
    state["netstat"] += "".join(rows(14330, 4711))
    found = judge(state, instance)
    assert (found.writes, found.warnings) == ((), (says,))


def test_browser_that_is_asked_and_does_not_run_is_told() -> None:
    state = sales()
    state["services"][1].update(state="Stopped", pid=0)
    found = judge(state, {"name": "SALES", "tcp_port": "dynamic"})
    assert "SQL Server Browser is not running, and the plan has clients that ask it (mssql/browser)" in found.warnings


WANTED = Declared((DeclaredInstance("MSSQLSERVER", (14330,)),))


@pytest.mark.parametrize("text", ["", "[network]\ntcpport = 1433\n", "[sqlagent]\nenabled = true\n"])
def test_linux_has_1433_unless_it_is_set(text: str) -> None:
    found = decide(WANTED, linux(text, 1433), restart=True)
    assert [item[1:] for item in found.writes] == [("", "network.tcpport", "1433" if "1433" in text else "", "14330")]
    assert (tuple(found.not_listening), found.restart, found.browser_unneeded) == (
        ("mssql-server",),
        ("mssql-server",),
        False,
    )
    same = Declared((DeclaredInstance("MSSQLSERVER", (1433,)),))
    assert decide(same, linux(text, 1433), restart=True) == Decision((), {}, (), False, ())


def test_linux_refusals() -> None:
    with pytest.raises(DbportsError, match=r"sysctl -w net.ipv4.ip_local_reserved_ports=8080,40000,"):
        decide(Declared((DeclaredInstance("MSSQLSERVER", (40000,)),)), linux("", reserved="8080\n"), restart=True)
    assert decide(
        Declared((DeclaredInstance("MSSQLSERVER", (40000,)),)), linux("", reserved="39999-40001\n"), restart=True
    ).writes
    with pytest.raises(DbportsError, match=r"network.tcpport is no port: '14 33'.*mssql-conf unset network.tcpport"):
        decide(WANTED, linux("[network]\ntcpport = 14 33\n"), restart=True)
    with pytest.raises(DbportsError, match="one port, not tcp 1433,1434"):
        decide(Declared((DeclaredInstance("MSSQLSERVER", (1433, 1434)),)), linux(""), restart=True)
    with pytest.raises(DbportsError, match=r"mssql\.conf cannot be read"):
        linux("tcpport = 1433\n")
