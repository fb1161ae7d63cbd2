# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a firewall has to offer, and which one governs a host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Optional, Protocol, runtime_checkable

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import find
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.saved import SavedRules, saved_rules
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed, Script, State
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import Step


class Translator(Protocol):
    """What a backend decides; pure, so that it also works on the controller, for a host where Python does not run."""

    name: str
    forwards: bool
    """Whether it writes and reads rules of direction ``forward``; what else these ask of it is in writing.py."""

    def decode(self, observed: Observed) -> State:
        """Read the own rules; what :meth:`encode` would not have written is unexpected."""

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        """Write what brings the host that was observed to ``wanted``.

        :param persist: whether it is kept for the next boot; else nothing of ours is.
        """


class Backend(Translator, Protocol):
    """One firewall.

    ``decode``, ``encode`` and ``undo`` are pure: for a host that can only observe and run steps they work on the
    controller. The others work on the host, and change nothing there: what changes a host is steps, so that they can
    be written down first and undone after a crash.
    """

    name: str
    exclusive: bool
    """Whether it rewrites the host's packet filter by itself while it is active, as firewalld and ufw do: no second
    firewall belongs beside it."""

    def governs(self) -> Optional[str]:
        """Return why this host's rules may be in this firewall, such as "firewalld is running"; None: they may not."""

    def carries(self) -> bool:
        """Tell whether rules of ours are in this firewall, in force or kept for the next boot.

        It is asked of every firewall in every run, so it looks at no more than it needs.

        :raises DbportsError: when this process may not look.
        """

    def observe(self) -> Observed:
        """Read what the host carries, with all that :meth:`undo` needs."""

    def check(self, script: Script) -> None:
        """Make the firewall's own dry run of what the script loads.

        :raises DbportsError: with the firewall's words when it would not load the rules, or when it is missing.
        """

    def undo(self, observed: Observed) -> tuple[Step, ...]:
        """Write what brings back exactly what was observed, what is in force and every file.

        All of it is run, however far a script came and whichever step fails; each step may be run twice.
        """


class Known(NamedTuple):
    """A firewall that this collection knows, not imported yet: a host has one or two of them, and code without byte
    code costs more than all that is done with it.

    :ivar program: the program without which it is not on a host, unless there is a file of it.
    :ivar paths: files or directories, one of which is there where it was installed or where our rules were kept.
    :ivar idle: tells that it neither governs a host on which it is installed nor carries rules of ours there.
    """

    name: str
    program: str
    paths: tuple[str, ...]
    load: Callable[[], Backend]
    idle: Callable[[SavedRules], bool] = lambda _saved: False

    def may_be_here(self) -> bool:
        """Tell whether it can govern this host or carry rules of ours."""
        return find(self.program) is not None or any(Path(path).exists() for path in self.paths)


def _load_firewalld() -> Backend:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.backend import FirewalldBackend

    return FirewalldBackend()


def _load_ufw() -> Backend:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.backend import Ufw

    return Ufw()


def _load_nftables() -> Backend:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.backend import Nftables

    return Nftables()


def _load_iptables() -> Backend:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.backend import IptablesBackend

    return IptablesBackend()


_KEPT, _UNITS = "/etc/dbports", "/etc/systemd/system"
"""Where most firewalls keep what they load at boot."""


def _ufw_is_idle(saved: SavedRules) -> bool:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.idle import is_idle

    return is_idle(saved)


def _iptables_is_idle(saved: SavedRules) -> bool:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.idle import is_idle

    return is_idle(saved)


BACKENDS: tuple[Known, ...] = (
    Known("firewalld", "firewall-cmd", ("/etc/firewalld",), _load_firewalld),
    Known("ufw", "ufw", ("/etc/ufw",), _load_ufw, _ufw_is_idle),
    Known("nftables", "nft", (_KEPT, f"{_UNITS}/dbports-firewall.service", "/etc/nftables.conf"), _load_nftables),
    Known("iptables", "iptables", (_KEPT, f"{_UNITS}/dbports-iptables.service"), _load_iptables, _iptables_is_idle),
)
"""In the order in which they are asked. Only modules imported by their names reach a target."""


