# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that nobody finished: not confirmed, interrupted, killed, cut off by a reboot."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import arming, command, runner, turn
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import (
    BOOT_UNIT,
    BOOT_WISH,
    FAILED,
    HUNG,
    JOURNAL,
    RUNNING,
    SOURCE,
    STATE,
    Journal,
    Lock,
    Runner,
    StepError,
    boot,
    confirm,
    watch,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import (
    Kept,
    KeptFile,
    Observed,
    Script,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import (
    RemoveFile,
    RunCommand,
    Step,
    WriteFile,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply

from firewall_cases import CASES, case

BOOT_FILE = "/etc/memory/rules"


class Host(Runner):
    """A host and its firewall, which has one command: ``load`` takes the name of a case from its standard input.

    :ivar dies: what happens instead of the command of this number.
    :ivar keeps: whether a change is kept for the next boot.
    """

    name = "memory"

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), self.command)
        self.root = root
        self.force = "nothing"
        self.commands: list[str] = []
        self.dies: dict[int, Any] = {}
        self.keeps = True

    def command(self, argv: Sequence[str], text: str) -> tuple[int, str, str]:
        self.commands.append(" ".join(argv))
        if argv[0] == "load":
            self.dies.pop(sum(item == "load" for item in self.commands), lambda: None)()
            self.force = text
        return 0, "", ""

    def governs(self) -> str | None:
        return "the test says so"

    def observe(self) -> Observed:
        file = self.at(BOOT_FILE)
        return {"force": self.force, "file": file.read_text() if file.exists() else ""}

    def decode(self, observed: Observed) -> State:
        return State(case(observed["force"]), kept(observed["file"]))

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        name = next(name for name in CASES if case(name) == wanted)
        keep = (file_step(name), RunCommand(("systemctl", "enable", "it")), RunCommand(("systemctl", "daemon-reload")))
        if not self.keeps:
            return Script((RunCommand(("load",), name),), (), kept(observed["file"]))
        return Script((RunCommand(("load",), name),), keep, kept(name))

    def check(self, script: Script) -> None:
        self.commands.append("check")

    def undo_steps(self, observed: Observed) -> tuple[Step, ...]:
        return (
            RunCommand(("load",), observed["force"]),
            RunCommand(("systemctl", "disable", "it"), may_fail=True),
            file_step(observed["file"]),
        )

    def bring(self, name: str, **more: Any) -> dict[str, Any]:
        """Apply a case."""
        wish = DesiredState(case(name), allow_shrink=True)
        return apply(wish, backend=Backend(self), runner=self, **more)

    @property
    def carried(self) -> tuple[str, str]:
        """What is in force and what is kept."""
        return self.force, self.observe()["file"]

    def left(self) -> list[str]:
        """Return what is on the host beside the file that is kept."""
        files = [str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir()]
        return sorted(set(files) - {BOOT_FILE.lstrip("/")} | ({STATE} if self.at(STATE).exists() else set()))


class Backend:
    """The host as a backend."""

    name = "memory"
    forwards = True

    def __init__(self, host: Host) -> None:
        self.governs, self.observe, self.decode = host.governs, host.observe, host.decode
        self.encode, self.check, self.undo = host.encode, host.check, host.undo_steps


def kept(content: str) -> Kept:
    return Kept((KeptFile(BOOT_FILE, 0o600, content),)) if content else Kept()


def file_step(content: str) -> Step:
    return WriteFile(BOOT_FILE, 0o600, content) if content else RemoveFile(BOOT_FILE, parent=True)


OLD, NEW = ("sql602", "sql602"), ("mssql", "mssql")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Return a host that carries a case, where time is what the test says and nothing else happens at boot."""
    place = tmp_path.with_name(f"{tmp_path.name}-network")
    place.touch()
    monkeypatch.setattr(runner, "NETWORK", place)
    monkeypatch.setattr(runner, "LOCK", place)
    monkeypatch.setattr(runner, "now", lambda: 1000.0)
    monkeypatch.setattr(turn, "now", lambda: 1000.0)
    monkeypatch.setattr(runner, "boot_marker", lambda: "this boot")
    monkeypatch.setattr(arming, "boot_marker", lambda: "this boot")
    monkeypatch.setattr(runner.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(arming, "_systemd", lambda _runner: True)
    host = Host(tmp_path)
    host.bring("sql602")
    assert (host.carried, host.left()) == (OLD, [])
    host.commands.clear()
    return host


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time-out pass."""
    monkeypatch.setattr(runner, "now", lambda: 2000.0)


def restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the host again."""
    monkeypatch.setattr(runner, "boot_marker", lambda: "another boot")


class KilledError(BaseException):
    """The module ends here, and nothing more of it is run."""


def kill(host: Host, monkeypatch: pytest.MonkeyPatch, load: int = 1, name: str = "mssql") -> None:
    """Kill a run at one of its loads."""

    def die() -> None:
        raise KilledError

    host.dies[load] = die
    with monkeypatch.context() as patch:
        patch.setattr(turn, "_roll_back", lambda *_: None)
        with pytest.raises(KilledError):
            host.bring(name)
    assert host.journal() is not None


@contextlib.contextmanager
def holding(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that takes the lock on a file, and stop it."""
    code = "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); input()"
    command = [sys.executable, "-c", code, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            yield process
        finally:
            process.kill()


class TestConfirmation:
    """A change that waits for its confirmation."""

    def test_it_waits_with_all_that_undoes_it(self, host: Host) -> None:
        """The token is in the result; nothing of it is readable for others."""
        token = host.bring("mssql", confirm_timeout=30)["confirm"]
        assert host.carried == NEW
        assert host.left() == [STATE, *sorted(path.lstrip("/") for path in (BOOT_UNIT, BOOT_WISH, JOURNAL, SOURCE))]
        assert [host.at(path).stat().st_mode & 0o777 for path in (STATE, JOURNAL, SOURCE)] == [0o700, 0o600, 0o600]
        journal = host.journal()
        assert journal is not None
        assert (journal.token, journal.deadline) == (token, 1030.0)
        assert f'ExecStart=-"{sys.executable}" -IBS {SOURCE} boot\n' in host.at(BOOT_UNIT).read_text()

    def test_it_is_confirmed(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then nothing undoes it, and a confirmation whose answer was lost may come again."""
        token = host.bring("mssql", confirm_timeout=30)["confirm"]
        for _time in range(2):
            result = host.bring("mssql", confirm=token)
            assert (result["changed"], result["in_sync"], result["confirm"]) == (False, True, "")
            assert (host.carried, host.left()) == (NEW, [])
        later(monkeypatch)
        watch(host, token)
        assert host.carried == NEW

    def test_a_command_confirms_it(self, host: Host) -> None:
        """It needs only what lies on the host, keeps a change that waits for just this token, and that only once."""
        result = host.bring("mssql", confirm_timeout=30)
        assert result["confirm_command"] == [sys.executable, "-IBS", SOURCE, "confirm", result["confirm"]]
        assert not confirm(host, "another")
        assert host.journal() is not None
        assert confirm(host, result["confirm"])
        assert (host.carried, host.left()) == (NEW, [])
        assert not confirm(host, result["confirm"])

    @pytest.mark.parametrize("event", ["time-out", "restart"])
    def test_a_command_that_comes_late(self, host: Host, monkeypatch: pytest.MonkeyPatch, event: str) -> None:
        """It says so, and changes nothing."""
        token = host.bring("mssql", confirm_timeout=30)["confirm"]
        if event == "restart":
            restart(monkeypatch)
        else:
            later(monkeypatch)
            watch(host, token)
        before = (host.carried, host.left())
        assert not confirm(host, token)
        assert (host.carried, host.left()) == before

    def test_it_is_not_confirmed(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """The old state is back, and a late confirmation says so."""
        token = host.bring("mssql", confirm_timeout=30)["confirm"]
        later(monkeypatch)
        watch(host, token)
        assert (host.carried, host.left()) == (OLD, [])
        with pytest.raises(DbportsError, match="the old rules are back") as caught:
            host.bring("mssql", confirm=token)
        assert caught.value.code == "not_confirmed"

    def test_another_run_does_not_interfere(self, host: Host) -> None:
        """It says clearly that it could not wait for so long."""
        token = host.bring("mssql", confirm_timeout=300)["confirm"]
        with pytest.raises(DbportsError, match="waits to be confirmed") as caught:
            host.bring("sql602_open")
        assert caught.value.code == "busy"
        assert host.carried == NEW
        assert host.bring("mssql", check=True)["in_sync"] is True
        host.bring("mssql", confirm=token)
        assert host.bring("sql602_open")["changed"] is True

    def test_another_run_waits(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """Until the confirmation has come."""
        token = host.bring("mssql", confirm_timeout=30)["confirm"]
        monkeypatch.setattr(runner.time, "sleep", lambda _seconds: host.bring("mssql", confirm=token))
        result = host.bring("sql602_open")
        assert (host.force, result["warnings"]) == ("sql602_open", [])

    def test_another_run_after_the_time_out(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """It undoes what nothing else did undo, before it looks."""
        host.bring("mssql", confirm_timeout=30)
        later(monkeypatch)
        result = host.bring("mssql")
        assert result["changed"] is True
        assert "interrupted" in result["warnings"][0]
        assert result["diff"][0]["before"] == case("sql602").render()

    def test_one_does_not_confirm_the_change_of_another(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """Although the same rules are in force: if the other one is not confirmed either, they go."""
        late = host.bring("mssql", confirm_timeout=30)["confirm"]
        later(monkeypatch)
        monkeypatch.setattr(turn, "now", runner.now)
        token = host.bring("mssql", confirm_timeout=30)["confirm"]
        with pytest.raises(DbportsError, match="another run waits") as caught:
            host.bring("mssql", confirm=late)
        assert caught.value.code == "not_confirmed"
        journal = host.journal()
        assert journal is not None
        assert journal.token == token

    @pytest.mark.parametrize("how", ["command", "module", "at once"])
    def test_a_journal_that_cannot_be_removed(self, host: Host, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
        """As on a disk that has become read-only: the change will be undone, and success would be a lie."""
        token = "" if how == "at once" else host.bring("mssql", confirm_timeout=30)["confirm"]
        remove = Runner._remove

        def refuse(self: Runner, path: str, parent: bool) -> None:
            if path == JOURNAL:
                raise OSError(errno.EROFS, "Read-only file system", path)
            remove(self, path, parent)

        monkeypatch.setattr(Runner, "_remove", refuse)
        if how == "command":
            assert not confirm(host, token)
        else:
            with pytest.raises(DbportsError, match=r"journal.json: Read-only file system"):
                host.bring("mssql", confirm=token)
        assert host.journal() is not None
        assert host.carried == (OLD if how == "at once" else NEW)

    def test_nothing_to_change_is_nothing_to_confirm(self, host: Host) -> None:
        """Nothing is armed either."""
        assert host.bring("sql602", confirm_timeout=30)["confirm"] == ""
        assert (host.commands, host.left()) == (["check"], [])


class TestKilled:
    """A module that is gone in the middle of its work."""

    @pytest.mark.parametrize("waits", [False, True])
    def test_the_process_that_watches_undoes_it_at_once(
        self, host: Host, monkeypatch: pytest.MonkeyPatch, waits: bool
    ) -> None:
        """As soon as nothing holds the lock."""
        kill(host, monkeypatch)
        host.force = "mssql"
        journal = host.journal()
        assert journal is not None
        with runner.LOCK.open("rb") as other:
            if waits:
                fcntl.flock(other, fcntl.LOCK_EX)
                monkeypatch.setattr(runner.time, "sleep", lambda _seconds: fcntl.flock(other, fcntl.LOCK_UN))
            watch(host, journal.token)
        assert (host.carried, host.left()) == (OLD, [])

    def test_the_next_run_undoes_it_first(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """And says so; a temporary file does not stay."""
        kill(host, monkeypatch)
        host.at(BOOT_FILE).with_name(f".dbports-{Path(BOOT_FILE).name}").touch()
        host.force = "mssql"
        result = host.bring("sql602")
        assert (result["changed"], host.carried, host.left()) == (False, OLD, [])
        assert "interrupted; the state before it was brought back" in result["warnings"][0]

    def test_before_the_journal_was_written(self, host: Host) -> None:
        """There is nothing to undo, only to clean."""
        host.at(STATE).mkdir(parents=True)
        host.at(f"{STATE}/.dbports-undo.py").touch()
        host.at(SOURCE).touch()
        assert host.bring("sql602")["warnings"] == []
        assert host.left() == []

    def test_after_it_was_finished(self, host: Host) -> None:
        """What belonged to it is removed by the process that watches."""
        host.at(STATE).mkdir(parents=True)
        for path in (SOURCE, BOOT_UNIT):
            host.at(path).parent.mkdir(parents=True, exist_ok=True)
            host.at(path).touch()
        watch(host, "token")
        assert (host.carried, host.left()) == (OLD, [])

    def test_the_directory_was_removed_by_hand(self, host: Host) -> None:
        """What is left of the change goes with the next run, also if that changes nothing."""
        host.bring("mssql", confirm_timeout=30)
        shutil.rmtree(host.at(STATE))
        assert host.bring("mssql")["changed"] is False
        assert host.left() == []

    def test_the_change_of_another_run_is_left_alone(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        kill(host, monkeypatch)
        watch(host, "another token")
        assert host.journal() is not None

    def test_undoing_fails(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """The journal stays, and the next run tries again and says what it met."""
        kill(host, monkeypatch)
        journal = host.journal()
        assert journal is not None
        with monkeypatch.context() as patch:
            patch.setattr(host, "_run", lambda *_: (1, "", "it does not work"))
            watch(host, journal.token)
            watch(host, journal.token)
            left = host.journal()
            assert left is not None
            assert (left.phase, left.undo) == (FAILED, journal.undo)
            with pytest.raises(DbportsError, match="old state could not be brought back"):
                host.bring("mssql", confirm=journal.token)
        host.dies = {
            sum(item == "load" for item in host.commands) + 1: lambda: (item for item in ()).throw(OSError("no"))
        }
        result = host.bring("mssql")
        assert "could not be brought back: no" in result["warnings"][0]
        assert (host.carried, host.left()) == (NEW, [])

    def test_what_was_whole_is_kept_until_a_run_succeeds(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """As with a full disk: the runs in between fail like the undo, and the boot after them is that of before."""
        kill(host, monkeypatch)
        host.at(BOOT_FILE).write_text("half", encoding="utf-8")
        whole = host.journal()
        assert whole is not None

        def full(_runner: Runner, needed: bool) -> None:
            raise StepError(f"the disk is full, needed: {needed}")

        with monkeypatch.context() as patch:
            patch.setattr(host, "_run", lambda *_: (1, "", "it does not work"))
            for fails in ("commit", "arm"):
                if fails == "arm":
                    patch.setattr(arming, "_prepare_boot", full)
                with pytest.raises(DbportsError):
                    host.bring("mssql")
                left = host.journal()
                assert left is not None
                assert left.undo == whole.undo
        restart(monkeypatch)
        boot(host)
        assert (host.carried[1], host.left()) == (OLD[1], [])

    def test_a_run_with_nothing_to_change_is_enough(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """And what could not be undone does not come back at the next boot."""
        kill(host, monkeypatch)
        with monkeypatch.context() as patch:
            patch.setattr(host, "undo", lambda _steps: ["it does not work"])
            patch.setattr(host, "clear", lambda: Runner.clear(Runner(str(host.root))))
            host.force = "mssql"
            host.at(BOOT_FILE).write_text("mssql", encoding="utf-8")
            result = host.bring("mssql")
        assert (result["changed"], host.carried, host.left()) == (False, NEW, [])

    def test_what_the_module_cannot_undo_is_tried_again(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the process that watches, for as long as a firewall may take to start, or others to let go of its lock."""
        left = [12]

        def later_works(argv: Sequence[str], text: str) -> tuple[int, str, str]:
            if argv[0] == "load" and left[0]:
                left[0] -= 1
                host.force = "half"
                return 1, "", "the lock is held"
            return host.command(argv, text)

        with monkeypatch.context() as patch:
            patch.setattr(host, "_run", later_works)
            with pytest.raises(DbportsError, match="could not be brought back: load failed: the lock is held"):
                host.bring("mssql")
            journal = host.journal()
            assert journal is not None
            watch(host, journal.token)
        assert (host.carried, host.left(), left) == (OLD, [], [0])

    def test_in_another_network_namespace(self, host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Its old state is nothing for this one."""
        kill(host, monkeypatch)
        other = tmp_path.with_name(f"{tmp_path.name}-other")
        other.touch()
        monkeypatch.setattr(runner, "NETWORK", other)
        with pytest.raises(DbportsError, match="another network namespace"):
            host.bring("mssql")
        restart(monkeypatch)
        assert host.bring("mssql")["changed"] is True

    def test_nobody_acts_before_its_last_command_has_ended(self, host: Host) -> None:
        """A command inherits the lock."""
        with Lock.taken(0) as got:
            assert got
            command = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=Lock.held)
        with Lock.taken(0) as got:
            assert not got
        command.communicate(b"\n")
        with Lock.taken(0) as got:
            assert got

    def test_who_hangs_is_ended_so_that_it_is_undone(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """A module that was stopped, or a command that never returns, long after the time-out. Others go on."""
        host.bring("mssql", confirm_timeout=30)
        journal = host.journal()
        assert journal is not None
        moments = [1030.0, 1030.0 + HUNG - 1, 1030.0 + HUNG]
        elsewhere = host.root.with_name(f"{host.root.name}-other")
        elsewhere.touch()
        with holding(runner.LOCK) as stopped, holding(elsewhere) as other, contextlib.ExitStack() as later_on:
            waiting: list[subprocess.Popen[bytes]] = []

            def wait(_seconds: float) -> None:
                if moments:
                    assert stopped.poll() is None
                    moment = moments.pop(0)
                    monkeypatch.setattr(runner, "now", lambda: moment)
                elif not waiting:
                    assert stopped.wait(60) == -signal.SIGKILL
                    waiting.append(later_on.enter_context(holding(runner.LOCK)))
                else:
                    assert waiting[0].poll() is None, "who has waited for the lock is at work now"
                    later_on.close()

            # Only that of the watcher: subprocess sleeps as well.
            monkeypatch.setattr(runner, "time", SimpleNamespace(sleep=wait))
            watch(host, journal.token)
            assert other.poll() is None
        assert (host.carried, host.left()) == (OLD, [])

    def test_who_holds_the_lock_is_named(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """With what it is, since when it runs, that it is stopped, and what to do."""
        monkeypatch.setattr(command, "TIMEOUT", 0)
        with holding(runner.LOCK) as stopped, pytest.raises(DbportsError) as caught:
            host.bring("mssql")
        assert caught.value.code == "busy"
        assert re.search(
            rf"process {stopped.pid} \(\S*python\S* -c .*\), started -?\d+ s ago, it is stopped", caught.value.reason
        )
        assert f"kill -9 {stopped.pid}" in str(caught.value)
        assert host.carried == OLD

    def test_who_cannot_be_seen_holds_the_lock(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a container of its own with the network of this one."""
        monkeypatch.setattr(command, "TIMEOUT", 0)
        with runner.LOCK.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            monkeypatch.setattr(Lock, "holders", lambda: iter(()))
            with pytest.raises(DbportsError, match="cannot be seen from here") as caught:
                host.bring("mssql")
        assert caught.value.code == "busy"


class TestBoot:
    """A reboot in the middle."""

    @pytest.mark.parametrize("timeout", [0, 30])
    def test_files_come_back_before_any_firewall_reads_them(
        self, host: Host, monkeypatch: pytest.MonkeyPatch, timeout: int
    ) -> None:
        """Rules in force are none yet, and no service is waited for."""
        if timeout:
            host.bring("mssql", confirm_timeout=timeout)
        else:
            kill(host, monkeypatch)
        journal = host.journal()
        assert journal is not None
        host.commands.clear()
        boot(host)
        assert host.journal() is not None, "it was started by hand, or by a restart of everything but the kernel"
        (started,) = host.commands
        assert started.startswith("systemd-run ")
        assert f"--unit=dbports-firewall-undo-{journal.token} " in started
        assert started.endswith(f" --no-block {sys.executable} -IBS {SOURCE} watch {journal.token}")
        host.commands.clear()
        restart(monkeypatch)
        boot(host)
        assert host.carried[1] == OLD[1]
        assert host.left() == []
        assert host.commands == ["systemctl disable it", "systemctl daemon-reload"]

    @pytest.mark.parametrize("confirms", [False, True])
    def test_without_systemd_the_next_run_does_it(
        self, host: Host, monkeypatch: pytest.MonkeyPatch, confirms: bool
    ) -> None:
        token = host.bring("mssql", confirm_timeout=30)["confirm"]
        restart(monkeypatch)
        if confirms:
            with pytest.raises(DbportsError, match="the old rules are back"):
                host.bring("mssql", confirm=token)
        else:
            assert "interrupted" in host.bring("sql602", check=False)["warnings"][0]
        assert (host.carried, host.left()) == (OLD, [])

    def test_the_unit_finds_a_python(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """Wherever the one of the run is; and where it is gone, the one on the path."""
        monkeypatch.setattr(sys, "executable", '/opt/my "50%" $env/bin/python3')
        host.bring("mssql", confirm_timeout=30)
        commands = [line for line in host.at(BOOT_UNIT).read_text().splitlines() if line.startswith("ExecStart=")]
        assert commands == [
            rf'ExecStart=-"/opt/my \"50%%\" $$env/bin/python3" -IBS {SOURCE} boot',
            f"ExecStart=/bin/sh -c '[ ! -e {SOURCE} ] || exec python3 -IBS {SOURCE} boot'",
        ]

    def test_a_boot_with_nothing_to_undo(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only what was left is removed."""
        host.at(STATE).mkdir(parents=True)
        host.at(SOURCE).touch()
        boot(host)
        assert (host.carried, host.left()) == (OLD, [])


class TestInterrupted:
    """Signals, and what cannot be armed."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    def test_a_signal_is_a_failure(self, host: Host, number: int) -> None:
        """Also when it comes again while the old state is brought back.

        The signal is set to its default first: a shell starts jobs in the background with SIGINT ignored.
        """
        before = signal.signal(number, signal.SIG_DFL)
        try:
            host.dies = {1: lambda: os.kill(os.getpid(), number), 2: lambda: os.kill(os.getpid(), number)}
            with pytest.raises(DbportsError, match=f"interrupted by {signal.Signals(number).name}"):
                host.bring("mssql")
            assert signal.getsignal(number) is signal.SIG_DFL
        finally:
            signal.signal(number, before)
        assert (host.carried, host.left()) == (OLD, [])

    def test_a_signal_that_is_ignored_stays_ignored(self, host: Host) -> None:
        """A program under nohup goes on without its terminal."""
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            host.dies = {1: lambda: os.kill(os.getpid(), signal.SIGHUP)}
            assert host.bring("mssql")["changed"] is True
        finally:
            signal.signal(signal.SIGHUP, before)

    def test_what_cannot_be_armed_is_not_begun(self, host: Host) -> None:
        """Nothing is left of it."""
        host.at("/var").rename(host.at("/var-elsewhere"))
        host.at("/var").touch()
        with pytest.raises(DbportsError, match="cannot prepare the way back"):
            host.bring("mssql")
        assert host.carried == OLD
        assert "load" not in host.commands

    @pytest.mark.parametrize("persist", [False, True])
    def test_a_boot_unit_that_cannot_be_written(self, host: Host, persist: bool) -> None:
        """Where nothing of a change outlasts a boot it is not needed, as on a read-only /etc."""
        host.at(BOOT_UNIT).parent.parent.mkdir(parents=True, exist_ok=True)
        host.at(BOOT_UNIT).parent.rename(host.root / "aside")
        host.at(BOOT_UNIT).parent.touch()
        host.keeps = persist
        if persist:
            with pytest.raises(DbportsError, match="cannot prepare the way back"):
                host.bring("mssql")
            assert (host.force, host.at(STATE).exists()) == ("sql602", False)
            return
        token = host.bring("mssql", confirm_timeout=30)["confirm"]
        host.bring("mssql", confirm=token)
        assert (host.force, host.at(STATE).exists()) == ("mssql", False)

    def test_a_journal_that_cannot_be_read(self, host: Host) -> None:
        """Of another version, perhaps: it is removed, because it says nothing."""
        host.at(STATE).mkdir(parents=True)
        broken = dict.fromkeys(Journal._fields)
        for text in ("", "[]", json.dumps({"phase": RUNNING}), json.dumps(broken), json.dumps({**broken, "undo": []})):
            host.at(STATE).mkdir(parents=True, exist_ok=True)
            host.at(JOURNAL).write_text(text)
            assert host.journal() is None
            host.bring("sql602")
            assert host.left() == []

    def test_a_journal_of_another_version(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its steps that are not known are named, and the others are run."""
        kill(host, monkeypatch)
        journal = host.journal()
        assert journal is not None
        host.force = "mssql"
        host.write_journal(journal._replace(undo=[["Unknown", 1], ["RemoveFile"], *journal.undo]))
        (warning,) = host.bring("sql602")["warnings"]
        assert "no step of this version: Unknown [1]; no step of this version: RemoveFile []" in warning
        assert (host.carried, host.left()) == (OLD, [])

    @pytest.mark.parametrize("strange", ["link", "writable"])
    def test_what_others_may_have_written_is_not_run(self, host: Host, strange: str) -> None:
        """What is in this directory is run as root."""
        place = host.at(STATE)
        place.parent.mkdir(parents=True, exist_ok=True)
        if strange == "link":
            place.symlink_to(host.root)
        else:
            place.mkdir()
            place.chmod(0o777)
        with pytest.raises(DbportsError, match="only root may write to") as error:
            host.bring("mssql")
        assert (error.value.code, host.carried, host.commands) == ("not_ours", OLD, [])

    def test_a_check_says_that_a_run_would_wait(self, host: Host) -> None:
        """What it predicts holds only if the other change is confirmed."""
        host.bring("mssql", confirm_timeout=30)
        result = host.bring("mssql", check=True)
        assert result["changed"] is False
        assert "another run is not finished" in result["warnings"][0]

    @pytest.mark.parametrize("what", ["journal", "lock"])
    def test_what_cannot_be_opened_now_is_not_forgotten(
        self, host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
    ) -> None:
        """As with too many open files; here a link that leads to itself. The change is undone later."""
        kill(host, monkeypatch)
        host.force = "mssql"
        journal = host.journal()
        assert journal is not None
        place = host.at(JOURNAL) if what == "journal" else tmp_path.with_name(f"{tmp_path.name}-lock")
        aside = place.with_name("aside")
        place.touch()
        place.rename(aside)
        place.symlink_to(place)

        def put_back(_seconds: float) -> None:
            assert (host.force, host.at(STATE).exists()) == ("mssql", True)
            aside.replace(place)

        monkeypatch.setattr(runner.time, "sleep", put_back)
        if what == "lock":
            monkeypatch.setattr(runner, "LOCK", place)
        watch(host, journal.token)
        assert (host.carried, host.left()) == (OLD, [])
