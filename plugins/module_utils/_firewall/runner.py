# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs steps on this host, keeps a journal of them, and undoes them when nobody else can.

This file needs nothing but the standard library, no other file of this collection. While a change is not finished it
lies beside the journal on the host, and runs as a process that outlives the module and the connection (``watch``),
for the controller that has come back (``confirm``) and once at the next boot (``boot``).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import syslog
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Optional

TIMEOUT = 60
"""Seconds after which a command is given up; a firewall loads a thousand networks in a fraction of one."""

HASTE = 5
"""The same after one has been given up, which hangs most likely again: all steps of an undo together take less than
:data:`HUNG`, and the user is told why."""

PATH = os.pathsep.join(("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"))

TEMPORARY = ".dbports-"
"""How the name of the file begins that is about to replace another."""

NETWORK = Path("/proc/self/ns/net")
"""This process's network namespace, namespaces(7)."""

LOCK = Path("/proc/sys/net/ipv4/tcp_fastopen_key")
"""A file that each network namespace has of its own, and that only its root may open. It is never read. Whoever may
open the namespace itself could hold a lock on it for ever, and that is every user of the host."""

STATE = "/var/lib/dbports-firewall"
JOURNAL, SOURCE = f"{STATE}/journal.json", f"{STATE}/undo.py"
BOOT_UNIT = "/etc/systemd/system/dbports-firewall-undo.service"
BOOT_WISH = "/etc/systemd/system/sysinit.target.d/dbports-firewall-undo.conf"
"""All that is on a host while a change is not finished, the last two where systemd runs. The directory goes last."""

KEPT = "/run/dbports-firewall"
"""What a host with rules keeps of its last call; only root may read it, and it is on no disk. It goes with a change
that is undone, which was that call's."""

UNITS = "/etc/systemd/system"
_LINKING = (("systemctl", "enable"), ("systemctl", "disable"))
"""Where systemctl makes and removes links, and with which commands."""

RUNNING, WAITING, FAILED = "running", "waiting", "failed"
"""The phases of a change: a module is at work and holds the lock; it waits to be confirmed; it could not be undone."""

POLL = 0.1
"""Seconds between two looks at a lock or a journal."""

HUNG = 3 * TIMEOUT
"""Seconds after the deadline of a change from which on whoever still holds the lock is ended, so that it is undone."""

ATTEMPTS = 30
"""How often the process that undoes a change tries it: the firewall may be about to start, or another program may hold
its lock."""

AT_BOOT = ("enable", "disable", "daemon-reload")
"""What systemctl is told at boot too, because it changes files; every other command but ``start`` is about a running
firewall."""

WATCHED = ("--property=Restart=on-failure", "--property=IgnoreOnIsolate=yes")
"""What keeps the process that watches: it is started again when it was killed, and goes on in the rescue mode."""

Call = Callable[[Sequence[str], str], tuple[int, str, str]]
"""Runs a command with a text on its standard input; returns exit status, standard output and standard error."""


class StepError(Exception):
    """A step that did not work, with the words of who refused it."""


class LateError(StepError):
    """A command took too long and was ended."""


def call(
    argv: Sequence[str], text: str = "", inherited: Sequence[int] = (), timeout: float = TIMEOUT
) -> tuple[int, str, str]:
    """Run a command with a text on its standard input, in the locale C.UTF-8.

    :param inherited: open files that the command gets.
    :returns: exit status, standard output and standard error.
    :param timeout: seconds after which it is ended.
    :raises StepError: when it cannot be started or takes longer.
    """
    path = os.pathsep.join(filter(None, (os.environ.get("PATH", ""), PATH)))
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=inherited,
            env={**os.environ, "LC_ALL": "C.UTF-8", "PATH": path},
            start_new_session=True,
        )
    except OSError as error:
        raise StepError(f"cannot run {argv[0]}: {error}") from None
    with process:
        try:
            stdout, stderr = process.communicate(text.encode("utf-8", "surrogateescape"), timeout)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what a script has started: it would do its work later
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            said = " ".join((error.stderr or b"").decode("utf-8", "replace").split())
            what = f"{' '.join(argv)[:600]} did not end within {timeout:g} s, and was ended"
            raise LateError(f"{what}: {said[:600]}" if said else what) from None
    return process.returncode, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace")


