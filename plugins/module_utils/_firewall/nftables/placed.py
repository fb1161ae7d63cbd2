# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own chains in a table of somebody else, called by the first rule of a base chain that the user names.

An accept in the own table does not overrule a chain of somebody else that drops by policy; one in that chain does. The
own chains and sets are those of the own table with a prefix. What is not their business returns to the rules of the
owner: loopback, and answers to the host's own connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Listing,
    Node,
    fields,
    items,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    CHAINS,
    DELETE,
    FAMILY,
    PRIORITY,
    TABLE,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft

PREFIX = f"{TABLE}_"
"""Begins the names of own chains and sets in a table of somebody else."""

PATH = "chains"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_END = "DBPORTS_END"
_OWN = {chain.name: direction for direction, chain in CHAINS.items()}

_SCRIPT = r"""# Written by the Ansible collection dbports.firewall; changes are lost.
# sh THIS brings the rules below into force, sh THIS -c only asks whether they would be.
set -eu
PATH=/usr/sbin:/sbin:/usr/bin:/bin
export PATH LC_ALL=C.UTF-8

# taken TABLE: print what takes the own rules, chains and sets out of a table of somebody else.
taken() {
  there=$(nft -a -t list table inet "$1" 2>/dev/null) || return 0
  printf '%s\n' "$there" | sed -n -e '/^[[:space:]]*chain /{s/^[[:space:]]*chain \([^ ]*\) .*/\1/;h;}' \
    -e '/^[[:space:]]*jump dbports_[a-z]* # handle [0-9]*$/{s/.*handle //;G;s/\(.*\)\n\(.*\)/\2 handle \1/p;}' |
    sed "s/^/delete rule inet $1 /"
  for what in 'flush chain' 'delete chain' 'delete set'; do
    printf '%s\n' "$there" | sed -n "s/^[[:space:]]*${what#* } \(dbports_[a-z0-9_]*\) .*/$what inet $1 \1/p"
  done
}
"""


class Place(NamedTuple):
    """A table of somebody else, and the base chain in it that calls the own one, by direction."""

    table: str
    chains: Mapping[Direction, str]

    def own(self, direction: Direction) -> str:
        """Return the name of the own chain of a direction."""
        return PREFIX + CHAINS[direction].name


def named_table(chains: Sequence[str]) -> str:
    """Return the table of the base chains that a user names, each as FAMILY TABLE CHAIN.

    :raises DbportsError: when one is no such name, or they are in two tables.
    """
    tables = set()
    for text in chains:
        words = text.split()
        if len(words) != 3 or words[0] != FAMILY or not all(map(_NAME.fullmatch, words[1:])) or words[1] == TABLE:
            raise DbportsError(
                f"expected {FAMILY}, a table of your own and a base chain in it",
                code="not_a_name",
                path=PATH,
                value=text,
                fix=f"Write it as nft does, such as {FAMILY} filter input",
            )
        tables.add(words[1])
    if len(tables) > 1:
        raise DbportsError("the chains are in more than one table", code="contradiction", path=PATH, value=chains)
    return tables.pop()


def read_place(listing: Listing, chains: Sequence[str]) -> Optional[Place]:
    """Find the base chains that a user names; None where none is named.

    :raises DbportsError: when one is not there, or filters neither what comes in nor what goes out.
    """
    if not chains:
        return None
    table, found = named_table(chains), {}
    hooks: dict[object, Direction] = {"input": "in", "output": "out"}
    for text in chains:
        body = next((body for name, body in _chains(listing, table) if name == text.split()[2]), {})
        direction = hooks.get(body.get("hook")) if body.get("type") == "filter" else None
        if direction is None or direction in found:
            raise DbportsError(
                "no base chain of this name filters input or output on this host"
                if direction is None
                else "two chains for one direction",
                code="unknown_name",
                path=PATH,
                value=text,
                fix="Load the host's own ruleset first, and name a chain that nft list chains inet shows",
            )
        found[direction] = text.split()[2]
    return Place(table, found)


def found_places(listing: Listing) -> list[Place]:
    """Return the tables of others that have own chains, and which base chains call these."""
    found = []
    for table in sorted({table for table, name in _own_chains(listing) if table != TABLE}):
        calls = {_called(body): str(body.get("chain")) for body in _rules(listing, table) if _called(body)}
        found.append(Place(table, {_OWN[name]: chain for name, chain in calls.items() if name in _OWN}))
    return found


def as_own_table(listing: Listing, place: Place) -> Listing:
    """Return own chains and sets in a table of somebody else as if they were the own table."""
    found: Listing = []
    for kind, body in listing:
        name = str(body.get("chain" if kind == "rule" else "name"))
        if (body.get("family"), body.get("table")) != (FAMILY, place.table) or not name.startswith(PREFIX):
            continue
        own: dict[str, Any] = {**body, "table": TABLE, "chain" if kind == "rule" else "name": name[len(PREFIX) :]}
        if kind == "chain" and name[len(PREFIX) :] in _OWN and "hook" not in body:
            hook = CHAINS[_OWN[name[len(PREFIX) :]]].hook
            own.update(type="filter", hook=hook, prio=PRIORITY, policy="accept")
        if kind == "rule":
            own["expr"] = _as_own(items(body.get("expr")))
        found.append((kind, own))
    return [("table", {"family": FAMILY, "name": TABLE}), *found] if found else []


def misplaced(listing: Listing, place: Place) -> Iterator[str]:
    """Say what is wrong with the rules that call the own chains."""
    own = {name for table, name in _own_chains(listing) if table == place.table}
    for direction, base in place.chains.items():
        rules = [_called(body) for body in _rules(listing, place.table) if body.get("chain") == base]
        if CHAINS[direction].name in own and (not rules or rules[0] != CHAINS[direction].name):
            yield f"chain {FAMILY} {place.table} {base} does not begin with jump {place.own(direction)}"
    calls = [_called(body) for body in _rules(listing, place.table)]
    if len(list(filter(None, calls))) != len(own):
        yield f"table {FAMILY} {place.table} does not call each own chain once"


