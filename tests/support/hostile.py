# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts from users that some language takes for more than a text."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import fitting
from hypothesis import strategies as st

INTACT = [
    'Bob\'s "main" DB',
    '"; iptables -F; #',
    '" accept comment "',
    '"" "',
    "\\",
    "a\\",
    "C:\\SQL\\'x'",
    "\\\\\"'\\'\\\"",
    "a | b",
    "\\|/\\/",
    'a " unanswered',
    "x | unanswered",
    '" unanswered "',
    "[dbports guards none; host x]",
    "two  spaces",
    "50% %s %(x)s %n",
    "{{ lookup('pipe', 'id') }} {% raw %}",
    "$(touch {0}) ${IFS} $x",
    "`touch {0}`",
    "; drop } #!/bin/sh",
    "!",
    "--",
    "-",
    "-j ACCEPT",
    "--comment x",
    "=cmd()",
    "+1",
    "@SUM(1)",
    "<b>&amp;</b>]]>",
    "# END dbports.firewall",
    "DBPORTS_END",
    "COMMIT",
    "EOF",
    "*",
    "a*",
    "Größe 漢字 e\u0301 \U0001f600\ufe0f",
    "x" * 120,
    "ž" * 60,
    '"' * 60,
]
"""Those that every firewall holds as they are."""

REFUSED = [
    "line\nCOMMIT\n*nat\n-A INPUT -j ACCEPT",
    "carriage\rreturn",
    "nul\0",
    "tab\tulator",
    "\x1b[2J",
    "\x9bm",
    "\u202edb",
    "\u200fdb",
    "a\u2028b",
    "a\xa0b",
    "lone \ud800",
    "no character \ufffe",
    "x" * 121,
    "x" * 128,
    "x" * 129,
    "x" * 255,
    "x" * 300,
    "x" * 10_000,
    "word " * 60,
    "ž" * 61,
    '"' * 61,
]
"""Those that are refused where they are read."""

COMMENTS = st.one_of(
    st.sampled_from(INTACT),
    st.text(st.sampled_from("\"'\\|`$(){}[]/;# ab"), max_size=30).map(fitting),
    st.text(st.one_of(st.just(" "), st.characters(codec="utf-8", exclude_categories=("C", "Z"))), max_size=60).map(
        fitting
    ),
)
"""Any text that users may say of a rule, also none."""
