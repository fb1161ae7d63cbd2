# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own servers and clients on lab hosts: who gets in, and what is said of servers that are elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_host, read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding

from judged import Judged
from lab import Lab, LabHost
from real_servers import KINDS, LOOPBACK, PORTS, POSTGRES, Postgres, as_postgres, directory

ADDRESSES = {
    "pg": "192.0.2.11",
    "standby": "192.0.2.12",
    "maria": "192.0.2.13",
    "bird": "192.0.2.14",
    "etcd": "192.0.2.15",
    "app": "192.0.2.21",
    "evil": "192.0.2.66",
}
ENDPOINTS = {"pg": "postgresql/sql", "maria": "mysql/sql", "bird": "firebird/sql", "etcd": "etcd/client"}
WAIT_FOR_STREAMING = """
until psql "$1" -Atc 'select state from pg_stat_replication' | grep -q streaming; do sleep 0.1; done
"""

WAIT_FOR_SLEEPER = """
until psql "$1" -Atc 'select query from pg_stat_activity' | grep -q pg_slee[p]; do sleep 0.1; done
"""


class Clients:
    """The real client programs, each of which does one thing that needs the server."""

    def __init__(self, place: Path) -> None:
        self.commands = {
            "pg": ["psql", f"host={ADDRESSES['pg']} user=postgres connect_timeout=3", "-c", "select 1"],
            "maria": [
                *("mariadb", "--no-defaults", f"--host={ADDRESSES['maria']}", "--user=app", "--connect-timeout=3"),
                *("--execute", "select 1"),
            ],
            "bird": [
                "isql-fb",
                "-q",
                "-user",
                "SYSDBA",
                "-password",
                "secret",
                f"{ADDRESSES['bird']}:{place}/bird/test.fdb",
            ],
            "etcd": ["etcdctl", f"--endpoints=http://{ADDRESSES['etcd']}:2379", "--dial-timeout=3s", "put", "a", "b"],
        }

    def work(self, host: LabHost, seconds: int) -> dict[str, bool]:
        """Return by server whether its client works on a host within some seconds; they all try at once."""
        with ThreadPoolExecutor() as pool:
            done = pool.map(lambda command: self._works(host, command, seconds), self.commands.values())
            return dict(zip(self.commands, done))

    @staticmethod
    def _works(host: LabHost, command: list[str], seconds: int) -> bool:
        """Firebird's client has no timeout of its own, and does not end when it is asked to."""
        bounded = ["timeout", "--signal=KILL", str(seconds), *command]
        env = {**os.environ, "ETCDCTL_API": "3"}
        return host.run(bounded, check=False, env=env, input="select 1 from rdb$database;\n").returncode == 0


class Site:
    """Five database hosts, a client and an intruder."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self.judged = Judged(lab, inventory())
        self.lab = lab
        self.place = place
        self.clients = Clients(place)
        self.servers: dict[str, Any] = {}
        self.second: dict[str, Any] = {}

    def prepare(self) -> None:
        """Make the servers' data, and a copy for the second server beside each."""
        for name, kind in KINDS.items():
            self.servers[name] = kind(self.lab.hosts[name], directory(self.place / name))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.prepare(), self.servers.values()))
        for name, kind in KINDS.items():
            place = self.place / f"second-{name}"
            subprocess.run(["cp", "-a", str(self.place / name), str(place)], check=True)
            self.second[name] = kind(self.lab.hosts[name], place)

    def start(self, address: Callable[[str], str] = ADDRESSES.__getitem__, shift: int = 0) -> None:
        """Start all servers, on other addresses or ports if that is asked for."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self.servers[name].start(address(name), PORTS[name] + shift), KINDS))

    def stop(self) -> None:
        """End them all."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.stop(), self.servers.values()))

    def findings(self) -> list[Finding]:
        """Verify all hosts."""
        return self.judged.findings(self.judged.observe_all(list(ADDRESSES)))

    def rulesets(self) -> list[str]:
        """Return the rules of all hosts, without what they counted."""
        return [host.run(["nft", "--stateless", "list", "ruleset"]).stdout for host in self.lab.hosts.values()]

    def codes(self, host: str) -> dict[str, str]:
        """Verify all hosts, and return what one of them says of each server."""
        return self.of(self.findings(), host)

    @staticmethod
    def of(findings: list[Finding], host: str) -> dict[str, str]:
        """Return the codes of a host's findings by server; of the servers themselves for an empty name."""
        return {
            name: one.code
            for name, endpoint in ENDPOINTS.items()
            for one in findings
            if (one.server, one.endpoint, one.host) == (name, endpoint, host or name)
        }


def inventory() -> dict[str, Any]:
    """Return what is declared: a client and a stranger for every server, and a standby for PostgreSQL."""
    engines = {"pg": "postgresql", "maria": "mysql", "bird": "firebird", "etcd": "etcd"}
    hosts: dict[str, Any] = {name: {"ansible_host": address} for name, address in ADDRESSES.items()}
    for name, engine in engines.items():
        hosts[name]["dbports_servers"] = [{"engine": engine, "clients": ["app"], "forbidden_clients": ["evil"]}]
    hosts["pg"]["dbports_servers"][0]["replicas"] = ["standby"]
    return {"hosts": hosts}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    place = Path(tempfile.mkdtemp(prefix="dbports-servers-"))
    place.chmod(0o755)
    with Lab() as lab:
        for name, address in ADDRESSES.items():
            lab.host(name, [f"{address}/24"])
        site = Site(lab, place)
        site.prepare()
        for name in ADDRESSES:
            site.judged.apply(name, site.judged.arguments(name))
        yield site
    shutil.rmtree(place, ignore_errors=True)


