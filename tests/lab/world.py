# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in a private world: its own network, mounts and, for an ordinary user, its own root.

    python tests/lab/world.py -- pytest tests/packet

Nothing that happens in there is seen outside: no interface, no rule, no mount. Nothing outside can be reached
from there either, because the new network has a loopback interface alone.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MS_BIND, MS_MOVE, MS_REC = 0x1000, 0x2000, 0x4000

INSIDE = "DBPORTS_LAB_WORLD"
"""The environment variable that tells a process that it is in the world already."""

PACKAGES = {"ip": "iproute2", "nft": "nftables", "unshare": "util-linux", "nsenter": "util-linux"}
"""The commands that a lab needs, and the Debian packages that have them."""

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def add_sbin_to_path() -> None:
    """Put the directories of the network tools on PATH: a Debian user's own PATH lacks them."""
    parts = os.environ.get("PATH", os.defpath).split(":")
    os.environ["PATH"] = ":".join(parts + [item for item in SBIN if item not in parts])


def missing_packages() -> list[str]:
    """Return the Debian packages that have to be installed before a lab can start, sorted."""
    add_sbin_to_path()
    return sorted({package for command, package in PACKAGES.items() if not shutil.which(command)})


def install_command(packages: Sequence[str]) -> str:
    """Return the exact command that installs Debian packages."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install --yes {' '.join(packages)}"


def inside() -> bool:
    """Tell whether this process is in a private world."""
    return os.environ.get(INSIDE) == _net_namespace()


def enter(argv: Sequence[str] | None = None) -> None:
    """Go on in a private world: replace this process by ``argv``, or by itself, in there.

    Returns when the process is in a world already, and only then.

    :param argv: the command to run; without it the running Python program with its arguments.
    :raises SystemExit: when a tool is missing, naming the command that installs it, or when the machine
        forbids user namespaces to ordinary users.
    """
    if inside():
        return
    packages = missing_packages()
    if packages:
        raise SystemExit(f"The lab needs {', '.join(packages)}. Run: {install_command(packages)}")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    world = ["unshare", *user, "--net", "--mount", "--"]
    probe = subprocess.run([*world, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        raise SystemExit(
            f"The lab cannot make its namespaces ({probe.stderr.strip()}). Run it as root, or allow user "
            "namespaces: sudo sysctl -w user.max_user_namespaces=10000; on Ubuntu 23.10 or newer also "
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    program = list(argv) if argv else [sys.executable, *sys.argv]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(world[0], [*world, sys.executable, __file__, "--inside", "--", *program])


def mount(kind: str, target: str, *, source: str | None = None, flags: int = 0, data: str = "") -> None:
    """Mount through the C library, because an exec of mount(8) for each of many mounts takes longer than the lab.

    :raises OSError: what the kernel says.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount((source or kind).encode(), target.encode(), kind.encode(), flags, data.encode()):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind} on {target}: {os.strerror(number)}")


def own_var_lib() -> None:
    """Give this world a /var/lib of its own, where everything else of the machine's is a link to it."""
    below = Path("/run/var-lib")
    below.mkdir()
    mount("none", str(below), source="/var/lib", flags=MS_BIND | MS_REC)
    mount("tmpfs", "/var/lib", data="mode=0755")
    place = Path(f"/var/lib/.below-{os.getpid()}")  # a host in the world does it again
    place.mkdir()
    mount("none", str(place), source=str(below), flags=MS_MOVE)
    below.rmdir()
    for entry in place.iterdir():
        Path("/var/lib", entry.name).symlink_to(f"{place.name}/{entry.name}")


def _net_namespace() -> str:
    return str(Path("/proc/self/ns/net").readlink())


def _settle(argv: list[str]) -> None:
    """Prepare the new world and become the command in it."""
    mount("tmpfs", "/run", data="mode=0755")
    own_var_lib()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.environ[INSIDE] = _net_namespace()
    os.execvp(argv[0], argv)


def main(arguments: list[str]) -> None:
    """Read ``world.py -- COMMAND [ARGUMENT...]``."""
    if "--" not in arguments[:2] or arguments[-1] == "--":
        raise SystemExit("Usage: world.py -- COMMAND [ARGUMENT...]")
    cut = arguments.index("--")
    command = arguments[cut + 1 :]
    if arguments[:cut] == ["--inside"]:
        _settle(command)
    enter(command)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
