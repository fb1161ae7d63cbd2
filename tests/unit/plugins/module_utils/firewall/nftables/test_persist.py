# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and the unit that bring the ruleset back, in a file system of our own with a stand-in for systemctl."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import keeping
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Output
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import kept_from_text, kept_to_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import (
    DROP_IN_FILE,
    RULESET_FILE,
    SCRIPT_FILE,
    UNIT,
    BootPlace,
    Persistence,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner, StepError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import to_json


class Store(Persistence):
    """Runs the steps to what is to be kept, too."""

    def __init__(self, root: Path, systemctl: Systemctl | None = None) -> None:
        run = systemctl or Systemctl()
        super().__init__(str(root), run)
        self.runner = Runner(str(root), run)

    def write(self, kept: Kept) -> None:
        self.runner.do(to_json(self.place().own.keep_steps(self.current(), kept)))

    def undo(self, kept: Kept) -> list[str]:
        return self.runner.undo(to_json(self.place().own.undo_steps(kept)))


class Systemctl:
    """Remembers what systemd was told, and answers ``show`` from it; ``fails`` is the command that does not work."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.said: list[str] = []
        self.enabled = self.active = False

    def __call__(self, argv: Sequence[str], _text: str) -> Output:
        command = argv[1]
        if command == self.fails:
            return Output(1, "", "it does not work")
        if command == "show":
            shown = f"UnitFileState={'enabled' if self.enabled else 'disabled'}\n"
            return Output(0, f"{shown}ActiveState={'active' if self.active else 'inactive'}\n", "")
        self.said.append(command)
        self.enabled = {"enable": True, "disable": False}.get(command, self.enabled)
        self.active = {"start": True, "stop": False}.get(command, self.active)
        return Output(0, "", "")


UNIT_FILE = f"/etc/systemd/system/{UNIT}"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file system with an /etc, on a machine that has systemctl."""
    monkeypatch.setattr(keeping, "find", lambda name: f"/usr/bin/{name}")
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    return tmp_path


def with_systemd(root: Path) -> Path:
    """Let systemd run there."""
    (root / "run/systemd/system").mkdir(parents=True)
    return root


def tree(root: Path) -> list[str]:
    """Return every file and directory below etc."""
    return sorted(str(path.relative_to(root)) for path in (root / "etc").rglob("*"))


def test_a_host_with_systemd(root: Path) -> None:
    """Two files and an enabled unit, then nothing to do, then no trace."""
    systemctl = Systemctl()
    store = Store(with_systemd(root), systemctl)
    before = tree(root)
    wanted = store.place("/sbin/nft").wanted("table inet x\n")
    store.write(wanted)
    assert store.current() == wanted
    assert systemctl.said == ["daemon-reload", "enable", "start"]
    kept = root / RULESET_FILE.lstrip("/")
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert kept.read_text(encoding="utf-8").endswith("table inet x\n")
    unit = (root / UNIT_FILE.lstrip("/")).read_text(encoding="utf-8")
    assert f"ExecStart=/sbin/nft -f {RULESET_FILE}\n" in unit

    systemctl.said.clear()
    store.write(wanted)
    assert systemctl.said == []
    store.write(store.place("/sbin/nft").wanted("table inet y\n"))
    assert systemctl.said == [], "the kernel has the new ruleset already and the unit reads the file at boot"

    store.write(Kept())
    assert systemctl.said == ["disable", "stop", "daemon-reload", "reset-failed"]
    assert tree(root) == before


@pytest.mark.parametrize("undone", ["enabled", "active"])
def test_a_unit_that_somebody_stopped_comes_back(root: Path, undone: str) -> None:
    """A disabled or stopped unit is a difference."""
    systemctl = Systemctl()
    store = Store(with_systemd(root), systemctl)
    wanted = store.place().wanted("x")
    store.write(wanted)
    setattr(systemctl, undone, False)
    assert store.current() != wanted
    assert store.current().render() != wanted.render()
    store.write(wanted)
    assert store.current() == wanted


@pytest.mark.parametrize("command", ["daemon-reload", "enable", "start", "show"])
def test_a_systemctl_that_fails(root: Path, command: str) -> None:
    """Its words are in the error."""
    store = Store(with_systemd(root), Systemctl(fails=command))
    with pytest.raises((DbportsError, StepError), match=f"systemctl {command}.*it does not work"):
        store.write(store.place().wanted("x"))
        store.current()


@pytest.mark.parametrize(
    ("configuration", "include", "directory"),
    [
        ("etc/nftables.nft", 'include "/etc/nftables.d/*.nft"', "etc/nftables.d"),
        ("etc/nftables.conf", "include 'nftables.d/*.nft'", "etc/nftables.d"),
        ("etc/sysconfig/nftables.conf", '  include "/etc/nftables/*.nft"  # all', "etc/nftables"),
    ],
)
def test_the_distributions_include(root: Path, configuration: str, include: str, directory: str) -> None:
    """Without systemd the file goes where the distribution's own configuration looks."""
    (root / directory).mkdir(parents=True)
    (root / configuration).parent.mkdir(parents=True, exist_ok=True)
    (root / configuration).write_text(f"flush ruleset\n# include nothing\n{include}\n", encoding="utf-8")
    before = tree(root)
    store = Store(root)
    wanted = store.place().wanted("table inet x\n")
    assert wanted.paths == [f"/{directory}/dbports.nft"]
    assert store.place().reason is None
    store.write(wanted)
    assert store.current() == wanted
    store.write(store.place().wanted(None))
    assert tree(root) == before


@pytest.mark.parametrize("systemd", [True, False])
def test_a_directory_that_is_no_longer_included_keeps_nothing_of_ours(root: Path, systemd: bool) -> None:
    """Included once more, its file would name one that is gone, and the owner's ruleset would not load."""
    if systemd:
        with_systemd(root)
    for directory in ("etc/nftables.d", "etc/nftables"):
        (root / directory).mkdir()
    before = tree(root)
    (root / "etc/nftables.conf").write_text(f"flush ruleset\n{INCLUDE}", encoding="utf-8")
    store = Store(root, Systemctl())
    store.write(store.place().wanted("table inet x\n"))
    assert (root / TOGETHER.lstrip("/")).exists()
    (root / "etc/nftables.conf").unlink()
    (root / "etc/nftables/dbports.nft").write_text("table inet theirs\n", encoding="utf-8")
    store.write(BootPlace.from_text(store.place().to_text()).wanted(None))
    (root / "etc/nftables/dbports.nft").unlink()
    assert tree(root) == before


@pytest.mark.parametrize(
    "text",
    [
        "flush ruleset\n",
        '# include "/etc/nftables.d/*.nft"\n',
        'include "/etc/missing/*.nft"\n',
        'table inet filter {\n  chain input {  # }\n    include "/etc/nftables.d/*.nft"\n  }\n}\n',
        'include "/etc/nftables.d/*.nft"\nflush ruleset\n',
    ],
)
def test_nothing_would_load_it(root: Path, text: str) -> None:
    """Then nothing is written, and the reason says where it was looked for."""
    (root / "etc/nftables.d").mkdir()
    (root / "etc/nftables.conf").write_text(text, encoding="utf-8")
    store = Store(root)
    assert store.place().wanted("x") == Kept()
    assert "/etc/nftables.conf" in str(store.place().reason)


def test_the_distributions_include_with_systemd(root: Path) -> None:
    """What the configuration includes loads the same file as the unit, so that there is one ruleset."""
    (root / "etc/nftables.d").mkdir()
    (root / "etc/nftables.conf").write_text('include "/etc/nftables.d/*.nft"\n', encoding="utf-8")
    Store(root).write(Store(root).place().wanted("old"))
    store = Store(with_systemd(root), Systemctl())
    store.write(store.place().wanted("new"))
    included = (root / "etc/nftables.d/dbports.nft").read_text(encoding="utf-8")
    assert included.endswith(f'include "{RULESET_FILE}"\n')
    assert store.current().paths == [RULESET_FILE, "/etc/nftables.d/dbports.nft", UNIT_FILE]


DEBIAN = """\
[Service]
ExecStart=/usr/sbin/nft -f /etc/nftables.conf
ExecReload=/usr/sbin/nft -f /etc/nftables.conf
ExecStop=/usr/sbin/nft flush ruleset
"""
RED_HAT = """\
[Service]
ExecStart=/sbin/nft -f /etc/sysconfig/nftables.conf
ExecReload=/sbin/nft 'flush ruleset; include "/etc/sysconfig/nftables.conf";'
ExecStop=/sbin/nft flush ruleset
"""
OURS = f'include "{RULESET_FILE}"'

FILTER = "table inet filter {\n}\n"
INCLUDE = 'include "/etc/nftables.d/*.nft"\n'
TOGETHER = "/etc/nftables.d/dbports.nft"


def drop_in(root: Path, unit: str, more: str = "") -> list[str]:
    """Return the drop-in's section Service on a host with this nftables.service, which it leaves without a trace."""
    (root / "lib/systemd/system").mkdir(parents=True)
    (root / "lib/systemd/system/nftables.service").write_text(unit, encoding="utf-8")
    if more:
        (root / "etc/systemd/system/nftables.service.d").mkdir()
        (root / "etc/systemd/system/nftables.service.d/theirs.conf").write_text(more, encoding="utf-8")
    systemctl = Systemctl()
    store, before = Store(with_systemd(root), systemctl), tree(root)
    wanted = store.place().wanted("x")
    store.write(wanted)
    assert store.current() == wanted
    assert systemctl.said[0] == "daemon-reload"
    text = (root / DROP_IN_FILE.lstrip("/")).read_text(encoding="utf-8")
    store.write(Kept())
    assert tree(root) == before
    return text.partition("[Service]\n")[2].splitlines()


@pytest.mark.parametrize(
    ("unit", "configuration", "again"),
    [
        (DEBIAN, "/etc/nftables.conf", 'include "/etc/nftables.conf"'),
        (RED_HAT, "/etc/sysconfig/nftables.conf", 'flush ruleset; include "/etc/sysconfig/nftables.conf"'),
    ],
)
def test_the_hosts_own_ruleset_is_loaded_together_with_ours(
    root: Path, unit: str, configuration: str, again: str
) -> None:
    """In one transaction at start, reload and stop, so that no port is open in between."""
    assert drop_in(root, unit) == [
        "ExecStart=",
        f"ExecStart=/usr/sbin/nft 'include \"{configuration}\"; {OURS}'",
        "ExecReload=",
        f"ExecReload=/usr/sbin/nft '{again}; {OURS}'",
        "ExecStop=",
        f"ExecStop=/usr/sbin/nft 'flush ruleset; {OURS}'",
    ]


@pytest.mark.parametrize(
    ("configuration", "text", "kept"),
    [
        ("nftables.conf", f"flush ruleset\n{INCLUDE}# flush ruleset\n", True),
        ("nftables.conf", f"{INCLUDE}flush ruleset\n", False),
        ("nftables.conf", f"table inet filter {{\n{INCLUDE}}}\n", False),
        ("nftables.nft", f"flush ruleset\n{INCLUDE}", False),
    ],
)
def test_only_an_include_that_the_service_reaches_stands_for_the_drop_in(
    root: Path, configuration: str, text: str, kept: bool
) -> None:
    """Neither one inside a table, where it would break the configuration, nor one in a file that is not loaded."""
    (root / "etc/nftables.d").mkdir()
    (root / "etc" / configuration).write_text(text, encoding="utf-8")
    lines = drop_in(root, DEBIAN)
    assert [line for line in lines if "nftables.conf" in line] == (
        []
        if kept
        else [f"{name}=/usr/sbin/nft 'include \"/etc/nftables.conf\"; {OURS}'" for name in ("ExecStart", "ExecReload")]
    )
    assert (TOGETHER in Store(root, Systemctl()).place().wanted("x").paths) is kept


@pytest.mark.parametrize(
    ("unit", "more"),
    [
        (DEBIAN.replace("-f", "-I /etc/x -f"), ""),
        (DEBIAN, "[Service]\nExecStartPre=/bin/true\n"),
        ("[Service]\nExecStart=/usr/local/bin/firewall up\n", ""),
    ],
)
def test_a_unit_that_is_not_understood_is_followed(root: Path, unit: str, more: str) -> None:
    """Its own commands stay as they are."""
    assert [line.split("=-")[0] for line in drop_in(root, unit, more)] == [
        "ExecStartPost",
        "ExecReload",
        "ExecStopPost",
    ]


@pytest.mark.parametrize(
    ("configuration", "others", "included"),
    [
        (f"flush ruleset\n{FILTER}{INCLUDE}", {}, True),
        (f"flush ruleset\nadd table inet filter\n{INCLUDE}", {}, True),
        (f"flush ruleset\n{INCLUDE}", {"50-filter.nft": FILTER}, True),
        (f"flush ruleset\n{INCLUDE}", {"filter.nft": FILTER}, False),
        (f"flush ruleset\n{INCLUDE}{FILTER}", {}, False),
        (f"{FILTER}flush ruleset\n{INCLUDE}", {}, False),
        (f"{FILTER}{INCLUDE}", {}, False),
        (f"flush ruleset\n{FILTER.replace('filter', 'filters')}{INCLUDE}", {}, False),
        (f"flush ruleset\n{FILTER.replace('inet', 'ip')}{INCLUDE}", {}, False),
        (f"flush ruleset\n{FILTER}", {}, False),
    ],
)
@pytest.mark.parametrize("systemd", [True, False])
def test_rules_in_a_table_of_the_owner_are_included_after_it(
    root: Path, configuration: str, others: dict[str, str], included: bool, systemd: bool
) -> None:
    """And after a flush, so that they are there once; without systemd nothing else would load them."""
    (root / "etc/nftables.d").mkdir()
    (root / "etc/nftables.conf").write_text(configuration, encoding="utf-8")
    for name, text in others.items():
        (root / "etc/nftables.d" / name).write_text(text, encoding="utf-8")
    before = tree(root)
    store = Store(with_systemd(root) if systemd else root, Systemctl())
    place = BootPlace.from_text(store.place().to_text())
    wanted = place.placed("filter", "#!/bin/sh\n", "table inet filter {\n}\n")
    assert wanted.paths == ([SCRIPT_FILE] if systemd else []) + [TOGETHER] * included + ([UNIT_FILE] if systemd else [])
    assert (place.placed_reason("filter") is None) is (systemd or included)
    store.write(wanted)
    assert store.current() == wanted
    store.write(Kept())
    assert tree(root) == before


@pytest.mark.parametrize("early", [True, False])
def test_ordinary_services_wait_for_rules_in_a_table_of_the_owner(root: Path, early: bool) -> None:
    """Where the owner's own ruleset comes before these services, which it does on Debian and not on Red Hat."""
    (root / "lib/systemd/system").mkdir(parents=True)
    unit = f"[Unit]\nDefaultDependencies=no\n{DEBIAN}" if early else RED_HAT
    (root / "lib/systemd/system/nftables.service").write_text(unit, encoding="utf-8")
    place = BootPlace.from_text(Store(with_systemd(root), Systemctl()).place().to_text())
    kept = place.placed("filter", "#!/bin/sh\n", "table inet filter {\n}\n")
    lines = next(item.content for item in kept.files if item.path == UNIT_FILE).splitlines()
    assert "After=nftables.service" in lines
    assert f"Before=network-pre.target {'sysinit.target ' if early else ''}shutdown.target" in lines


@pytest.mark.parametrize(
    ("unit", "lines"),
    [
        (
            DEBIAN,
            [
                "ExecStart=",
                f"ExecStart=/bin/sh {SCRIPT_FILE} 'include \"/etc/nftables.conf\"'",
                "ExecReload=",
                f"ExecReload=/bin/sh {SCRIPT_FILE} 'include \"/etc/nftables.conf\"'",
            ],
        ),
        (
            DEBIAN.replace("-f", "-I /etc/x -f"),
            [f"{name}=-/bin/sh {SCRIPT_FILE}" for name in ("ExecStartPost", "ExecReload", "ExecStopPost")],
        ),
    ],
)
def test_rules_in_a_table_of_the_owner_come_with_its_service(root: Path, unit: str, lines: list[str]) -> None:
    """In the same transaction; a unit that is not understood is followed."""
    (root / "lib/systemd/system").mkdir(parents=True)
    (root / "lib/systemd/system/nftables.service").write_text(unit, encoding="utf-8")
    store = Store(with_systemd(root), Systemctl())
    store.write(store.place().placed("filter", "x", "y"))
    text = (root / DROP_IN_FILE.lstrip("/")).read_text(encoding="utf-8")
    assert text.partition("[Service]\n")[2].splitlines() == lines


def test_a_masked_nftables_service_gets_no_drop_in(root: Path) -> None:
    """The own unit loads the rules without it."""
    (root / "etc/systemd/system/nftables.service").symlink_to("/dev/null")
    store = Store(with_systemd(root), Systemctl())
    assert store.place().wanted("x").paths == [RULESET_FILE, UNIT_FILE]


def test_changed_permissions_are_put_right(root: Path) -> None:
    """The ruleset names peers: nobody else may read it."""
    store = Store(with_systemd(root), Systemctl())
    store.write(store.place().wanted("x"))
    (root / RULESET_FILE.lstrip("/")).chmod(0o644)
    assert store.current() != store.place().wanted("x")
    store.write(store.place().wanted("x"))
    assert store.current() == store.place().wanted("x")


def test_a_directory_in_the_way(root: Path) -> None:
    """What cannot be written is an error with the path, and no temporary file stays."""
    store = Store(with_systemd(root), Systemctl())
    (root / UNIT_FILE.lstrip("/")).mkdir()
    with pytest.raises(DbportsError, match=UNIT):
        store.write(store.place().wanted("x"))
    assert not list(root.rglob(".dbports-*"))


@pytest.mark.parametrize("strange", ["pipe", "endless", "loop"])
def test_no_regular_file_in_the_way(root: Path, strange: str) -> None:
    """It is not waited for, and said what to do."""
    file = root / RULESET_FILE.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    if strange == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero" if strange == "endless" else file)
    with pytest.raises(DbportsError, match=f"cannot read {file}") as caught:
        Store(root).current()
    assert caught.value.code == "unreadable"
    assert f"rm -r {file}" in str(caught.value)


def test_an_observation_holds_all_of_it(root: Path) -> None:
    """Files, also one that is no text, the unit and how the host boots come back as they were."""
    store = Store(with_systemd(root), Systemctl())
    store.write(store.place().wanted("x"))
    (root / RULESET_FILE.lstrip("/")).write_bytes(b"\xff\x00\xfe")
    kept = store.current()
    assert kept_from_text(kept_to_text(kept)) == kept
    assert BootPlace.from_text(store.place().to_text()) == store.place()
    (root / RULESET_FILE.lstrip("/")).unlink()
    store.write(kept)
    assert (root / RULESET_FILE.lstrip("/")).read_bytes() == b"\xff\x00\xfe"


STATES = ["nothing", "kept", "stopped", "other"]


def bring(store: Store, systemctl: Systemctl, state: str) -> None:
    """Bring a host to one of the states."""
    store.write(Kept() if state == "nothing" else store.place().wanted("other" if state == "other" else "kept"))
    if state == "stopped":
        systemctl.enabled = systemctl.active = False


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_going_back_from_anywhere(root: Path, before: str, after: str) -> None:
    """To the byte, and a second time."""
    systemctl = Systemctl()
    store = Store(with_systemd(root), systemctl)
    bring(store, systemctl, before)
    kept, files = store.current(), tree(root)
    bring(store, systemctl, after)
    for _attempt in range(2):
        assert store.undo(kept) == []
        assert (store.current(), tree(root)) == (kept, files)


def test_a_masked_unit_stays_masked(root: Path) -> None:
    """The host's owner does not want it: nothing is kept, the reason says so, and undoing leaves the mask alone."""
    unit = root / "etc/systemd/system" / UNIT
    unit.symlink_to("/dev/null")
    systemctl = Systemctl()
    store = Store(with_systemd(root), systemctl)
    before = tree(root)
    place = store.place()
    assert "dbports-firewall.service is masked on this host" in str(place.reason)
    assert (store.current(), place.wanted("table inet x")) == (Kept(), Kept())
    store.write(place.wanted("table inet x"))
    assert store.undo(store.current()) == []
    assert (tree(root), systemctl.said, str(unit.readlink())) == (before, [], "/dev/null")
    assert BootPlace.from_text(place.to_text()) == place
