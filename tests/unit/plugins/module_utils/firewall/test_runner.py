# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps on a file system of our own: files whole or not at all, nothing left behind, and twice the same as once."""

from __future__ import annotations

import ast
import errno
import json
import os
import select
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import (
    LateError,
    Lock,
    Runner,
    StepError,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import (
    EditFile,
    RemoveFile,
    RunCommand,
    Step,
    WriteFile,
    to_json,
)


def do(root: Path, *steps: Step) -> None:
    """Run steps as they come back from JSON."""
    Runner(str(root)).do(json.loads(json.dumps(to_json(steps))))


def tree(root: Path) -> list[str]:
    """Return every file and directory."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("times", [1, 2])
def test_files_come_and_go(tmp_path: Path, times: int) -> None:
    """With bytes that are no text, their mode, and directories that nothing else needs."""
    for _time in range(times):
        do(tmp_path, WriteFile("/etc/own/a", 0o600, "\udcff\n"), WriteFile("/etc/theirs/b", 0o644, ""))
    own, theirs = tmp_path / "etc/own/a", tmp_path / "etc/theirs/b"
    assert own.read_bytes() == b"\xff\n"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (own, theirs)] == [0o600, 0o644]
    assert [stat.S_IMODE(path.parent.stat().st_mode) & 0o077 for path in (own,)] == [0]
    for _time in range(times):
        do(tmp_path, RemoveFile("/etc/own/a", parent=True), RemoveFile("/etc/theirs/b"))
    assert tree(tmp_path) == ["etc", "etc/theirs"]


def test_a_directory_in_use_stays(tmp_path: Path) -> None:
    do(tmp_path, WriteFile("/own/a", 0o600, ""), WriteFile("/own/b", 0o600, ""), RemoveFile("/own/a", parent=True))
    assert tree(tmp_path) == ["own", "own/b"]


def test_a_file_of_others_stays_theirs(tmp_path: Path) -> None:
    """Its group and its extended attributes, which hold access lists and labels; a file of ours gets none of them."""
    for name, step in (("theirs", EditFile), ("ours", WriteFile)):
        file = tmp_path / name
        file.write_text("x", encoding="utf-8")
        os.setxattr(file, "user.note", b"theirs")
        group = max(os.getgroups(), default=os.getgid()) if os.geteuid() else 4
        os.chown(file, -1, group)
        for content in ("y", "x", "x"):
            do(tmp_path, step(f"/{name}", 0o640, content))
            there = file.stat()
            assert (file.read_text(encoding="utf-8"), stat.S_IMODE(there.st_mode)) == (content, 0o640)
            assert os.listxattr(file) == (["user.note"] if step is EditFile else [])
            assert (there.st_gid == group) or step is WriteFile
    do(tmp_path, EditFile("/new", 0o600, ""))
    assert (tmp_path / "new").stat().st_uid == os.geteuid()


def test_a_failing_write_leaves_nothing(tmp_path: Path) -> None:
    """Neither a temporary file nor a part."""
    (tmp_path / "etc/rules").mkdir(parents=True)
    with pytest.raises(StepError, match="rules"):
        do(tmp_path, WriteFile("/etc/rules", 0o600, "x"))
    assert tree(tmp_path) == ["etc", "etc/rules"]


@pytest.mark.parametrize("fails", ["fsync", "fchmod"])
def test_a_full_disk_gets_no_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(runner.os, fails, full)
    with pytest.raises(StepError, match="No space left"):
        do(tmp_path, WriteFile("/etc/own/rules/file", 0o600, "x"))
    assert tree(tmp_path) == []


def test_going_back_on_a_full_or_read_only_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not changed needs nothing, and what was is named: a full disk names no file."""
    do(tmp_path, WriteFile("/etc/same", 0o640, "x"), WriteFile("/etc/other", 0o640, "x"))

    def full(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(runner.os, "fsync", full)
    steps = [WriteFile("/etc/same", 0o640, "x"), RemoveFile("/etc/none"), RemoveFile("/etc/same/none")]
    with monkeypatch.context() as read_only:
        read_only.setattr(Path, "unlink", full)
        assert Runner(str(tmp_path)).undo(to_json(steps)) == []
    for changed in (WriteFile("/etc/other", 0o640, "y"), WriteFile("/etc/other", 0o600, "x")):
        assert Runner(str(tmp_path)).undo(to_json([changed])) == [f"{tmp_path}/etc/other: No space left on device"]


def test_a_disk_that_does_not_confirm_a_removal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gone is gone: no directory stays, the place is named, and a change without a journal is finished."""
    left = Runner(str(tmp_path))
    left.do([["WriteFile", path, 0o600, "x"] for path in ("/etc/own/rules", runner.JOURNAL, runner.SOURCE)])

    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(runner.os, "fsync", broken)
    assert left.undo([["RemoveFile", "/etc/own/rules", True]]) == [f"{tmp_path}/etc: Input/output error"]
    assert not left.clear()
    assert tree(tmp_path) == ["etc", "var", "var/lib"]


def test_a_link_is_no_file_with_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x", encoding="utf-8")
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "a").symlink_to(tmp_path / "real")
    do(tmp_path, WriteFile("/a", 0o600, "x"))
    assert not (tmp_path / "a").is_symlink()


def test_names_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut a file is there with its directories, and a unit is enabled or not as it was before the cut."""
    wants = tmp_path / "etc/systemd/system/sysinit.target.wants"
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(str(Path(f"/proc/self/fd/{handle}").readlink())))

    def systemctl(_argv: Sequence[str], _text: str) -> tuple[int, str, str]:
        wants.mkdir(parents=True)
        (wants / "it.service").symlink_to("/etc/systemd/system/it.service")
        return 0, "", ""

    runner = Runner(str(tmp_path), systemctl)
    runner.do(to_json([WriteFile("/var/lib/it/file", 0o600, "x")]))
    assert synced[-1] == str(tmp_path / "var/lib/it")
    assert {str(tmp_path), str(tmp_path / "var"), str(tmp_path / "var/lib")} <= set(synced)
    runner.do(to_json([RunCommand(("systemctl", "enable", "it.service"))]))
    assert {str(wants), str(wants.parent)} <= set(synced)


def test_commands(tmp_path: Path) -> None:
    """With standard input; the first that fails ends it, with its words."""
    copy = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    fail = RunCommand((sys.executable, "-c", "import sys; sys.exit('it does not work')"))
    done = str(tmp_path / "done")
    do(tmp_path, fail._replace(may_fail=True), RunCommand((sys.executable, "-c", copy, done), "text"))
    assert Path(done).read_text(encoding="utf-8") == "text"
    with pytest.raises(StepError, match="failed: it does not work"):
        do(tmp_path, fail, RemoveFile("/done"))
    assert tree(tmp_path) == ["done"]
    with pytest.raises(StepError, match="cannot run /nonexistent"):
        do(tmp_path, RunCommand(("/nonexistent",)))


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("kill -SEGV $$", r"failed: signal 11 \(SIGSEGV\)$"),
        ("echo half; kill -KILL $$", r"failed: signal 9 \(SIGKILL\), half$"),
        ("kill -40 $$", "failed: signal 40$"),
        ("exit 3", "failed: exit status 3$"),
        ("echo why >&2; exit 3", "failed: why$"),
    ],
)
def test_how_a_command_ended_is_told(tmp_path: Path, end: str, told: str) -> None:
    """Because one that was killed says nothing, or half a listing."""
    with pytest.raises(StepError, match=told):
        do(tmp_path, RunCommand(("sh", "-c", end)))


