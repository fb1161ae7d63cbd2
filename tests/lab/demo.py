# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration behind ``make demo``: plan, apply and verify on five lab hosts and a simulated Windows host.

The lab hosts are network namespaces with real firewalls and real packets between them. The servers are stand-ins, not
the products: see stand_ins.py. The Windows host is a file: see tests/support/simulated_windows.py.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import world
from lab import Lab, LabHost

INVENTORY = HERE / "demo" / "inventory.yml"
OUTPUT = HERE.parents[1] / ".build" / "demo"
HOSTS = {
    "db-602": "192.0.2.10",
    "db-ms": "192.0.2.20",
    "app-602": "192.0.2.31",
    "app-ms": "192.0.2.32",
    "intruder": "192.0.2.66",
}
WINDOWS = "simulated-windows"
WINDOWS_ADDRESS = "192.0.2.33/24"
SERVERS = {
    "db-602": [["sql602"]],
    "db-ms": [
        ["mssql", "--port", "1433"],
        ["mssql", "--port", "14330", "--instance", "SALES"],
        ["browser", "--instance", "SALES:14330"],
    ],
}
SOCKETS = {"db-602": ["tcp/5002", "udp/5001"], "db-ms": ["tcp/1433", "tcp/14330", "udp/1434"]}
PROBE = """
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes
targets = [("sql602_connect", "192.0.2.10", "5002", None), ("sql602_search", "192.0.2.10", "5001", None),
           ("tds", "192.0.2.20", "1433", "MSSQLSERVER"), ("tds", "192.0.2.20", "14330", "SALES"),
           ("ssrp", "192.0.2.20", "1434", "SALES")]
probes = [{"id": f"{address} {kind} {ports}", "kind": kind, "address": address, "ports": ports, "instance": name}
          for kind, address, ports, name in targets]
for result in run_probes(probes, 1.0):
    print(f"  {result['id']:32} {result['verdict']}")
"""


def say(text: str) -> None:
    """Print a headline."""
    print(f"\n== {text}", flush=True)


def start_servers(lab: Lab) -> None:
    """Start the stand-ins and wait until they listen."""
    for name, servers in SERVERS.items():
        for arguments in servers:
            command = [sys.executable, str(HERE / "stand_ins.py"), *arguments]
            lab.hosts[name].popen(command, stdout=subprocess.DEVNULL)
    for name, sockets in SOCKETS.items():
        lab.hosts[name].wait_for(*sockets)


def playbook(lab: Lab, *arguments: str) -> str:
    """Run the collection's site playbook, show what it prints and return it.

    :raises SystemExit: when it fails.
    """
    environ = {
        **lab.environ,
        "ANSIBLE_HOME": str(OUTPUT / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
    }
    environ["ANSIBLE_DISPLAY_OK_HOSTS"] = environ["ANSIBLE_DISPLAY_SKIPPED_HOSTS"] = "false"
    collections = os.environ.get("ANSIBLE_COLLECTIONS_PATH", lab.environ["ANSIBLE_COLLECTIONS_PATH"])
    environ["ANSIBLE_COLLECTIONS_PATH"] = f"{collections}:{HERE / 'simulated'}"
    environ["DBPORTS_SIMULATED_DIR"] = str(OUTPUT / "windows")
    ansible = Path(sys.executable).with_name("ansible-playbook")
    command = [str(ansible), "-i", str(INVENTORY), "dbports.firewall.site", *arguments]
    print(f"$ ansible-playbook -i {INVENTORY.relative_to(HERE.parents[1])} dbports.firewall.site {' '.join(arguments)}")
    output = ""
    with subprocess.Popen(command, cwd=OUTPUT, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            output += line
            print(line, end="", flush=True)
    if process.returncode:
        raise SystemExit(f"The playbook failed with status {process.returncode}.")
    return output


def changed(output: str) -> int:
    """Return how many changes a run reports for all hosts together."""
    counts = re.findall(r"changed=(\d+)", output)
    if len(counts) != len(HOSTS) + 1:
        raise SystemExit("The run does not report every host.")
    return sum(map(int, counts))


def intrude(intruder: LabHost) -> list[str]:
    """Let the intruder try every endpoint, print and return its verdicts."""
    output = intruder.python(PROBE).stdout
    print(output, end="", flush=True)
    return [line.split()[-1] for line in output.splitlines()]


def windows_rules() -> list[str]:
    """Return the rules that the simulated Windows host was given.

    :raises SystemExit: when there are none.
    """
    state = json.loads((OUTPUT / "windows" / f"{WINDOWS}.json").read_text(encoding="utf-8"))
    rules = [text for text in state["local"].values() if "|EmbedCtxt=dbports|" in text]
    if not rules:
        raise SystemExit("The simulated Windows host has no rules.")
    return [f"  {text.partition('|Name=')[0]}" for text in rules]


def conclusion() -> list[str]:
    """Return what the report's own data says was refused and reached, and what that proves.

    :raises SystemExit: when it is not all as planned.
    """
    report = json.loads((OUTPUT / "dbports-plan" / "report.json").read_text(encoding="utf-8"))
    refused: dict[str, list[str]] = {}
    for flow in report["flows"]:
        if flow["state"] == "refused":
            ends = f"{flow['source']} to {flow['destination']}"
            refused.setdefault(ends, []).append(f"{flow['protocol']} {flow['destination_ports']}")
    reached = [flow for flow in report["flows"] if flow["state"] == "ok"]
    tried = sum(map(len, refused.values()))
    if not reached or not tried or report["counts"]["fail"]:
        raise SystemExit("The report does not say that clients get in and others do not.")
    return [
        *(f"  {ends}: {', '.join(ports)}" for ends, ports in refused.items()),
        f"Before, every one of these endpoints answered the intruder. With the rules in force, {len(reached)} flows of",
        f"declared clients are answered and all {tried} attempts of others are refused, on the same ports.",
    ]


def main() -> None:
    """Run the demonstration; the exit status tells whether all went as it should."""
    world.enter()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    (OUTPUT / "windows").mkdir(parents=True)
    with Lab() as lab:
        for name, address in HOSTS.items():
            lab.host(name, [f"{address}/24"])
        lab.host(WINDOWS, [WINDOWS_ADDRESS])
        start_servers(lab)
        say("Before: the intruder reaches everything (stand-in servers, real packets)")
        if set(intrude(lab.hosts["intruder"])) != {"answers"}:
            raise SystemExit("The stand-ins do not all answer before there is a firewall.")
        say("Plan, apply, verify")
        first = changed(playbook(lab))
        say("After: the same intruder")
        if "answers" in intrude(lab.hosts["intruder"]):
            raise SystemExit("The intruder still gets an answer.")
        say("Once more: nothing to change")
        again = changed(playbook(lab))
    if not first or again:
        raise SystemExit(f"The first run changed {first}, the second {again}: not as it should be.")
    say("The simulated Windows host carries its part of the same plan")
    print("\n".join(windows_rules()))
    say("Refused, and what that proves")
    print("\n".join(conclusion()))
    print(f"\nThe plan:   {OUTPUT / 'dbports-plan' / 'plan.md'}")
    print(f"The report: {(OUTPUT / 'dbports-plan' / 'report.html').as_uri()}")


if __name__ == "__main__":
    main()
