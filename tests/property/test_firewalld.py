# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any ruleset goes through the files of firewalld and what firewalld shows of them, and comes back the same."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import owner_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.backend import FirewalldBackend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.encode import files, objects
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.names import (
    read_description,
    read_text,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import OWNER
from hypothesis import given
from hypothesis import strategies as st

from drawn_rules import FORWARD, POLICY, RULES
from firewall_cases import ruleset
from firewalld_reads import in_force
from hostile import COMMENTS

ROUTED = st.lists(FORWARD.map(lambda rule: {**rule, "stateful": True, "source_ports": []}), max_size=3)
"""Rules of a router, as far as firewalld has them."""


@given(
    rules=st.tuples(RULES, ROUTED).map(lambda pair: pair[0] + pair[1]),
    policy=POLICY,
    outbound=st.booleans(),
    owner=st.text(max_size=100),
)
def test_what_is_written_is_what_is_read(rules: list[dict[str, Any]], policy: str, outbound: bool, owner: str) -> None:
    """Peers, ports, comments and the owner; nothing is unexpected."""
    wanted = ruleset(rules, policy=policy, outbound=outbound).of(owner_text(owner))
    kept = files(objects(wanted))
    observed = {
        "files": json.dumps([kept, []]),
        "settings": json.dumps(in_force(kept)),
        "saved": "{}",
        "tables": "",
        "uses": "nftables",
        "unseen": "",
        "routed": "",
    }
    state = FirewalldBackend().decode(observed)
    assert state.ruleset == wanted
    assert state.kept.files == kept


@given(comment=COMMENTS.filter(bool), owner=st.text(min_size=1))
def test_no_text_leaves_its_place(comment: str, owner: str) -> None:
    """A comment is never XML, nor another part of the description, whatever it holds."""
    rule = {"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.1"], "purpose": comment}
    settings = in_force(files(objects(ruleset([rule]).of(owner_text(owner)))))
    assert set(settings["policies"]) == {"dbports-in"}
    assert len(settings["policies"]["dbports-in"]["rich_rules"]["data"]) == 2
    said = read_description(settings["policies"]["dbports-in"]["description"]["data"])
    assert [read_text(text) for text in said] == [(OWNER + owner_text(owner), False), (comment, False)]
