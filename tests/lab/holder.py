# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold a lab host's namespaces: started by lab.py under ``unshare --net --mount --uts``, ends when its stdin does.

It makes the host's own /etc, /run, /var/lib and host name, says ``ready``, and at the end kills whatever still runs in
the host's network, so that a lab leaves nothing behind even when the program that made it was killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

from world import MS_BIND, MS_REC, mount, own_var_lib

MS_RDONLY, MS_REMOUNT = 0x1, 0x20
KEPT = 0x2 | 0x4 | 0x8 | 0x400 | 0x800
"""nosuid, nodev, noexec, noatime and nodiratime: a remount by an ordinary user's root may not lose them."""

OWN = ("dbports", "systemd")
"""Entries of /etc that the host gets as directories of its own."""


def own_etc() -> None:
    """Give the host an /etc of its own: files copied, directories linked, the product's own places empty.

    A tmpfs over the whole of /etc, because an ordinary user's root can make no directory in the real one.
    """
    lower = Path("/run/etc-below")
    lower.mkdir()
    mount("none", str(lower), source="/etc", flags=MS_BIND | MS_REC)
    # What runs on a lab host as the real root must not write through the links into the machine's /etc.
    kept = os.statvfs(lower).f_flag & KEPT
    mount("none", str(lower), flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)
    mount("tmpfs", "/etc", data="mode=0755")
    for entry in lower.iterdir():
        target = Path("/etc", entry.name)
        if entry.name in OWN:
            continue
        # A file is copied, so that a change stays in this host; one that only the real root may read is no loss.
        with contextlib.suppress(PermissionError):
            if entry.is_symlink():
                target.symlink_to(entry.readlink())
            elif entry.is_dir():
                target.symlink_to(entry)
            elif entry.is_file():
                shutil.copy2(entry, target)
    Path("/etc/dbports").mkdir()
    Path("/etc/systemd/system").mkdir(parents=True)


def own_names(name: str) -> None:
    """Let names come from /etc/hosts alone: there is no name server in a lab, and waiting for one takes seconds."""
    for path, content in {
        "hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\n",
    }.items():
        file = Path("/etc", path)
        file.unlink(missing_ok=True)
        file.write_text(content, encoding="utf-8")
    socket.sethostname(name)


def own_sys() -> None:
    """Show the host's own interfaces in /sys, for Ansible's facts; some kernels refuse it to an ordinary user."""
    with contextlib.suppress(OSError):
        mount("sysfs", "/sys")


def kill_the_rest(holder: int) -> bool:
    """Kill every other process in the network namespace of a process; tell whether there were any."""
    there = Path(f"/proc/{holder}/ns/net").stat().st_ino
    found = False
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in (holder, os.getpid()):
            continue
        # Processes end and belong to others while we look.
        with contextlib.suppress(OSError):
            if (entry / "ns" / "net").stat().st_ino == there:
                os.kill(int(entry.name), signal.SIGKILL)
                found = True
    return found


def main(name: str) -> None:
    """Hold the namespaces of the host ``name`` until stdin ends."""
    # Ctrl-C reaches the whole process group; the holder has to outlive the cleaning of its owner.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mount("tmpfs", "/run", data="mode=0755")
    own_etc()
    own_var_lib()
    own_names(name)
    own_sys()
    print("ready", flush=True)
    sys.stdin.read()
    kill_the_rest(os.getpid())


if __name__ == "__main__":
    main(sys.argv[1])