def backends_of_host(name: str = "auto") -> tuple[Backend, ...]:
    """Return the firewalls that may govern this host or carry rules of ours, and the one that is asked for."""
    saved = cache(saved_rules)
    return tuple(
        known.load() for known in BACKENDS if known.name == name or (known.may_be_here() and not known.idle(saved))
    )


AUTO = "auto"
"""The choice of a user who leaves it to us."""

CHOICES = (AUTO, "firewalld", "ufw", "nftables", "iptables")
"""What users may write for ``backend``."""


class Choice(NamedTuple):
    """A firewall and why it was chosen.

    :ivar warning: names another firewall that governs the host beside it, or will after a boot, and how to move to that
        one; else empty.
    """

    backend: Backend
    reason: str
    warning: str = ""


@runtime_checkable
class Startable(Protocol):
    """A backend whose firewall can be off now and on after the next boot."""

    def starts_at_boot(self) -> bool:
        """Tell whether the host starts it at boot; asked where it does not govern the host now."""


@runtime_checkable
class Placeable(Protocol):
    """A backend whose rules can be called by chains of the host's owner."""

    def called_by(self, chains: tuple[str, ...]) -> Backend:
        """Return the same backend with its rules called by these chains; none: where they are by default."""


def called_by(backend: Backend, chains: Sequence[str]) -> Backend:
    """Return a firewall whose rules are called by chains of the host's owner, if the user names any.

    :raises DbportsError: when it has no such chains.
    """
    if isinstance(backend, Placeable):
        return backend.called_by(tuple(chains))
    if chains:
        raise DbportsError(
            f"{backend.name} governs this host, and its rules cannot be called by chains of the host's owner",
            code="wrong_backend",
            path="chains",
            value=list(chains),
            fix="Leave chains (dbports_chains) out",
        )
    return backend


_ASKED, _CARRIES = "it was asked for", "rules of this collection are already in it"


def choose_backend(name: str = AUTO, *, absent: bool = False, backends: Optional[Sequence[Backend]] = None) -> Choice:
    """Choose the firewall for the rules of this host.

    :param name: the one that the user asks for, or :data:`AUTO`: the one in which rules of ours already are, else the
        first that governs the host.
    :param absent: whether rules are only to be removed, which may be done anywhere.
    :param backends: for tests; None looks at the host.
    :raises DbportsError: when none governs the host, when it is the wrong one, or when rules of ours are in two.
    """
    backends = backends_of_host(name) if backends is None else backends
    asked = next((item for item in backends if item.name == name), None)
    if asked is None and name != AUTO:
        raise DbportsError(
            "expected auto or one of " + ", ".join(CHOICES[1:]),
            code="not_a_choice",
            path="backend",
            value=name,
        )
    if asked and absent:
        return Choice(asked, _ASKED)
    carrying = [item for item in backends if item.carries()]
    if len(carrying) > 1:
        raise _in_two(carrying)
    if carrying and absent:
        return Choice(carrying[0], _CARRIES)
    if asked and carrying and carrying[0] is not asked:
        raise _elsewhere(asked, carrying[0])
    return _choose([_Firewall(item, item.governs()) for item in backends], asked, next(iter(carrying), None))


class _Firewall(NamedTuple):
    """A firewall of the host and why it governs, which was asked once: it takes programs; None: it does not."""

    backend: Backend
    governs: Optional[str]


