# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the kill test: a lab host with a stand-in for systemctl, or a container in which systemd runs.

Each one is asked for the same: run something, be restarted as by a power cut, end.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "lab"), str(HERE.parent / "support")]

import world
from lab import Lab
from ufw_host import INSTALL

STATE = "/var/lib/dbports-firewall"
BOOT = 120
"""Seconds after which a container that has not started has failed."""

LOOKS = 3
"""How often no process may be seen before none is there."""


class Host:
    """What both kinds have in common: they are namespaces, held by a process.

    :ivar python: the interpreter there.
    :ivar on_host: the path of on_host.py there.
    :ivar environ: the environment that runs get.
    :ivar chains: base chains of the host's owner that call the rules.
    :ivar looking: the process that looks at the host for the test, and outlives a restart where it can.
    """

    chains: tuple[str, ...] = ()
    looking = 0
    python = sys.executable
    on_host = str(HERE / "on_host.py")

    def __init__(self) -> None:
        self.environ = dict(os.environ)

    def __enter__(self) -> Host:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The process that holds the namespaces."""
        raise NotImplementedError

    @property
    def root(self) -> Path:
        """The file system of the host, seen from here."""
        return Path(f"/proc/{self.pid}/root")

    def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[str]:
        """Start a command on the host."""
        raise NotImplementedError

    def strace(self) -> list[str]:
        """Return the command that is strace there; empty where there is none."""
        raise NotImplementedError

    def restart(self) -> None:
        """Do what a power cut and the next boot do."""
        raise NotImplementedError

    def watchers(self) -> list[int]:
        """Return the processes that wait to undo a change of this host."""
        return [pid for pid, command in self.processes() if b"dbports-firewall/undo.py\0watch" in command]

    def processes(self) -> Iterator[tuple[int, bytes]]:
        """Yield the processes of this host with their command lines; one that has ended has none."""
        network = Path(f"/proc/{self.pid}/ns/net").stat().st_ino
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if command and (entry / "ns/net").stat().st_ino == network:
                    yield int(entry.name), command
            except OSError:
                continue


class LabSide(Host):
    """A lab host, on which nftables or iptables is the firewall."""

    def __init__(self) -> None:
        super().__init__()
        self._lab = Lab()

    def __enter__(self) -> LabSide:
        self._host = self._lab.__enter__().host("db", ["192.0.2.10/24"])
        self._host.run(["mkdir", "-p", "/run/systemd/system", "/run/bin"])
        shutil.copy(HERE / "systemctl.sh", self.root / "run/bin/systemctl")
        self.environ["PYTHONPATH"] = self._host.import_path
        self.environ["PATH"] = f"/run/bin:{os.environ['PATH']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lab.__exit__(kind, error, trace)

    @property
    def pid(self) -> int:
        return self._host.pid

    def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[str]:
        return self._host.popen(argv, env=self.environ, **options)

    def strace(self) -> list[str]:
        return ["strace"] if shutil.which("strace") else []

    def restart(self) -> None:
        """Take every process and rule away; then come the undo at boot, and the units."""
        self._kill_all()
        self._host.run(["nft", "flush", "ruleset"])
        journal = self.root / STATE[1:] / "journal.json"
        if journal.exists():
            # The machine goes on: only the journal can say that it was restarted.
            journal.write_text(journal.read_text(encoding="utf-8").replace('"boot": "', '"boot": "not '))
            self._host.run([sys.executable, "-IBS", f"{STATE}/undo.py", "boot"], env=self.environ)
        self._boot()

    def _kill_all(self) -> None:
        """Kill every process of the host but the one that looks at it.

        One that ends while it is looked at may have started another one that is not seen yet: the process that watches
        does that when it detaches itself. So nobody may be there several times.
        """
        empty = 0
        while empty < LOOKS:
            running = [pid for pid, _command in self.processes() if pid not in (self.pid, self.looking)]
            # A program that a killed run or undo has started goes on without it, until it is killed, too. Before its
            # execve, it has the command line of that run.
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            empty = 0 if running else empty + 1
            time.sleep(0.01)

    def _boot(self) -> None:
        self._host.run(["/run/bin/systemctl", "boot"], env=self.environ)


THEIRS = """\
flush ruleset
table inet filter {
  chain input { type filter hook input priority filter; policy drop; tcp dport 22 accept; }
}
include "/etc/nftables.d/*.nft"
"""
SERVICE = "[Service]\n" + "".join(
    f"{name}=/usr/sbin/nft -f /etc/nftables.conf\n" for name in ("ExecStart", "ExecReload")
)


class PlacedSide(LabSide):
    """A lab host whose owner's own table calls the rules, and includes them."""

    chains = ("inet filter input",)

    def __enter__(self) -> PlacedSide:
        super().__enter__()
        self._host.run(["mkdir", "-p", "/etc/nftables.d", "/etc/systemd/system"])
        (self.root / "etc/nftables.conf").write_text(THEIRS, encoding="utf-8")
        unit = f"{SERVICE}ExecStop=/usr/sbin/nft flush ruleset\n"
        (self.root / "etc/systemd/system/nftables.service").write_text(unit, encoding="utf-8")
        self._host.run(["nft", "-f", "/etc/nftables.conf"])
        return self

    def _boot(self) -> None:
        """Start nftables.service, with our drop-in if it is there, and then our unit."""
        drop_in = self.root / "etc/systemd/system/nftables.service.d/dbports.conf"
        text = SERVICE + (drop_in.read_text(encoding="utf-8") if drop_in.exists() else "")
        commands = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecStart=")]
        self._host.run(shlex.split(commands[-1]), env=self.environ)
        super()._boot()