def failure(argv: Sequence[str], status: int, stdout: str, stderr: str) -> str:
    """Return the sentence for a command that failed: its line, what it said, and how it ended where that says more."""
    said = " ".join((stderr or stdout).split())
    how = f"signal {-status}" if status < 0 else "" if said else f"exit status {status}"
    how = f"{how} ({signal.Signals(-status).name})" if -status in set(signal.Signals) else how
    return f"{' '.join([Path(argv[0]).name, *argv[1:]])} failed: {', '.join(filter(None, (how, said[:600])))}"


class Lock:
    """One run at a time on a firewall, whatever the host is called: a lock on a file of the network namespace it is in.

    It leaves no file behind. The commands of a run inherit it, so that nobody undoes a run that was killed before the
    last of them has ended.
    """

    held: tuple[int, ...] = ()

    @classmethod
    @contextmanager
    def taken(cls, seconds: float) -> Iterator[bool]:
        """Take the lock, and say whether that worked within so many seconds."""
        with contextlib.ExitStack() as stack:
            got = True
            for place in (LOCK, NETWORK):  # a kernel may lack one of them, or both
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    stream = stack.enter_context(place.open("rb"))
                    got = cls._wait(stream.fileno(), seconds)
                    cls.held = (stream.fileno(),) if got else ()
                    stack.callback(setattr, cls, "held", ())
                    break
            yield got

    @staticmethod
    def holders() -> Iterator[int]:
        """Yield the processes that hold the lock: the run that took it, and its commands."""
        places = [place.stat() for place in (LOCK, NETWORK) if place.exists()]
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):  # it has ended
                if not str(link.readlink()).endswith((LOCK.name, "]")):
                    continue  # a look at another file may take forever
                info = link.parents[1] / "fdinfo" / link.name
                if any(os.path.samestat(link.stat(), place) for place in places) and "FLOCK" in info.read_text():
                    yield int(link.parts[2])

    @staticmethod
    def _wait(handle: int, seconds: float) -> bool:
        for attempt in range(1 + round(seconds / POLL)):
            if attempt:
                time.sleep(POLL)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        return False


def boot_marker() -> str:
    """Return what differs after every start of this host: the kernel's boot and the start of its first process.

    A container shares the former with its machine.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path("/proc/1/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return f"{boot} {fields[19]}"  # starttime, field 22 of proc(5)
    except OSError:
        return ""


def network() -> str:
    """Return the network namespace of this process."""
    try:
        return str(NETWORK.stat().st_ino)
    except OSError:
        return ""


def now() -> float:
    """Return the seconds since the machine's boot, suspension included: no change of the clock matters."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Journal(NamedTuple):
    """A change that is not finished.

    :ivar token: who may confirm it.
    :ivar phase: see :data:`RUNNING`.
    :ivar deadline: when it is undone at the latest, as :func:`now` counts.
    :ivar boot: see :func:`boot_marker`.
    :ivar network: see :func:`network`.
    :ivar reload: whether systemd reads its units anew in this change, and so the one for the next boot.
    :ivar undo: the steps that bring back the old state.
    """

    token: str
    phase: str
    deadline: float
    boot: str
    network: str
    reload: bool
    undo: list[Any]

    @property
    def interrupted(self) -> bool:
        """Whether the host was restarted since it was written."""
        return self.boot != boot_marker()

    @property
    def expired(self) -> bool:
        """Whether nobody may finish it any more; only to be asked under the lock, which its own module holds."""
        return self.phase != WAITING or self.interrupted or now() >= self.deadline

    def waits_for(self, token: str) -> bool:
        """Tell whether this token still confirms it; only to be asked under the lock."""
        return self.token == token and self.phase == WAITING and not self.interrupted