def _choose(firewalls: Sequence[_Firewall], asked: Optional[Backend], carrying: Optional[Backend]) -> Choice:
    """Choose the firewall in which rules are to be.

    :param asked: the one that the user asks for, if any.
    :param carrying: the one in which rules of ours already are, if any; it is the same where both are given.
    """
    governing = [item for item in firewalls if item.governs is not None]
    wanted = asked or carrying
    if wanted is None:
        if not governing:
            raise _none()
        chosen, reason = governing[0].backend, str(governing[0].governs)
        return Choice(chosen, reason, _beside(chosen, firewalls))
    if all(item.backend is not wanted for item in governing):
        raise _not_in_force(wanted, governing) if asked else _dead(wanted)
    for other in governing:
        if asked and other.backend.exclusive and other.backend is not asked:
            raise _second(asked, other)
    return Choice(wanted, _ASKED if asked else _CARRIES, _beside(wanted, firewalls))


def _beside(chosen: Backend, firewalls: Sequence[_Firewall]) -> str:
    """Return a warning where another firewall wants to be the only one: it was started after our rules came into the
    chosen one, or will be at the next boot.
    """
    for other, reason in firewalls:
        if not other.exclusive or other is chosen:
            continue
        if reason is not None:
            return (
                f"{reason}, and the rules of this collection are in {chosen.name} beside it, so that it may still "
                f"refuse declared clients; to move them, {_remove(chosen)}, then run apply again without the two"
            )
        if isinstance(other, Startable) and other.starts_at_boot():
            return (
                f"{other.name} is enabled and does not run now: after the next boot it may refuse declared clients, as "
                f"the rules of this collection are in {chosen.name} beside it. Disable it, or start it now, "
                f"{_remove(chosen)}, then run apply again without the two"
            )
    return ""


def _none() -> DbportsError:
    return DbportsError(
        "no supported firewall on this host: " + ", ".join(CHOICES[1:]),
        code="program_missing",
        fix="Install one of them",
    )


def _refused(asked: Backend, reason: str, fix: str) -> DbportsError:
    """Return the error of a firewall that was asked for and must not have the rules."""
    return DbportsError(reason, code="wrong_backend", path="backend", value=asked.name, fix=fix)


def _elsewhere(asked: Backend, carrying: Backend) -> DbportsError:
    return _refused(
        asked,
        f"rules of this collection are in {carrying.name} already, and {asked.name} would be a second firewall",
        f"Leave backend (dbports_backend) out to keep to {carrying.name}; to move, first {_remove(carrying)}",
    )


def _not_in_force(asked: Backend, governing: Sequence[_Firewall]) -> DbportsError:
    if not governing:
        return _none()
    first = governing[0]
    return _refused(
        asked,
        f"{asked.name} does not govern this host: {first.governs}",
        f"Set backend (dbports_backend) to auto or {first.backend.name}, or {_bring_back(asked)} first",
    )


def _second(asked: Backend, other: _Firewall) -> DbportsError:
    name = other.backend.name
    return _refused(
        asked,
        f"{other.governs}, and {asked.name} would be a second firewall beside it",
        f"Set backend (dbports_backend) to auto or {name}; or stop and disable {name} first",
    )


def _dead(backend: Backend) -> DbportsError:
    return DbportsError(
        f"rules of this collection are kept in {backend.name}, which does not govern this host",
        code="wrong_backend",
        path="backend",
        fix=f"On the host, {_bring_back(backend)}, and mend what it then complains of; "
        f"to move to another firewall, then {_remove(backend)}",
    )


def _bring_back(backend: Backend) -> str:
    """Say what makes a firewall govern a host: only these two are services that can be off."""
    ways = {"firewalld": "install firewalld and start it", "ufw": "install ufw and turn it on (ufw enable)"}
    return ways.get(backend.name, f"install {backend.name}")


def _in_two(carrying: Sequence[Backend]) -> DbportsError:
    return DbportsError(
        "rules of this collection are in " + " and ".join(item.name for item in carrying) + " at once",
        code="wrong_backend",
        path="backend",
        fix=f"Keep one of them, such as {carrying[0].name}: " + "; ".join(map(_remove, carrying[1:])),
    )


def _remove(backend: Backend) -> str:
    return f"run apply on this host with dbports_state=absent and dbports_backend={backend.name}"
