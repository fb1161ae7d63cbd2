# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host keeps of its last call; tests/integration/test_repeat.py has it repeated on a real host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import repeat

ARGUMENTS = {
    "state": "present",
    "owner": "erp-db",
    "rules": [{"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": []}],
}
PROGRAM = b"def repeated(call_id, place):\n    return f'{call_id} {__file__}'\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "run" / "dbports-firewall"


@pytest.fixture
def archive(tmp_path: Path, place: Path) -> str:
    """A zip file as Ansible sends it, in which our code only says what it was asked."""
    place.parent.mkdir()
    return send(tmp_path / "sent.zip", PROGRAM)


def send(path: Path, program: bytes) -> str:
    """Write a zip file with a program of ours, and return its path."""
    with zipfile.ZipFile(path, "w") as whole:
        parts = repeat.__name__.split(".")
        for depth in range(1, len(parts)):
            whole.writestr("/".join([*parts[:depth], "__init__.py"]), "")
        whole.writestr("/".join(parts) + ".py", program)
        whole.writestr("ansible/module_utils/basic.py", "")
    return str(path)


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.parent.iterdir())


def test_what_is_kept_runs_by_itself(place: Path, archive: str) -> None:
    """With no code but ours, and for nobody but its owner."""
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    assert names(place) == ["dbports-firewall"]
    assert place.stat().st_mode & 0o777 == 0o700
    for _time in range(2):
        done = subprocess.run(["sh", place / "repeat", "abc"], capture_output=True, text=True, check=True)
        assert done.stdout.split()[0] == "abc"
        assert done.stdout.split()[1].startswith(str(place / "code"))
    assert sorted(path.name for path in (place / "code").iterdir()) == ["ansible_collections"]


def test_many_may_unpack_at_once(place: Path, archive: str) -> None:
    """All get their answer, and nothing stays but the code."""
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    (place / "tmp-killed").mkdir()

    def ask(_number: int) -> str:
        return subprocess.run(["sh", place / "repeat", "abc"], capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(8) as pool:
        assert all(said.startswith(f"abc {place}/code/") for said in pool.map(ask, range(24)))
    assert sorted(path.name for path in place.iterdir()) == ["call.json", "code", "repeat", "sent.zip", "tmp-killed"]


@pytest.mark.parametrize("second", ["abc", "def"])
def test_every_call_of_the_module_is_kept_anew(place: Path, archive: str, second: str) -> None:
    """The command of the same call may have failed for what is broken, or for an interpreter that is gone."""
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    (place / "code").mkdir()
    (place / "repeat").write_text("exec /gone/python3 -c 0", encoding="ascii")
    repeat.keep(second, ARGUMENTS, str(place), archive)
    assert names(place) == ["dbports-firewall"]
    done = subprocess.run(["sh", place / "repeat", second], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{second} ")


def _ask(place: Path) -> subprocess.CompletedProcess[str]:
    [sh, option, program, _place, call_id] = repeat.repeat_command("abc")
    return subprocess.run([sh, option, program, str(place), call_id], capture_output=True, text=True, check=False)


def test_only_what_the_same_user_wrote_is_run(place: Path, archive: str) -> None:
    """A container may have a /run to which everyone may write."""
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    assert _ask(place).stdout.startswith("abc ")
    link = place.with_name("link")
    link.symlink_to(place)
    assert (_ask(link).returncode, _ask(link).stdout) == (1, "")
    if os.geteuid() == 0:
        os.chown(place, 65534, 65534)
        assert (_ask(place).returncode, _ask(place).stdout) == (1, "")


def test_an_interpreter_may_have_any_name(place: Path, archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path need not be UTF-8, and an interpreter may not know its own."""
    strange = place.parent / "py\udcff 'x'"
    strange.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(strange))
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    assert os.fsencode(strange.name)[:3] in (place / "repeat").read_bytes()
    assert _ask(place).stdout.startswith("abc ")
    for unknown in ("", None):
        repeat.forget(str(place))
        monkeypatch.setattr(sys, "executable", unknown)
        repeat.keep("abc", ARGUMENTS, str(place), archive)
        assert not place.exists()


@pytest.mark.parametrize("found", ["", "{", "[]", "{}", '{"id": 7}', "\udcff"])
def test_what_cannot_be_read_is_written_anew(place: Path, archive: str, found: str) -> None:
    place.mkdir()
    (place / "call.json").write_bytes(found.encode("utf-8", "surrogateescape"))
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    assert json.loads((place / "call.json").read_text(encoding="ascii")) == {"id": "abc", "arguments": ARGUMENTS}


def test_without_a_zip_file_or_room_nothing_is_kept(place: Path, archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then every call is one of the module, and nothing half lies about."""
    repeat.keep("abc", ARGUMENTS, str(place))
    assert names(place) == []

    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    assert names(place) == []
    repeat.keep("abc", ARGUMENTS, str(place.parent / "missing" / "place"), archive)
    assert names(place) == []


@pytest.mark.parametrize("removed", range(5))
def test_a_call_of_which_a_part_was_forgotten_is_kept_again(
    place: Path, archive: str, removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed while it forgets leaves nothing that is taken for the whole."""
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    subprocess.run(["sh", place / "repeat", "abc"], capture_output=True, check=True)
    left, unlink = [None] * removed, os.unlink

    def killed(*arguments: Any, **options: Any) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        unlink(*arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "unlink", killed)
        repeat.forget(str(place))
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    assert names(place) == ["dbports-firewall"]
    subprocess.run(["sh", place / "repeat", "abc"], capture_output=True, check=True)


def test_forgetting_takes_only_what_is_ours(place: Path, archive: str) -> None:
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    for name in ("dbports-firewall-killed", "dbports", "dbports-firewalld"):
        (place.parent / name).mkdir()
    repeat.forget(str(place))
    assert names(place) == ["dbports", "dbports-firewalld"]


@pytest.mark.parametrize("found", [None, {"changed": False, "guarded": {"tcp": "1433"}, "warnings": ["a\x1b"]}])
def test_only_a_host_with_nothing_to_do_answers(
    place: Path, archive: str, monkeypatch: pytest.MonkeyPatch, found: Any
) -> None:
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    asked = []
    monkeypatch.setattr(repeat, "nothing_to_do", lambda wish: asked.append(wish) or found)
    answer = repeat.repeated("abc", str(place))
    assert (json.loads(answer) if answer else None) == (found and {"abc": {**found, "warnings": ["a<U+001B>"]}})
    assert [wish.owner for wish in asked] == ["erp-db"]
    assert repeat.repeated("def", str(place)) == ""
    assert len(asked) == 1


def test_a_host_with_something_to_do_fails(place: Path, archive: str) -> None:
    """Nothing is printed, and the status says so."""
    send(Path(archive), b"def repeated(*_arguments):\n    return ''\n")
    repeat.keep("abc", ARGUMENTS, str(place), archive)
    done = subprocess.run(["sh", place / "repeat", "abc"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
