# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any ruleset goes through the real iptables, in both variants and a network namespace of its own, and comes back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import owner_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.backend import IptablesBackend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.encode import WRITTEN
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import Rule, read_tables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import LAYOUT, Layout
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.program import Iptables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import Host
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import to_json
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw import names as ufw_names
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drawn_rules import FORWARD, POLICY, PUBLISHED, RULE, RULES, namespace, rule_of
from firewall_cases import ruleset
from hostile import COMMENTS

MANY_PORTS = st.lists(
    st.tuples(st.integers(1, 65000), st.sampled_from([0, 0, 0, 7])).map(lambda pair: f"{pair[0]}-{sum(pair)}"),
    min_size=10,
    max_size=60,
)
MANY = rule_of(MANY_PORTS, st.sampled_from(["x", "y", ""]))
HOSTILE = st.one_of(st.text(max_size=150), COMMENTS)
ALL_RULES = st.one_of(RULES, st.lists(st.one_of(MANY, RULE), max_size=4))
ROUTED = st.lists(
    st.one_of(
        FORWARD,
        PUBLISHED,
        st.tuples(FORWARD, MANY_PORTS, MANY_PORTS).map(
            lambda many: {**many[0], "ports": many[1], "source_ports": many[2]}
        ),
        RULE,
    ),
    min_size=1,
    max_size=5,
)
"""Rules of a router, some with more ports on both sides than one rule of iptables takes, beside those of the host."""

OTHERS = """\
*filter
:theirs - [0:0]
-A INPUT -p tcp -m comment --comment "it's theirs" -j theirs
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-P FORWARD DROP
COMMIT
"""


class Real:
    """The real programs, in one variant."""

    def __init__(self, run: Run, root: Path) -> None:
        self.run = run
        self.backend = IptablesBackend(Iptables(run), Host(str(root), run))
        self.runner = Runner(str(root), run)

    def bring(self, wanted: Ruleset) -> None:
        """Check and load a ruleset over what is there."""
        observed = self.backend.observe()
        script = self.backend.encode(wanted, observed, persist=False)
        self.backend.check(script)
        self.runner.do(to_json(script.load))

    def ruleset(self) -> Ruleset:
        """Return what is there."""
        return self.backend.decode(self.backend.observe()).ruleset

    def theirs(self) -> list[str]:
        """Return what is there and not ours; a table that only has the chains of the kernel says nothing."""
        observed = self.backend.observe()
        saved = "".join(observed[f"saved {family}"] for family in (4, 6))
        tables = [
            [line for line in table.splitlines() if "DBPORTS_" not in line]
            for table in re.findall(r"^\*.*?^COMMIT$", saved, re.MULTILINE | re.DOTALL)
        ]
        return [
            line for lines in tables if any(not re.match(r"[*C]|:\w+ ACCEPT ", one) for one in lines) for line in lines
        ]


@contextmanager
def in_variant(variant: str, folder: Path) -> Iterator[Run]:
    """Hold a namespace in which one variant governs."""
    shutil.copytree("/etc/alternatives", folder, symlinks=True, dirs_exist_ok=True)
    for name in ("iptables", "ip6tables"):
        for part in ("", "-save", "-restore"):
            (folder / f"{name}{part}").unlink()
            (folder / f"{name}{part}").symlink_to(f"/usr/sbin/{name}-{variant}{part}")
    # An ordinary user may not write the lock of the legacy variant elsewhere.
    with namespace("mount -t tmpfs tmpfs /run", f"mount --bind {folder} /etc/alternatives") as run:
        yield run


