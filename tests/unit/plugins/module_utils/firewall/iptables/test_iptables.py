# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script for iptables-restore, and what iptables-save then printed read back.

In tests/golden/iptables ``<case>.script`` is what is loaded, ``<case>.4.save`` and ``<case>.6.save`` what iptables-save
and ip6tables-save 1.8.9 (nf_tables) then printed, without the lines that begin with ``#``.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.encode import WRITTEN, encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import (
    Rule,
    Table,
    read_tables,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import LAYOUT
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.script import lines_of, script
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Ruleset

from firewall_cases import CASES, FORWARDED, case, ruleset

ROOT = Path(__file__).resolve().parents[6]
GOLDEN = ROOT / "tests" / "golden" / "iptables"
OWNER = "erp-db"


def wanted(name: str) -> Ruleset:
    """Return the ruleset of a case with its owner."""
    return case(name).of(OWNER)


def saved(name: str) -> dict[int, str]:
    """Return what was printed for a case, by family."""
    return {family: (GOLDEN / f"{name}.{family}.save").read_text(encoding="utf-8") for family in (4, 6)}


def printed(rules: Ruleset) -> dict[int, str]:
    """Return what would be printed of rules, by family."""
    return {
        family: "\n".join(
            text for table, write in WRITTEN.items() for text in (f"*{table}", *write(rules, family, LAYOUT))
        )
        for family in (4, 6)
    }


def read(texts: dict[int, str]) -> Ruleset:
    """Decode what was printed."""
    return decode({family: read_tables(text) for family, text in texts.items()})


@pytest.mark.parametrize("name", [*CASES, *FORWARDED])
def test_script(name: str) -> None:
    """The script is the one that was loaded and packet-tested; a wanted change replaces the golden file by .actual."""
    text = script(
        {table: {family: write(wanted(name), family, LAYOUT) for family in (4, 6)} for table, write in WRITTEN.items()}
    )
    golden = GOLDEN / f"{name}.script"
    if text != golden.read_text(encoding="utf-8"):
        golden.with_suffix(".actual").write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*CASES, *FORWARDED])
def test_what_is_printed_is_the_ruleset(name: str) -> None:
    """What iptables-save prints after loading the script is the ruleset it was made of."""
    assert read(saved(name)) == wanted(name)


@pytest.mark.parametrize("name", [*CASES, *FORWARDED])
def test_what_is_printed_can_be_loaded_again(name: str) -> None:
    """The lines that bring the old rules back are those that were printed, and only ours."""
    for family, text in saved(name).items():
        lines = lines_of(read_tables(text).get("filter", Table()))
        again = "\n".join(["*filter", *lines]).replace(" 1 -j", " -j")  # the first rule it is without the number
        assert decode({family: read_tables(again)}) == decode({family: read_tables(text)})
        assert all("DBPORTS_" in line for line in lines)


def test_undoing_finds_the_old_place() -> None:
    """A rule of somebody else that came before ours comes before it again."""
    tables = read_tables("*filter\n:INPUT DROP [0:0]\n:DBPORTS_IN - [0:0]\n-A INPUT -j LOG\n-A INPUT -j DBPORTS_IN\n")
    assert lines_of(tables["filter"]) == [":DBPORTS_IN - [0:0]", "-I INPUT 2 -j DBPORTS_IN"]


@pytest.mark.parametrize("comment", ["x\ny", "", "x" * 129, " x", "\u202ex"])
def test_the_encoder_pastes_nothing(comment: str) -> None:
    """A comment that did not go through build_ruleset is refused, not written."""
    accept = case("mssql").accepts[0]
    with pytest.raises(DbportsError, match="printable") as caught:
        encode(Ruleset((Accept(accept.direction, accept.protocol, accept.ports, accept.peers, comment),)), 4)
    assert caught.value.code == "cannot_encode"


@pytest.mark.parametrize("line", ["a\nb", "DBPORTS_END"])
def test_no_rule_ends_the_text(line: str) -> None:
    """Not even one that was read from the host."""
    with pytest.raises(DbportsError, match="more than one line"):
        script({"filter": {4: [line]}})


def test_what_somebody_else_wrote_is_not_written() -> None:
    with pytest.raises(DbportsError, match="unexpected parts"):
        encode(Ruleset(unexpected=("x",)), 4)