class Runner:
    """Runs steps, as :func:`steps.to_json` writes them, and keeps the journal.

    :param root: the root of the file system, for tests.
    :param run: what runs commands, for tests.
    """

    def __init__(self, root: str = "/", run: Optional[Call] = None) -> None:
        self._root = Path(root)
        self._run = run or (lambda argv, text: call(argv, text, Lock.held, self._patience))
        self._patience = TIMEOUT

    def do(self, steps: Iterable[Sequence[Any]]) -> None:
        """Run steps in their order.

        :raises StepError: at the first one that fails; those after it are not run.
        """
        kinds: dict[str, Callable[..., None]] = {
            "WriteFile": self._write,
            "EditFile": partial(self._write, edited=True),
            "RemoveFile": self._remove,
            "RemoveFiles": self._remove_all,
            "RunCommand": self._command,
        }
        for name, *fields in steps:
            try:
                kinds[name](*fields)
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                raise StepError(f"{where}{error.strerror or error}") from None
            except (KeyError, TypeError):
                raise StepError(f"no step of this version: {name} {fields}"[:600]) from None

    def undo(self, steps: Iterable[Sequence[Any]]) -> list[str]:
        """Run steps in their order, all of them, whatever fails; return what failed."""
        failed = []
        for step in steps:
            try:
                self.do([step])
            except StepError as error:
                failed.append(str(error))
        return failed

    def journal(self) -> Optional[Journal]:
        """Read the journal; None without one, and with one that says nothing.

        :raises OSError: when it cannot be read now, as with too many open files: it may still say how to go back.
        """
        try:
            journal = Journal(**json.loads(self.at(JOURNAL).read_text(encoding="utf-8")))
            return journal if isinstance(journal.undo, list) and isinstance(journal.deadline, (int, float)) else None
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError, TypeError):
            return None

    def write_journal(self, journal: Journal) -> None:
        """Write the journal, to the disk.

        :raises StepError: when that does not work.
        """
        self.do([["WriteFile", JOURNAL, 0o600, json.dumps(journal._asdict())]])

    def leftovers(self) -> bool:
        """Tell whether a change was not finished, or what belonged to it was not removed."""
        return self.at(STATE).is_dir()

    def clear(self, reload: bool = True) -> list[str]:
        """Finish a change: nobody undoes it any more, and all that was there for it goes.

        :param reload: whether systemd may know the unit for the next boot.
        :returns: why the journal cannot be removed; then the change is not finished, and will be undone.
        """
        failed = self.undo([["RemoveFile", JOURNAL, False]])
        if failed and self.at(JOURNAL).exists():  # else only the disk failed to confirm it
            return failed
        steps: list[list[Any]] = [["RemoveFile", path, path == BOOT_WISH] for path in (BOOT_WISH, BOOT_UNIT)]
        if reload and self.at(BOOT_UNIT).exists():
            steps.append(["RunCommand", ["systemctl", "daemon-reload"], "", True])
        self.undo([*steps, ["RemoveFile", SOURCE, True]])
        return []

    def rollback(self, journal: Journal, attempts: int = 1) -> list[str]:
        """Bring back the old state and finish; returns what failed, after which the journal stays.

        :param attempts: how often; a process that tries only once leaves it to the one that watches to go on.
        """
        failed = self.undo(journal.undo)
        for _attempt in range(attempts - 1):
            if failed:
                time.sleep(1)
                self._patience = TIMEOUT
                failed = self.undo(journal.undo)
        if failed and attempts > 1:
            self.undo([["WriteFile", JOURNAL, 0o600, json.dumps(journal._replace(phase=FAILED)._asdict())]])
        elif not failed:
            shutil.rmtree(self.at(KEPT), ignore_errors=True)
            self.clear()
        return failed

    def start_watching(self, token: str, *options: str) -> bool:
        """Have systemd start the process that watches, if it does not run, and start it again when it is killed.

        :param options: more of them for systemd-run.
        :returns: whether it was started.
        """
        settings = ("--quiet", "--collect", "--service-type=forking", f"--unit=dbports-firewall-undo-{token}")
        command = ["systemd-run", *settings, *WATCHED, *options, *source_command("watch", token)]
        return not self.undo([["RunCommand", command, "", False]])

    def at(self, path: str) -> Path:
        """Return a path below the root."""
        return self._root / path.lstrip("/")

    def _write(self, path: str, mode: int, content: str, edited: bool = False) -> None:
        place, data = self.at(path), content.encode("utf-8", "surrogateescape")
        temporary = _temporary(place)
        if os.path.lexists(temporary):
            temporary.unlink()
        # Going back needs neither room nor a writable disk for what was not changed.
        if _holds(place, mode, data, edited):
            return
        made = _make(place.parent, 0o755 if mode & 0o044 else 0o700)
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                if edited:
                    _take_after(place, stream.fileno())
                os.fchmod(stream.fileno(), mode)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(place)
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            _unmake(made)
            if isinstance(error, OSError):
                error.filename, error.filename2 = str(place), None  # a full disk names no file
            raise
        _sync(place.parent)

    def _remove(self, path: str, parent: bool) -> None:
        place = self.at(path)
        # A disk that is read-only refuses to remove what is not there.
        there = [file for file in (place, _temporary(place)) if os.path.lexists(file)]
        for file in there:
            file.unlink()
        if parent:
            with contextlib.suppress(OSError):
                place.parent.rmdir()
        if there:
            _sync(next(directory for directory in place.parents if directory.exists()))

    def _remove_all(self, directory: str, names: str) -> None:
        place = self.at(directory)
        own = re.compile(f"(?:{re.escape(TEMPORARY)})?(?:{names})")
        for file in [file for file in place.glob("*") if own.fullmatch(file.name)]:
            file.unlink()
            _sync(place)

    def _command(self, argv: Sequence[str], text: str, may_fail: bool) -> None:
        try:
            status, stdout, stderr = self._run(argv, text)
        except LateError:
            self._patience = HASTE
            raise
        if status and not may_fail:
            raise StepError(failure(argv, status, stdout, stderr))
        if tuple(argv[:2]) in _LINKING:  # it does not bring its links to the disk
            units = self.at(UNITS)
            for directory in (units, *units.glob("*.wants")):
                with contextlib.suppress(OSError):
                    _sync(directory)


