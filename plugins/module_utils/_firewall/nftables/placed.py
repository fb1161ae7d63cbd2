# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own chains in a foreign table, called by the first rule of a base chain that the user names.

An accept in the own table does not overrule a foreign chain that drops by policy; an accept in that chain does. The own
chains and sets are those of the own table with a prefix. What is not theirs to decide returns to the owner's rules:
loopback, answers to the host's own connections, and answers to connections that the targets of a router open.
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
    rule_text,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    CHAINS,
    DELETE,
    FAMILY,
    PLACED_CHAINS,
    PLACED_SET,
    PREFIX,
    PRIORITY,
    TABLE,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft

PATH = "chains"
_WANTED = "and only those of the type filter at the hooks input, output and forward can be named"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_END = "DBPORTS_END"
_OWN = {chain.name: direction for direction, chain in CHAINS.items()}

_TOLD = re.compile(r"\b(?:ct direction reply|tcp flags) ")
"""What tells answers, in the text of a rule that is counted."""

_SCRIPT = r"""# Written by the Ansible collection dbports.firewall; changes are lost.
# sh THIS loads the rules below, and sh THIS -c only checks them. sh THIS TEXT loads a TEXT of the host's owner as well,
# in one transaction; where nft refuses that, it loads the TEXT as if these rules were not there.
set -eu
PATH=/usr/sbin:/sbin:/usr/bin:/bin
export PATH LC_ALL=C.UTF-8

# taken TABLE: print what takes the own rules, chains and sets out of a foreign table.
taken() {
  there=$(nft -a -t list table inet "$1" 2>/dev/null) || return 0
  chains='@CHAINS@' sets='@SETS@'
  printf '%s\n' "$there" | sed -nE -e '/^[[:space:]]*chain /{s/^[[:space:]]*chain ([^ ]*) .*/\1/;h;}' \
    -e "/^[[:space:]]*jump $chains # handle [0-9]*\$/{s/.*handle //;G;s/(.*)\n(.*)/\\2 handle \\1/p;}" |
    sed "s/^/delete rule inet $1 /"
  for what in 'flush chain' 'delete chain' 'delete set'; do
    printf '%s\n' "$there" | sed -nE "s/^[[:space:]]*${what#* } ($chains|$sets) .*/$what inet $1 \\1/p"
  done
}

# without TEXT: load a text that may include the own rules as if they were not there.
without() {
  [ ! -e "$included" ] || mv "$included" "$aside"
  if nft "$1"; then
    rm -f "$aside"
    return
  fi
  [ ! -e "$aside" ] || mv "$aside" "$included"
  return 1
}
""".replace("@CHAINS@", f"{PREFIX}({'|'.join(_OWN)})").replace("@SETS@", PLACED_SET.pattern)

_LAST = r"""
case ${1-} in
'' | -c) rules '' | nft "$@" -f - ;;
*) rules "$1" | nft -f - || without "$1" ;;
esac
"""


class Place(NamedTuple):
    """A foreign table, and the base chain in it that calls the own one, by direction.

    :ivar hooks: how these chains are declared, without their policy.
    """

    table: str
    chains: Mapping[Direction, str]
    hooks: tuple[str, ...] = ()

    def own(self, direction: Direction) -> str:
        """Return the name of the own chain of a direction."""
        return PREFIX + CHAINS[direction].name


def named_table(chains: Sequence[str]) -> str:
    """Return the table of the base chains that a user names, each as FAMILY TABLE CHAIN.

    :raises DbportsError: when one is no such name, or they are in two tables.
    """
    tables = set()
    for number, text in enumerate(chains):
        words = text.split()
        if len(words) != 3 or words[0] != FAMILY or not all(map(_NAME.fullmatch, words[1:])) or words[1] == TABLE:
            other = len(words) == 3 and words[0] in ("ip", "ip6")
            raise DbportsError(
                f"a table of the family {words[0]} sees only one of IPv4 and IPv6, and the rules are for both"
                if other
                else f"expected {FAMILY}, a table of your own and a base chain in it",
                code="not_a_name",
                path=f"{PATH}[{number}]",
                value=text,
                fix=f"Move the rules of that table to one of the family {FAMILY}, or leave chains (dbports_chains) out"
                if other
                else f"Write it as nft does, such as {FAMILY} filter input",
            )
        tables.add(words[1])
    if len(tables) > 1:
        raise DbportsError(
            "the chains are in more than one table",
            code="contradiction",
            path=PATH,
            value=list(chains),
            fix=f"Name chains (dbports_chains) of one of the tables {', '.join(sorted(tables))}",
        )
    return tables.pop()


