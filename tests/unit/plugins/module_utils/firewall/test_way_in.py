# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection through which a process was started, from what a host shows of it, and rules that would cut it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import way_in
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.way_in import (
    WayIn,
    find_way_in,
    refuse_lock_out,
)
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Row

from firewall_cases import ruleset

SHELL, SUDO, SSHD, INIT = 300, 200, 100, 1


def came(peer: str, port: int = 22) -> WayIn:
    return WayIn(AddressRange.parse(peer), port)


def row(local: tuple[str, int], remote: tuple[str, int], inode: int = 0) -> Row:
    return Row("tcp", "ESTABLISHED", local, remote, inode)


class Machine:
    """A /proc of our own, in which this process is a great-grandchild of sshd."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.rows: list[Row] | None = [row(("192.0.2.10", 22), ("192.0.2.50", 40000), 7)]
        monkeypatch.setattr(way_in, "find_rows", self.find_rows)
        parents = {os.getpid(): SHELL, SHELL: SUDO, SUDO: SSHD, SSHD: INIT, INIT: 0}
        for pid, parent in parents.items():
            (root / str(pid) / "fd").mkdir(parents=True)
            (root / str(pid) / "stat").write_text(f"{pid} (a ) name) S {parent} 1 1", encoding="utf-8")
            (root / str(pid) / "comm").write_text("sshd\n" if pid == SSHD else "sh\n", encoding="utf-8")
            (root / str(pid) / "environ").write_bytes(b"PATH=/bin\0")

    def find_rows(self, _ports: Any, _states: Any, *, proc_path: str) -> Iterable[Row]:
        assert proc_path == str(self.root)
        if self.rows is None:
            raise DbportsError("no netlink and no /proc/net", code="unreadable")
        return self.rows

    def find(self, environ: Mapping[str, str] | None = None) -> WayIn | None:
        return find_way_in(environ or {}, str(self.root))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


TEXT = "192.0.2.50 40000 192.0.2.10 22"


def test_its_own_environment(machine: Machine) -> None:
    assert machine.find({"SSH_CONNECTION": TEXT}) == came("192.0.2.50")


def test_become_took_it_away(machine: Machine) -> None:
    """Those that started this process still have it."""
    (machine.root / str(SUDO) / "environ").write_bytes(f"A=b\0SSH_CONNECTION={TEXT}\0C=d\0".encode())
    assert machine.find() == came("192.0.2.50")


@pytest.mark.parametrize("readable", [True, False])
def test_only_the_socket_of_sshd(machine: Machine, readable: bool) -> None:
    """It is found by its inode; where there is no sshd above this process, nobody's connection is taken for it."""
    (machine.root / str(SSHD) / "fd" / "4").symlink_to("socket:[7]")
    if not readable:
        (machine.root / str(SSHD) / "comm").unlink()
    assert machine.find() == (came("192.0.2.50") if readable else None)


@pytest.mark.parametrize(
    ("text", "local", "remote", "found"),
    [
        (TEXT, ("::ffff:192.0.2.10", 22), ("::ffff:192.0.2.50", 40000), came("192.0.2.50")),
        ("fe80::5%eth0 40000 fe80::1%eth0 22", ("fe80::1", 22), ("fe80::5", 40000), came("fe80::5")),
        (TEXT, ("192.0.2.10", 22), ("192.0.2.50", 40001), None),
        (TEXT, ("192.0.2.10", 22), ("192.0.2.51", 40000), None),
        ("127.0.0.1 40000 127.0.0.1 22", ("127.0.0.1", 22), ("127.0.0.1", 40000), None),
        ("127.0.0.1 40000 127.0.0.2 22", ("127.0.0.2", 22), ("127.0.0.1", 40000), None),
        ("192.0.2.10 40000 192.0.2.10 22", ("192.0.2.10", 22), ("192.0.2.10", 40000), None),
        ("UNKNOWN 65535 UNKNOWN 65535", ("192.0.2.10", 22), ("192.0.2.50", 40000), None),
        ("192.0.2.50 40000", ("192.0.2.10", 22), ("192.0.2.50", 40000), None),
    ],
    ids=[
        "mapped",
        "link-local",
        "another one",
        "another host's",
        "loopback",
        "loopback 2",
        "itself",
        "none",
        "cut off",
    ],
)
def test_it_is_a_connection_of_this_host(
    machine: Machine, text: str, local: tuple[str, int], remote: tuple[str, int], found: WayIn | None
) -> None:
    """The variable of another machine, or of none, says nothing about this one."""
    machine.rows = [row(local, remote)]
    assert machine.find({"SSH_CONNECTION": text}) == found


def test_sockets_that_cannot_be_listed(machine: Machine) -> None:
    """Then the variable is believed, and without it nothing is known."""
    machine.rows = None
    assert machine.find({"SSH_CONNECTION": TEXT}) == came("192.0.2.50")
    assert machine.find() is None


def test_a_host_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way_in, "find_rows", lambda *_arguments, **_more: [])
    assert find_way_in({}, str(tmp_path / "nowhere")) is None


DYNAMIC = {"direction": "in", "protocol": "tcp", "ports": ["49152-65535"], "peers": ["192.0.2.21", "198.51.100.0/24"]}


@pytest.mark.parametrize(
    ("rules", "policy", "way", "refused"),
    [
        ([DYNAMIC], "guard", came("192.0.2.50", 50022), True),
        ([{**DYNAMIC, "peers": []}], "guard", came("192.0.2.50", 50022), True),
        ([DYNAMIC], "guard", came("2001:db8::21", 50022), True),
        ([DYNAMIC], "guard", came("198.51.100.7", 50022), False),
        ([DYNAMIC], "guard", came("192.0.2.50", 22), False),
        ([DYNAMIC], "open", came("192.0.2.50", 50022), False),
        ([{**DYNAMIC, "protocol": "udp"}], "guard", came("192.0.2.50", 50022), False),
        ([{**DYNAMIC, "guarded": False}], "guard", came("192.0.2.50", 50022), False),
        ([DYNAMIC], "guard", None, False),
    ],
    ids=["dropped", "for nobody", "other family", "declared", "other port", "open", "udp", "not guarded", "no ssh"],
)
def test_what_would_be_cut_is_refused(
    rules: list[dict[str, Any]], policy: str, way: WayIn | None, refused: bool
) -> None:
    wanted = ruleset([{"purpose": "instance SALES", **rule} for rule in rules], policy=policy)
    if not refused:
        refuse_lock_out(wanted, way)
        return
    assert way is not None
    with pytest.raises(DbportsError, match=f"tcp 50022, through which this task .* from {way.peer}") as caught:
        refuse_lock_out(wanted, way)
    assert caught.value.code == "would_lock_out"