def test_a_command_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "TIMEOUT", 0.01)
    with pytest.raises(StepError, match="sleep 600 did not end within"):
        do(tmp_path, RunCommand(("sleep", "600")))


def test_what_is_kept_of_a_call_goes_with_its_change(tmp_path: Path) -> None:
    """Else something would stay on a host that had no rules before; what could not be undone is still that call's."""
    kept = tmp_path / runner.KEPT.lstrip("/")
    kept.mkdir(parents=True)
    (kept / "call.json").touch()
    host, steps = Runner(str(tmp_path), lambda _argv, _text: (1, "", "no")), to_json([RunCommand(("a",))])
    journal = runner.Journal("token", runner.RUNNING, 0, "", "", False, steps)
    assert host.rollback(journal)
    assert kept.exists()
    assert host.rollback(journal._replace(undo=[])) == []
    assert not kept.exists()


def test_a_program_that_hung_once_is_not_waited_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a change and its way back could take longer than whoever waits for the host, or for its lock, does."""
    waited: list[float] = []

    def hang(argv: Sequence[str], _text: str, _inherited: Sequence[int], timeout: float) -> tuple[int, str, str]:
        waited.append(timeout)
        raise LateError(f"{argv[0]} hangs")

    monkeypatch.setattr(runner, "call", hang)
    monkeypatch.setattr(runner.time, "sleep", lambda _seconds: None)
    host, steps = Runner(str(tmp_path)), to_json([RunCommand(("a",)), RunCommand(("b",)), RunCommand(("c",))])
    with pytest.raises(StepError):
        host.do(steps)
    journal = runner.Journal("token", runner.RUNNING, 0, "", "", False, steps)
    assert host.rollback(journal) == ["a hangs", "b hangs", "c hangs"]
    assert waited == [runner.TIMEOUT] + 3 * [runner.HASTE]
    assert Runner(str(tmp_path)).rollback(journal, attempts=2)
    assert waited[4:] == 2 * [runner.TIMEOUT, runner.HASTE, runner.HASTE]


def test_what_a_script_has_started_is_given_up_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would change the host later, when the old state is back, and hold the lock until then."""
    monkeypatch.setattr(runner, "TIMEOUT", 5)
    reading, writing = os.pipe()
    monkeypatch.setattr(Lock, "held", (writing,))
    with pytest.raises(StepError, match="did not end within 5 s, and was ended: waiting for another"):
        do(tmp_path, RunCommand(("sh", "-c", "echo waiting for another >&2; sleep 600; true")))
    os.close(writing)
    assert select.select([reading], [], [], 60)[0], "something still holds the other end"
    os.close(reading)


def test_undoing_goes_to_its_end(tmp_path: Path) -> None:
    """And tells everything that failed on its way."""
    steps = [RunCommand(("/nonexistent/a",)), WriteFile("/a", 0o600, "x"), RunCommand(("/nonexistent/b",))]
    failed = Runner(str(tmp_path)).undo(to_json(steps))
    assert [text.split(":")[0] for text in failed] == ["cannot run /nonexistent/a", "cannot run /nonexistent/b"]
    assert tree(tmp_path) == ["a"]


def test_it_needs_nothing_of_the_collection() -> None:
    """Because it runs on a host when nothing else of the collection is left there."""
    names = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(Path(runner.__file__).read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [item.name for item in node.names])
    }
    assert names <= set(sys.stdlib_module_names)