@pytest.fixture(scope="module", params=["nft", "legacy"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """Return one variant in a namespace with rules of somebody else."""
    with in_variant(request.param, tmp_path_factory.mktemp("alternatives")) as run:
        found = Real(run, tmp_path_factory.mktemp("root"))
        assert found.backend.observe()["variant"] == {"nft": "nf_tables", "legacy": "legacy"}[request.param]
        for program in ("iptables", "ip6tables"):
            assert run([f"{program}-restore"], OTHERS).status == 0
        yield found


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=ALL_RULES, policy=POLICY, outbound=st.booleans(), owner=HOSTILE)
def test_what_is_loaded_is_what_is_read(
    real: Real, rules: list[dict[str, Any]], policy: str, outbound: bool, owner: str
) -> None:
    """The dry run takes it, the load takes it over the one before, and what is printed is the same ruleset."""
    comes_back(real, ruleset(rules, policy=policy, outbound=outbound).of(owner_text(owner)))


def comes_back(real: Real, wanted: Ruleset) -> None:
    """Load a ruleset, remove it and undo that; each time what is read is what was meant, and the rest is untouched."""
    theirs = real.theirs()
    real.bring(wanted)
    assert real.ruleset() == wanted
    undo = real.backend.undo(real.backend.observe())
    real.bring(Ruleset())
    assert not real.ruleset()
    assert real.runner.undo(to_json(undo)) == []
    assert real.ruleset() == wanted
    assert real.theirs() == theirs


@pytest.mark.parametrize("comment", ['a "quoted" word', "a\\", "two\nlines -j DROP", "\u2028\x0b\x85", "it's $(id)"])
def test_whatever_an_administrator_writes_into_a_chain_comes_back(real: Real, comment: str) -> None:
    """Rules that are printed in a way in which they are not read again; a line end becomes a space."""
    wanted = ruleset([{"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.21"]}])
    real.bring(wanted)
    added = ["-m", "comment", "--comment", comment, "-p", "tcp", "--dport", "5022", "-j", "RETURN"]
    assert real.run(["iptables", "-A", "DBPORTS_IN", *added], "").status == 0
    observed = real.backend.observe()
    undo = real.backend.undo(observed)
    real.bring(Ruleset())
    assert real.runner.undo(to_json(undo)) == []
    assert real.ruleset() == real.backend.decode(observed).ruleset
    assert [part.values for part in _rules(real)[-1].parts if part.name == "--comment"] == [
        (comment.replace("\n", " "),)
    ]


def _rules(real: Real) -> list[Rule]:
    """Return the rules of the own chain of clients."""
    return read_tables(real.run(["iptables-save"], "").stdout)["filter"].rules["DBPORTS_IN"]


def test_a_table_that_was_made_for_the_rules_goes_with_them(tmp_path: Path) -> None:
    """With the variant nf_tables a host without any table has none again; what somebody adds in between stays."""
    wanted = ruleset([{"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.21"]}])
    with in_variant("nft", tmp_path / "alternatives") as run:
        real = Real(run, tmp_path)
        for _time in range(2):
            real.bring(wanted)
            real.bring(Ruleset())
            assert run(["nft", "list", "ruleset"], "").stdout == ""
        real.bring(wanted)
        assert run(["iptables", "-A", "FORWARD", "-j", "ACCEPT"], "").status == 0
        real.bring(Ruleset())
        assert run(["nft", "list", "tables"], "").stdout == "table ip filter\n"
        assert "-A FORWARD -j ACCEPT" in run(["iptables-save"], "").stdout


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=ROUTED, policy=POLICY, owner=HOSTILE)
def test_what_a_router_forwards_is_read_as_it_is_loaded(
    real: Real, rules: list[dict[str, Any]], policy: str, owner: str
) -> None:
    """The same for what is forwarded."""
    comes_back(real, ruleset(rules, policy=policy).of(owner_text(owner)))


@given(
    rules=st.one_of(ALL_RULES, ROUTED),
    policy=POLICY,
    outbound=st.booleans(),
    layout=st.sampled_from([LAYOUT, ufw_names.LAYOUT]),
)
def test_encode_and_decode(rules: list[dict[str, Any]], policy: str, outbound: bool, layout: Layout) -> None:
    """Without a firewall in between, too."""
    wanted = ruleset(rules, policy=policy, outbound=outbound)
    texts = {
        family: "\n".join(
            text for name in layout.tables for text in (f"*{name}", *WRITTEN[name](wanted, family, layout))
        )
        for family in (4, 6)
    }
    assert decode({family: read_tables(text) for family, text in texts.items()}, layout) == wanted


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """Neither what is printed nor a rule in it can crash a reader."""
    assert decode({4: read_tables(text), 6: read_tables(f"*filter\n{text}")}) is not None
    assert Rule.parse(text).key
