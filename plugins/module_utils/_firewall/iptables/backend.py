# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iptables and ip6tables as a backend: chains of its own, and where systemd runs a unit for the next boot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import find
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.encode import WRITTEN
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.foreign import (
    FAMILIES,
    PRIORITIES,
    judge_answers,
    judge_saved,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import (
    Table,
    Tables,
    read_tables,
    without,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import LAYOUT, PROGRAMS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.persist import (
    COPIES,
    UNIT,
    followed,
    not_kept,
    own_files,
    wanted,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.program import (
    Iptables,
    other_program,
    refuse_left_behind,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.script import lines_of, script
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import (
    Host,
    OwnFiles,
    kept_from_text,
    kept_to_text,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import Node, read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import (
    ForeignFinding,
    Observed,
    Script,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand, Step

VARIANT, SAVED, OTHER, NFT, KEPT, SYSTEMD = "variant", "saved", "other", "nft", "kept", "systemd"
FOLLOWED, COPIED = "followed", "copied"
"""What is observed: the variant that governs, or nothing where there is no iptables; by family what iptables-save
prints, and that of the other variant; what nft lists, if it is there; the own files; whether systemd runs; the units
that take our rules away; the files of the host's owner in which own rules were saved."""


class IptablesBackend:
    """See :class:`Backend`.

    :param programs: the programs; None looks for them.
    :param host: what reads the own files; None takes those of the host.
    """

    name = "iptables"
    forwards = True
    exclusive = False

    def __init__(self, programs: Optional[Iptables] = None, host: Optional[Host] = None) -> None:
        self._given = programs
        self._host = host or Host()

    def governs(self) -> Optional[str]:
        """Tell that rules may be here: iptables is installed."""
        return "iptables is installed" if self._given or find("iptables") else None

    def carries(self) -> bool:
        """Look for own chains, and for own files."""
        if self._host.current(self._own()).files:
            return True
        programs = self._programs()
        if programs is None:
            return False
        if any(LAYOUT.carries(programs.saved(one)) for one in PROGRAMS):
            return True
        variant = programs.variant()
        return any(LAYOUT.carries(programs.saved_other(one, variant)) for one in PROGRAMS)

    def observe(self) -> Observed:
        """Read all rules and the own files; where iptables is missing there may still be files."""
        own = self._own()
        texts = {
            KEPT: kept_to_text(self._host.current(own)),
            SYSTEMD: ("masked" if own.masked else "yes") if own.systemd else "",
            FOLLOWED: json.dumps(followed(self._host) if own.systemd else []),
            COPIED: json.dumps(self._host.holding(COPIES, LAYOUT.carries)),
            VARIANT: "",
        }
        programs = self._programs()
        variant = programs.variant() if programs else ""
        for family in PROGRAMS:
            texts[f"{SAVED} {family}"] = programs.saved(family) if programs else ""
            texts[f"{OTHER} {family}"] = programs.saved_other(family, variant) if programs else ""
            refuse_left_behind(LAYOUT, texts[f"{OTHER} {family}"], other_program(variant, family))
        nft = Nft.locate() if programs else None
        return {**texts, VARIANT: variant, NFT: nft.listing() if nft else ""}

    def decode(self, observed: Observed) -> State:
        """Read the own chains and the own files."""
        saved = _tables(observed, SAVED)
        return State(
            ruleset=decode(saved),
            kept=kept_from_text(observed[KEPT]),
            foreign=partial(_judge, observed, saved),
            place=f"chains {LAYOUT.prefix}* of iptables and ip6tables",
            unseen="" if observed[VARIANT] else "iptables or ip6tables is missing",
            copies=tuple(json.loads(observed[COPIED])),
        )

    def encode(self, wanted_ruleset: Ruleset, observed: Observed, *, persist: bool) -> Script:
        """Write the script, which is also the file that loads the rules at boot."""
        own = _own(observed)
        text = script(
            {
                name: {family: WRITTEN[name](wanted_ruleset, family, LAYOUT) for family in PROGRAMS}
                for name in LAYOUT.tables
            }
        )
        keep = persist and bool(wanted_ruleset)
        kept = wanted(own, text if keep else None, json.loads(observed[FOLLOWED]))
        return Script(
            load=_load(text),
            keep=own.keep_steps(kept_from_text(observed[KEPT]), kept),
            kept=kept,
            not_kept=not_kept(own) if keep else None,
        )

    def check(self, script: Script) -> None:
        """Let iptables-restore check the rules."""
        for step in script.load:
            if isinstance(step, RunCommand):
                self._needed().check(step.text)

    def undo(self, observed: Observed) -> tuple[Step, ...]:
        """Load the old rules, then bring back the files."""
        tables = _tables(observed, SAVED)
        old = {
            name: {family: lines_of(tables[family].get(name, Table())) for family in PROGRAMS} for name in LAYOUT.tables
        }
        load = _load(script(old)) if observed[VARIANT] else ()
        return _own(observed).undo_steps(kept_from_text(observed[KEPT]), load)

    def _own(self) -> OwnFiles:
        return own_files(self._host.has_systemd(), self._host.is_masked(UNIT))

    def _programs(self) -> Optional[Iptables]:
        return self._given or Iptables.locate()

    def _needed(self) -> Iptables:
        programs = self._programs()
        if programs is None:
            raise DbportsError(
                "the programs of iptables and ip6tables are missing",
                code="program_missing",
                fix="Install the package iptables on the host",
            )
        return programs


def _tables(observed: Observed, name: str) -> dict[int, Tables]:
    return {family: read_tables(observed[f"{name} {family}"]) for family in PROGRAMS}


def _own(observed: Observed) -> OwnFiles:
    return own_files(bool(observed[SYSTEMD]), observed[SYSTEMD] == "masked")


def _load(text: str) -> tuple[Step, ...]:
    return (RunCommand(("sh", "-s"), text),)


def _judge(observed: Observed, saved: Mapping[int, Tables], ruleset: Ruleset) -> list[ForeignFinding]:
    """Judge the tables around that of the own chains, and those of the other variant.

    :param saved: the tables of the variant that governs, by family.
    """
    found: list[ForeignFinding] = []
    for family, tables in saved.items():
        others = {name: without(table, LAYOUT.is_own) for name, table in tables.items()}
        found += judge_saved(others, family, ruleset, PROGRAMS[family], skip=("filter",))
        found += judge_answers(tables, family, ruleset, LAYOUT)
    for family, tables in _tables(observed, OTHER).items():
        found += judge_saved(tables, family, ruleset, other_program(observed[VARIANT], family))
    listing = [item for item in read_listing(observed[NFT]) if not _is_variant(item[1])]
    return found + judge_foreign(listing, ruleset)


def _is_variant(body: Mapping[str, Node]) -> bool:
    """Tell whether an object that nft lists is in a table of iptables, which iptables-save shows with its matches."""
    return body.get("family") in FAMILIES.values() and body.get("table") in (*PRIORITIES, "nat")