def read_place(listing: Listing, chains: Sequence[str]) -> Optional[Place]:
    """Find the base chains that a user names; None where none is named.

    :raises DbportsError: when one is not there, or filters nothing that rules can be about.
    """
    if not chains:
        return None
    table, found, hooks = named_table(chains), {}, []
    there = dict(_chains(listing, table))
    for number, text in enumerate(chains):
        name = text.split()[2]
        direction = _direction(there.get(name))
        if direction is None or direction in found:
            raise DbportsError(
                _unfit(there.get(name)) if direction is None else f"a second chain for {CHAINS[direction].hook}",
                code="unknown_name",
                path=f"{PATH}[{number}]",
                value=text,
                fix=_suggestion(listing),
            )
        found[direction] = name
        hooks.append(f"chain {name} {{ type filter hook {CHAINS[direction].hook} priority {there[name]['prio']}; }}")
    return Place(table, found, tuple(hooks))


def _direction(chain: Optional[Mapping[str, Node]]) -> Optional[Direction]:
    """Return the direction of the rules that a chain can call; None for a chain that cannot be named."""
    if chain is None or chain.get("type") != "filter":
        return None
    return next((direction for direction, own in CHAINS.items() if own.hook == chain.get("hook")), None)


def _unfit(chain: Optional[Mapping[str, Node]]) -> str:
    """Say why a chain cannot be named."""
    if chain is None:
        return "there is no such chain on this host"
    if "hook" not in chain:
        return "this is no base chain: other chains call it, and not the kernel"
    return f"this chain is of the type {chain.get('type')} at the hook {chain.get('hook')}, {_WANTED}"


def _suggestion(listing: Listing) -> str:
    """Say which chains can be named on this host."""
    tables = sorted({str(body.get("table")) for kind, body in listing if kind == "chain"} - {TABLE})
    fit = [f"{FAMILY} {table} {name}" for table in tables for name, body in _chains(listing, table) if _direction(body)]
    if fit:
        return f"Set chains (dbports_chains) to chains of one table out of: {', '.join(fit)}"
    return "Leave chains (dbports_chains) out, or load the host's own ruleset first: it has no chain that can be named"


def found_places(listing: Listing) -> list[Place]:
    """Return the foreign tables that have own chains, and which base chains call these."""
    found = []
    for table in sorted({table for table, name in _own_chains(listing) if table != TABLE}):
        calls = {_called(body): str(body.get("chain")) for body in _rules(listing, table) if _called(body)}
        found.append(Place(table, {_OWN[name]: chain for name, chain in calls.items() if name in _OWN}))
    return found


def as_own_table(listing: Listing, place: Place) -> Listing:
    """Return own chains and sets in a foreign table as if they were the own table."""
    found: Listing = []
    for kind, body in listing:
        name = str(body.get("chain" if kind == "rule" else "name"))
        if (body.get("family"), body.get("table")) != (FAMILY, place.table) or not _is_own(name):
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
    """Return a listing without the rules and policies of base chains that call own chains: an accept there is final."""
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
            value=[f"{FAMILY} {place.table} {chain}" for chain in place.chains.values()],
            fix="Name that chain of the same table too, or leave chains (dbports_chains) out",
        )
    lines = [line for text in encode(ruleset)[len(DELETE) :].split("\n") for line in _moved(text, place.table)]
    calls = [f"insert rule {FAMILY} {place.table} {place.chains[one]} jump {place.own(one)}" for one in directions]
    return "\n".join([*lines, *calls, ""])


def back_text(nft: Nft, listing: Listing, place: Place) -> str:
    """Return the text that restores own chains and sets in a foreign table as they are now."""
    names = [
        (kind, str(body.get("name")))
        for wanted in ("set", "chain")
        for kind, body in listing
        if kind == wanted
        and (body.get("family"), body.get("table")) == (FAMILY, place.table)
        and _is_own(str(body.get("name")))
    ]
    calls = [
        f"insert rule {FAMILY} {place.table} {base} jump {place.own(direction)}\n"
        for direction, base in place.chains.items()
    ]
    return nft.objects(place.table, names) + "".join(calls)


