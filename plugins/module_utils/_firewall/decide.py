# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done with a host, from what it carries and what is wanted: pure, so it runs anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import digested, owner_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    DIRECTIONS,
    Direction,
    Ruleset,
    build_ruleset,
    read_policy,
    read_rules,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import ForeignFinding, Script, State

if TYPE_CHECKING:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import Connection, Live

CutLive = Literal["allow", "warn", "refuse"]
CUT_LIVE: tuple[CutLive, ...] = ("allow", "warn", "refuse")
"""What is done when rules would cut established connections: nothing, a warning, or nothing is loaded."""


@dataclass(frozen=True)
class DesiredState:
    """What the user wants of a host.

    :ivar ruleset: the wanted ruleset; empty means that nothing of ours is on the host.
    :ivar absent: remove every trace; losses are intended.
    :ivar outbound: whether this host filters outbound, so that outbound losses count.
    :ivar persist: whether the ruleset comes back after a reboot.
    :ivar allow_shrink: whether losses are intended.
    :ivar owner: the inventory host that this is, as :func:`comments.owner_text` writes it; empty leaves the name that
        is there.
    :ivar former_owner: a name whose rules it may take over; else how the own one may have been written once.
    :ivar backend: the name of the firewall that is asked for, or ``auto``.
    :ivar cut_live: what is done when established connections would be cut.
    :ivar chains: base chains of a table of somebody else that are to call the rules; none: the own table.
    """

    ruleset: Ruleset
    absent: bool = False
    outbound: bool = False
    persist: bool = True
    allow_shrink: bool = False
    owner: str = ""
    former_owner: str = ""
    backend: str = "auto"
    cut_live: CutLive = "warn"
    chains: tuple[str, ...] = ()

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> DesiredState:
        """Read the arguments of the ruleset module; what is missing has the module's default.

        :raises DbportsError: when a rule is malformed.
        """
        outbound = bool(arguments.get("filter_outbound", False))
        policy = read_policy(arguments.get("policy", "guard"))
        ruleset = build_ruleset(read_rules(arguments.get("rules") or ()), policy=policy, outbound=outbound)
        absent = arguments.get("state") == "absent"
        name, former = (str(arguments.get(key) or "") for key in ("owner", "former_name"))
        owner = owner_text(name) if name else ""
        return cls(
            ruleset=Ruleset() if absent else ruleset.of(owner),
            absent=absent,
            outbound=outbound,
            persist=bool(arguments.get("persist", True)),
            allow_shrink=bool(arguments.get("allow_shrink", False)),
            owner=owner,
            former_owner=owner_text(former) if former else name and digested(name),
            backend=str(arguments.get("backend") or "auto"),
            cut_live=_read_cut_live(arguments.get("cut_live", "warn")),
            chains=tuple(arguments.get("chains") or ()),
        )


@dataclass(frozen=True)
class Change:
    """The way from what a host carries to what is wanted.

    :ivar script: what has to be done: rules that are already in force are not loaded again, and what is kept already
        is not written again.
    :ivar foreign: what else on the host may drop a wanted flow.
    :ivar warnings: what the user should know although nothing failed.
    :ivar refusal: why this must not be done, or None.
    :ivar cut: the established connections that it ends.
    :ivar live: the connections of the host that the rules may matter to.
    """

    before: State
    wish: DesiredState
    script: Script
    foreign: tuple[ForeignFinding, ...]
    warnings: tuple[str, ...]
    refusal: Optional[DbportsError]
    cut: tuple[Connection, ...] = ()
    live: tuple[Connection, ...] = ()

    @property
    def in_sync(self) -> bool:
        """Whether the rules in force are the wanted ones."""
        return self.before.ruleset == self.wish.ruleset

    @property
    def changed(self) -> bool:
        """Whether anything has to be done."""
        return not self.in_sync or self.before.kept != self.script.kept

    def diff(self) -> list[dict[str, str]]:
        """Return what changes, as Ansible's diff entries."""
        entries = []
        if not self.in_sync:
            entries.append(_entry(self.before.place, self.before.ruleset.render(), self.wish.ruleset.render()))
        if self.before.kept != self.script.kept:
            entries.append(_entry("kept for the next boot", self.before.kept.render(), self.script.kept.render()))
        return entries


