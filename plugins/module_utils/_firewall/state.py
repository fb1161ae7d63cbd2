# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What passes the seam between the transaction and a firewall: plain values of any backend."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Optional, Union

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import Step
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports

Verdict = Literal["drops", "unknown"]


Observed = Mapping[str, str]
"""What a host shows of its firewall: texts by names that only the backend knows, fit to be sent as JSON."""


class KeptFile(NamedTuple):
    """A file that brings rules back after a reboot; bytes that are not UTF-8 are surrogates in ``content``."""

    path: str
    mode: int
    content: str


class Service(NamedTuple):
    """A service that brings rules back after a reboot."""

    name: str
    enabled: bool
    active: bool


@dataclass(frozen=True)
class Kept:
    """What brings rules back after a reboot, files by path; equal values are the same on the host."""

    files: tuple[KeptFile, ...] = ()
    services: tuple[Service, ...] = ()

    @property
    def paths(self) -> list[str]:
        """The paths of the files."""
        return [item.path for item in self.files]

    def render(self) -> str:
        """Print it for a diff: a line for each file with mode and digest, and one for each service."""
        lines = []
        for path, mode, content in self.files:
            digest = hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()
            lines.append(f"{path} {mode:04o} sha256 {digest}")
        for name, enabled, active in self.services:
            words = [word for word, true in (("enabled", enabled), ("active", active)) if true]
            lines += [" ".join([name, *words])] if words else []
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True)
class ForeignFinding:
    """A foreign rule that drops, or may drop, what an accept lets in.

    :ivar place: where the rule is, in the words of its firewall.
    :ivar peer: the peer that was taken as a sample.
    :ivar verdict: ``unknown`` when it depends on what cannot be told from the rules.
    :ivar text: a sentence for people, without a full stop.
    :ivar fix: the exact command or setting that the owner of the rule has to add, for all peers of the accept; empty
        when the firewall has none.
    """

    place: Mapping[str, Union[str, int, None]]
    accept: Accept
    peer: AddressRange
    verdict: Verdict
    text: str
    fix: str = ""

    def sentence(self, host: str) -> str:
        """Say it as a warning: the host, what drops whose flow, and what the owner of the rule has to add.

        :param host: the inventory name of the host, empty where it is not known.
        """
        where = f"{host}: " if host else ""
        said = f"{where}{self.text} (required for {self.accept.comment}); nothing was changed there"
        return with_fix(said, self.fix)

    def as_dict(self) -> dict[str, Any]:
        """Return it as the module ruleset does."""
        return {
            **self.place,
            "direction": self.accept.direction,
            "protocol": self.accept.protocol,
            "ports": format_ports(self.accept.ports),
            "targets": format_addresses(self.accept.forward.targets) if self.accept.forward else [],
            "purpose": self.accept.comment,
            "required": self.accept.required,
            "peer": str(self.peer),
            "verdict": self.verdict,
            "text": self.text,
            "fix": self.fix,
        }


def with_fix(text: str, fix: str) -> str:
    """Return what drops a flow together with what the owner of that rule has to add, if that is known."""
    return f"{text}; its owner has to add: {fix}" if fix else text


ForeignRules = Callable[[Ruleset], list[ForeignFinding]]
"""The rules on the host that are not ours: returns what may drop a flow that a ruleset accepts."""


@dataclass(frozen=True)
class State:
    """What a host was seen to carry.

    :ivar ruleset: the own rules that are in force.
    :ivar kept: what is in place for the next boot.
    :ivar place: what the own rules are called on this firewall, for a diff.
    :ivar unseen: why the rules in force could not be read, such as "its program is missing"; else nothing.
    :ivar copies: files of the host's owner that bring own rules back at boot, since they were saved with the others.
    """

    ruleset: Ruleset
    kept: Kept = field(default_factory=Kept)
    foreign: ForeignRules = lambda _ruleset: []
    place: str = "rules"
    unseen: str = ""
    copies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Script:
    """What brings a host to a ruleset.

    :ivar load: what replaces the own rules in force, in one commit of the firewall; nothing leaves them as they are.
    :ivar keep: what keeps them for the next boot, run after ``load``; nothing where ``load`` does both.
    :ivar kept: what is then in place for the next boot.
    :ivar not_kept: why the rules cannot come back after a reboot although that is wanted, else None.
    """

    load: tuple[Step, ...] = ()
    keep: tuple[Step, ...] = ()
    kept: Kept = field(default_factory=Kept)
    not_kept: Optional[str] = None