class UfwSide(LabSide):
    """A lab host with an active ufw."""

    def __enter__(self) -> UfwSide:
        super().__enter__()
        self._host.run(["sh", "-c", INSTALL, "install", "nft"])
        return self

    def _boot(self) -> None:
        self._host.run(["/lib/ufw/ufw-init", "start"], env=self.environ)


class SystemdSide(Host):
    """A container with systemd and a firewall that it starts; without a network, so that no packet leaves it.

    :ivar prepare: the command that turns the firewall on.
    """

    python = "/usr/bin/python3"
    on_host = "/src/ansible_collections/dbports/firewall/tests/kill/on_host.py"
    prepare: tuple[str, ...] = ("systemctl", "enable", "--now", "nftables")

    def __init__(self, pid: int = 0) -> None:
        """Start a container on entering, or be the one whose first process is ``pid``."""
        super().__init__()
        self.environ["PYTHONPATH"] = "/src"
        self._name = f"dbports-kill-{uuid.uuid4().hex[:8]}"
        self._pid = pid

    def __enter__(self) -> SystemdSide:
        image = _said([str(HERE.parent / "tools/image.sh"), "bookworm"])
        options = [
            *("--detach", f"--name={self._name}", "--network=none", "--systemd=always", "--cgroups=enabled"),
            *("--cap-add=NET_ADMIN,NET_RAW,SYS_ADMIN,SYS_PTRACE", "--ulimit=nofile=4096:4096"),
            *("--ulimit=nproc=4096:4096", "--volume=/usr:/machine:ro"),
            f"--volume={ROOT}:/src/ansible_collections/dbports/firewall:ro",
        ]
        _said(["podman", "run", *options, image, "/sbin/init"])
        self._wait()
        self._run(*self.prepare)
        self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _said(["podman", "rm", "--force", "--time=0", self._name])

    @property
    def pid(self) -> int:
        return self._pid

    def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[str]:
        variables = [f"{name}={self.environ[name]}" for name in ("PYTHONPATH",)]
        enter = ["nsenter", "--all", "--target", str(self.pid), "--wd=/", "env", *variables]
        return subprocess.Popen([*enter, *argv], text=True, **options)

    def strace(self) -> list[str]:
        """Return this machine's own strace, which the image does not have, with the libraries that it needs."""
        program, loader = "bin/strace", "lib64/ld-linux-x86-64.so.2"
        if not all(Path("/usr", path).exists() for path in (program, loader)):
            return []
        return [f"/machine/{loader}", "--library-path", "/machine/lib/x86_64-linux-gnu", f"/machine/{program}"]

    def restart(self) -> None:
        """Kill every process of the container at once, and start it again."""
        _said(["podman", "restart", "--time=0", self._name])
        self._wait()

    def _wait(self) -> None:
        """Wait until systemd has started everything."""
        self._pid = int(_said(["podman", "inspect", "--format={{.State.Pid}}", self._name]))
        end = time.monotonic() + BOOT
        while self._run("systemctl", "is-system-running") not in ("running", "degraded"):
            if time.monotonic() > end:
                raise RuntimeError(f"{self._name} did not start: {self._run('systemctl', 'list-jobs')}")
            time.sleep(0.1)

    def _run(self, *argv: str) -> str:
        process = self.popen(list(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return process.communicate(timeout=BOOT)[0].strip()


class FirewalldSide(SystemdSide):
    """Such a container with a running firewalld."""

    prepare = ("systemctl", "enable", "--now", "firewalld")


class IptablesSide(SystemdSide):
    """Such a container in which nothing but our own unit loads rules."""

    prepare = ("true",)


class ActiveUfwSide(SystemdSide):
    """Such a container with an active ufw."""

    prepare = ("sh", "-c", "systemctl enable ufw && ufw --force enable")


def _said(argv: list[str]) -> str:
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


KINDS: dict[str, type[Host]] = {
    "nftables": LabSide,
    "nftables-placed": PlacedSide,
    "iptables": LabSide,
    "ufw": UfwSide,
    "firewalld": FirewalldSide,
    "nftables-systemd": SystemdSide,
    "iptables-systemd": IptablesSide,
    "ufw-systemd": ActiveUfwSide,
}


def enter(backend: str) -> None:
    """Go on where a host of this kind can be made: in a private world, or where podman may run systemd."""
    if not issubclass(KINDS[backend], SystemdSide):
        world.enter()
        return
    if os.geteuid() != 0:
        raise SystemExit("kill: a container with systemd needs root here")
    if os.environ.get("DBPORTS_KILL") != "inside":
        os.environ["DBPORTS_KILL"] = "inside"
        os.execvp("unshare", ["unshare", "--mount", "--", sys.executable, *sys.argv])
    if os.path.ismount("/sys/fs/cgroup/unified"):
        # crun refuses hybrid cgroups; in here nobody else sees that they are gone.
        subprocess.run(["umount", "/sys/fs/cgroup/unified"], check=True)
