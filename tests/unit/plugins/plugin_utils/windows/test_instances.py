# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulated Windows host says of its instances of SQL Server, from its registry to the findings."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.instances import Instances
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.outside import watched_processes
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import seen_ports, watched_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._learn.servers import (
    learn_servers,
    processes_of,
    read_seen,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.instances import installed, instance_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.learned import look
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.observation import facts, observe

from simulated_sql_server import NATIVE, WOW
from simulated_windows import SimulatedWindows

DEFAULT, SALES = 4711, 4800


def network(port: str = "", dynamic: str = "", root: str = NATIVE, **tcp: str) -> dict[str, Any]:
    """Return an instance's registry values."""
    everywhere = {"TcpPort": port, "TcpDynamicPorts": dynamic}
    return {"key": rf"{root}\x", "Tcp": {"Enabled": "1", **tcp}, "Tcp\\IPAll": everywhere}


def windows(listening: dict[int, int], instances: dict[str, Any], *, stopped: tuple[str, ...] = ()) -> SimulatedWindows:
    """Return a host with the services of two instances.

    :param listening: by port the process that listens there.
    """
    state = SimulatedWindows.fresh()
    listening = {135: 900, **listening}
    rows = [f"  TCP    0.0.0.0:{port}    0.0.0.0:0    LISTENING    {pid}\n" for port, pid in listening.items()]
    services = {"MSSQLSERVER": DEFAULT, "MSSQL$SALES": SALES}
    state.update(
        netstat="".join(["  Proto  Local Address  Foreign Address  State  PID\n", *rows]),
        processes=[{"pid": pid, "name": "sqlservr"} for pid in services.values()],
        services=[
            {"name": name, "pid": 0, "state": "Stopped", "path": ""}
            if name in stopped
            else {"name": name, "pid": pid, "state": "Running", "path": ""}
            for name, pid in services.items()
        ],
        instances=instances,
    )
    return SimulatedWindows(state)


def planned(*instances: dict[str, Any], browser: bool = False) -> PortSet:
    """Return the port set of a host that declares these instances."""
    server = {"engine": "mssql", "os": "windows", "browser": browser, "clients": ["app"], "instances": list(instances)}
    hosts = {"db": {"ansible_host": "192.0.2.10", "dbports_servers": [server]}, "app": {"ansible_host": "192.0.2.21"}}
    return build_plan(PlainInventory({"hosts": hosts})).hosts["db"]


def judged(port_set: PortSet, host: SimulatedWindows) -> dict[str, str]:
    """Return the sentences of what is not as planned, by code."""
    arguments = {"ports": watched_ports(port_set), "processes": watched_processes(port_set)}
    found: list[Finding] = judge(port_set, read_observation(observe(WindowsHost(host.call), arguments)))
    return {one.code: finding_sentence(one) for one in found if one.verdict != "ok"}


BOTH = ({"tcp_port": 1433}, {"name": "SALES", "tcp_port": 14330, "connect_by": "port"})
FIXED = {"MSSQLSERVER": network("1433"), "SALES": network("14330")}


def test_instances_that_are_as_declared_are_fine() -> None:
    assert judged(planned(*BOTH), windows({1433: DEFAULT, 14330: SALES}, FIXED)) == {}


def test_the_right_instance_has_to_listen() -> None:
    found = judged(planned(*BOTH), windows({1433: DEFAULT, 14330: DEFAULT}, FIXED))
    assert (
        "sqlservr of instance MSSQLSERVER listens on tcp 14330 instead of sqlservr of instance SALES"
        in (found["other_program"])
    )


def test_an_instance_that_moved_is_told_from_the_others() -> None:
    """Both processes are sqlservr.exe: the port of one is no place to which the other could have moved."""
    found = judged(planned(*BOTH), windows({1433: DEFAULT, 50123: SALES}, {**FIXED, "SALES": network("", "50123")}))
    assert "sqlservr moved from tcp 14330 to tcp 50123" in found["moved"]
    assert "MSSQL$SALES is configured for a dynamic port, and the plan has tcp 14330" in found["configured_otherwise"]
    found = judged(planned(*BOTH), windows({1433: DEFAULT, 1500: DEFAULT}, FIXED, stopped=("MSSQL$SALES",)))
    assert "moved" not in found
    assert "nothing listens on tcp 14330 (service MSSQL$SALES: stopped)" in found["stopped"]


def test_instances_of_32_bit_sql_server_are_instances() -> None:
    """On 64-bit Windows they are below Wow6432Node."""
    host = windows({1433: DEFAULT, 50123: SALES}, {**FIXED, "SALES": network("", "50123", root=WOW)})
    found = judged(planned(*BOTH), host)
    assert "MSSQL$SALES is configured for a dynamic port, and the plan has tcp 14330" in found["configured_otherwise"]
    engines = builtin_engines()
    seen = read_seen(look(WindowsHost(host.call), {"processes": processes_of(engines)}))
    assert [item.values["instances"] for item in learn_servers(seen, engines, ())] == [
        [{"name": "MSSQLSERVER", "tcp_port": 1433}],
        [{"name": "SALES", "tcp_port": "dynamic"}],
    ]


def test_an_instance_that_is_not_installed_is_told() -> None:
    found = judged(planned(*BOTH), windows({1433: DEFAULT}, {"MSSQLSERVER": network("1433")}))
    assert "nothing listens on tcp 14330 (no instance SALES is installed)" in found["stopped"]


def test_a_dynamic_port_is_that_of_its_own_instance() -> None:
    port_set = planned({"tcp_port": 1433}, {"name": "SALES"}, browser=True)
    host = windows({1433: DEFAULT, 50123: SALES, 50999: DEFAULT}, {**FIXED, "SALES": network("", "50123")})
    seen = read_observation(observe(WindowsHost(host.call), {"ports": watched_ports(port_set)}))
    assert seen_ports(port_set, seen.sockets or (), Instances(seen.instances)) == {"mssql/SALES/tds": [50123]}
    assert "configured_otherwise" not in judged(port_set, host)
    host = windows({1433: DEFAULT, 14330: SALES}, FIXED)
    assert (
        "is configured for tcp 14330, and the plan has tcp 49152-65535"
        in judged(port_set, host)["configured_otherwise"]
    )


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (network("1433"), ""),
        (network("1433,1450"), "tcp 1433,1450"),
        (network("1450"), "tcp 1450"),
        (network("1433", "49626"), "tcp 1433 and a dynamic port"),
        (network("1433 "), "the port '1433 ', with which it cannot start"),
        (network("1433", Enabled="0"), "no TCP/IP"),
        ({**network("1433", ListenOnAllIPs="0")}, "no port"),
        ({**network("1450", ListenOnAllIPs="0"), "Tcp\\IP2": {"Enabled": "1", "TcpPort": "1433"}}, ""),
        ({**network("1433", ListenOnAllIPs="0"), "Tcp\\IP2": {"Enabled": "0", "TcpPort": "1433"}}, "no port"),
        ({**network("1433"), "Tcp\\IP1": {"Enabled": "1", "TcpPort": "1500"}}, ""),
    ],
)
def test_the_declaration_and_the_server_are_compared(values: dict[str, Any], says: str) -> None:
    found = judged(planned({"tcp_port": 1433}), windows({1433: DEFAULT}, {"MSSQLSERVER": values}))
    said = found.get("configured_otherwise", "")
    assert said.startswith(f"MSSQLSERVER is configured for {says}, and the plan has tcp 1433" if says else "")
    assert bool(said) == bool(says)