def _entry(title: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": title, "after_header": title, "before": before, "after": after}


def decide(before: State, wish: DesiredState, script: Script) -> Change:
    """Compare what a host carries with the wish.

    :param script: the wish as the host's backend writes it.
    """
    if _leaves_alone(before.ruleset, wish):
        wish, script = replace(wish, ruleset=before.ruleset), Script(kept=before.kept)
    foreign = tuple(before.foreign(wish.ruleset))
    return Change(
        before=before,
        wish=wish,
        script=_what_is_left(before, wish, script),
        foreign=foreign,
        warnings=(*_warnings(wish.owner, foreign, script.not_kept), *_copies(before, wish)),
        refusal=_unseen(before, wish) or _other_owner(before.ruleset, wish) or _refusal(before.ruleset, wish),
    )


def with_live(change: Change, live: Live) -> Change:
    """Return the same change, knowing the connections of the host: a warning or a refusal names those that it cuts."""
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import (
        newly_cut,
        sentence,
        told_by_direction,
    )

    rules, wish = change.wish.ruleset, change.wish
    cut = tuple(newly_cut(live.connections, change.before.ruleset, rules)) if live.cut is None else live.cut
    texts = [f"the new rules cut {sentence(cut)}{live.how}"] if cut else []
    if not live.tracking:
        stalled = [one for one in told_by_direction(live.connections, rules) if one not in cut]
        texts.append(
            "the kernel's connection tracking cannot be told of connections that are older than it "
            f"(nf_conntrack_netlink is missing), so that these may stall: {sentence(stalled)}"
        )
    if live.unknown:
        texts.append(f"which established connections the new rules cut is not known: {live.unknown}")
    if not texts or wish.cut_live == "allow":
        return replace(change, cut=cut, live=live.connections)
    if wish.cut_live == "warn":
        host = f"{wish.owner}: " if wish.owner else ""
        return replace(
            change, cut=cut, live=live.connections, warnings=(*change.warnings, *(host + text for text in texts))
        )
    refusal = change.refusal or DbportsError(
        f"refused, because {'; '.join(texts)}",
        code="would_cut",
        fix="Declare these peers or end their sessions first; if you mean it, set dbports_cut_live (cut_live) to warn "
        "or allow",
    )
    return replace(change, cut=cut, refusal=refusal)


def _read_cut_live(value: Any) -> CutLive:
    for choice in CUT_LIVE:
        if value == choice:
            return choice
    raise DbportsError("cut_live is one of " + ", ".join(CUT_LIVE), code="not_a_choice", path="cut_live", value=value)


def _what_is_left(before: State, wish: DesiredState, script: Script) -> Script:
    """Leave out of a script what is on the host already."""
    if before.kept == script.kept:
        script = replace(script, keep=())
    if before.ruleset == wish.ruleset and (before.kept == script.kept or script.keep):
        script = replace(script, load=())
    return script


def _unseen(before: State, wish: DesiredState) -> Optional[DbportsError]:
    """Refuse to say that nothing is left where it could not be looked."""
    if not before.unseen or not wish.absent:
        return None
    return DbportsError(
        f"{before.unseen}, and without it nothing tells whether rules are still in force; nothing was removed",
        code="program_missing",
        fix="Install it again on the host, or start it, then repeat this",
    )


def _is_others(before: Ruleset, wish: DesiredState) -> bool:
    """Tell whether the rules that are there belong to another name than the wish."""
    return bool(wish.owner) and before.owner not in ("", wish.owner, wish.former_owner)


def _leaves_alone(before: Ruleset, wish: DesiredState) -> bool:
    """Tell whether a host that is to have no rules has those of another name, which then have nothing to do with it."""
    return _is_others(before, wish) and not wish.absent and not wish.ruleset


def _other_owner(before: Ruleset, wish: DesiredState) -> Optional[DbportsError]:
    """Refuse the rules of another inventory name: the name that comes last would win."""
    if not _is_others(before, wish) or before == wish.ruleset:
        return None
    return DbportsError(
        f"the rules on this machine belong to {before.owner} and not to {wish.owner}: two inventory names of one "
        "machine, or a plan and the role guard",
        code="other_owner",
        path="inventory_hostname",
        value=wish.owner,
        fix=f"Declare the servers of a machine in one place and under one name; to take over these rules, because the "
        f"host was renamed, cloned or moved to another way, set dbports_former_name (former_name) to {before.owner}",
    )


def _refusal(before: Ruleset, wish: DesiredState) -> Optional[DbportsError]:
    """Refuse to take away what looks like the work of half an inventory."""
    if wish.absent or wish.allow_shrink or before == wish.ruleset:
        return None
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.losses import losses

    directions: Sequence[Direction] = DIRECTIONS if wish.outbound else ("in", "forward")
    lost = losses(before, wish.ruleset, directions=directions)
    if not lost:
        return None
    return DbportsError(
        "refused, because the host would lose " + "; ".join(lost),
        code="would_lose",
        fix="Check that the inventory is complete; if you mean it, set dbports_allow_shrink (allow_shrink) to true",
    )


def _warnings(owner: str, foreign: Sequence[ForeignFinding], not_kept: Optional[str]) -> list[str]:
    found = [item.sentence(owner) for item in foreign if item.verdict == "drops" and item.accept.required]
    return found + ([f"not kept for the next boot: {not_kept}"] if not_kept else [])


def _copies(before: State, wish: DesiredState) -> list[str]:
    """Warn of what the next boot brings back although nothing of ours is to be there; else ours is loaded after it."""
    if wish.ruleset or not before.copies:
        return []
    return [
        f"{', '.join(before.copies)}: rules of this collection were saved there with those of the host and come back "
        "at the next boot; save the host's rules again"
    ]
