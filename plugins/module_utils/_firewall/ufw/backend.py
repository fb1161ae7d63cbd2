# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw as a backend: own chains in its filter table, loaded in one commit a family, and a block in its files.

It is not ``ufw reload`` that loads them, because every port of the host is open for as long as that takes. It loads
the same lines out of the files, and so do ``ufw enable`` and the next boot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run, run
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.foreign import judge_saved
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import (
    Table,
    Tables,
    read_tables,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import PROGRAMS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.program import (
    Iptables,
    other_program,
    refuse_left_behind,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.script import lines_of, script
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import Host
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import (
    ForeignFinding,
    Kept,
    KeptFile,
    Observed,
    Script,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import EditFile, RunCommand, Step
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.files import (
    block_of,
    file_from_text,
    file_to_text,
    with_block,
    without_block,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.foreign import (
    ENABLE_IPV6,
    ask_first,
    before_ufw,
    judge_iptables,
    judge_nft,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.idle import CONFIGURATION, is_enabled
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.names import FILES, LAYOUT

VARIANT, SAVED, OTHER, FILE, NFT, SERVICE = "variant", "saved", "other", "file", "nft", "service"
"""What is observed: the variant of iptables, or nothing where there is none; by family what iptables-save prints, that
of the other variant, and ufw's file; nft's JSON of all tables; and why ufw does not start at boot."""


class Ufw:
    """See :class:`Backend`.

    :param root: the root of the file system, for tests.
    :param runner: what runs commands.
    """

    name = "ufw"
    forwards = True
    exclusive = True

    def __init__(self, root: str = "/", runner: Run = run) -> None:
        self._root = Path(root)
        self._host = Host(root, runner)
        self._run = runner

    def governs(self) -> Optional[str]:
        """Tell that ufw is enabled and loaded."""
        programs = Iptables.locate() if self._enabled() else None
        return "ufw is active" if programs and _is_loaded(4, programs.saved(4)) else None

    def starts_at_boot(self) -> bool:
        """Tell that ufw is enabled, and its service."""
        return self._enabled() and not self._not_started()

    def carries(self) -> bool:
        """Look for own blocks, and for own chains where ufw is installed."""
        files = [file for family in FILES if (file := self._file(family))]
        if any(block_of(file.content) for file in files):
            return True
        programs = Iptables.locate() if files else None
        return programs is not None and any(LAYOUT.carries(programs.saved(family)) for family in PROGRAMS)

    def observe(self) -> Observed:
        """Read both families' rules, ufw's files, and the rules of others."""
        programs, nft = Iptables.locate(), Nft.locate()
        variant = programs.variant() if programs else ""
        texts = {VARIANT: variant, NFT: nft.listing() if nft else "", SERVICE: self._not_started()}
        for family in PROGRAMS:
            texts[f"{SAVED} {family}"] = programs.saved(family) if programs else ""
            texts[f"{OTHER} {family}"] = programs.saved_other(family, variant) if programs else ""
            refuse_left_behind(LAYOUT, texts[f"{OTHER} {family}"], other_program(variant, family))
            texts[f"{FILE} {family}"] = file_to_text(self._file(family))
        return texts

    def decode(self, observed: Observed) -> State:
        """Read the own chains in force and the own blocks."""
        files = [file for family in FILES if (file := _file(observed, family))]
        saved = {family: read_tables(observed[f"{SAVED} {family}"]) for family in PROGRAMS}
        ruleset = decode({family: _own_tables(observed, family, saved[family]) for family in PROGRAMS}, LAYOUT)
        return State(
            ruleset=replace(ruleset, unexpected=(*ruleset.unexpected, *_before_ufw(observed, ruleset))),
            kept=Kept(tuple(file for file in files if block_of(file.content))),
            foreign=partial(_judge, observed, saved),
            place=f"chains {LAYOUT.prefix}* of ufw",
            unseen="" if observed[VARIANT] else "iptables or ip6tables is missing",
        )

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        """Write the own chains and the files that ufw loads them from.

        :raises DbportsError: when ufw is not active, leaves IPv6 open, lacks one of its files, or is asked too late.
        """
        if wanted:
            _refuse_inactive(observed)
            _refuse_late(observed, wanted)
        families = {family: encode(wanted, family, LAYOUT) for family in PROGRAMS}
        keep: list[Step] = []
        kept: list[KeptFile] = []
        for family, lines in families.items():
            before = _file(observed, family)
            if before is None:
                continue
            after = without_block(before)
            # Of a family that ufw does not load the file is all there is.
            if lines and (persist or not _is_loaded(family, observed[f"{SAVED} {family}"])):
                after = with_block(after, lines, family)
                kept.append(after)
            keep += [EditFile(*after)] if after != before else []
        not_kept = observed[SERVICE] if wanted and persist else ""
        return Script(_load(script({"filter": families}, LAYOUT)), tuple(keep), Kept(tuple(kept)), not_kept or None)

    def check(self, script: Script) -> None:
        """Let iptables-restore read the rules without loading them."""
        for step in script.load:
            if isinstance(step, RunCommand):
                Iptables(self._run).check(step.text)

    def undo(self, observed: Observed) -> tuple[Step, ...]:
        """Bring back the own chains as they were, and both files."""
        tables = {family: read_tables(observed[f"{SAVED} {family}"]).get("filter", Table()) for family in PROGRAMS}
        text = script({"filter": {family: lines_of(tables[family], LAYOUT) for family in PROGRAMS}}, LAYOUT)
        files = [EditFile(*file) for family in FILES if (file := _file(observed, family))]
        return (*(_load(text) if observed[VARIANT] else ()), *files)

    def _enabled(self) -> bool:
        configuration = self._host.read(CONFIGURATION)
        return configuration is not None and is_enabled(configuration.content)

    def _not_started(self) -> str:
        """Say why ufw does not start at boot; nothing when it does, or when systemd does not start it."""
        if not self._host.has_systemd():
            return ""
        said = self._run(["systemctl", "is-enabled", "ufw.service"], "").stdout.strip()
        return f"ufw.service is {said}: ufw does not start at boot" if said in ("disabled", "masked") else ""

    def _file(self, family: int) -> Optional[KeptFile]:
        """Read a file where it really is: a link to it stays a link."""
        place = self._host.at(FILES[family]).resolve().relative_to(self._root.resolve())
        return self._host.read(f"/{place}")


def _file(observed: Observed, family: int) -> Optional[KeptFile]:
    return file_from_text(observed[f"{FILE} {family}"])


def _is_loaded(family: int, saved: str) -> bool:
    return f"\n:{LAYOUT.needs[family]} " in saved


def _own_tables(observed: Observed, family: int, saved: Tables) -> Tables:
    """Return the tables that hold the own chains: in force, or in the file where ufw does not load IPv6.

    :param saved: those in force.
    """
    file = _file(observed, family)
    if family == 6 and file and not _is_loaded(family, observed[f"{SAVED} {family}"]):
        return read_tables(f"*filter\n{block_of(file.content)}")
    return saved


def _refuse_inactive(observed: Observed) -> None:
    """Refuse to write rules that would not be in force."""
    if not _is_loaded(4, observed[f"{SAVED} 4"]):
        raise DbportsError("ufw is not active on this host", code="wrong_backend", fix="Run ufw enable")
    saved = observed[f"{SAVED} 6"]
    if saved and not _is_loaded(6, saved) and "\n:INPUT DROP " not in saved:
        raise DbportsError(
            "ufw does not filter IPv6 on this host, and leaves it open", code="wrong_backend", fix=ENABLE_IPV6
        )


def _before_ufw(observed: Observed, ruleset: Ruleset) -> dict[str, str]:
    """Return the rules of others that may accept what is forwarded before ours are asked; none without any of ours.

    :returns: by rule, what its owner can do.
    """
    if not any(item.forward for item in ruleset.parts):
        return {}
    saved = {family: observed[f"{SAVED} {family}"] for family in PROGRAMS}
    tables = {family: read_tables(text)["filter"] for family, text in saved.items() if _is_loaded(family, text)}
    return {
        f"{PROGRAMS[family]}: {text}": ask_first(table, family)
        for family, table in tables.items()
        for text in before_ufw(table, family)
    }


def _refuse_late(observed: Observed, wanted: Ruleset) -> None:
    """Refuse rules for what is forwarded that would not be asked, since others accept it first."""
    late = _before_ufw(observed, wanted)
    if late:
        raise DbportsError(
            "other rules may accept what this host forwards before ufw is asked",
            code="cannot_encode",
            path="rules",
            value=list(late),
            fix="; ".join(dict.fromkeys(late.values())),
        )


def _load(text: str) -> tuple[Step, ...]:
    return (RunCommand(("sh", "-s"), text),)


def _judge(observed: Observed, saved: Mapping[int, Tables], ruleset: Ruleset) -> list[ForeignFinding]:
    """Judge what is around the own chains in both variants of iptables, and nft's tables.

    :param saved: the tables of the variant that governs, by family.
    """
    found: list[ForeignFinding] = []
    for family, tables in saved.items():
        found += judge_iptables(tables, family, ruleset)
        other = read_tables(observed[f"{OTHER} {family}"])
        found += judge_saved(other, family, ruleset, other_program(observed[VARIANT], family))
    return found + judge_nft(read_listing(observed[NFT]), observed[VARIANT], ruleset)
