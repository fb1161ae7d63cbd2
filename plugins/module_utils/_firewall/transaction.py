# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a host's own table and what keeps it over a reboot to a wanted ruleset: all of it or nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Nft, find
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    DIRECTIONS,
    Ruleset,
    build_ruleset,
    losses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.codec import (
    FAMILY,
    TABLE,
    decode,
    encode,
    own_objects,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import Persistence, State
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports

BACKEND = "nftables"


@dataclass(frozen=True)
class DesiredState:
    """What the user wants of a host.

    :ivar ruleset: the wanted ruleset; empty means no table at all.
    :ivar absent: take every trace away; losses are meant.
    :ivar outbound: whether this host filters outbound, so that outbound losses count.
    :ivar persist: whether the ruleset comes back after a reboot.
    :ivar allow_shrink: whether losses are meant.
    """

    ruleset: Ruleset
    absent: bool = False
    outbound: bool = False
    persist: bool = True
    allow_shrink: bool = False

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> DesiredState:
        """Read the arguments of the ruleset module; what is missing has the module's default.

        :raises DbportsError: when a rule is malformed.
        """
        outbound = bool(arguments.get("filter_outbound", False))
        policy = arguments.get("policy", "guard")
        ruleset = build_ruleset(arguments.get("rules") or (), policy=policy, outbound=outbound)
        absent = arguments.get("state") == "absent"
        return cls(
            ruleset=Ruleset() if absent else ruleset,
            absent=absent,
            outbound=outbound,
            persist=bool(arguments.get("persist", True)),
            allow_shrink=bool(arguments.get("allow_shrink", False)),
        )


@dataclass(frozen=True)
class Change:
    """The way from what a host carries to what is wanted."""

    before: Ruleset
    after: Ruleset
    stored: State
    kept: State

    @property
    def reload(self) -> bool:
        """Whether the table has to be replaced."""
        return self.before != self.after

    @property
    def changed(self) -> bool:
        """Whether anything has to be done."""
        return self.reload or self.stored != self.kept

    def diff(self) -> list[dict[str, str]]:
        """Return what changes, as Ansible's diff entries."""
        entries = []
        if self.reload:
            title = f"table {FAMILY} {TABLE}"
            entries.append(_entry(title, self.before.render(), self.after.render()))
        if self.stored != self.kept:
            entries.append(_entry("kept for the next boot", self.stored.render(), self.kept.render()))
        return entries


def _entry(title: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": title, "after_header": title, "before": before, "after": after}


def apply(
    wish: DesiredState, *, check: bool = False, nft: Optional[Nft] = None, persistence: Optional[Persistence] = None
) -> dict[str, Any]:
    """Bring the host to the wish, or leave it as it was.

    With ``check`` nothing is changed, the dry run is made all the same and the result is what the
    run would give.

    :returns: ``changed``, ``diff``, ``state``, ``backend``, ``in_sync`` (whether the loaded table
        already was the wanted one), ``persistent``, ``persisted_files``, ``guarded`` (port lists by
        protocol, inbound), ``foreign`` (see :func:`foreign.judge`) and ``warnings``.
    :raises DbportsError: when something is missing, the dry run fails, too much would be lost or a
        step fails; the host is then as before.
    """
    if nft is None and (wish.ruleset or find("nft")):
        nft = Nft.locate()
    if persistence is None:
        persistence = Persistence(nft=nft.path) if nft else Persistence()
    objects = nft.objects() if nft else []
    text = encode(wish.ruleset)
    keep = text if wish.persist and wish.ruleset else None
    move = Change(decode(objects), wish.ruleset, persistence.current(), persistence.wanted(keep))
    if not (wish.absent or wish.allow_shrink):
        _refuse_losses(move, DIRECTIONS if wish.outbound else ("in",))
    if nft and move.reload:
        nft.check(text)
    if move.changed and not check:
        _commit(move, text, nft, persistence, had_table=any(True for _item in own_objects(objects)))
    foreign = judge(objects, wish.ruleset)
    return {
        "changed": move.changed,
        "diff": move.diff(),
        "state": "absent" if wish.absent else "present",
        "backend": BACKEND,
        "in_sync": not move.reload,
        "persistent": bool(move.kept.files),
        "persisted_files": move.kept.paths,
        "guarded": {protocol: format_ports(wish.ruleset.ports("in", protocol)) for protocol in ("tcp", "udp")},
        "foreign": foreign,
        "warnings": _warnings(foreign, persistence.reason if keep else None),
    }


def _refuse_losses(move: Change, directions: Sequence[str]) -> None:
    """Refuse to take away what looks like the work of half an inventory."""
    lost = losses(move.before, move.after, directions=directions)
    if lost:
        raise DbportsError(
            "refused, because the host would lose " + "; ".join(lost),
            fix="Check that the inventory is whole; if it is meant, set dbports_allow_shrink (allow_shrink) to true",
        )


def _commit(move: Change, text: str, nft: Optional[Nft], persistence: Persistence, *, had_table: bool) -> None:
    """Swap the table, see that it is there, keep it for the next boot; on an error go back and raise it."""
    old_text = nft.own_text() if nft and move.reload and had_table else encode(Ruleset())
    try:
        if nft and move.reload:
            nft.load(text)
            loaded = decode(nft.own_objects()) if move.after else decode(nft.objects())
            if loaded != move.after:
                raise DbportsError("the loaded table is not the wanted one", value=loaded.render())
        persistence.write(move.kept)
    except DbportsError as error:
        with contextlib.suppress(DbportsError):
            persistence.write(move.stored)
        if nft and move.reload:
            _rollback(nft, old_text, error)
        raise


def _rollback(nft: Nft, old_text: str, error: DbportsError) -> None:
    """Load the old table again after ``error``; when even that fails, say both."""
    try:
        nft.load(old_text)
    except DbportsError as second:
        raise DbportsError(f"{error.reason}; and the old table could not be loaded again: {second.reason}") from error


def _warnings(foreign: Sequence[Mapping[str, Any]], reason: Optional[str]) -> list[str]:
    """Say what the user should know although nothing failed."""
    found = [
        f"{item['text']} (required for {item['purpose']}); nothing was changed there"
        for item in foreign
        if item["verdict"] == "drops" and item["required"]
    ]
    return found + ([f"not kept for the next boot: {reason}"] if reason else [])
