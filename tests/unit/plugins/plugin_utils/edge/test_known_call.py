# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller knows of its calls, and which answers of a host it takes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge import known_call
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.known_call import KnownCall
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import note

CALL = {"owner": "erp-db", "rules": [{"ports": ["1433"]}], "backend": "auto"}
UNCHANGED = '{"%s": {"changed": false, "guarded": {}}}'
"""What a host says, with the id of the call."""


@pytest.fixture(autouse=True)
def controller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the run directories of its own."""
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    monkeypatch.setattr(constants, "ANSIBLE_HOME", str(tmp_path / "home"))
    return tmp_path


class Host:
    """Answers everything with one text, and remembers what it was asked."""

    def __init__(self, printed: str = UNCHANGED) -> None:
        self.printed = printed
        self.asked: list[list[str]] = []

    def __call__(self, argv: list[str]) -> str:
        self.asked.append(argv)
        return self.printed.replace("%s", argv[-1])


def test_a_host_is_asked_once_the_call_was_made() -> None:
    host, call = Host(), KnownCall(CALL)
    assert call.repeated(host) is None
    assert host.asked == []
    call.remember()
    assert KnownCall(CALL).repeated(host) == {"changed": False, "guarded": {}}
    assert [argv[-2:] for argv in host.asked] == [["/run/dbports-firewall", call.asked["call_id"]]]


@pytest.mark.parametrize(
    "other", [{"owner": "crm-db"}, {"rules": [{"ports": ["1434"]}]}, {"backend": "nftables"}, {"rules": []}]
)
def test_any_other_call_is_one_of_the_module(other: dict[str, object]) -> None:
    KnownCall(CALL).remember()
    host = Host()
    assert KnownCall({**CALL, **other}).repeated(host) is None
    assert host.asked == []


def test_other_code_is_another_call() -> None:
    KnownCall(CALL).remember()
    note("code", {"digest": "that of another release"})
    host = Host()
    assert KnownCall(CALL).repeated(host) is None
    assert host.asked == []


def test_forks_that_begin_together_agree() -> None:
    """Each of them computes the digest of the code, and one keeps it."""
    with multiprocessing.get_context("fork").Pool(8) as forks:
        found = forks.map(_asked, [CALL] * 64, chunksize=1)
    assert set(found) == {_asked(CALL)}


def _asked(arguments: dict[str, Any]) -> str:
    return str(KnownCall(arguments).asked["call_id"])


def test_without_rules_nothing_is_kept() -> None:
    """Neither on the host nor here."""
    KnownCall(CALL).remember()
    gone = KnownCall({"owner": "erp-db", "state": "absent"})
    assert gone.asked == {}
    gone.remember()
    host = Host()
    assert KnownCall(CALL).repeated(host) is None
    assert host.asked == []


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "\n\n",
        "no JSON",
        "[]",
        "null",
        "false",
        "{}",
        '{"changed": false, "guarded": {}}',
        '{"another": {"changed": false}}',
        '{"%s": [false]}',
        '{"%s": {}}',
        '{"%s": {"changed": true}}',
        '{"%s": {"changed": 0}}',
        '{"%s": {"changed": null}}',
        '{"%s": {"changed": false}',
        "[" * 100_000,
    ],
)
def test_no_other_answer_counts(printed: str) -> None:
    KnownCall(CALL).remember()
    assert KnownCall(CALL).repeated(Host(printed)) is None


def test_what_a_login_prints_does_not_matter() -> None:
    KnownCall(CALL).remember()
    assert KnownCall(CALL).repeated(Host(f"Welcome!\r\n{UNCHANGED}\r\nBye\r\n")) == {"changed": False, "guarded": {}}


def test_an_answer_has_the_keys_of_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that Ansible takes away from the result of a module, or change_and_confirm."""
    KnownCall(CALL).remember()
    own = '"cut": [], "confirm": "", "confirm_command": [], "warnings": []'
    foreign = '"_ansible_no_log": true, "add_host": {"host_name": "x"}'
    answer = KnownCall(CALL).repeated(Host(f'{{"%s": {{"changed": false, {own}, {foreign}}}}}'))
    assert answer == {"changed": False, "cut": []}
    capsys.readouterr()


def test_a_controller_that_cannot_write_calls_the_module(controller: Path) -> None:
    (controller / "home").write_text("", encoding="utf-8")
    KnownCall(CALL).remember()
    assert KnownCall(CALL).repeated(Host()) is None


def test_one_file_for_each_owner(controller: Path) -> None:
    for port in range(5):
        KnownCall({**CALL, "rules": [{"ports": [str(port)]}]}).remember()
    assert len(list((controller / "home" / known_call.PLACE).iterdir())) == 1
