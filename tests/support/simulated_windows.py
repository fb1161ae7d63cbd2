# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated Windows host: answers the two scripts' JSON as the documents describe Windows. No Windows was asked.

What it does as Windows does: COM's ``Rules.Add`` makes a rule with a GUID of its own, whatever its name;
``Rules.Remove`` removes one rule of a name and says nothing when there is none; a rule without addresses matches
everyone; addresses are read back in another form than they were written; a property that is not valid is an HRESULT.
Of the registry's instances of SQL Server it shows those below the roots that collect.ps1 names.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))

from simulated_probes import carry

PROTOCOLS = {1, 6, 17, 58}
INVALID = "Value does not fall within the expected range. (Exception from HRESULT: 0x80070057 (E_INVALIDARG))"
DENIED = "Access is denied. (Exception from HRESULT: 0x80070005 (E_ACCESSDENIED))"

BACKSLASH = "\\"
MARKS = {"apply": "$rules.Add", "probe": "TcpClient", "collect": "netstat"}
"""What only one of the scripts has."""

NETSTAT = """
Active Connections

  Proto  Local Address          Foreign Address        State           PID
  TCP    0.0.0.0:1433           0.0.0.0:0              LISTENING       4711
  TCP    [::]:1433              [::]:0                 LISTENING       4711
  UDP    0.0.0.0:1434           *:*                                    4712
"""
DYNAMIC = """
Protocol tcp Dynamic Port Range
---------------------------------
Start Port      : 49152
Number of Ports : 16384
"""


class SimulatedWindows:
    """One host; :meth:`call` stands where ``ansible.windows.win_powershell`` is called.

    :param state: what the host carries, see :meth:`fresh`; it is changed in place, and is plain JSON. With ``late``
        every call comes after the scheduled task has run.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state = self.fresh() if state is None else state
        self.calls: list[str] = []

    @staticmethod
    def fresh() -> dict[str, Any]:
        """Return a host as it is after setup: a foreign rule, the firewall on, a public network."""
        theirs = "v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=1433|Name=SQLPort|Desc=by hand|"
        return {
            "local": {"{THEIRS-1}": theirs},
            "policy": {},
            "switches": {"local": {}, "policy": {}},
            "profiles": 4,
            "netstat": NETSTAT,
            "processes": [{"pid": 4711, "name": "sqlservr"}, {"pid": 4712, "name": "sqlbrowser"}],
            "services": [
                {"name": "MSSQLSERVER", "pid": 4711, "state": "Running", "path": "sqlservr.exe"},
                {"name": "SQLBrowser", "pid": 4712, "state": "Running", "path": "sqlbrowser.exe"},
            ],
            "dynamic": {"tcp": DYNAMIC, "udp": DYNAMIC},
            "excluded": "",
            "instances": {},
            "task": "",
            "registry": "",
            "guids": 0,
            "fail_at": 0,
            "steps": 0,
            "says": "",
            "late": False,
        }

    def call(self, module: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the script in a module's arguments does, and return the module's result."""
        assert module == "ansible.windows.win_powershell", module
        assert arguments["error_action"] == "stop"
        script, want = arguments["script"], json.loads(arguments["parameters"]["Json"])
        name = next(name for name, mark in MARKS.items() if mark in script)
        self.calls.append(name)
        if self.state["late"]:
            self.run_task()
        if self.state["says"]:
            return failed(self.state["says"])
        do = {"apply": self.apply, "probe": carry, "collect": partial(self.collect, script)}[name]
        try:
            return {"changed": False, "result": json.dumps(do(want))}
        except OSError as error:
            return failed(str(error))

    def collect(self, script: str, want: Mapping[str, Any]) -> dict[str, Any]:
        """Return what collect.ps1 does."""
        keys = ["local", "policy", "switches", "profiles"]
        keys += ["netstat", "processes", "services"] if want["sockets"] else []
        keys += ["dynamic", "excluded"] if want["ports"] else []
        shown = {**{key: self.state[key] for key in keys}, "armed": bool(self.state["registry"])}
        if want["sockets"] or want["ports"]:
            shown["instances"] = {
                name: values
                for name, values in self.state["instances"].items()
                if f"'{values['key'].rpartition(BACKSLASH)[0]}'" in script
            }
        return shown

    def apply(self, want: Mapping[str, Any]) -> dict[str, Any]:
        """Do what apply.ps1 does, step by step; the ``fail_at``-th step raises."""
        if want["arm"]:
            self._step()
            self.state.update(registry=want["rollback"], task=want["xml"])
        before = "\n".join(self.state["local"].values())
        added: list[Any] = []
        removed: list[Any] = []
        try:
            for item in want["add"]:
                if f"|Name={item['name']}|" not in before:
                    self._step()
                    self._add(item)
                    added.append(item)
            for item in want["remove"]:
                if f"|Name={item['name']}|" in before:
                    self._step()
                    self._remove(item["name"])
                    removed.append(item)
        except OSError:
            for item in removed:
                self._add(item)
            for item in added:
                self._remove(item["name"])
            if want["arm"]:
                self._disarm()
            raise
        if want["disarm"]:
            self._disarm()
        return {"local": self.state["local"]}

    def run_task(self) -> None:
        """Do what the scheduled task does at its time, or at boot, if it is there."""
        if self.state["task"]:
            self.apply(json.loads(self.state["registry"]))

    def _disarm(self) -> None:
        self.state.update(registry="", task="")

    def _step(self) -> None:
        self.state["steps"] += 1
        if self.state["steps"] == self.state["fail_at"]:
            raise OSError(INVALID)

    def _add(self, item: Mapping[str, Any]) -> None:
        if not item["remote_addresses"]:
            raise OSError(f"{item['name']}: no addresses")
        if item["protocol"] not in PROTOCOLS or "|" in item["name"] + item["description"] or not item["name"]:
            raise OSError(INVALID)
        self.state["guids"] += 1
        self.state["local"][f"{{{self.state['guids']:08X}}}"] = as_registry(item)

    def _remove(self, name: str) -> None:
        found = [key for key, text in self.state["local"].items() if f"|Name={name}|" in text]
        if found:
            del self.state["local"][found[0]]


def as_registry(item: Mapping[str, Any]) -> str:
    """Return a rule that COM was given as the registry then has it: single IPv4 addresses with a mask."""
    tokens = ["v2.10", f"Action={'Allow' if item['action'] else 'Block'}", "Active=TRUE"]
    tokens += [f"Dir={'In' if item['direction'] == 1 else 'Out'}", f"Protocol={item['protocol']}"]
    for side, key in (("L", "local_ports"), ("R", "remote_ports")):
        for part in filter(None, item[key].split(",")):
            tokens.append(f"{side}Port2_10={part}" if "-" in part else f"{side}Port={part}")
    for part in item["remote_addresses"].split(","):
        family = 6 if ":" in part else 4
        single = family == 4 and "-" not in part
        tokens.append(f"RA{family}={part}{'/255.255.255.255' if single else ''}")
    if item["icmp"]:
        tokens.append(f"ICMP{6 if item['protocol'] == 58 else 4}={item['icmp']}")
    tokens += [f"Name={item['name']}", f"Desc={item['description']}", f"EmbedCtxt={item['grouping']}"]
    return "".join(f"{token}|" for token in tokens)


def failed(text: str) -> dict[str, Any]:
    """Return the result of a script that threw: the reason is only in ``error``."""
    return {"failed": True, "msg": "Module failed: Unknown error.", "error": [{"exception": {"message": text}}]}
