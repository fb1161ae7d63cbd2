# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own servers and clients on lab hosts: who gets in, and what is said of servers that are elsewhere."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

from judged import Judged
from lab import Lab, LabHost

ADDRESSES = {
    "pg": "192.0.2.11",
    "standby": "192.0.2.12",
    "maria": "192.0.2.13",
    "bird": "192.0.2.14",
    "etcd": "192.0.2.15",
    "app": "192.0.2.21",
    "evil": "192.0.2.66",
}
POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin/postgres")).parent
ENDPOINTS = {"pg": "postgresql/sql", "maria": "mysql/sql", "bird": "firebird/sql", "etcd": "etcd/client"}
PORTS = {"pg": 5432, "maria": 3306, "bird": 3050, "etcd": 2379}
LOOPBACK = "127.0.0.1"
WAIT_FOR_STREAMING = """
until psql "$1" -Atc 'select state from pg_stat_replication' | grep -q streaming; do sleep 0.1; done
"""
SETTINGS = "/etc/firebird/3.0/firebird.conf"


def as_postgres() -> list[str]:
    """Return what comes before a command of PostgreSQL, which does not run as root.

    In a world of an ordinary user there is no other user, but a namespace in which that one has another number.
    """
    user = pwd.getpwnam("postgres")
    if Path("/proc/self/uid_map").read_text(encoding="ascii").split() == ["0", "0", "4294967295"]:
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    return ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--"]


class Server:
    """One server program, which can be started on any address and port, and ended by its pid.

    :param place: a directory of its own.
    """

    END = signal.SIGKILL
    """What ends the program at once; what is in its data then does not matter."""

    def __init__(self, host: LabHost, place: Path) -> None:
        self.host = host
        self.place = place
        self.process: subprocess.Popen[str] | None = None

    def command(self, address: str, port: int) -> list[str]:
        """Return how the program is started."""
        raise NotImplementedError

    def start(self, address: str, port: int) -> None:
        """Start it and wait until it listens."""
        log = (self.place / "log").open("a", encoding="utf-8")
        self.process = self.host.popen(self.command(address, port), cwd=self.place, stdout=log, stderr=log)
        self.host.wait_for(f"tcp/{port}")

    def stop(self) -> None:
        """End it: the wrappers before it replace themselves by it, so that the pid is its own."""
        if self.process:
            self.process.send_signal(self.END)
            self.process.wait(120)
            self.process = None


class Postgres(Server):
    """PostgreSQL with a data directory that initdb made."""

    END = signal.SIGINT
    """A fast shutdown, which takes its child processes with it."""

    def command(self, address: str, port: int) -> list[str]:
        data = self.place / "data"
        options = ["-D", str(data), "-p", str(port), "-c", f"listen_addresses={address}", "-c", "fsync=off"]
        return [*as_postgres(), str(POSTGRES / "postgres"), *options, "-c", f"unix_socket_directories={self.place}"]

    def prepare(self) -> None:
        """Make the data directory."""
        options = ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C"]
        self.host.run([*as_postgres(), str(POSTGRES / "initdb"), "-D", str(self.place / "data"), *options], cwd="/")
        with (self.place / "data" / "pg_hba.conf").open("a", encoding="ascii") as stream:
            stream.write("host all all 192.0.2.0/24 trust\nhost replication all 192.0.2.0/24 trust\n")


class Maria(Server):
    """MariaDB with a data directory that mariadb-install-db made."""

    def command(self, address: str, port: int) -> list[str]:
        own = [f"--datadir={self.place}/data", f"--socket={self.place}/socket", f"--pid-file={self.place}/pid"]
        where = [f"--bind-address={address}", f"--port={port}", f"--init-file={self.place}/init.sql"]
        return ["mariadbd", "--no-defaults", *own, *where, "--user=root", "--skip-name-resolve"]

    def prepare(self) -> None:
        (self.place / "init.sql").write_text("CREATE USER IF NOT EXISTS 'app'@'%';\n", encoding="ascii")
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--user=root"]
        self.host.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.place}/data", *options])


class Firebird(Server):
    """Firebird with its own security database; its settings are mounted over those of the package."""

    def command(self, address: str, port: int) -> list[str]:
        lines = [
            "DatabaseAccess = Full",
            f"SecurityDatabase = {self.place}/security.fdb",
            f"RemoteServicePort = {port}",
            f"RemoteBindAddress = {address}",
        ]
        (self.place / "firebird.conf").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        return self.with_settings("exec firebird")

    def with_settings(self, script: str) -> list[str]:
        """Return how a shell runs a script with these settings."""
        mount = f"mount --bind {self.place}/firebird.conf $(realpath {SETTINGS})"
        own = f"export FIREBIRD_LOCK={self.place} FIREBIRD_TMP={self.place}"
        return ["unshare", "--mount", "--", "sh", "-c", f"{mount} && {own} && {script}"]

    def prepare(self) -> None:
        self.command(LOOPBACK, PORTS["bird"])
        statements = (
            f"create database '{self.place}/security.fdb'; commit; create user SYSDBA password 'secret'; commit;"
        )
        self.host.run(self.with_settings("isql-fb -q -user SYSDBA"), input=statements)
        statements = f"create database '{self.place}/test.fdb'; commit;"
        self.host.run(self.with_settings("isql-fb -q -user SYSDBA"), input=statements)


class Etcd(Server):
    """A single node of etcd; its peer port stays on loopback."""

    def command(self, address: str, port: int) -> list[str]:
        client, peer = f"http://{address}:{port}", f"http://{LOOPBACK}:{port + 1}"
        urls = [f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"]
        cluster = [f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"]
        return ["etcd", f"--data-dir={self.place}/data-{port}", *urls, *cluster]

    def prepare(self) -> None:
        """There is nothing to prepare."""


KINDS: dict[str, Callable[[LabHost, Path], Any]] = {"pg": Postgres, "maria": Maria, "bird": Firebird, "etcd": Etcd}


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


def directory(path: Path) -> Path:
    """Make a directory that PostgreSQL may use too."""
    path.mkdir()
    if os.geteuid() == 0 and path.name in ("pg", "standby"):
        shutil.chown(path, "postgres", "postgres")
    return path


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


def test_a_second_server_beside_each_is_found(site: Site) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: site.second[name].start(ADDRESSES[name], PORTS[name] + 50), KINDS))
    findings = site.findings()
    for server in site.second.values():
        server.stop()
    assert site.of(findings, "") == every("ready")
    outside = {one.host: one.port for one in findings if one.verdict != "ok" and one.code == "outside"}
    assert outside == {name: f"tcp {PORTS[name] + 50}" for name in ENDPOINTS}
    assert {one.code for one in findings if one.verdict != "ok"} == {"outside"}


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
