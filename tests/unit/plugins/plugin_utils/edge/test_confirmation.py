# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change, end the connection, come back, confirm: with a host that answers, late, or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import NOT_BACK
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge import confirmation
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.confirmation import change_and_confirm

CHANGED = {"changed": True, "confirm": "token", "diff": []}
BACK = {"failed": True, "msg": "the old rules are back, because the change was not confirmed in time."}


class Connection(ConnectionBase):
    """A connection that writes down what happens to it."""

    transport = "test"
    has_reset = True

    def __init__(self, log: list[Any]) -> None:
        self.log = log

    def reset(self) -> None:
        self.log.append("reset")

    def close(self) -> None:
        self.log.append("close")

    def _connect(self) -> Connection:
        return self

    def exec_command(self, *_arguments: Any, **_more: Any) -> Any:
        raise NotImplementedError

    def put_file(self, *_arguments: Any) -> None:
        raise NotImplementedError

    def fetch_file(self, *_arguments: Any) -> None:
        raise NotImplementedError


def refused(_argv: list[str]) -> bool:
    """Run nothing on the host."""
    return False


class Plain(Connection):
    """A connection without a reset of its own."""

    reset = ConnectionBase.reset


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let time pass only between two attempts."""
    now = [0.0]
    monkeypatch.setattr(confirmation.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(confirmation.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def play(*answers: Any, plain: bool = False, timeout: int = 30) -> tuple[dict[str, Any], list[Any]]:
    """Run it on a host that gives these answers, the last one for ever; returns the result and what happened."""
    log: list[Any] = []
    left = list(answers)

    def call(more: dict[str, Any]) -> dict[str, Any]:
        log.append(more)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def run(argv: list[str]) -> bool:
        log.append(argv)
        return argv == ["works"]

    return change_and_confirm(call, run, (Plain if plain else Connection)(log), timeout), log


GONE = AnsibleConnectionFailure("No route to host")


@pytest.mark.parametrize(("plain", "ended"), [(False, "reset"), (True, "close")])
def test_a_change_is_confirmed_over_a_new_connection(plain: bool, ended: str) -> None:
    """Two calls, and the connection ends between them."""
    result, log = play(CHANGED, {"changed": False}, plain=plain)
    assert result == {"changed": True, "confirmed": True, "diff": []}
    assert log == [{}, ended, {"confirm": "token"}]


def test_the_command_that_the_host_names_confirms() -> None:
    """It takes a fraction of what a second call of the module takes."""
    result, log = play({**CHANGED, "confirm_command": ["works"]})
    assert result == {"changed": True, "confirmed": True, "diff": []}
    assert log == [{}, "reset", ["works"]]


def test_the_module_is_called_where_the_command_fails() -> None:
    """It knows what became of the change; its warnings are not lost."""
    result, log = play({**CHANGED, "confirm_command": ["fails"], "warnings": ["a"]}, {"warnings": ["b"]})
    assert log == [{}, "reset", ["fails"], {"confirm": "token"}]
    assert result["warnings"] == ["a", "b"]


@pytest.mark.parametrize(
    "answer", [{"changed": False, "confirm": ""}, {"changed": True}, {"failed": True, "msg": "no"}]
)
def test_nothing_to_confirm_is_one_call(answer: dict[str, Any]) -> None:
    """When nothing changed, in check mode and after a failure."""
    result, log = play(answer)
    assert (result, log) == ({key: value for key, value in answer.items() if key != "confirm"}, [{}])


@pytest.mark.usefixtures("clock")
def test_it_is_tried_again_until_the_host_answers() -> None:
    result, log = play(CHANGED, GONE, GONE, {"changed": False})
    assert result["confirmed"] is True
    assert log.count("reset") == 3


@pytest.mark.usefixtures("clock")
def test_a_host_that_was_locked_out_says_that_it_is_back() -> None:
    """Also long after the time-out."""
    with pytest.raises(DbportsError, match=r"^the old rules are back.*could not be reached.*\(No route") as caught:
        play(CHANGED, *[GONE] * 60, BACK)
    assert caught.value.code == "would_lock_out"


def test_a_host_that_never_answers(clock: list[float]) -> None:
    """It is given up, and the error says what the host does by itself."""
    with pytest.raises(DbportsError, match="restores its old rules by itself 30 s after the change"):
        play(CHANGED, GONE)
    assert 90 <= clock[0] < 100


@pytest.mark.parametrize(("timeout", "said"), [(30, "restores the old ones by itself within 30 s"), (0, "No route")])
def test_a_first_call_without_an_answer(timeout: int, said: str) -> None:
    """It is unreachable, as for any module."""
    with pytest.raises(AnsibleConnectionFailure, match=said):
        play(GONE, timeout=timeout)


@pytest.mark.parametrize("answer", [AnsibleError("Incorrect sudo password"), {"failed": True, "msg": "No Python."}])
def test_a_confirmation_that_fails_says_what_the_host_does(answer: Any) -> None:
    """It is not tried again: that could lock an account, and would end in the same way."""
    said = r"could not be confirmed \((Incorrect sudo password|No Python)\); the host restores its old rules by itself"
    with pytest.raises(DbportsError, match=said) as caught:
        play(CHANGED, answer)
    assert caught.value.code == "not_confirmed"


def test_what_could_not_be_undone_is_told_as_it_is() -> None:
    with pytest.raises(DbportsError, match=r"^the old state could not be brought back: nft failed") as caught:
        play(CHANGED, {"failed": True, "msg": f"{NOT_BACK} nft failed."})
    assert caught.value.code == "would_lock_out"


@pytest.mark.parametrize("timeout", [-1, -300, -400, 86401, 10**12])
def test_a_time_that_is_none_is_refused_before_the_host_is_called(timeout: int) -> None:
    with pytest.raises(DbportsError, match="0 to 86400 seconds") as caught:
        play(CHANGED, timeout=timeout)
    assert (caught.value.path, caught.value.value) == ("confirm_timeout", timeout)


def test_a_call_that_hangs_is_given_up_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """And again, if the first error was taken for a reason to try once more, as the plugin ssh does."""
    monkeypatch.setattr(confirmation, "LONGEST", 0.2)
    started: list[subprocess.Popen[bytes]] = []

    def call(_more: dict[str, Any]) -> dict[str, Any]:
        for _retry in range(2):
            started.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
            try:
                started[-1].wait()
            except AnsibleConnectionFailure:
                continue
        raise AssertionError("it went on")

    with pytest.raises((AnsibleConnectionFailure, AssertionError), match=r"did not answer|it went on"):
        change_and_confirm(call, refused, Connection([]), 0)
    assert [process.wait(60) for process in started] == [-signal.SIGTERM] * 2
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("left", [1000.0, 5000.0])
def test_the_limit_of_the_task_stays(monkeypatch: pytest.MonkeyPatch, left: float) -> None:
    """One that comes first is not touched; one that comes later is set again."""
    handler = signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    seen: list[Any] = []
    monkeypatch.setattr(confirmation, "LONGEST", 3000)
    try:
        signal.setitimer(signal.ITIMER_REAL, left)
        change_and_confirm(
            lambda _more: seen.append(signal.getitimer(signal.ITIMER_REAL)[0]) or {"changed": False},
            refused,
            Connection([]),
            0,
        )
        after = signal.setitimer(signal.ITIMER_REAL, 0)[0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert seen[0] <= min(left, 3000)
    assert left - 600 < after <= left