def _make(directory: Path, mode: int) -> list[Path]:
    """Make a directory and those above it, on the disk as well; returns those that were missing, the last one first."""
    missing = [place for place in (directory, *directory.parents) if not place.exists()]
    try:
        directory.mkdir(mode=mode, parents=True, exist_ok=True)
        for place in missing:
            _sync(place.parent)
    except OSError:
        _unmake(missing)
        raise
    return missing


def _unmake(directories: Iterable[Path]) -> None:
    """Remove directories that were made for nothing."""
    for place in directories:
        with contextlib.suppress(OSError):
            place.rmdir()


def _holds(place: Path, mode: int, data: bytes, anyone: bool) -> bool:
    """Tell whether a file is there with these bytes and this mode, of this user or anyone and no link."""
    with contextlib.suppress(OSError):
        there = place.lstat()
        if there.st_mode == stat.S_IFREG | mode and (anyone or there.st_uid == os.geteuid()):
            return place.read_bytes() == data
    return False


def _take_after(place: Path, handle: int) -> None:
    """Give an open file the owner, the group and the extended attributes of a file, if there is one."""
    with contextlib.suppress(OSError):  # a kernel may forbid some; the mode is set in any case
        there = place.lstat()
        if stat.S_ISREG(there.st_mode):
            os.fchown(handle, there.st_uid, there.st_gid)
            for name in os.listxattr(place):
                with contextlib.suppress(OSError):
                    os.setxattr(handle, name, os.getxattr(place, name))


