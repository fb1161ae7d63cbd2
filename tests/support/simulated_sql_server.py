# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated SQL Server on a simulated Windows host: two modules of ansible.windows change its registry and services.

No Windows was asked. As the documents describe it, an instance reads its ports only when it starts; a blank in TcpPort
keeps it from starting.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

NATIVE, WOW = (rf"SOFTWARE\{node}Microsoft\Microsoft SQL Server" for node in ("", "Wow6432Node\\"))
"""Where Windows has the instances, and, on 64-bit Windows, those of 32-bit SQL Server."""

IP_ALL = "Tcp\\IPAll"
ANY4 = str(ipaddress.IPv4Address(0))


def host_with(state: dict[str, Any], name: str, tcp_port: str, dynamic: str, now: int) -> dict[str, Any]:
    """Return a state with one running instance of SQL Server, which listens on ``now``, and SQL Server Browser."""
    service = "MSSQLSERVER" if name == "MSSQLSERVER" else f"MSSQL${name}"
    netstat = "  Proto  Local Address  Foreign Address  State  PID\n" + "".join(rows(now, 4711))
    return {
        **state,
        "netstat": netstat,
        "services": [
            {"name": service, "pid": 4711, "state": "Running", "path": "sqlservr.exe"},
            {"name": "SQLBrowser", "pid": 4712, "state": "Running", "path": "sqlbrowser.exe"},
        ],
        "instances": {
            name: {
                "key": rf"{NATIVE}\MSSQL16.{name}",
                "Tcp": {"Enabled": "1", "ListenOnAllIPs": "1"},
                IP_ALL: {"TcpPort": tcp_port, "TcpDynamicPorts": dynamic},
            }
        },
    }


def rows(port: int, pid: int) -> list[str]:
    """Return what netstat shows of a listener on all addresses."""
    return [f"  TCP    {any_}:{port}    {any_}:0    LISTENING    {pid}\n" for any_ in (ANY4, "[::]")]


def regedit(state: dict[str, Any], arguments: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Do what win_regedit does with a value below the key of an instance."""
    values = next(
        item[IP_ALL]
        for item in state["instances"].values()
        if arguments["path"] == rf"HKLM:\{item['key']}\MSSQLServer\SuperSocketNetLib\Tcp\IPAll"
    )
    changed = values.get(arguments["name"]) != arguments["data"]
    if not check:
        values[arguments["name"]] = arguments["data"]
    return {"changed": changed, "data_changed": changed, "data_type_changed": False}


def service(state: dict[str, Any], arguments: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Do what win_service does: restart an instance, or stop and disable a service."""
    item = next(one for one in state["services"] if one["name"] == arguments["name"])
    state.setdefault("asked", []).append([arguments["name"], arguments["state"], check])
    wanted = {"restarted": "Running", "stopped": "Stopped"}[arguments["state"]]
    mode = arguments["start_mode"] or item.get("start_mode", "auto")
    changed = arguments["state"] == "restarted" or (wanted, mode) != (item["state"], item.get("start_mode", "auto"))
    if not check:
        item.update(state=wanted, start_mode=mode)
        if wanted == "Stopped":
            item["pid"] = 0
        else:
            listen(state, item)
    return {"changed": changed, "state": wanted.lower()}


def listen(state: dict[str, Any], item: dict[str, Any]) -> None:
    """Start an instance: it listens where the registry says now, under a new process id."""
    name = item["name"].removeprefix("MSSQL$")
    values = state["instances"][name][IP_ALL]
    kept = [
        line for line in state["netstat"].splitlines(keepends=True) if not line.rstrip().endswith(f" {item['pid']}")
    ]
    item["pid"] += 1000
    state["processes"].append({"pid": item["pid"], "name": "sqlservr"})
    ports = [text for text in (values["TcpPort"], values["TcpDynamicPorts"]) if text]
    state["netstat"] = "".join([*kept, *(row for port in ports for row in rows(int(port), item["pid"]))])
