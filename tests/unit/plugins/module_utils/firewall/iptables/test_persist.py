# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings the own chains back when services of others load their rules; Molecule does it with systemd."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Output
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.persist import (
    SCRIPT_FILE,
    followed,
    own_files,
    wanted,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.program import Iptables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import Host
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import to_json

DEBIAN = "[Service]\nExecStart=/usr/sbin/netfilter-persistent start\nExecStop=/usr/sbin/netfilter-persistent stop\n"
RED_HAT = "".join(
    f"Exec{name.title()}=/usr/libexec/iptables/iptables.init {name}\n" for name in ("start", "reload", "stop")
)


@pytest.mark.parametrize(
    ("unit", "text", "moments"),
    [
        ("netfilter-persistent.service", DEBIAN, ["ExecStartPost", "ExecStopPost"]),
        ("iptables.service", f"[Service]\n{RED_HAT}", ["ExecStartPost", "ExecReload", "ExecStopPost"]),
    ],
)
def test_whatever_loads_rules_of_others_is_followed(tmp_path: Path, unit: str, text: str, moments: list[str]) -> None:
    """After every command of such a unit the script runs; later nothing is left of it."""
    place = tmp_path / "usr/lib/systemd/system" / unit
    place.parent.mkdir(parents=True)
    place.write_text(text, encoding="utf-8")
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    own, host = own_files(systemd=True), Host(str(tmp_path))
    kept = wanted(own, "true\n", followed(host))
    steps = [step for step in to_json(own.keep_steps(Kept(), kept)) if step[0] != "RunCommand"]
    Runner(str(tmp_path)).do(steps)
    written = (tmp_path / f"etc/systemd/system/{unit}.d/dbports.conf").read_text(encoding="utf-8")
    assert written.partition("[Service]\n")[2].splitlines() == [
        f"{moment}=-/bin/sh {SCRIPT_FILE}" for moment in moments
    ]
    steps = [step for step in to_json(own.keep_steps(kept, Kept())) if step[0] != "RunCommand"]
    Runner(str(tmp_path)).do(steps)
    assert [path.name for path in (tmp_path / "etc").rglob("*")] == ["systemd", "system"]


EARLY = DEBIAN.replace("[Service]", "[Unit]\nDefaultDependencies=no\n[Service]")


@pytest.mark.parametrize(
    ("units", "after"),
    [
        ({}, ["netfilter-persistent.service"]),
        ({"netfilter-persistent.service": EARLY}, ["netfilter-persistent.service"]),
        ({"netfilter-persistent.service": DEBIAN}, []),
        ({"iptables.service": RED_HAT}, ["netfilter-persistent.service"]),
        ({"ip6tables.service": EARLY, "netfilter-persistent.service": DEBIAN}, ["ip6tables.service"]),
    ],
)
def test_the_rules_are_there_before_ordinary_services(tmp_path: Path, units: dict[str, str], after: list[str]) -> None:
    """And follow only what comes before these as well, because nothing can wait for what waits for it."""
    place = tmp_path / "usr/lib/systemd/system"
    place.mkdir(parents=True)
    for name, text in units.items():
        (place / name).write_text(text, encoding="utf-8")
    kept = wanted(own_files(systemd=True), "true\n", followed(Host(str(tmp_path))))
    unit = next(item.content for item in kept.files if item.path.endswith("/dbports-iptables.service"))
    lines = unit.splitlines()
    assert "Before=network-pre.target sysinit.target shutdown.target" in lines
    assert [line for line in lines if line.startswith("After=")] == [f"After={' '.join(after)}" for _any in after]
    assert {item.path for item in kept.files if item.path.endswith(".conf")} == {
        f"/etc/systemd/system/{name}.d/dbports.conf" for name in units
    }


def test_others_that_are_not_there_get_nothing(tmp_path: Path) -> None:
    """Neither a unit that is missing nor one that is masked gets a drop-in."""
    masked = tmp_path / "etc/systemd/system/iptables.service"
    masked.parent.mkdir(parents=True)
    masked.symlink_to("/dev/null")
    kept = wanted(own_files(systemd=True), "true\n", followed(Host(str(tmp_path))))
    assert kept.paths == [SCRIPT_FILE, "/etc/systemd/system/dbports-iptables.service"]


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("Another app is currently holding the xtables lock. Stopped waiting after 30s.", "fuser -v /run/xtables.lock"),
        ("Cannot initialize: Address family not supported by protocol", "ip6tables-nft"),
        ("Extension multiport revision 0 not supported, missing kernel module?", "comment, conntrack, iprange"),
        ("Operation not permitted (you must be root)", "CAP_NET_ADMIN"),
    ],
)
def test_what_keeps_iptables_from_working_is_told_with_what_to_do(said: str, fix: str) -> None:
    """The programs say what is wrong, and not what their user can do about it."""
    programs = Iptables(lambda _argv, _text: Output(4, "", said))
    for ask in (lambda: programs.check("true"), lambda: programs.saved(6)):
        with pytest.raises(DbportsError) as caught:
            ask()
        assert said.split(" ")[0] in caught.value.reason
        assert fix in str(caught.value.fix)
