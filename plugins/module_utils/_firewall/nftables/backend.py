# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nftables as a backend: a table of its own, files and, where systemd runs, a unit for the next boot."""

from __future__ import annotations

import json
from functools import partial
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import find
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import PROGRAMS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.program import Iptables, other_program
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import kept_from_text, kept_to_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Listing,
    is_own,
    is_placed,
    own_objects,
    read_listing,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    BOOT,
    COPIED,
    DELETE,
    FAMILY,
    KEPT,
    LISTING,
    NOWHERE,
    OWN_TABLE,
    PLACED,
    PROGRAM,
    TABLE,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import BootPlace, Persistence
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft, load_command
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import (
    ForeignFinding,
    Observed,
    Script,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand, Step

LEGACY, XT = "legacy", "xt"
"""What is observed for each family: what iptables-legacy-save prints, whose rules nft does not list, and what
iptables-nft-save does where nft lists rules of iptables without the matches in them."""


class Nftables:
    """See :class:`Backend`.

    :param nft: the program; None looks for it.
    :param persistence: the files; None takes those of the host.
    :param chains: base chains of a foreign table that are to call the own ones, see :mod:`placed`; none: the own
        table; None: wherever the rules are.
    """

    name = "nftables"
    forwards = True
    exclusive = False

    def __init__(
        self,
        nft: Optional[Nft] = None,
        persistence: Optional[Persistence] = None,
        chains: Optional[tuple[str, ...]] = None,
    ) -> None:
        self._given = nft
        self._chains = chains
        self._persistence = persistence or Persistence()

    def called_by(self, chains: tuple[str, ...]) -> Nftables:
        """Return the same backend with its rules in the table of these base chains; none: in the own table."""
        return Nftables(self._given, self._persistence, chains)

    def governs(self) -> Optional[str]:
        """Tell that rules may be here: nft is installed."""
        return "nft is installed" if self._given or find("nft") else None

    def carries(self) -> bool:
        """Look for the own table, and for the own files."""
        if self._persistence.current().files:
            return True
        nft = self._nft()
        return nft is not None and nft.has_own()

    def observe(self) -> Observed:
        """Read the ruleset and the own files; where nft is missing there may still be files."""
        nft = self._nft()
        texts = {KEPT: kept_to_text(self._persistence.current()), OWN_TABLE: DELETE, LISTING: "", PROGRAM: ""}
        texts[PLACED], texts[COPIED] = NOWHERE, json.dumps(self._persistence.copies())
        if nft:
            texts[PROGRAM] = nft.path
            texts[LISTING] = nft.listing()
            listing = read_listing(texts[LISTING])
            if any(own_objects(listing)):
                texts[OWN_TABLE] = nft.own_text(texts[LISTING])
            if any(is_placed(kind, body) for kind, body in listing):
                from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.elsewhere import (
                    back_texts,
                )

                texts[PLACED] = back_texts(nft, listing)
            texts.update(_of_iptables(texts[LISTING]))
        texts[BOOT] = self._persistence.place(nft.path if nft else None).to_text()
        return texts

    def decode(self, observed: Observed) -> State:
        """Read the own table and the own files."""
        listing = read_listing(observed[LISTING])
        ruleset, foreign, place = decode(listing), listing, f"table {FAMILY} {TABLE}"
        if self._is_elsewhere(observed):
            from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.elsewhere import (
                decode_elsewhere,
            )

            ruleset, foreign, place = decode_elsewhere(listing, self._chains)
        return State(
            ruleset=ruleset,
            kept=kept_from_text(observed[KEPT]),
            foreign=partial(_judge, foreign, observed),
            place=place,
            unseen="" if observed[PROGRAM] else "the program nft is missing",
            copies=tuple(json.loads(observed[COPIED])),
        )

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        """Write the table and the files that load it at boot."""
        if self._is_elsewhere(observed):
            from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.elsewhere import (
                encode_elsewhere,
            )

            return encode_elsewhere(wanted, observed, self._chains, persist=persist)
        text, place = encode(wanted), BootPlace.from_text(observed[BOOT])
        keep = persist and bool(wanted)
        kept = place.wanted(text if keep else None)
        return Script(
            load=_load(observed, text),
            keep=place.own.keep_steps(kept_from_text(observed[KEPT]), kept),
            kept=kept,
            not_kept=place.reason if keep else None,
        )

    def check(self, script: Script) -> None:
        """Let nft check the rules."""
        for step in script.load:
            if isinstance(step, RunCommand):
                self._needed().check(step)

    def undo(self, observed: Observed) -> tuple[Step, ...]:
        """Load the old table, then bring back the files."""
        table = _load(observed, observed[OWN_TABLE]) if observed[PROGRAM] else ()
        if self._is_elsewhere(observed) and observed[PROGRAM]:
            from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.elsewhere import back_step

            table = (back_step(observed, self._chains), *(table if observed[OWN_TABLE] != DELETE else ()))
        return BootPlace.from_text(observed[BOOT]).own.undo_steps(kept_from_text(observed[KEPT]), table)

    def _is_elsewhere(self, observed: Observed) -> bool:
        """Tell that own chains are in tables of others, or are to be; most hosts need no code for that."""
        return bool(self._chains) or observed[PLACED] != NOWHERE

    def _nft(self) -> Optional[Nft]:
        return self._given or Nft.locate()

    def _needed(self) -> Nft:
        nft = self._nft()
        if nft is None:
            raise DbportsError(
                "the program nft is missing", code="program_missing", fix="Install the package nftables on the host"
            )
        return nft


def _of_iptables(listing: str) -> dict[str, str]:
    """Read the rules of iptables that nft does not list, or not wholly."""
    programs = Iptables()
    texts = {f"{LEGACY} {family}": programs.saved_other(family, "nf_tables") for family in PROGRAMS}
    if '"xt"' in listing:
        texts.update({f"{XT} {family}": programs.saved_other(family, "legacy") for family in PROGRAMS})
    return texts


def _judge(listing: Listing, observed: Observed, ruleset: Ruleset) -> list[ForeignFinding]:
    """Judge the foreign tables, those of iptables as its own programs print them where nft cannot say what they do."""
    found: list[ForeignFinding] = []
    if any(observed.get(f"{kind} {family}") for kind in (LEGACY, XT) for family in PROGRAMS):
        listing, found = _judge_iptables(listing, observed, ruleset)
    if not any(kind == "chain" and not is_own(kind, body) for kind, body in listing):
        return found
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign

    return judge_foreign(listing, ruleset) + found


def _judge_iptables(listing: Listing, observed: Observed, ruleset: Ruleset) -> tuple[Listing, list[ForeignFinding]]:
    """Judge what the programs of iptables print; returns the other tables, and what was found."""
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.foreign import (
        FAMILIES,
        judge_saved,
    )
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import read_tables

    found: list[ForeignFinding] = []
    for family, word in FAMILIES.items():
        legacy, saved = (read_tables(observed.get(f"{kind} {family}", "")) for kind in (LEGACY, XT))
        listing = [item for item in listing if item[1].get("family") != word or item[1].get("table") not in saved]
        found += judge_saved(saved, family, ruleset, other_program("legacy", family))
        found += judge_saved(legacy, family, ruleset, other_program("nf_tables", family))
    return listing, found


def _load(observed: Observed, text: str) -> tuple[Step, ...]:
    """Return the step that loads a text in one transaction: all of it or nothing."""
    return (load_command(observed[PROGRAM] or "nft", text),)
