# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell script that puts rules into the place of ours, whatever is there: for loading, undoing and the next boot.

It is one text for all three, so that what was tested runs at boot. Rules reach iptables-restore on its standard
input and never through the shell. Each table of a family is one commit, which takes away the own chains that are there
and makes the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import Table
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import (
    LAYOUT,
    PROGRAMS,
    Layout,
)

_END = "DBPORTS_END"

_HEAD = r"""# Written by the Ansible collection dbports.firewall; changes are lost.
# sh THIS brings the rules below into force, sh THIS --test only asks whether they would be.
set -eu
PATH=/usr/sbin:/sbin:/usr/bin:/bin
export PATH LC_ALL=C.UTF-8
option=${1:-}

# replace IPTABLES TABLE [CHAIN]: put the rules on the standard input into the place of the own chains of a table.
# Where a CHAIN that they need is not there, the own chains are only taken away.
replace() {
  there=$("$1-save")
  there=$(printf '%s\n' "$there" | sed -n "/^\*$2\$/,/^COMMIT\$/p")
  rules=$(cat)
  [ -z "${3:-}" ] || case "$there" in *":$3 "*) ;; *) rules= ;; esac
  case "$there" in *":@PREFIX@"*) ;; *) [ -n "$rules" ] || return 0 ;; esac
  case "$there" in '' | *":@PREFIX@MADE "*) made=yes ;; *) made= ;; esac
  {
    echo "*$2"
    printf '%s\n' "$there" | sed -nE '/^-A @OWN@ /!s/^-A (.* -[jg] @OWN@)$/-D \1/p'
    printf '%s\n' "$there" | sed -nE '/^:@PREFIX@MADE /!s/^(:@OWN@) .*/\1 - [0:0]/p'
    printf '%s\n' "$there" | sed -nE '/^:@PREFIX@MADE /!s/^:(@OWN@) .*/-X \1/p'
    [ -z "$made" ] || [ -z "$rules" ] || echo ':@PREFIX@MADE - [0:0]'
    printf '%s\n' "$rules"
    echo COMMIT
  } | "$1-restore" -w 30 --noflush $option
  [ -z "$made" ] || [ -n "$rules" ] || unmake "$1" "$2"
}

# unmake IPTABLES TABLE: remove a table that was made for the own chains, unless others use it by now. What says that
# it was made goes with it, so that this can be done again after it was killed.
unmake() {
  [ -z "$option" ] || return 0
  left=$("$1-save" | sed -n "/^\*$2\$/,/^COMMIT\$/p")
  left=$(printf '%s\n' "$left" | grep -v -e '^[*C]' -e '^:[A-Z]* ACCEPT ' -e '^:@PREFIX@MADE ' || :)
  if [ -n "$left" ] || ! command -v nft >/dev/null || ! "$1" --version | grep -q nf_tables; then
    "$1" -w -t "$2" -X @PREFIX@MADE
    return
  fi
  case "$1" in ip6*) nft delete table ip6 "$2" ;; *) nft delete table ip "$2" ;; esac
}
"""


def script(tables: Mapping[str, Mapping[int, Sequence[str]]], layout: Layout = LAYOUT) -> str:
    """Write the script that puts lines into the place of ours, by table and family.

    :raises DbportsError: when a line could end the text for iptables-restore.
    """
    parts = [_HEAD.replace("@PREFIX@", layout.prefix).replace("@OWN@", layout.own)]
    for table, families in tables.items():
        for family, lines in families.items():
            if any("\n" in line or line == _END for line in lines):
                raise DbportsError("a rule has more than one line", code="cannot_encode", value=lines)
            words = ["\nreplace", PROGRAMS[family], table, layout.needs.get(family), f"<<'{_END}'"]
            call = " ".join(filter(None, words))
            parts.append("".join(f"{line}\n" for line in [call, *lines, _END]))
    return "".join(parts)


def lines_of(table: Table, layout: Layout = LAYOUT) -> list[str]:
    """Return the lines that bring back what is ours in a table, as it was printed."""
    own = [name for name in table.rules if layout.is_own(name) and name != layout.made]
    lines = [f":{name} - [0:0]" for name in own]
    lines += [f"-A {name} {rule.text}" for name in own for rule in table.rules[name]]
    for name, rules in table.rules.items():
        if not layout.is_own(name):
            found = [(number, rule) for number, rule in enumerate(rules, 1) if layout.is_own(rule.target)]
            lines += [f"-I {name} {number} {rule.text}" for number, rule in found]
    return lines