def test_what_does_not_run_is_not_compared() -> None:
    """On the passive node of a cluster the values are an old copy."""
    host = windows({}, {"MSSQLSERVER": network("1450")}, stopped=("MSSQLSERVER",))
    assert "configured_otherwise" not in judged(planned({"tcp_port": 1433}), host)


def test_facts_name_the_instance() -> None:
    host = windows({1433: DEFAULT, 14330: SALES}, FIXED)
    rows = facts(WindowsHost(host.call), {"processes": ["sqlservr"]})["sockets"]
    assert [(row["local_port"], row["services"], row["instance"]) for row in rows] == [
        (1433, ["MSSQLSERVER"], "MSSQLSERVER"),
        (14330, ["MSSQL$SALES"], "SALES"),
    ]
    assert instance_of(("SQLBrowser",)) is None


def test_a_host_without_sql_server_has_no_instances() -> None:
    assert installed({"services": [], "instances": {}}) == []


def test_servers_are_learned_with_their_instances() -> None:
    host = windows({1433: DEFAULT, 50123: SALES}, {**FIXED, "SALES": network("", "50123")})
    row = "  TCP    192.0.2.10:{}    192.0.2.{}:51000    ESTABLISHED    {}\n"
    host.state["netstat"] += row.format(1433, 21, DEFAULT) + row.format(50123, 22, SALES)
    engines = builtin_engines()
    seen = read_seen(look(WindowsHost(host.call), {"processes": processes_of(engines)}))
    assert [item.values for item in learn_servers(seen, engines, ())] == [
        {"engine": "mssql", "instances": [{"name": "MSSQLSERVER", "tcp_port": 1433}], "clients": ["192.0.2.21"]},
        {"engine": "mssql", "instances": [{"name": "SALES", "tcp_port": "dynamic"}], "clients": ["192.0.2.22"]},
    ]
    host = windows({1433: SALES}, {"SALES": network("1433")})
    seen = read_seen(look(WindowsHost(host.call), {"processes": processes_of(engines)}))
    assert [item.values["instances"] for item in learn_servers(seen, engines, ())] == [
        [{"name": "SALES", "tcp_port": 1433}]
    ]