ALL = set(ENDPOINTS)


def every(code: str) -> dict[str, str]:
    return dict.fromkeys(ENDPOINTS, code)


def test_clients_work_and_strangers_do_not(site: Site) -> None:
    site.start()
    replicate(site)
    assert site.clients.work(site.lab.hosts["app"], 60) == dict.fromkeys(ENDPOINTS, True)
    assert site.clients.work(site.lab.hosts["evil"], 6) == dict.fromkeys(ENDPOINTS, False)
    findings = site.findings()
    assert site.of(findings, "") == every("ready")
    assert site.of(findings, "app") == every("reachable")
    assert site.of(findings, "evil") == every("refused")
    assert [one for one in findings if one.verdict != "ok"] == []


def replicate(site: Site) -> None:
    """Let a standby stream from the leader; both are then seen as they are, and not as strangers."""
    standby = Postgres(site.lab.hosts["standby"], directory(site.place / "standby"))
    leader = ["-h", ADDRESSES["pg"], "-U", "postgres", "-D", str(standby.place / "data"), "-R", "--checkpoint=fast"]
    standby.host.run([*as_postgres(), str(POSTGRES / "pg_basebackup"), *leader], cwd="/")
    standby.start(ADDRESSES["standby"], PORTS["pg"])
    where = f"host={ADDRESSES['pg']} user=postgres"
    site.lab.hosts["app"].run(["sh", "-c", WAIT_FOR_STREAMING, "sh", where], timeout=120)
    site.servers["standby"] = standby


def test_a_second_server_beside_each_is_found_and_learned(site: Site, run_playbook: Any) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: site.second[name].start(ADDRESSES[name], PORTS[name] + 50), KINDS))
    findings = site.findings()
    learn(site, run_playbook)
    for server in site.second.values():
        server.stop()
    assert site.of(findings, "") == every("ready")
    outside = {one.host: one.port for one in findings if one.verdict != "ok" and one.code == "outside"}
    assert outside == {name: f"tcp {PORTS[name] + 50}" for name in ENDPOINTS}
    assert {one.code for one in findings if one.verdict != "ok"} == {"outside"}


def learn(site: Site, run_playbook: Any) -> None:
    """Learn what runs without any declaration, and plan it: the plan has the ports on which others are served."""
    run_playbook.environment.update(site.lab.environ)
    variables = {"ansible_connection": "netns", "ansible_python_interpreter": sys.executable}
    hosts = {name: {"ansible_host": address} for name, address in ADDRESSES.items()}
    inventory = {"all": {"hosts": hosts, "vars": variables}}
    where = f"host={ADDRESSES['pg']} user=postgres"
    client = site.lab.hosts["app"].popen(["psql", where, "-c", "select pg_sleep(3600)"], stdout=subprocess.DEVNULL)
    site.lab.hosts["app"].run(["sh", "-c", WAIT_FOR_SLEEPER, "sh", where], timeout=120)
    before = site.rulesets()
    result = run_playbook("- import_playbook: dbports.firewall.learn\n", inventory)
    client.kill()
    client.wait(120)
    assert result.rc == 0, result.text
    files = {path.name: path.read_text() for path in (run_playbook.place / "dbports-learned").iterdir()}
    assert set(files) == {f"{name}.yml" for name in (*ENDPOINTS, "standby")}
    first, second = yaml.safe_load(files["pg.yml"])["dbports_servers"]
    assert first == {"engine": "postgresql", "clients": ["app", "standby"]}
    assert second == {"engine": "postgresql", "port": 5482, "clients": []}
    moved = {f"host_vars/{name}": text for name, text in files.items()}
    planned = run_playbook("- import_playbook: dbports.firewall.plan\n", inventory, files=moved)
    assert planned.rc == 0, planned.text
    place = run_playbook.place / "dbports-plan"
    index = read_index(place, None)
    for name in (*ENDPOINTS, "standby"):
        ports = {port for endpoint in read_host(place, index, name).endpoints for port in endpoint.ports}
        assert {port for first, last in ports for port in range(first, last + 1)} == open_ports(site.lab.hosts[name])
    assert site.rulesets() == before, "learning changes no rules"


def open_ports(host: LabHost) -> set[int]:
    """Return the TCP ports on which a host serves others."""
    ends = [line.split()[3] for line in host.run(["ss", "-Hlnt"]).stdout.splitlines()]
    return {int(end.rpartition(":")[2]) for end in ends if not end.startswith(("127.", "[::1]"))}


def test_stopped_moved_and_bound_to_loopback(site: Site) -> None:
    site.stop()
    findings = site.findings()
    assert site.of(findings, "") == site.of(findings, "app") == every("stopped")
    assert site.of(findings, "evil") == every("refusal_unproven")
    del site.servers["standby"]
    site.start(shift=20)
    findings = site.findings()
    assert site.of(findings, "") == site.of(findings, "app") == every("moved")
    assert {one.host for one in findings if one.code == "outside"} == ALL
    site.stop()
    site.start(address=lambda _name: LOOPBACK)
    findings = site.findings()
    assert site.of(findings, "") == site.of(findings, "app") == every("local_only")
    site.stop()