def without_base(listing: Listing, place: Place) -> Listing:
    """Return a listing in which the base chains that call own chains decide nothing: an accept there is final."""
    found: Listing = []
    for kind, body in listing:
        name = body.get("chain" if kind == "rule" else "name")
        if (body.get("family"), body.get("table")) == (FAMILY, place.table) and name in place.chains.values():
            if kind == "chain":
                found.append((kind, {**body, "policy": "accept"}))
            elif kind != "rule":
                found.append((kind, body))
        else:
            found.append((kind, body))
    return found


def placed_text(ruleset: Ruleset, place: Place) -> str:
    """Write the own chains and sets of a ruleset, which are not there, and the rules that call them.

    :raises DbportsError: when they need a chain that the user has not named.
    """
    if not ruleset:
        return ""
    directions = sorted({item.direction for item in ruleset.parts})
    missing = [direction for direction in directions if direction not in place.chains]
    if missing:
        raise DbportsError(
            "the rules need a base chain for each direction: " + ", ".join(CHAINS[one].hook for one in missing),
            code="missing",
            path=PATH,
            fix="Name that chain of the same table too; forwarded connections can only be guarded in the own table",
        )
    lines = [line for text in encode(ruleset)[len(DELETE) :].split("\n") for line in _moved(text, place.table)]
    calls = [f"insert rule {FAMILY} {place.table} {place.chains[one]} jump {place.own(one)}" for one in directions]
    return "\n".join([*lines, *calls, ""])


def back_text(nft: Nft, listing: Listing, place: Place) -> str:
    """Return the text that brings own chains and sets in a table of somebody else back as they are now."""
    names = [
        (kind, str(body.get("name")))
        for wanted in ("set", "chain")
        for kind, body in listing
        if kind == wanted
        and (body.get("family"), body.get("table")) == (FAMILY, place.table)
        and str(body.get("name")).startswith(PREFIX)
    ]
    calls = [
        f"insert rule {FAMILY} {place.table} {base} jump {place.own(direction)}\n"
        for direction, base in place.chains.items()
    ]
    return nft.objects(place.table, names) + "".join(calls)


def script(tables: Iterable[str], text: str) -> str:
    """Write the script that takes what is ours out of tables of others, removes the own table, and loads a text.

    :raises DbportsError: when the text could end the script.
    """
    if _END in text.split("\n"):
        raise DbportsError("a rule ends the text", code="cannot_encode", value=text)
    taken = [f"  taken {table}" for table in sorted(tables)]
    head = [_SCRIPT + "{", f"  cat <<'{_END}'", DELETE.strip(), _END]
    return "\n".join([*head, *taken, f"  cat <<'{_END}'", text, _END, '} | nft "$@" -f -', ""])


def _moved(line: str, table: str) -> list[str]:
    """Return a line of the own table as it is in a table of somebody else; no line for a hook."""
    if line == f"table {FAMILY} {TABLE} {{":
        return [f"table {FAMILY} {table} {{"]
    if line.startswith("\t\ttype filter hook "):
        return []
    line = re.sub(r"^\t(set|chain) ", rf"\t\1 {PREFIX}", line)
    line = re.sub(r"^(\t\tip6? [sd]addr @)", rf"\1{PREFIX}", line)
    condition, comment, rest = line.partition(' comment "')
    if condition.endswith(" accept") and not condition.endswith(" counter accept"):
        condition = condition[: -len("accept")] + "return"
    return [condition + comment + rest]


def _as_own(expressions: Sequence[Node]) -> list[Node]:
    """Return the expressions of a rule with the names and verdicts that they have in the own table."""
    counted = any("counter" in fields(item) for item in expressions)
    found: list[Node] = []
    for item in expressions:
        body = fields(fields(item).get("match"))
        right = body.get("right")
        if isinstance(right, str) and right.startswith(f"@{PREFIX}"):
            item = {"match": {**body, "right": f"@{right[len(PREFIX) + 1 :]}"}}
        elif not counted and item in ({"return": None}, {"accept": None}):
            item = {"accept": None} if item == {"return": None} else {"return": None}
        found.append(item)
    return found


def _chains(listing: Listing, table: str) -> Iterator[tuple[str, Mapping[str, Node]]]:
    for kind, body in listing:
        if kind == "chain" and (body.get("family"), body.get("table")) == (FAMILY, table):
            yield str(body.get("name")), body


def _own_chains(listing: Listing) -> Iterator[tuple[str, str]]:
    """Yield the table and the name without prefix of each own chain in a table of somebody else."""
    for kind, body in listing:
        name = str(body.get("name"))
        if kind == "chain" and body.get("family") == FAMILY and name.startswith(PREFIX) and name[len(PREFIX) :] in _OWN:
            yield str(body.get("table")), name[len(PREFIX) :]


def _rules(listing: Listing, table: str) -> Iterator[Mapping[str, Node]]:
    for kind, body in listing:
        if kind == "rule" and (body.get("family"), body.get("table")) == (FAMILY, table):
            yield body


def _called(rule: Mapping[str, Node]) -> str:
    """Return the own chain that a rule calls, without its prefix, when the rule does nothing else; else nothing."""
    expressions = items(rule.get("expr"))
    target = str(fields(fields(expressions[0]).get("jump")).get("target")) if len(expressions) == 1 else ""
    return target[len(PREFIX) :] if target.startswith(PREFIX) else ""