def test_many_ports_are_one_accept() -> None:
    """One multiport takes 15 ports, and a range is two of them; what does not fit follows without a comment."""
    ports = [*(str(port) for port in range(1001, 1040, 2)), "2000-2100", "3000-3100"]
    rules = ruleset([{"direction": "in", "protocol": "tcp", "ports": ports, "peers": ["192.0.2.0/24"], "purpose": "x"}])
    lines = encode(rules, 4)
    accepts = [line for line in lines if line.endswith("-j DBPORTS_FROM1")]
    assert [line.count(",") + 1 + line.count(":") for line in accepts] == [15, 9]
    assert ["--comment" in line for line in accepts] == [True, False]
    assert read(printed(rules)) == rules


def test_two_accepts_with_the_same_words_stay_two() -> None:
    """Nothing is taken for the continuation of what comes before it by chance."""
    one = {"direction": "in", "protocol": "tcp", "peers": ["192.0.2.0/24"], "purpose": "x"}
    full = [str(port) for port in range(1001, 1031, 2)]
    rules = ruleset([{**one, "ports": full}, {**one, "ports": ["5000"]}, {**one, "ports": ["6000"]}])
    assert len(rules.accepts) == 3
    assert read(printed(rules)) == rules


def test_quotes_are_read() -> None:
    """iptables-save writes an apostrophe with a backslash; an option in a comment is none."""
    rule = Rule.parse('-p tcp -m comment --comment "it\\\'s \\"x\\" \\\\" -j ACCEPT')
    assert rule.options["--comment"] == 'it\'s "x" \\'
    assert Rule.parse("-m comment --comment -j -j DROP").target == "DROP"
    assert Rule.parse("-m comment --comment !").options == {"--comment": "!", "-m": "comment"}
    assert Rule.parse("-p 6 -s 192.0.2.1").key == Rule.parse("-s 192.0.2.1/32 -p tcp").key


MEDDLINGS = {
    "a rule more": (r"^COMMIT", "-A DBPORTS_IN -p tcp -j ACCEPT\nCOMMIT"),
    "a rule less": (r"^-A DBPORTS_IN .* -j DROP\n", ""),
    "a rule twice": (r"^(-A DBPORTS_IN .* -j DROP)$", r"\1\n\1"),
    "another verdict": (r"-j DROP$", "-j REJECT"),
    "a condition more": (r"(-A DBPORTS_IN .*) -j DROP$", r"\1 -m mark --mark 0x1 -j DROP"),
    "a negation": (r"-p tcp -m tcp --dport", "! -p tcp -m tcp --dport"),
    "no loopback": (r"^-A DBPORTS_IN -i lo .*\n", ""),
    "no owner in one chain": (r' -m comment --comment "dbports: inventory host erp-db"', ""),
    "another owner": ("inventory host erp-db", "inventory host app-01"),
    "the refusal first": (r"^(-A DBPORTS_IN -i lo)", r"-A DBPORTS_IN -p tcp -j DROP\n\1"),
    "another rule before ours": (r"^-A INPUT", "-A INPUT -p tcp -j ACCEPT\n-A INPUT"),
    "no way in": (r"^-A INPUT .*\n", ""),
    "a way in twice": (r"^(-A INPUT .*)$", r"\1\n\1"),
    "a way in with a condition": (r"^-A INPUT -j", "-A INPUT -i eth0 -j"),
    "a way in from elsewhere": (r"^COMMIT", "-A FORWARD -j DBPORTS_IN\nCOMMIT"),
    "one more chain": (r"^COMMIT", ":DBPORTS_FROM9 - [0:0]\nCOMMIT"),
    "no such chain": (r"^-A DBPORTS_FROM1 .*\n", ""),
}


@pytest.mark.parametrize("meddling", MEDDLINGS)
@pytest.mark.parametrize("family", [4, 6])
def test_whatever_is_not_ours_makes_a_difference(family: int, meddling: str) -> None:
    """What was changed in our place is never taken for the wanted ruleset, and is named in the diff."""
    found = meddled("sql602", family, *MEDDLINGS[meddling])
    assert found != wanted("sql602")
    assert "unexpected" in found.render()


