# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of Windows Defender Firewall as text, and what decides about a packet; no Windows was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.backend import (
    WindowsFirewall,
    changes,
    fields_of,
    holes,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.encode import (
    MAX_ENTRIES,
    decode,
    encode,
    enforceable,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.policy import (
    Packet,
    WindowsPolicy,
    active_profiles,
    read_switches,
    why_not_enforced,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.rules import parse_rule

from firewall_cases import ruleset

SQL: list[dict[str, Any]] = [
    {"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.10", "198.51.100.0/24"]},
    {"direction": "in", "protocol": "udp", "ports": ["1434"], "peers": []},
    {"direction": "in", "protocol": "tcp", "ports": ["445"], "peers": ["192.0.2.10"], "guarded": False},
    {"direction": "in", "protocol": "icmp", "peers": ["192.0.2.10", "2001:db8::10"]},
]
ONE_PORT = {"PublicProfile": {}, r"PublicProfile\GloballyOpenPorts": {"AllowUserPrefMerge": 0}}
"""Group Policy does not let local rules for a single port count."""

DUMPS = [
    # public dumps and [MS-GPFAS] 4.2
    r"v2.33|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Private|App=%LOCALAPPDATA%\x\x.exe|Name=x|Desc=y|",
    "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=17|LPort2_10=1-66|LPort2_10=69-55554|Name=UDP|EmbedCtxt=GSecurity|",
    "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|LPort=RPC|RPort=49000|"
    r"LA4=192.168.1.0/255.255.255.0|RA4=LocalSubnet|RA6=LocalSubnet|App=c:\path\foo.exe|Name=Firewall Rule Test|"
    "Security=Authenticate|Security2_9=An-NoEncap|",
]


def own(*rules: dict[str, Any], owner: str = "erp-db") -> Ruleset:
    """Return a ruleset of a host."""
    return ruleset(rules or SQL).of(owner)


def policy(
    *texts: str, active: int = 4, local: Any = None, group: Any = None, gpo: tuple[str, ...] = ()
) -> WindowsPolicy:
    """Return what a host with these rules decides."""
    rules: dict[Any, Any] = {
        "local": [parse_rule(item) for item in texts],
        "policy": [parse_rule(item) for item in gpo],
    }
    return WindowsPolicy(rules, read_switches(local or {}, group or {}), active_profiles(active))


def observed(*texts: str, active: int = 4, local: Any = None, group: Any = None) -> dict[str, str]:
    """Return what the collect script would show of it."""
    return {
        "local": json.dumps({f"{{{number}}}": text for number, text in enumerate(texts)}),
        "policy": "{}",
        "switches": json.dumps({"local": local or {}, "policy": group or {}}),
        "profiles": str(active),
    }


def verdict(found: WindowsPolicy, peer: str, port: int = 1433) -> str:
    """Return what becomes of a TCP connection from a peer."""
    return found.decide(Packet("in", "tcp", port, AddressRange.parse(peer))).verdict


@pytest.mark.parametrize("text", DUMPS)
def test_public_rules_are_read_and_written_back(text: str) -> None:
    rule = parse_rule(text)
    assert parse_rule(rule.text()) == rule


def test_what_narrows_a_rule_is_kept() -> None:
    program, udp, secure = map(parse_rule, DUMPS)
    assert program.conditions == (r"app=%LOCALAPPDATA%\x\x.exe",)
    assert [str(item) for item in udp.local_ports.ports] == ["1-66", "69-55554"]
    assert udp.group == "GSecurity"
    assert secure.remote.words == ("LocalSubnet", "LocalSubnet")
    assert secure.local_ports.words == ("RPC",)
    assert len(secure.conditions) == 3


@pytest.mark.parametrize("text", ["", "v2.10|", "Action=Allow|Dir=In|", "v2.10|Action=Allow|", "nonsense"])
def test_text_that_is_no_rule_is_an_error(text: str) -> None:
    with pytest.raises(DbportsError) as caught:
        parse_rule(text)
    assert caught.value.code == "malformed_answer"


def test_an_action_that_is_not_known_makes_a_rule_uncertain() -> None:
    rule = parse_rule("v9.99|Action=Maybe|Active=TRUE|Dir=In|Protocol=6|LPort=1433|New=1|")
    assert set(rule.conditions) == {"action=Maybe", "new=1"}


def test_rules_are_read_back_as_the_ruleset_they_were_written_for() -> None:
    wanted = own()
    assert decode(parse_rule(rule.text()) for rule in encode(wanted)) == wanted


def test_everyone_is_an_allow_without_a_block_and_still_guarded() -> None:
    wanted = own({"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["0.0.0.0/0", "::/0"]})
    rules = encode(wanted)
    assert [rule.action for rule in rules] == ["allow"]
    assert decode(rules) == wanted


def test_nobody_is_a_block_without_an_allow() -> None:
    wanted = own({"direction": "in", "protocol": "udp", "ports": ["1434"], "peers": []})
    assert [rule.action for rule in encode(wanted)] == ["block"]
    assert decode(encode(wanted)) == wanted


def test_no_list_is_ever_empty_or_too_long() -> None:
    peers = [f"192.0.{high}.{low}" for high in range(2, 18) for low in range(0, 256, 2)]
    wanted = own({"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": peers})
    rules = encode(wanted)
    assert len(rules) > 4
    assert all(0 < len(rule.remote.addresses) <= MAX_ENTRIES for rule in rules)
    assert decode(rules) == wanted


def test_a_block_covers_both_families() -> None:
    (block,) = (rule for rule in encode(own(SQL[0])) if rule.action == "block")
    assert fields_of(block)["remote_addresses"] == (
        "0.0.0.0-126.255.255.255,128.0.0.0-192.0.2.9,192.0.2.11-198.51.99.255,198.51.101.0-255.255.255.255,"
        "::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    )


def test_outbound_is_let_out_and_never_blocked() -> None:
    out = {"direction": "out", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.10"]}
    wanted = enforceable(ruleset([*SQL, out], outbound=True).of("erp-db"))
    rules = encode(wanted)
    assert {rule.action for rule in rules if rule.direction == "out"} == {"allow"}
    assert decode(rules) == wanted


@pytest.mark.parametrize("owner", ["x [dbports guards none; host y]"])
def test_a_name_that_a_description_cannot_hold_is_refused(owner: str) -> None:
    with pytest.raises(DbportsError) as caught:
        encode(own(owner=owner))
    assert caught.value.code == "cannot_encode"


@pytest.mark.parametrize(
    ("what", "by"),
    [
        ("LPort=1433", "LPort=1"),
        ("Active=TRUE", "Active=FALSE"),
        ("RA4=192.0.2.10", "RA4=*"),
        ("Action=Block", "Action=Allow"),
    ],
)
def test_a_rule_that_was_edited_is_unexpected_and_replaced(what: str, by: str) -> None:
    texts = [rule.text() for rule in encode(own())]
    edited = [text.replace(what, by, 1) for text in texts]
    assert edited != texts
    firewall = WindowsFirewall()
    state = firewall.decode(observed(*edited))
    assert state.ruleset != own()
    assert state.ruleset.unexpected
    found = list(map(parse_rule, edited))
    add, remove = changes(found, encode(own()))
    left = [rule for rule in found if rule.name not in {item.name for item in remove}]
    assert decode([*left, *add]) == own()
    assert not {item.name for item in add} & {item.name for item in found}


def test_a_second_run_changes_nothing() -> None:
    script = WindowsFirewall().encode(own(), observed(*(rule.text() for rule in encode(own()))), persist=True)
    assert script.load == ()


def test_rules_of_others_are_left_alone() -> None:
    theirs = [
        "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=1433|Name=dbports-0123456789abcdef|",
        "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=1433|Name=SQL|EmbedCtxt=dbports|",
    ]
    (step,) = WindowsFirewall().encode(Ruleset(), observed(*theirs, encode(own())[0].text()), persist=True).load
    assert [item["name"] for item in json.loads(step.text)["remove"]] == [encode(own())[0].name]


def test_an_accept_of_somebody_else_does_not_open_a_guarded_port() -> None:
    anyone = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=1433|LPort=445|Name=SQLPort|"
    found = policy(anyone, *(rule.text() for rule in encode(own())))
    assert [verdict(found, peer) for peer in ("192.0.2.10", "198.51.100.7", "192.0.2.66", "2001:db8::66")] == [
        "allow",
        "allow",
        "block",
        "block",
    ]
    assert verdict(found, "192.0.2.66", 445) == "allow"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=1433|RA4=192.0.2.0/255.255.255.0|Name=theirs|", "drops"),
        ("Action=Block|Active=TRUE|Dir=In|Protocol=6|RA4=LocalSubnet|Name=theirs|", "unknown"),
        ("Action=Block|Active=TRUE|Dir=In|Protocol=6|App=sqlservr.exe|Name=theirs|", "unknown"),
        ("Action=Block|Active=TRUE|Dir=In|Protocol=6|Profile=Domain|Name=theirs|", None),
        ("Action=Block|Active=FALSE|Dir=In|Protocol=6|Name=theirs|", None),
    ],
)
def test_a_rule_that_keeps_a_client_out_is_named(text: str, expected: str | None) -> None:
    wanted = own(SQL[0])
    state = WindowsFirewall().decode(observed(f"v2.10|{text}"))
    found = state.foreign(wanted)
    assert {item.verdict for item in found} == ({expected} if expected else set())
    assert all("theirs" in item.text and "192.0.2.10" in item.fix for item in found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Action=Block|Protocol=6|RA4=192.0.2.22", "blocks tcp 5000 from 192.0.2.22"),
        ("Action=Block|RA4=192.0.2.0/255.255.255.252|RA6=2001:db8::22", "blocks tcp 5000 from 2001:db8::22"),
        ("Action=Block|Protocol=6|LPort2_10=5050-5060", "blocks tcp 5050 from 192.0.2.21"),
        ("Action=Block|Protocol=6|LPort=5051|RA4=192.0.2.22", "blocks tcp 5051 from 192.0.2.22"),
        ("Action=Allow|Protocol=6|Security=Authenticate|RA4=192.0.2.22", "may block tcp 5000 from 192.0.2.22"),
        ("Action=Block|Protocol=6|LPort=4999|RA4=192.0.2.22", None),
        ("Action=Block|Protocol=17|RA4=192.0.2.22", None),
        ("Action=Allow|Protocol=6|RA4=192.0.2.22", None),
    ],
)
def test_a_rule_for_one_client_or_port_among_many_is_named(text: str, says: str | None) -> None:
    peers = ["192.0.2.21", "192.0.2.22", "192.0.2.24", "2001:db8::21-2001:db8::29"]
    wanted = own({"direction": "in", "protocol": "tcp", "ports": ["5000-5100"], "peers": peers})
    found = WindowsFirewall().decode(observed(f"v2.10|Active=TRUE|Dir=In|{text}|Name=theirs|")).foreign(wanted)
    assert [item.text for item in found] == ([f"rule 'theirs' {says}"] if says else [])


@pytest.mark.parametrize("narrow", ["", "RA4=203.0.113.7|", "LPort=1433|RA6=2001:db8::7|"])
def test_a_bypass_may_let_others_in(narrow: str) -> None:
    bypass = (
        f"v2.10|Action=ByPass|Active=TRUE|Dir=In|Protocol=6|{narrow}Security=Authenticate|RMauth=O:LSD|Name=backup|"
    )
    texts = [rule.text() for rule in encode(own())]
    assert holes(observed(bypass, *texts), own(*SQL[1:])) == []
    assert holes(observed(bypass, *texts), own()) == ["rule 'backup' may let others in on tcp 1433 (local)"]
    assert holes(observed(*texts), own()) == []


@pytest.mark.parametrize(
    ("local", "group", "sentence"),
    [
        ({"PublicProfile": {"EnableFirewall": 0}}, {}, "is off in the public profile"),
        ({"PublicProfile": {"DoNotAllowExceptions": 1}}, {"PublicProfile": {"DoNotAllowExceptions": 0}}, "is blocked"),
        ({}, {"PublicProfile": {"AllowLocalPolicyMerge": 0}}, "does not merge local rules"),
        ({"PublicProfile": {"AllowLocalPolicyMerge": 0}}, {}, None),
        ({}, {"StandardProfile": {"AllowLocalPolicyMerge": 0}}, "does not merge local rules"),
        ({}, {"StandardProfile": {"AllowLocalPolicyMerge": 0}, "PrivateProfile": {}}, None),
        ({}, ONE_PORT, "for a single port"),
        ({}, {r"StandardProfile\GloballyOpenPorts": {"AllowUserPrefMerge": 0}}, "for a single port"),
        ({}, {r"DomainProfile\GloballyOpenPorts": {"AllowUserPrefMerge": 0}}, None),
    ],
)
def test_it_says_why_local_rules_have_no_effect(local: Any, group: Any, sentence: str | None) -> None:
    said = why_not_enforced(policy(local=local, group=group), encode(own()))
    assert len(said) == (1 if sentence else 0)
    assert all(sentence in item for item in said if sentence)


def test_rules_that_are_not_merged_decide_nothing() -> None:
    allow = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=1433|Name=x|"
    group = {"PublicProfile": {"AllowLocalPolicyMerge": 0}}
    assert verdict(policy(allow), "192.0.2.10") == "allow"
    assert verdict(policy(allow, group=group), "192.0.2.10") == "block"
    assert verdict(policy(gpo=(allow,), group=group), "192.0.2.10") == "allow"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("Protocol=6|LPort=1433", "block"),
        ("Protocol=6|LPort=1433|LPort=1435", "allow"),
        ("Protocol=6", "allow"),
        ("LPort=1433", "allow"),
        ("Protocol=6|LPort=1433|Svc=MSSQLSERVER", "unknown"),
    ],
)
def test_local_rules_for_a_single_port_decide_nothing_where_group_policy_says_so(rule: str, expected: str) -> None:
    """[MS-FASP] 2.2.38: TCP or UDP, no program, no service, exactly one entry of ports."""
    allow = f"v2.10|Action=Allow|Active=TRUE|Dir=In|{rule}|Name=x|"
    assert verdict(policy(allow, group=ONE_PORT), "192.0.2.10") == expected
    assert verdict(policy(gpo=(allow,), group=ONE_PORT), "192.0.2.10") == ("unknown" if "Svc" in rule else "allow")


def test_a_ruleset_for_several_ports_counts_where_single_ones_do_not() -> None:
    several = own({"direction": "in", "protocol": "tcp", "ports": ["1433", "1435"], "peers": ["192.0.2.10"]})
    assert why_not_enforced(policy(group=ONE_PORT), encode(several)) == []


def test_networks_with_different_rules_leave_it_unknown() -> None:
    allow = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=1433|Profile=Domain|Name=x|"
    assert verdict(policy(allow, active=1), "192.0.2.10") == "allow"
    assert verdict(policy(allow, active=5), "192.0.2.10") == "unknown"