def standing_text(place: Place, text: str) -> str:
    """Return what :func:`placed_text` wrote, for a file that the host's own ruleset includes after a flush.

    It declares the chains that call the own ones as well. So the ruleset loads even if their owner has removed them.
    """
    lines = [f"table {FAMILY} {place.table} {{", *(f"\t{hook}" for hook in place.hooks), "}"]
    return "\n".join([*lines, text])


def script(tables: Iterable[str], text: str, included: str = "", aside: str = "") -> str:
    """Write the script that takes what is ours out of foreign tables, removes the own table, and loads a text.

    :param included: the file through which the host's own ruleset includes the text, if it does.
    :param aside: where that file is while the ruleset is loaded without it.
    :raises DbportsError: when a line of the text would end the here-document that holds it.
    """
    if _END in text.split("\n"):
        raise DbportsError("a rule ends the text", code="cannot_encode", value=text)
    rules = [
        f"included='{included}' aside='{aside}'",
        "# rules TEXT: print what takes the own rules away, a text, and the own rules where it does not include them.",
        "rules() {",
        f"  cat <<'{_END}'",
        DELETE.strip(),
        _END,
        *(f"  taken {table}" for table in sorted(tables)),
        "  printf '%s\\n' \"$1\"",
        f'  [ -n "$1" ] && [ -e "$included" ] || cat <<\'{_END}\'',
        text,
        _END,
        "}",
    ]
    return _SCRIPT + "\n".join(rules) + _LAST


def _moved(line: str, table: str) -> list[str]:
    """Return a line of the own table as it is in a foreign table; no line for a hook."""
    if line == f"table {FAMILY} {TABLE} {{":
        return [f"table {FAMILY} {table} {{"]
    if line.startswith("\t\ttype filter hook "):
        return []
    condition, comment, rest = line.partition(' comment "')
    condition = re.sub(r"^\t(set|chain) ", rf"\t\1 {PREFIX}", condition)
    condition = re.sub(r"\b(ip6? [sd]addr @)", rf"\1{PREFIX}", condition)
    if condition.endswith(" accept") and not _is_ours(condition):
        condition = condition[: -len("accept")] + "return"
    return [condition + comment + rest]


def _as_own(expressions: Sequence[Node]) -> list[Node]:
    """Return the expressions of a rule with the names and verdicts that they have in the own table."""
    ours = _is_ours(rule_text({"expr": expressions}))
    found: list[Node] = []
    for item in expressions:
        body = fields(fields(item).get("match"))
        right = body.get("right")
        if isinstance(right, str) and right.startswith(f"@{PREFIX}"):
            item = {"match": {**body, "right": f"@{right[len(PREFIX) + 1 :]}"}}
        elif not ours and item in ({"return": None}, {"accept": None}):
            item = {"accept": None} if item == {"return": None} else {"return": None}
        found.append(item)
    return found


def _is_ours(condition: str) -> bool:
    """Tell whether a rule decides: it is counted, and lets no answers pass but those from a declared port."""
    return " counter " in condition and (not _TOLD.search(condition) or " sport " in condition)


def _is_own(name: str) -> bool:
    """Tell whether a chain or set in a foreign table is ours by its name."""
    return name in PLACED_CHAINS or PLACED_SET.fullmatch(name) is not None


def _chains(listing: Listing, table: str) -> Iterator[tuple[str, Mapping[str, Node]]]:
    for kind, body in listing:
        if kind == "chain" and (body.get("family"), body.get("table")) == (FAMILY, table):
            yield str(body.get("name")), body


def _own_chains(listing: Listing) -> Iterator[tuple[str, str]]:
    """Yield the table and the name without prefix of each own chain in a foreign table."""
    for kind, body in listing:
        name = str(body.get("name"))
        if kind == "chain" and body.get("family") == FAMILY and name in PLACED_CHAINS:
            yield str(body.get("table")), name[len(PREFIX) :]


def _rules(listing: Listing, table: str) -> Iterator[Mapping[str, Node]]:
    for kind, body in listing:
        if kind == "rule" and (body.get("family"), body.get("table")) == (FAMILY, table):
            yield body


def _called(rule: Mapping[str, Node]) -> str:
    """Return the own chain that a rule calls, without its prefix, when the rule does nothing else; else nothing."""
    expressions = items(rule.get("expr"))
    target = str(fields(fields(expressions[0]).get("jump")).get("target")) if len(expressions) == 1 else ""
    return target[len(PREFIX) :] if target in PLACED_CHAINS else ""