THEIRS = r"""
:DBPORTS_ADMIN - [0:0]
:DBPORTS_IN_2 - [0:0]
-A INPUT -j DBPORTS_ADMIN
-A DBPORTS_ADMIN -s 203.0.113.5/32 -j DROP
COMMIT"""


def test_a_chain_that_is_only_named_alike_is_not_ours(tmp_path: Path) -> None:
    """Its owner's rules are neither a difference nor a reason to choose this firewall, and no script touches them."""
    texts = {family: text.replace("\nCOMMIT", THEIRS) for family, text in saved("sql602").items()}
    assert read(texts) == wanted("sql602")
    assert LAYOUT.carries(texts[4])
    assert not LAYOUT.carries(f"*filter{THEIRS}\n")
    assert lines_of(read_tables(f"*filter{THEIRS}\n")["filter"]) == []
    (tmp_path / "saved").write_text(texts[4], encoding="utf-8")
    save, restore = f"cat {tmp_path}/saved", f"cat >{tmp_path}/loaded"
    for name, text in (("iptables-save", save), ("iptables-restore", restore), ("iptables", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    path = f"PATH={tmp_path}:/usr/bin:/bin"
    program = script({"filter": {4: []}}).replace("PATH=/usr/sbin:/sbin:/usr/bin:/bin", path)
    subprocess.run(["sh", "-s"], input=program, text=True, check=True)
    loaded = (tmp_path / "loaded").read_text(encoding="utf-8")
    assert "-X DBPORTS_IN\n" in loaded
    assert "-D INPUT -j DBPORTS_IN\n" in loaded
    assert "DBPORTS_ADMIN" not in loaded
    assert "DBPORTS_IN_2" not in loaded


FORWARD_MEDDLINGS = {
    "a rule more": (r"^COMMIT", "-A DBPORTS_FORWARD -p tcp -j ACCEPT\nCOMMIT"),
    "an accept less": (r"^-A DBPORTS_FORWARD .* SQL -j ACCEPT\n", ""),
    "no answers": (r"^-A DBPORTS_FORWARD .*--sports .* -j ACCEPT\n", ""),
    "no way for others": (r"^-A DBPORTS_FORWARD .* ! --tcp-flags .* -j RETURN\n", ""),
    "answers to others are final": (r"(--tcp-flags .*) -j RETURN$", r"\1 -j ACCEPT"),
    "no refusal": (r"^-A DBPORTS_FORWARD .* -j DROP\n", ""),
    "answers open connections": (r" ! --tcp-flags RST,ACK NONE", ""),
    "a condition more": (r"(-A DBPORTS_FORWARD .*) -j DROP$", r"\1 -m mark --mark 0x1 -j DROP"),
    "no loopback": (r"^-A DBPORTS_FORWARD -i lo .*\n", ""),
    "the refusal first": (r"^(-A DBPORTS_FORWARD -i lo)", r"-A DBPORTS_FORWARD -p tcp -j DROP\n\1"),
    "two rules turned": (r"^(.* --dports .* SQL .*\n)(.*\n)", r"\2\1"),
    "another rule before ours": (r"^-A FORWARD", "-A FORWARD -p tcp -j ACCEPT\n-A FORWARD"),
    "no way in": (r"^-A FORWARD .*\n", ""),
    "a way in from elsewhere": (r"^COMMIT", "-A INPUT -j DBPORTS_FORWARD\nCOMMIT"),
    "one more chain": (r"^COMMIT", ":DBPORTS_ENDS9 - [0:0]\nCOMMIT"),
    "a circle": (r"^COMMIT", ":DBPORTS_ENDS1 - [0:0]\n-A DBPORTS_ENDS1 -s 192.0.2.9 -j DBPORTS_ENDS1\nCOMMIT"),
}


@pytest.mark.parametrize("meddling", FORWARD_MEDDLINGS)
@pytest.mark.parametrize("family", [4, 6])
def test_whatever_is_not_ours_makes_a_difference_to_a_router(family: int, meddling: str) -> None:
    """The same for what is forwarded; where the changed rules are another ruleset of ours, it is another one."""
    assert meddled("router", family, *FORWARD_MEDDLINGS[meddling]) != wanted("router")


def meddled(name: str, family: int, pattern: str, other: str) -> Ruleset:
    """Return what is read where the first match in the rules of one family is replaced."""
    texts = saved(name)
    texts[family], count = re.subn(pattern, other, texts[family], count=1, flags=re.MULTILINE)
    assert count == 1
    return read(texts)


ENDS = {
    "direction": "forward",
    "protocol": "tcp",
    "ports": ["1433", "50000-50100"],
    "peers": ["192.0.2.21", "192.0.2.32/27", "203.0.113.1-203.0.113.3"],
    "targets": ["198.51.100.10", "198.51.100.20-198.51.100.22"],
}


def test_many_addresses_on_both_sides_have_chains_that_lead_on() -> None:
    """The addresses of one side lead to those of the other; each list is written once for each end."""
    rules = ruleset([ENDS])
    lines = encode(rules, 4)
    assert [line for line in lines if line.startswith(":")] == [
        f":DBPORTS_{name} - [0:0]" for name in ("FORWARD", *(f"ENDS{number}" for number in range(1, 6)))
    ]
    assert "-A DBPORTS_ENDS1 -m iprange --dst-range 198.51.100.20-198.51.100.22 -j ACCEPT" in lines
    assert "-A DBPORTS_ENDS2 -s 192.0.2.32/27 -j DBPORTS_ENDS1" in lines
    assert encode(rules, 6) == []
    assert read(printed(rules)) == rules


def test_what_is_declared_comes_before_what_returns() -> None:
    """An accept ends the way through the table, and what returns goes back to the owner and not to refusals."""
    lines = encode(ruleset([ENDS]), 4)
    chain = [line for line in lines if re.match("-A DBPORTS_FORWARD -[dpm]", line)]
    ends_of = ["DBPORTS_ENDS2", "DBPORTS_ENDS4", "RETURN", "RETURN", "DBPORTS_ENDS5"]
    assert [line.rpartition(" ")[2] for line in chain] == ends_of
    ends = {line.split()[1]: line.rpartition(" ")[2] for line in lines if line.startswith("-A DBPORTS_ENDS")}
    assert [ends[f"DBPORTS_ENDS{number}"] for number in (1, 3, 5)] == ["ACCEPT", "ACCEPT", "DROP"]


def test_a_published_port_in_both_families() -> None:
    """It is refused in both, and what came to it before the translation is asked."""
    rules = ruleset([{**ENDS, "targets": [], "published": True}])
    for family in (4, 6):
        drops = [line for line in encode(rules, family) if line.endswith("DROP")]
        assert [re.findall(r"--ctorigdstport (\S+)", line) for line in drops] == [["1433"], ["50000:50100"]]
        assert all("--ctstate DNAT --ctdir ORIGINAL" in line for line in drops)
    assert read(printed(rules)) == rules


def test_a_peer_more_is_a_peer_more() -> None:
    """Whoever added it: it is shown as one, and makes a difference."""
    texts = saved("sql602")
    texts[4] = texts[4].replace("COMMIT", "-A DBPORTS_FROM1 -s 203.0.113.9/32 -j ACCEPT\nCOMMIT")
    assert read(texts) != wanted("sql602")
    assert "from 203.0.113.9" in read(texts).render()


def test_a_chain_in_one_family_only() -> None:
    """What is missing in the other is named."""
    texts = {**saved("sql602"), 6: saved("nothing")[6]}
    assert "unexpected: ip6tables: no chain DBPORTS_IN" in read(texts).render()


@pytest.mark.parametrize(
    "text", ["", "x", "*filter", ":", "-A", "-A DBPORTS_IN", ":DBPORTS_IN - [0:0]", "-A X -p", '"']
)
def test_any_text(text: str) -> None:
    """Nothing that is printed crashes the reader."""
    found = read({4: f"*filter\n{text}\n", 6: text})
    assert bool(found.unexpected) == ("DBPORTS_" in text)


def test_rules_of_others_are_passed_over() -> None:
    """Chains, other tables and rules that do not lead into ours say nothing of us."""
    texts = saved("sql602")
    theirs = ":f2b - [0:0]\n-A INPUT -p tcp -j f2b\n-A f2b -s 203.0.113.9/32 -j REJECT\nCOMMIT\n*nat\n:DOCKER - [0:0]\n"
    assert read({family: text.replace("COMMIT\n", theirs) for family, text in texts.items()}) == wanted("sql602")
