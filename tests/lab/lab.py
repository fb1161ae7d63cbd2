# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of hosts made of network namespaces on one bridge: real packets, real nftables, no root needed.

Runs inside the private world of world.py::

    world.enter()
    with Lab() as lab:
        server = lab.host("erp-db", ["192.0.2.10/24", "2001:db8::10/64"])
        client = lab.host("app-01", ["192.0.2.21/24"])
        server.popen([sys.executable, "tests/lab/stand_ins.py", "sql602", "--port-base", "5001"])
        print(client.run(["ip", "route"]).stdout)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import world

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BRIDGE = "dbports0"
INTERFACE = "eth0"
"""The name of a host's interface on the segment."""


class CommandError(subprocess.CalledProcessError):
    """A command failed; its text has what the command said, which the parent class leaves out."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.stdout or ''}{self.stderr or ''}"


class Lab:
    """Hosts on one bridge; a context manager that ends with everything it began.

    :ivar hosts: the hosts by name.
    :ivar directory: holds ``<host>.pid`` files (see connection_plugins/netns.py) and the collection's import path.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, LabHost] = {}
        self.directory = Path()

    def __enter__(self) -> Lab:
        if not world.inside():
            raise RuntimeError("A lab starts in a private world only: python tests/lab/world.py -- COMMAND")
        self.directory = Path(tempfile.mkdtemp(prefix="dbports-lab-"))
        place = self.directory / "ansible_collections" / "dbports"
        place.mkdir(parents=True)
        (place / "firewall").symlink_to(ROOT)
        _ip(f"link add {BRIDGE} type bridge mcast_snooping 0")
        _ip(f"link set {BRIDGE} up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self.hosts.values():
            host.close()
        # The kernel takes a while to end a namespace; the next lab may want the names at once.
        for number in range(1, len(self.hosts) + 1):
            _run(["ip", "link", "delete", f"veth{number}"], check=False)
        _ip(f"link delete {BRIDGE}")
        shutil.rmtree(self.directory, ignore_errors=True)

    def host(self, name: str, addresses: list[str]) -> LabHost:
        """Add a host to the segment.

        :param name: its host name.
        :param addresses: its addresses with prefix lengths, IPv4 and IPv6; hosts of different networks reach each
            other all the same, because every host takes the whole world to be on its own link.
        """
        if name in self.hosts:
            raise ValueError(f"the lab has a host {name} already")
        return self.adopt(name, LabHost(name, self.directory), addresses)

    def adopt(self, name: str, host: LabHost, addresses: list[str]) -> LabHost:
        """Add a host whose namespaces there are already to the segment."""
        self.hosts[name] = host
        _join(host, f"veth{len(self.hosts)}", addresses)
        (self.directory / f"{name}.pid").write_text(f"{host.pid}\n", encoding="utf-8")
        return host

    @property
    def environ(self) -> dict[str, str]:
        """The environment for ansible commands on this lab: where hosts and connection plugin are."""
        return {
            **os.environ,
            "DBPORTS_LAB_DIR": str(self.directory),
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection_plugins"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.directory),
        }


class LabHost:
    """One host: its own network, host name, /etc, /run and /var/lib; the rest of the file system is the machine's.

    :ivar name: its host name.
    :ivar pid: the process that holds its namespaces.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.import_path = str(directory)
        self._started: list[subprocess.Popen[str]] = []
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--", sys.executable, str(HERE / "holder.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._holder.pid
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            raise RuntimeError(f"the lab host {name} did not start")

    def command(self, argv: list[str], cwd: str | os.PathLike[str] | None = None) -> list[str]:
        """Return the command that runs ``argv`` on this host, in ``cwd`` or this process's directory."""
        place = f"--wd={os.fspath(cwd) if cwd else Path.cwd()}"
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", place, "--", *argv]

    def run(self, argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on this host and wait for it.

        :param options: as of subprocess.run; by default output is caught as text, a failure raises, 60 s pass at most.
        """
        return _run(self.command(argv, options.pop("cwd", None)), **options)

    def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[str]:
        """Start a command on this host; the lab kills it at its end. Options as of subprocess.Popen."""
        settings = {"text": True, **options}
        process = subprocess.Popen(self.command(argv, settings.pop("cwd", None)), **settings)
        self._started.append(process)
        return process

    def python(self, program: str | Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Python on this host, with the collection on its import path.

        :param program: a Path to a file, or code.
        """
        what = [str(program)] if isinstance(program, Path) else ["-c", program]
        env = {**os.environ, **options.pop("env", {}), "PYTHONPATH": self.import_path}
        return self.run([sys.executable, *what, *arguments], env=env, **options)

    def wait_for(self, *sockets: str, seconds: float = 120) -> None:
        """Wait until this host has sockets bound, each as ``tcp/1433`` (listening) or ``udp/1434``.

        :raises TimeoutError: when they are not all there in time.
        """
        deadline = time.monotonic() + seconds
        while True:
            rows = [line.split() for line in self.run(["ss", "-Hlntu"]).stdout.splitlines()]
            missing = set(sockets) - {f"{row[0]}/{row[4].rpartition(':')[2]}" for row in rows}
            if not missing:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} has no socket {', '.join(sorted(missing))} after {seconds} s")
            time.sleep(0.05)

    def close(self) -> None:
        """End the host and all that runs on it; again is harmless."""
        if self._holder.stdin and not self._holder.stdin.closed:
            self._holder.stdin.close()
            self._holder.wait(120)
        for process in self._started:
            if process.poll() is None:  # it was on its way into the namespaces when these ended
                process.kill()
        if self._holder.stdout:
            self._holder.stdout.close()


def _join(host: LabHost, port: str, addresses: list[str]) -> None:
    """Connect a host to the bridge and give it its addresses."""
    _ip(f"link add {port} type veth peer name {INTERFACE} netns {host.pid}")
    _ip(f"link set {port} master {BRIDGE} up")
    # Duplicate address detection would make an IPv6 address wait a second before it works, and the kernel's limit of
    # ICMP errors would let a refused datagram look dropped. Older kernels have the last one for the machine alone.
    settings = {
        "ipv6/conf/all/accept_dad": 0,
        f"ipv6/conf/{INTERFACE}/accept_dad": 0,
        "ipv4/icmp_ratelimit": 0,
        "ipv6/icmp/ratelimit": 0,
        "ipv4/icmp_msgs_per_sec": 1000000,
    }
    host.run(["sh", "-c", "; ".join(f"echo {value} >/proc/sys/net/{key} || :" for key, value in settings.items())])
    lines = ["link set lo up"]
    for address in addresses:
        lines.append(f"address add {address} dev {INTERFACE}" + (" nodad" if ":" in address else ""))
    lines += [f"link set {INTERFACE} up", f"route add default dev {INTERFACE}"]
    if any(":" in address for address in addresses):
        lines.append(f"route add ::/0 dev {INTERFACE}")
    host.run(["ip", "-batch", "-"], input="".join(f"{line}\n" for line in lines))


def _ip(arguments: str) -> None:
    _run(["ip", *arguments.split()])


def _run(argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    wanted = options.pop("check", True)
    settings = {"capture_output": True, "text": True, "timeout": 300, **options}
    done: subprocess.CompletedProcess[str] = subprocess.run(argv, check=False, **settings)
    if wanted and done.returncode:
        raise CommandError(done.returncode, argv, done.stdout, done.stderr)
    return done