def _temporary(place: Path) -> Path:
    """Return the file that is about to replace another: always the same one, so that what a kill leaves is found."""
    return place.with_name(TEMPORARY + place.name)


def _sync(directory: Path) -> None:
    """Bring the names in a directory to the disk, so that they are there after a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        error.filename = str(directory)
        raise
    finally:
        os.close(handle)


def source_command(*arguments: str) -> list[str]:
    """Return the command that runs this file where it lies on the host."""
    return [sys.executable, "-IBS", SOURCE, *arguments]


def watch(runner: Runner, token: str) -> None:
    """Wait until a change is finished, and undo it at its deadline, or when the module that makes it has died."""
    ended = 0.0
    while runner.leftovers():
        with contextlib.suppress(OSError):  # too many open files, or no memory: later there is some
            journal = runner.journal()
            if journal and (journal.token != token or journal.phase == FAILED):
                return
            if not journal or journal.phase == RUNNING or now() >= journal.deadline:
                with Lock.taken(0) as got:
                    if got and _finish(runner, token):
                        return
                    if not got and journal and now() >= max(journal.deadline, ended) + HUNG:
                        _end_holders()
                        ended = now()  # whoever waited for the lock may have it next
        time.sleep(POLL)


def _end_holders() -> None:
    """End who was stopped or hangs, and so keeps a change from being undone."""
    for pid in Lock.holders():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _finish(runner: Runner, token: str) -> bool:
    """Undo the change with this token if nobody may finish it any more; tell whether it is finished."""
    journal = runner.journal()
    if journal is None:
        runner.clear()
    elif journal.token == token and not journal.expired:
        return False
    elif journal.token == token:
        _log(runner.rollback(journal, ATTEMPTS))
    return True


def confirm(runner: Runner, token: str) -> bool:
    """Keep a change that waits for this token; tell whether there was one."""
    with Lock.taken(TIMEOUT) as got:
        journal = runner.journal() if got else None
        if journal is None or not journal.waits_for(token):
            return False
        return not runner.clear(journal.reload)


def boot(runner: Runner) -> None:
    """Bring back the files of the old state before any firewall reads them; nothing is in force yet at boot."""
    journal = runner.journal()
    if journal and not journal.interrupted:
        # Started by hand, with any other unit, or by a restart of everything but the kernel, which ends who watches.
        runner.start_watching(journal.token, "--no-block")
    elif journal:
        _log(runner.rollback(journal._replace(undo=list(_at_boot(journal.undo)))))
    else:
        runner.clear()


def _at_boot(steps: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Yield what is done at boot of the steps that undo a change.

    A unit that is to be active is not waited for, since it comes later. systemd has decided before the files were back
    what this boot starts.
    """
    for step in steps:
        program, verb, *words = step[1] if step[0] == "RunCommand" and len(step[1]) > 1 else ("", "")
        if step[0] != "RunCommand" or (Path(program).name == "systemctl" and verb in AT_BOOT):
            yield step
        elif Path(program).name == "systemctl" and verb == "start":
            yield ["RunCommand", [program, verb, "--no-block", *words], *step[2:]]


def _log(failed: Sequence[str]) -> None:
    """Tell the administrator."""
    said = f"the old state could not be brought back: {'; '.join(failed)}" if failed else "the old state is back"
    syslog.openlog("dbports-firewall")
    syslog.syslog(syslog.LOG_WARNING, f"a change of the firewall was not finished; {said}")


def detach() -> None:
    """Go on as a process that belongs to no session and has no open files of whoever started it."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    handle = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(handle, number)


def main(arguments: Sequence[str]) -> None:
    """Do what was asked for: ``watch TOKEN``, ``confirm TOKEN``, which fails when that comes too late, or ``boot``."""
    if arguments[0] == "watch":
        detach()
        watch(Runner(), arguments[1])
    elif arguments[0] == "confirm":
        raise SystemExit(not confirm(Runner(), arguments[1]))
    else:
        boot(Runner())


if __name__ == "__main__":
    main(sys.argv[1:])
