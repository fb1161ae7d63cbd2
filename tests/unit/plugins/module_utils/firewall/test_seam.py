# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds the seam: only one folder knows nftables, and what decides touches no host."""

from __future__ import annotations

import ast
import builtins
import os
import re
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import BACKENDS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState, decide
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.backend import Nftables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import BootPlace
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import (
    ForeignFinding,
    Kept,
    KeptFile,
    Script,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand, Step, WriteFile
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import plan_change

from firewall_cases import GOLDEN, case

ROOT = Path(__file__).resolve().parents[5]
CORE = ROOT / "plugins" / "module_utils"
PREFIX = "ansible_collections.dbports.firewall.plugins.module_utils."
NAMES = re.compile(r"nft|netfilter|\binet dbports", re.IGNORECASE)
BEFORE = re.compile(r"^Before=.*$", re.MULTILINE)
"""What undoes an unfinished change at boot comes before the services of all firewalls."""

REGISTERED = re.compile(
    r'^( *from \S+\.nftables\.backend import|def _load_nftables|    return Nftables|    Known."nftables"|CHOICES).*$',
    re.MULTILINE,
)


def code_of(path: Path) -> str:
    """Return a file's text; what it documents for users may name what it likes."""
    text = path.read_text(encoding="utf-8")
    if path.parent.name in ("modules", "doc_fragments"):
        text = re.sub(r'^ *(DOCUMENTATION|EXAMPLES|RETURN) = r""".*?^"""$', "", text, flags=re.MULTILINE | re.DOTALL)
    return text


def test_only_its_folder_names_nftables() -> None:
    """Neither code nor comments elsewhere know the program, its tables or its JSON; the registry names the backend.

    The folders of other firewalls may: iptables and firewalld are often made of it.
    """
    found = []
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        if path.parent.parent != CORE / "_firewall":
            text = code_of(path)
            if path == CORE / "_firewall" / "backend.py":
                text, registered = REGISTERED.subn("", text)
                assert registered == 5
            if path == CORE / "_firewall" / "arming.py":
                text = BEFORE.sub("", text)
            found += [f"{path.relative_to(ROOT)}: {line}" for line in text.splitlines() if NAMES.search(line)]
    assert found == []


def imported(name: str, seen: dict[str, set[str]]) -> set[str]:
    """Return every module outside the core that a module of the core imports, directly or not."""
    if name not in seen:
        seen[name] = set()
        tree = ast.parse((CORE / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for one in names:
                own = one.startswith(PREFIX)
                seen[name] |= imported(one[len(PREFIX) :], seen) if own else {one.split(".")[0]}
    return seen[name]


PURE = ("comments", "decide", "evaluate", "forward_lines", "losses", "model", "state", "steps", "writing")
"""What decides, whichever the firewall."""

PURE_OF_EACH = {
    "decode",
    "encode",
    "files",
    "foreign",
    "forward",
    "listing",
    "names",
    "others",
    "policy",
    "rules",
}
"""What each firewall has of it, beside programs and files of the host."""


@pytest.mark.parametrize(
    "name",
    [
        *PURE,
        "live.connections",
        "windows.backend",
        *sorted(
            f"{path.parent.name}.{path.stem}"
            for path in (CORE / "_firewall").glob("*/*.py")
            if path.stem in PURE_OF_EACH
        ),
    ],
)
def test_what_decides_imports_nothing_that_touches_a_host(name: str) -> None:
    """So it runs on the controller for a host that can only observe and commit."""
    assert imported(f"_firewall.{name}", {}) <= {
        "__future__",
        "bisect",
        "collections",
        "dataclasses",
        "enum",
        "fnmatch",
        "functools",
        "hashlib",
        "ipaddress",
        "itertools",
        "json",
        "operator",
        "re",
        "shlex",
        "typing",
        "unicodedata",
        "xml",
    }


@pytest.fixture
def no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid files, programs and sockets."""

    def forbidden(*_arguments: Any, **_more: Any) -> None:
        raise AssertionError("the host was touched")

    for module, name in (
        (builtins, "open"),
        (os, "open"),
        (os, "stat"),
        (subprocess, "Popen"),
        (socket, "socket"),
    ):
        monkeypatch.setattr(module, name, forbidden)


@pytest.mark.usefixtures("no_host")
def test_decide_without_a_host() -> None:
    """From two values to a third."""
    load = (RunCommand(("load", "this")),)
    change = decide(State(case("sql602")), DesiredState(case("mssql")), Script(load, not_kept="no reason"))
    assert change.refusal is not None
    assert change.refusal.code == "would_lose"
    assert (change.changed, change.script.load) == (True, load)
    assert change.warnings == ("not kept for the next boot: no reason",)
    same = decide(State(case("sql602")), DesiredState(case("sql602")), Script(load, load))
    assert (same.changed, same.script, same.diff()) == (False, Script(), [])


KEPT = Kept((KeptFile("/etc/rules", 0o600, "rules"),))
KEEP: tuple[Step, ...] = (WriteFile("/etc/rules", 0o600, "rules"),)
LOAD: tuple[Step, ...] = (RunCommand(("load",)),)


@pytest.mark.parametrize(
    ("wanted", "script", "left"),
    [
        ("sql602", Script(LOAD, KEEP, KEPT), Script((), KEEP, KEPT)),
        ("sql602", Script(LOAD, (), KEPT), Script(LOAD, (), KEPT)),
        ("sql602", Script(LOAD, KEEP), Script()),
        ("mssql", Script(LOAD, KEEP), Script(LOAD)),
        ("mssql", Script(LOAD, KEEP, KEPT), Script(LOAD, KEEP, KEPT)),
    ],
    ids=["only the files", "a load that does both", "nothing", "only the rules", "everything"],
)
def test_only_what_is_left_is_done(wanted: str, script: Script, left: Script) -> None:
    """Rules in force are not loaded again, and files that are right are not written again."""
    change = decide(State(case("sql602")), DesiredState(case(wanted), allow_shrink=True), script)
    assert change.script == left
    assert change.changed is (left != Script())


def test_a_warning_names_the_host_and_what_its_owner_has_to_add() -> None:
    """For every firewall in the same words."""
    accept = case("mssql").accepts[0]
    finding = ForeignFinding({}, accept, accept.peers[0], "drops", "chain x drops tcp 1433", "nft add rule x")
    wish = DesiredState(case("mssql"), owner="erp-db", allow_shrink=True)
    change = decide(State(case("mssql"), foreign=lambda _ruleset: [finding]), wish, Script())
    assert change.warnings == (
        f"erp-db: chain x drops tcp 1433 (required for {accept.comment}); nothing was changed there; "
        "its owner has to add: nft add rule x",
    )
    assert replace(finding, fix="").sentence("") == (
        f"chain x drops tcp 1433 (required for {accept.comment}); nothing was changed there"
    )


LISTING = (GOLDEN / "sql602.json").read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_host")
def test_the_whole_way_without_a_host() -> None:
    """What a host once showed is enough: decode, encode and decide are the same functions on the controller."""
    texts = {
        "program": "/usr/sbin/nft",
        "listing": f'{{"nftables": {LISTING}}}',
        "own table": "",
        "placed": "{}",
        "kept": "[[], []]",
        "copied": '["/etc/nftables.conf"]',
        "boot": BootPlace("/usr/sbin/nft", True, ()).to_text(),
    }
    change = plan_change(Nftables(), texts, DesiredState(case("mssql"), allow_shrink=True))
    assert (change.refusal, change.in_sync, change.before.ruleset) == (None, False, case("sql602"))
    assert change.script.kept.paths == ["/etc/dbports/ruleset.nft", "/etc/systemd/system/dbports-firewall.service"]
    assert [step[0] for step in change.script.load] == [("/usr/sbin/nft", "-f", "-")]
    assert [step[0] for step in change.script.keep[:2]] == change.script.kept.paths
    assert Nftables().undo(texts)[0] == RunCommand(("/usr/sbin/nft", "-f", "-"))
    gone = plan_change(Nftables(), texts, DesiredState.from_arguments({"state": "absent"}))
    assert (change.warnings, [text.split(":")[0] for text in gone.warnings]) == ((), ["/etc/nftables.conf"])


def test_names_are_unique() -> None:
    """Users and results tell backends apart by name."""
    assert len({backend.name for backend in BACKENDS}) == len(BACKENDS)
