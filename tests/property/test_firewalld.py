# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any ruleset goes through the files of firewalld and what firewalld shows of them, and comes back the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.backend import FirewalldBackend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.encode import files, objects
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import owner_text, plain_comment
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from drawn_rules import FORWARD, POLICY, RULES
from firewall_cases import ruleset
from firewalld_reads import in_force

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


@given(st.text())
def test_no_text_leaves_its_place(text: str) -> None:
    """A comment is never XML, whatever it holds."""
    rule = {"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.1"], "purpose": text}
    wanted = ruleset([rule])
    settings = in_force(files(objects(wanted)))
    assert set(settings["policies"]) == {"dbports-in"}
    assert len(settings["policies"]["dbports-in"]["rich_rules"]["data"]) == 2
    said = settings["policies"]["dbports-in"]["description"]["data"]
    assert said.split('"')[1::2] == ["", plain_comment(text) or "dbports"]
