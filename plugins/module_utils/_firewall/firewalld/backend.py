# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""firewalld as a backend: policies and ipsets of its own in the permanent configuration, and one reload."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.bus import Firewalld
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.decode import (
    Ipset,
    decode,
    kernel_ipsets,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.encode import files, objects
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.forward import Forwarding
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.host import OwnConfiguration
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.names import PREFIX
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.others import (
    has_rules,
    reload_script,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.zones import stays
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import PROGRAMS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import kept_from_text, kept_to_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    FIREWALLD,
    FIREWALLD_PANIC,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import (
    ForeignFinding,
    Kept,
    Observed,
    Script,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import (
    RemoveFile,
    RunCommand,
    Step,
    WriteFile,
)

FILES, SETTINGS, OTHERS, SAVED, TABLES = "files", "settings", "others", "saved", "tables"
USES, SET, UNSEEN, ROUTED, PANIC = "uses", "set", "unseen", "routed", "panic"
"""What is observed: the own files; what is in force of ours, and what else is, as JSON, or nothing where firewalld does
not run; the other rules of iptables and the like, by program; nft's JSON; whether firewalld itself uses nftables or
iptables, and which of them it is set to use, as after a reload; why what is in force cannot be read, if it cannot; the
interfaces that the host has routes through; and whether firewalld is in panic mode, as any text."""

_TABLES = {*("raw", "mangle", "nat", "filter", "security", "broute")}
_PANIC = "firewalld is in panic mode and drops everything until its owner runs firewall-cmd --panic-off"

_OWN_CHAIN = re.compile(
    r"RFC3964_IPv4$|(?:INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING|BROUTING|IN|OUT|FWD[IO]?|PRE|POST)(?:_.*)?$"
)
"""The chains of the kernel and of firewalld in iptables and ebtables (firewall/core/ipXtables.py, ebtables.py)."""


class _Seen(dict[str, str]):
    """What was observed. What others have in firewalld takes a call for each zone and matters only to a change, as does
    what firewalld is set to use: both are asked for when they are needed.
    """

    def __init__(self, texts: Mapping[str, str], asked: Mapping[str, Callable[[], str]]) -> None:
        super().__init__(texts)
        self._asked = asked

    def __missing__(self, key: str) -> str:
        self[key] = self._asked[key]()
        return self[key]


class FirewalldBackend:
    """See :class:`Backend`.

    :param firewalld: the running firewalld; None looks for it.
    :param configuration: the own files; None takes those of the host.
    """

    name = "firewalld"
    forwards = True
    exclusive = True

    def __init__(self, firewalld: Optional[Firewalld] = None, configuration: Optional[OwnConfiguration] = None) -> None:
        self._firewalld = firewalld or Firewalld()
        self._own = configuration or OwnConfiguration()

    def governs(self) -> Optional[str]:
        """Tell that firewalld runs."""
        return "firewalld is running" if self._firewalld.running() else None

    def starts_at_boot(self) -> bool:
        """Tell that systemd starts firewalld."""
        return self._firewalld.enabled()

    def carries(self) -> bool:
        """Look for own files, and for own policies in force."""
        return bool(self._own.files()) or self._firewalld.has_own()

    def observe(self) -> Observed:
        """Read what is in force and the own files; where firewalld does not run there may still be files."""
        texts = {FILES: kept_to_text(Kept(self._own.files())), UNSEEN: ""}
        texts.update({SETTINGS: "", SAVED: "{}", TABLES: "", USES: "", ROUTED: "", PANIC: ""})
        if not self._firewalld.running():
            # One that was killed, or has CleanupOnExit=no, leaves its rules in force.
            return {**texts, UNSEEN: "firewalld does not run" if self._firewalld.has_left() else ""}
        policies = self._firewalld.policies()
        self._firewalld.forget()
        saved = {program: text for program, text in self._firewalld.saved().items() if has_rules(text)}
        uses, tables = self._in_use(saved)
        texts[SETTINGS] = json.dumps(self._firewalld.own(policies, ipsets=not tables))
        texts[SAVED] = json.dumps(saved)
        texts.update({TABLES: tables, USES: uses, ROUTED: " ".join(self._own.routed())})
        may_panic = uses != "nftables" or f'"{FIREWALLD_PANIC}"' in tables
        texts[PANIC] = "panic" if may_panic and self._firewalld.panics() else ""
        return _Seen(texts, {OTHERS: lambda: self._others(policies, bool(saved)), SET: self._firewalld.backend})

    def _in_use(self, saved: Mapping[str, str]) -> tuple[str, str]:
        """Return whether firewalld uses nftables or iptables, and nft's JSON of all tables where it uses nftables.

        :param saved: the rules in iptables and the like. Without any, a table of firewalld answers the question.
        """
        tables = "" if saved else self._firewalld.tables()
        if '"table": "firewalld"' in tables:
            return "nftables", tables
        uses = self._firewalld.backend()
        return uses, (tables or self._firewalld.tables()) if uses == "nftables" else ""

    def _others(self, policies: Sequence[str], direct: bool) -> str:
        """Return what others have in force, and which of their zones a reload leaves as they are.

        :param direct: whether there are rules in iptables and the like, where direct rules would be.
        """
        found = self._firewalld.others(policies, direct)
        same = [name for name, item in found["zones"].items() if stays(item, self._own.zone_file(name))]
        return json.dumps({**found, "same": same})

    def decode(self, observed: Observed) -> State:
        """Read the own policies and ipsets in force, and the own files."""
        return State(
            ruleset=_in_force(observed),
            kept=kept_from_text(observed[FILES]),
            foreign=partial(_judge, observed),
            place=f"policies and ipsets {PREFIX}* of firewalld",
            unseen=observed[UNSEEN],
        )

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        """Write the files, and what loads them.

        :raises DbportsError: when firewalld does not run, or would lose rules of others.
        """
        before = kept_from_text(observed[FILES])
        kept = Kept(files(objects(wanted)))
        changes = wanted != _in_force(observed)
        if changes and not observed[SETTINGS]:
            raise DbportsError("firewalld does not run", code="program_missing", fix="Start firewalld on the host")
        if changes:
            _refuse_foreign_chains(observed)
            _forwarding(observed).refuse_passed_by(wanted)
        after = kept if persist else Kept()
        load = _load(observed, before, kept) if changes else ()
        return Script(load=load, keep=_files(before, after), kept=after)

    def check(self, script: Script) -> None:
        """Let firewalld check the files that are to be written."""
        self._own.check([step for step in script.load if isinstance(step, WriteFile)])

    def undo(self, observed: Observed) -> tuple[Step, ...]:
        """Bring back the old files, and load what was in force."""
        kept = kept_from_text(observed[FILES])
        clear = self._own.clear_steps()
        back: tuple[Step, ...] = (*clear, *(WriteFile(*item) for item in kept.files))
        if not observed[SETTINGS]:
            return back
        in_force = _in_force(observed)
        load = RunCommand(("sh", "-s"), _reload(observed))
        if in_force.unexpected or kept.files == files(objects(in_force)):
            return (*back, load)
        # What is in force is not what is kept: load the one, then bring back the other.
        return (*clear, *(WriteFile(*item) for item in files(objects(in_force))), load, *back)


def _in_force(observed: Observed) -> Ruleset:
    """Read the own rules; the ipsets from the kernel where firewalld keeps them in nftables."""
    settings = json.loads(observed[SETTINGS] or '{"policies": {}, "ipsets": {}}')
    policies = {
        name: {key: item["data"] for key, item in found.items()} for name, found in settings["policies"].items()
    }
    ipsets = {name: Ipset(found[3], found[4], tuple(found[5])) for name, found in settings["ipsets"].items()}
    return decode(policies, {**ipsets, **kernel_ipsets(read_listing(observed[TABLES]))})


def _files(before: Kept, after: Kept) -> tuple[Step, ...]:
    """Return what brings the own files from one state to another."""
    written: list[Step] = [WriteFile(*item) for item in after.files if item not in before.files]
    return (*written, *(RemoveFile(path) for path in before.paths if path not in after.paths))


def _load(observed: Observed, before: Kept, wanted: Kept) -> tuple[Step, ...]:
    written: list[Step] = [WriteFile(*item) for item in wanted.files]
    removed = (RemoveFile(path) for path in before.paths if path not in wanted.paths)
    return (*written, *removed, RunCommand(("sh", "-s"), _reload(observed)))


def _reload(observed: Observed) -> str:
    # With firewalld's own rules in the same tables, its reload is what writes them.
    saved = json.loads(observed[SAVED]) if observed[SET] == "nftables" else {}
    return reload_script(json.loads(observed[OTHERS]), saved)


def _forwarding(observed: Observed) -> Forwarding:
    by_interface = '"filter_FORWARD_POLICIES"' in observed[TABLES] or ":FORWARD_POLICIES " in observed[SAVED]
    return Forwarding(json.loads(observed[OTHERS]), observed[ROUTED].split(), by_interface)


def _refuse_foreign_chains(observed: Observed) -> None:
    """Refuse a reload that would empty chains of others and could not bring them back.

    :raises DbportsError: when there are any.
    """
    if observed[SET] == "nftables":
        return
    chains = {
        line.split()[0][1:]
        for text in json.loads(observed[SAVED]).values()
        for line in text.splitlines()
        if line.startswith(":") and not _OWN_CHAIN.match(line[1:].split()[0])
    }
    if chains:
        raise DbportsError(
            "a reload of firewalld would empty chains of others in iptables: " + ", ".join(sorted(chains)),
            code="would_lose",
            fix="Set FirewallBackend=nftables in /etc/firewalld/firewalld.conf and restart firewalld",
        )


def _judge(observed: Observed, ruleset: Ruleset) -> list[ForeignFinding]:
    """Judge the tables beside those of firewalld; those of iptables as iptables-save prints them."""
    if observed[PANIC]:
        return [
            ForeignFinding({"table": "firewalld", "chain": "panic mode"}, accept, accept.peers[0], "drops", _PANIC)
            for accept in ruleset.accepts
            if accept.peers
        ]
    if not observed[SETTINGS] or observed[USES] != "nftables":
        return []
    listing = [
        (kind, body)
        for kind, body in read_listing(observed[TABLES])
        if body.get("table") not in FIREWALLD
        and not (body.get("family") in ("ip", "ip6", "bridge") and body.get("table") in _TABLES)
    ]
    saved = json.loads(observed[SAVED])
    if not saved and not any(kind == "chain" for kind, _body in listing):
        return []
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.foreign import judge_saved
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import read_tables
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign

    found = judge_foreign(listing, ruleset)
    for family, program in PROGRAMS.items():
        if program in saved:
            found += judge_saved(read_tables(saved[program]), family, ruleset, program)
    return found
