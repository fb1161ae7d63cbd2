# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program nft of a host."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import (
    LATE,
    Run,
    find,
    require_root,
    run,
    run_checked,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import is_own
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    DELETE,
    FAMILY,
    PLACED_CHAINS,
    PREFIX,
    TABLE,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand

PATIENCE = 2
"""Seconds for a listing: a kernel needs about ten for a set of 400,000 elements, and milliseconds for most rulesets."""

LOAD = ("-f", "-")
"""What makes nft load the text on its standard input in one transaction."""

MOST_LATE = 2
"""After so many sets that are too large the others of the host are not tried."""

_NAMED = re.compile(r'\{\s*"(?:set|map)":\s*\{')
"""Begins a named set or map in the JSON of nft; also what has none may have it."""


class Nft:
    """The program, with the words that this collection says to it.

    :param path: where it is; :meth:`locate` finds it.
    :param runner: what runs it.
    """

    _late: ClassVar[set[tuple[str, ...]]] = set()
    """The sets that took too long: a process looks at its host more than once."""

    def __init__(self, path: str, runner: Run = run) -> None:
        self.path = path
        self._run = runner
        self._run_in_time = partial(run, timeout=PATIENCE) if runner is run else runner

    @classmethod
    def locate(cls) -> Optional[Nft]:
        """Find nft; None when the host has none.

        :raises DbportsError: when this process may not use it.
        """
        path = find("nft")
        if not path:
            return None
        require_root()
        return cls(path)

    def listing(self) -> str:
        """Return the host's whole ruleset as JSON, with the elements of the named sets and maps that a rule asks.

        Those that the kernel does not list in time, because they have some hundred thousand elements, and those that
        no rule asks have none and are ``unread``. Nothing tells their size beforehand.
        """
        text = self._checked("-j", "-t", "list", "ruleset")
        objects = json.loads(text)["nftables"] if _NAMED.search(text) else []
        named = [(kind, item[kind]) for item in objects for kind in ("set", "map") if kind in item]
        hidden = [(kind, body) for kind, body in named if "elem" not in body]
        if not hidden:
            return text
        if any(is_own(kind, body) for kind, body in hidden):
            own = json.loads(self._checked("-j", "list", "table", FAMILY, TABLE))["nftables"]
            objects = [item for item in objects if not _is_own(item)] + [item for item in own if _is_own(item)]
        # Our own first, where they are in a table of others.
        for kind, body in sorted(hidden, key=lambda one: not str(one[1]["name"]).startswith(PREFIX)):
            if not is_own(kind, body):
                self._read(kind, body, text)
        return json.dumps({"nftables": objects})

    def terse(self) -> str:
        """Return the host's whole ruleset as text, without the elements of sets."""
        return self._checked("-t", "list", "ruleset")

    def _read(self, kind: str, body: dict[str, Any], text: str) -> None:
        """Add the elements of a set or map to what is known of it."""
        place = (kind, *(str(body[key]) for key in ("family", "table", "name")))
        tried = f'"@{body["name"]}"' in text and place not in Nft._late and len(Nft._late) < MOST_LATE
        found = self._in_time("list", *place) if tried else None
        if found is None:
            body["unread"] = True
            Nft._late.update([place] if tried else [])
        else:
            body.update(next(item[kind] for item in json.loads(found)["nftables"] if kind in item))

    def _in_time(self, *arguments: str) -> Optional[str]:
        """Return what nft lists as JSON, or None when that takes longer than :data:`PATIENCE`."""
        argv = [self.path, "-j", *arguments]
        output = self._run_in_time(argv, "")
        if output.status == LATE:
            return None
        return run_checked(argv, runner=lambda _argv, _text: output, hint=_hint)

    def has_own(self) -> bool:
        """Tell whether the own table is there, or a chain of ours in another one, without reading rules or sets.

        ``list tables`` would say less, and reads every set of the host for it (seen with nft 1.0.6).
        """
        lines = self._checked("list", "chains", FAMILY).splitlines()
        own = {f"table {FAMILY} {TABLE} {{", *(f"\tchain {name} {{" for name in PLACED_CHAINS)}
        return any(line in own for line in lines)

    def objects(self, table: str, names: Sequence[tuple[str, str]]) -> str:
        """Return the text that brings sets and chains of a table back, which are named by kind and name."""
        texts = [self._checked("-s", "list", kind, FAMILY, table, name) for kind, name in names]
        return "".join(text.rstrip("\n") + "\n" for text in texts)

    def own_text(self, listing: str) -> str:
        """Return what brings the own table, which must exist, back as it is now, counters at zero.

        nft lists a quote in a comment as it is, and takes a dollar in a log prefix for a variable: it does not read
        such a text again, or reads something else. Its JSON has no such gap, but not in all releases the comments of
        tables, chains and sets.

        :param listing: what :meth:`listing` returned.
        """
        if _is_ambiguous(listing):
            own = self._checked("-j", "-s", "list", "table", FAMILY, TABLE)
            if _is_ambiguous(own):
                place = {"table": {"family": FAMILY, "name": TABLE}}
                return json.dumps({"nftables": [{"add": place}, {"delete": place}, *json.loads(own)["nftables"]]})
        return DELETE + self._checked("-s", "list", "table", FAMILY, TABLE)

    def check(self, step: RunCommand) -> None:
        """Let nft and the kernel check what a step would load, without changing anything."""
        if step.argv[0] == "sh":
            run_checked([*step.argv, "--", "-c"], step.text, runner=self._run, hint=_hint)
        else:
            self._checked("-c", *LOAD, text=step.text)

    def _checked(self, *arguments: str, text: str = "") -> str:
        return run_checked([self.path, *arguments], text, runner=self._run, hint=_hint)


def _is_own(item: dict[str, Any]) -> bool:
    return any(is_own(kind, body) for kind, body in item.items() if isinstance(body, dict))


def _is_ambiguous(listing: str) -> bool:
    """Tell whether a listing as JSON may have a string that nft's own language cannot hold."""
    return '\\"' in listing or "$" in listing


def load_command(path: str, text: str) -> RunCommand:
    """Return the step that loads a text, or JSON, in one transaction: all of it or nothing."""
    return RunCommand((path, *(["-j"] if text.startswith("{") else []), *LOAD), text)


def _hint(said: str) -> Optional[str]:
    if "Operation not permitted" in said:
        return "The task needs root with CAP_NET_ADMIN in the host's network namespace"
    if "JSON support" in said:
        return "Install an nftables that is built with JSON support"
    if "Segmentation fault" in said:
        return "Update nftables: 0.9.8 crashes at correct rules in a table of others, 1.0.6 does not"
    return None
