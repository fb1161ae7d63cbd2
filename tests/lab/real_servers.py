# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own database servers on lab hosts, each with its data in a directory of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import LabHost

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin/postgres")).parent
PORTS = {"pg": 5432, "maria": 3306, "bird": 3050, "etcd": 2379}
LOOPBACK = "127.0.0.1"
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
            stream.write("host all all all trust\nhost replication all all trust\n")


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
    """Firebird with its own security database; its settings are mounted over those of the package.

    :ivar aux_port: where clients connect to receive events; 0 for a random port, as the package has it.
    """

    aux_port = 0

    def command(self, address: str, port: int) -> list[str]:
        lines = [
            "DatabaseAccess = Full",
            f"SecurityDatabase = {self.place}/security.fdb",
            f"RemoteServicePort = {port}",
            f"RemoteBindAddress = {address}",
            f"RemoteAuxPort = {self.aux_port}",
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


def directory(path: Path) -> Path:
    """Make a directory that PostgreSQL may use too."""
    path.mkdir()
    if os.geteuid() == 0 and path.name in ("pg", "standby"):
        shutil.chown(path, "postgres", "postgres")
    return path
