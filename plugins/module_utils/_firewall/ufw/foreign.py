# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do other rules on the host still drop what the own chains accept?

The own chain is the first in ufw's, so that nothing of ufw decides behind it but for answers; what comes before ufw in
the same table, the other tables of iptables and those of nft do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.foreign import (
    FAMILIES,
    SILENT,
    judge_filter,
    judge_saved,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import (
    Rule,
    Table,
    Tables,
    without,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import PROGRAMS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import DIRECTIONS, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import Listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import ForeignFinding
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.names import LAYOUT

ENABLE_IPV6 = "Set IPV6=yes in /etc/default/ufw, then run ufw disable and ufw enable"

_TABLES = ("filter", "nat", "mangle", "raw", "security")
_ACCEPT = Rule.parse("-j ACCEPT")
_OF_DOCKER = "DOCKER-USER"
"""The chain for rules of the host's owner, which Docker asks before its own rules and never empties (Docker's manual,
"Packet filtering and firewalls")."""


def judge_iptables(tables: Tables, family: int, ruleset: Ruleset) -> list[ForeignFinding]:
    """Judge the tables of one family, with the own chains as they are about to be.

    They accept the packets of their direction in ufw's chain; answers go on with the rules behind them.
    """
    found = judge_saved(tables, family, ruleset, PROGRAMS[family], skip=("filter",))
    if LAYOUT.needs[family] not in tables.get("filter", Table()).rules:
        closed = judge_filter(tables, tables.get("filter", Table()), family, ruleset)
        return [*found, *(replace(item, fix=ENABLE_IPV6) for item in closed)]
    table = without(tables["filter"], LAYOUT.is_own)
    for direction in DIRECTIONS:
        asked = Ruleset(tuple(accept for accept in ruleset.accepts if accept.direction == direction))
        if asked:
            rules = {**table.rules, LAYOUT.hooks[family, direction]: [_ACCEPT]}
            found += judge_filter(tables, Table(table.policies, rules), family, asked)
    return found


def before_ufw(table: Table, family: int) -> list[str]:
    """Return the rules of ``FORWARD`` that may accept something before it comes to the own chain, such as Docker's."""
    found = []
    for rule in table.rules.get("FORWARD", []):
        if _leads_to(LAYOUT.hooks[family, "forward"], rule, table):
            break
        if _may_accept(rule, table):
            found.append(f"rule in chain FORWARD before ufw's: {rule.text}")
    return found


def ask_first(table: Table, family: int) -> str:
    """Return the sentence that says how its owner lets ufw be asked first; Docker has a chain for that."""
    docker = _OF_DOCKER in table.rules
    program, chain = PROGRAMS[family], _OF_DOCKER if docker else "FORWARD"
    later = f", there after {program} -N {chain}, because Docker starts later and keeps that chain" if docker else ""
    return (
        f"Let ufw be asked first: {program} -I {chain} -j {LAYOUT.hooks[family, 'forward']}, "
        f"and the same in /etc/ufw/after.init, which ufw runs when it starts{later}"
    )


def _leads_to(chain: str, rule: Rule, table: Table, depth: int = 16) -> bool:
    """Tell whether a rule leads whatever comes to it to a chain, before anything else may accept it."""
    if rule.text != f"-j {rule.target}" or not depth:
        return False
    for item in table.rules.get(rule.target, []) if rule.target != chain else ():
        if _leads_to(chain, item, table, depth - 1):
            return True
        if item.target == "RETURN" or _may_accept(item, table):
            return False
    return rule.target == chain


def _may_accept(rule: Rule, table: Table, depth: int = 16) -> bool:
    """Tell whether a rule may end the way through the table before the own chain, and not by a refusal."""
    if rule.target in table.rules and depth:
        return any(_may_accept(item, table, depth - 1) for item in table.rules[rule.target])
    return rule.target not in ("DROP", "REJECT", "RETURN", *SILENT)


def judge_nft(listing: Listing, variant: str, ruleset: Ruleset) -> list[ForeignFinding]:
    """Judge the tables of nft that are not those of iptables over nftables."""
    others = [(kind, body) for kind, body in listing if variant != "nf_tables" or not _is_of_iptables(body)]
    return judge_foreign(others, ruleset)


def _is_of_iptables(body: Mapping[str, object]) -> bool:
    return body.get("family") in FAMILIES.values() and body.get("table") in _TABLES
