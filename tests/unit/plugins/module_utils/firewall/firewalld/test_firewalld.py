# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""firewalld as a backend, with what it shows over D-Bus; the real one is in molecule/firewalld."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Output
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld import bus
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.backend import FirewalldBackend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.bus import Firewalld
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.encode import (
    files,
    ipset_options,
    networks,
    objects,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.host import OwnConfiguration
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import (
    RUNNING,
    Journal,
    Runner,
    boot,
    network,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import KeptFile
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import (
    RemoveFile,
    RemoveFiles,
    RunCommand,
    Step,
    WriteFile,
    to_json,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import plan_change

from firewall_cases import CASES, case, ruleset
from firewalld_reads import in_force, theirs

POLICY = "/etc/firewalld/policies/dbports-in.xml"
NOTHING: dict[str, Any] = in_force(())


def observed(
    settings: dict[str, Any] | None, kept: Sequence[KeptFile] = (), *, uses: str = "nftables", **saved: str
) -> dict[str, str]:
    """Return what a host shows; without settings firewalld does not run."""
    return {
        "files": json.dumps([list(kept), []]),
        "settings": json.dumps(settings) if settings is not None else "",
        "others": json.dumps(theirs(settings)) if settings is not None else "",
        "saved": json.dumps(saved),
        "tables": "",
        "uses": uses,
        "set": uses,
        "unseen": "",
        "routed": "",
        "panic": "",
    }


def loaded(name: str) -> dict[str, str]:
    """Return what a host shows that has the rules of a case in force and kept."""
    kept = files(objects(case(name)))
    return observed(in_force(kept), kept)


def script_of(steps: Sequence[Step]) -> str:
    """Return the one script that is run, after all files."""
    found = [step for step in steps if isinstance(step, RunCommand) and step.argv == ("sh", "-s")]
    assert len(found) == 1
    return found[0].text


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_case_comes_back(name: str) -> None:
    """In force and kept; and nothing is to be done then."""
    shown = loaded(name)
    state = FirewalldBackend().decode(shown)
    assert state.ruleset == case(name)
    script = FirewalldBackend().encode(case(name), shown, persist=True)
    assert (script.kept, script.keep) == (state.kept, ())


def test_the_files_of_a_server() -> None:
    """What an administrator sees: who owns the rules, one number an accept, refusals last."""
    by_path = {item.path: item.content for item in files(objects(case("sql602").of("erp-db")))}
    assert sorted(by_path) == [
        "/etc/firewalld/ipsets/dbports-1-v4.xml",
        "/etc/firewalld/ipsets/dbports-2-v6.xml",
        "/etc/firewalld/ipsets/dbports-3-v4.xml",
        "/etc/firewalld/ipsets/dbports-4-v6.xml",
        POLICY,
    ]
    policy = by_path[POLICY]
    assert policy.startswith(
        '<?xml version="1.0" encoding="utf-8"?>\n<policy target="CONTINUE" priority="-32768">\n'
        "  <short>dbports.firewall</short>\n"
        "  <description>Guarded ports of dbports.firewall; changes are lost."
        ' "dbports: inventory host erp-db" "ping" "602SQL clients" "search"</description>\n'
        '  <ingress-zone name="ANY" />\n  <egress-zone name="HOST" />\n'
        '  <rule priority="1" family="ipv4">\n    <source ipset="dbports-1-v4" />\n'
        '    <icmp-type name="echo-request" />\n    <accept />\n  </rule>\n'
    )
    assert policy.endswith(
        '  <rule priority="32767">\n    <port port="5001" protocol="udp" />\n    <drop />\n  </rule>\n</policy>\n'
    )


def add_rule(settings: dict[str, Any]) -> None:
    """Accept what nobody declared."""
    settings["policies"]["dbports-in"]["rich_rules"]["data"].insert(0, 'rule priority="-1" accept')


def add_port(settings: dict[str, Any]) -> None:
    """Open a port in the own policy."""
    settings["policies"]["dbports-in"]["ports"] = {"type": "a(ss)", "data": [["1433", "tcp"]]}


def accept_all(settings: dict[str, Any]) -> None:
    """Change what becomes of the rest."""
    settings["policies"]["dbports-in"]["target"]["data"] = "ACCEPT"


def lower(settings: dict[str, Any]) -> None:
    """Let another policy come first."""
    settings["policies"]["dbports-in"]["priority"]["data"] = 100


def add_peer(settings: dict[str, Any]) -> None:
    """Let somebody in."""
    settings["ipsets"]["dbports-1-v4"][5].append("203.0.113.66")


def spoil_peer(settings: dict[str, Any]) -> None:
    """Put into an ipset what is no address."""
    settings["ipsets"]["dbports-1-v4"][5].append("?")


def change_type(settings: dict[str, Any]) -> None:
    """Make another kind of an ipset."""
    settings["ipsets"]["dbports-1-v4"][3] = "hash:ip"


def drop_rule(settings: dict[str, Any]) -> None:
    """Take away the refusal."""
    settings["policies"]["dbports-in"]["rich_rules"]["data"].pop()


def add_ipset(settings: dict[str, Any]) -> None:
    """Leave an ipset that no rule needs."""
    settings["ipsets"]["dbports-9-v4"] = settings["ipsets"]["dbports-1-v4"]


def drop_ipset(settings: dict[str, Any]) -> None:
    """Take away an ipset."""
    del settings["ipsets"]["dbports-1-v4"]


def add_policy(settings: dict[str, Any]) -> None:
    """Add a policy under our name."""
    settings["policies"]["dbports-out"] = settings["policies"]["dbports-in"]


def rename_comment(settings: dict[str, Any]) -> None:
    """Write another description."""
    settings["policies"]["dbports-in"]["description"]["data"] = "mine"


@pytest.mark.parametrize(
    "change",
    [
        add_rule,
        add_port,
        accept_all,
        lower,
        add_peer,
        spoil_peer,
        change_type,
        drop_rule,
        add_ipset,
        drop_ipset,
        add_policy,
        rename_comment,
    ],
)
def test_any_drift_shows(change: Callable[[dict[str, Any]], None]) -> None:
    """Whatever is changed in our objects at run time, the ruleset is another one, and it is written anew."""
    shown = loaded("sql602")
    settings = json.loads(shown["settings"])
    change(settings)
    shown["settings"] = json.dumps(settings)
    state = FirewalldBackend().decode(shown)
    assert state.ruleset != case("sql602")
    script = FirewalldBackend().encode(case("sql602"), shown, persist=True)
    assert [step.path for step in script.load if isinstance(step, WriteFile)] == state.kept.paths
    assert "reload" in script_of(script.load)


def test_drift_of_the_files_shows() -> None:
    """A changed file is written again, and a copy that firewalld left goes away."""
    kept = files(objects(case("sql602")))
    changed = [item._replace(content="<policy/>") if item.path == POLICY else item for item in kept]
    shown = observed(in_force(kept), [*changed, KeptFile(f"{POLICY}.old", 0o644, "x")])
    script = FirewalldBackend().encode(case("sql602"), shown, persist=True)
    assert FirewalldBackend().decode(shown).kept != script.kept
    assert [step.path for step in script.keep if isinstance(step, WriteFile)] == [POLICY]
    assert [step.path for step in script.keep if isinstance(step, RemoveFile)] == [f"{POLICY}.old"]


def test_objects_of_others_are_passed_over() -> None:
    """Their names are not among ours, even if they begin alike."""
    settings = in_force(files(objects(case("sql602"))))
    settings["policies"]["their-policy"] = settings["policies"]["dbports-in"]
    settings["ipsets"]["their-ipset"] = settings["ipsets"]["dbports-1-v4"]
    settings["policies"]["dbports-inner"] = settings["policies"]["dbports-in"]
    settings["ipsets"]["dbports-admins"] = settings["ipsets"]["dbports-1-v4"]
    assert FirewalldBackend().decode(observed(settings)).ruleset == case("sql602")


def test_files_of_others_that_are_named_alike_are_not_ours(tmp_path: Path) -> None:
    """An administrator's ipset that a zone needs stays, whatever is removed."""
    ours = ["ipsets/dbports-12-v6.xml", "policies/dbports-in.xml", "policies/dbports-in.xml.old"]
    theirs = [
        *("ipsets/dbports-9lives.xml", "ipsets/dbports-admins.xml", "policies/dbports-in.xml.bak"),
        *("policies/dbports-inner.xml", "policies/dbports-own.xml.old"),
    ]
    for name in (*ours, "policies/.dbports-dbports-out.xml", *theirs):
        path = tmp_path / "etc/firewalld" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="utf-8")
    own = OwnConfiguration(str(tmp_path))
    assert [item.path for item in own.files()] == [f"/etc/firewalld/{name}" for name in ours]
    Runner(str(tmp_path)).do(to_json(own.clear_steps()))
    left = [path for path in (tmp_path / "etc/firewalld").rglob("*") if path.is_file()]
    assert sorted(str(path.relative_to(tmp_path / "etc/firewalld")) for path in left) == theirs


def test_what_is_not_ours_to_write() -> None:
    """A ruleset with unexpected parts is refused."""
    with pytest.raises(DbportsError) as error:
        objects(Ruleset(unexpected=("x",)))
    assert error.value.code == "cannot_encode"


def test_a_range_becomes_networks_and_a_large_ipset_says_so() -> None:
    """An ipset takes networks, and 65,536 of them unless it says more."""
    wanted = ruleset(
        [{"direction": "in", "protocol": "tcp", "ports": ["1"], "peers": ["192.0.2.1-192.0.2.4"], "purpose": "x"}]
    )
    assert networks(wanted.accepts[0].peers[0]) == ["192.0.2.1", "192.0.2.2/31", "192.0.2.4"]
    assert ipset_options(6, 65536) == {"family": "inet6"}
    assert ipset_options(4, 65537) == {"family": "inet", "maxelem": "65537"}


def test_the_rules_go_and_leave_nothing() -> None:
    """Absent: the files go before the reload."""
    shown = loaded("sql602")
    script = FirewalldBackend().encode(Ruleset(), shown, persist=True)
    assert [step for step in script.load if isinstance(step, WriteFile)] == []
    removed = [step.path for step in script.load if isinstance(step, RemoveFile)]
    assert removed == FirewalldBackend().decode(shown).kept.paths
    assert script.kept.files == ()
    assert isinstance(script.load[-1], RunCommand)


def test_without_persist_the_files_go_after_the_reload() -> None:
    """They bring the rules into force and would bring them back at boot."""
    script = FirewalldBackend().encode(case("sql602"), observed(NOTHING), persist=False)
    assert len([step for step in script.load if isinstance(step, WriteFile)]) == 5
    assert script.kept.files == ()
    shown = loaded("sql602")
    again = FirewalldBackend().encode(case("sql602"), shown, persist=False)
    assert [type(step) for step in again.keep] == [RemoveFile] * 5


def test_where_firewalld_does_not_run() -> None:
    """Files can be removed and not written: nothing would tell whether firewalld takes them."""
    kept = files(objects(case("sql602")))
    shown = observed(None, kept)
    script = FirewalldBackend().encode(Ruleset(), shown, persist=True)
    assert (script.load, [type(step) for step in script.keep]) == ((), [RemoveFile] * 5)
    with pytest.raises(DbportsError) as error:
        FirewalldBackend().encode(case("sql602"), shown, persist=True)
    assert error.value.code == "program_missing"
    back = FirewalldBackend().undo(shown)
    assert [type(step) for step in back] == [*[RemoveFiles] * 2, *[WriteFile] * 5]


def test_the_way_back() -> None:
    """Own files away, the old ones back, then a reload."""
    shown = loaded("sql602")
    back = FirewalldBackend().undo(shown)
    clear = OwnConfiguration().clear_steps()
    assert back[: len(clear)] == clear
    assert [type(step) for step in back[len(clear) :]] == [*[WriteFile] * 5, RunCommand]
    assert "reload" in script_of(back)


def test_the_way_back_to_rules_that_are_not_kept() -> None:
    """What was in force is loaded, and what was kept is kept again."""
    settings = in_force(files(objects(case("sql602"))))
    back = FirewalldBackend().undo(observed(settings))
    clear = OwnConfiguration().clear_steps()
    assert [type(step) for step in back[len(clear) : -len(clear)]] == [*[WriteFile] * 5, RunCommand]
    assert (back[: len(clear)], back[-len(clear) :]) == (clear, clear)


def test_the_way_back_at_boot(tmp_path: Path) -> None:
    """After a power cut in the middle of a change: also the files that only the new rules have are gone then.

    No program of a firewall runs at boot, so all of this is done with files.
    """
    shown, machine = loaded("mssql"), Runner(str(tmp_path))
    script = FirewalldBackend().encode(case("sql602"), shown, persist=True)
    machine.do(to_json([step for step in script.load if isinstance(step, WriteFile)]))
    for name in ("dbports-2-v6.xml.old", ".dbports-dbports-3-v4.xml", "theirs.xml"):
        (tmp_path / "etc/firewalld/ipsets" / name).write_text("", encoding="utf-8")
    machine.write_journal(
        Journal("x", RUNNING, 0, "an earlier boot", network(), False, to_json(FirewalldBackend().undo(shown)))
    )
    boot(machine)
    own = OwnConfiguration(str(tmp_path)).files()
    assert own == FirewalldBackend().decode(shown).kept.files
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {item.path.lstrip("/") for item in own} | {"etc/firewalld/ipsets/theirs.xml"}


def test_a_reload_that_would_empty_chains_of_others() -> None:
    """Where firewalld writes into iptables itself, nothing can bring them back."""
    saved = "*filter\n:INPUT ACCEPT [0:0]\n:IN_public - [0:0]\n:DOCKER - [0:0]\n-A DOCKER -j DROP\nCOMMIT\n"
    shown = observed(NOTHING, uses="iptables", iptables=saved)
    with pytest.raises(DbportsError, match="DOCKER") as error:
        FirewalldBackend().encode(case("sql602"), shown, persist=True)
    assert error.value.code == "would_lose"
    assert FirewalldBackend().encode(Ruleset(), shown, persist=True).kept.files == ()
    own = observed(NOTHING, uses="iptables", iptables=saved.replace("DOCKER", "FWDO_public_allow\n:RFC3964_IPv4"))
    assert "iptables" not in script_of(FirewalldBackend().encode(case("sql602"), own, persist=True).load)


LISTING: list[dict[str, Any]] = [
    {"table": {"family": "inet", "name": name}}
    | {"chain": {"family": "inet", "table": name, "name": "in", "hook": "input", "type": "filter", "policy": "drop"}}
    for name in ("firewalld", "theirs")
]


def test_ipsets_are_read_from_the_kernel() -> None:
    """Where firewalld makes sets of nftables of them, all of them are in the listing that is read anyway."""
    kept = files(objects(case("sql602")))
    shown = observed(in_force(kept), kept)
    settings = json.loads(shown["settings"])
    nodes = []
    for name, item in settings["ipsets"].items():
        head = {"family": "inet", "name": name, "table": "firewalld", "handle": 1, "flags": ["interval"]}
        nodes.append(
            {"set": {**head, "type": "ipv4_addr" if "v4" in name else "ipv6_addr", "elem": nft_elements(item)}}
        )
    shown["tables"] = json.dumps({"nftables": nodes})
    shown["settings"] = json.dumps({**settings, "ipsets": {}})
    assert FirewalldBackend().decode(shown).ruleset == case("sql602")
    nodes[0]["set"]["flags"] = ["timeout"]
    shown["tables"] = json.dumps({"nftables": nodes})
    assert FirewalldBackend().decode(shown).ruleset != case("sql602")


def nft_elements(ipset: list[Any]) -> list[Any]:
    """Return the entries of an ipset as nft lists them."""
    pairs = [entry.partition("/") for entry in ipset[5]]
    return [{"prefix": {"addr": addr, "len": int(size)}} if size else addr for addr, _slash, size in pairs]


def test_what_drops_behind_firewalld_is_named() -> None:
    """A table of somebody else and a direct rule; firewalld's own table lets pass what the policy accepts."""
    shown = observed(NOTHING, iptables="*filter\n:INPUT DROP [0:0]\nCOMMIT\n")
    nodes = [{kind: body} for item in LISTING for kind, body in item.items()]
    shown["tables"] = json.dumps({"nftables": nodes})
    found = FirewalldBackend().decode(shown).foreign(case("sql602"))
    assert {item.place["table"] for item in found} == {"theirs", "filter"}
    assert {item.verdict for item in found} == {"drops"}
    assert FirewalldBackend().decode(observed(None)).foreign(case("sql602")) == []


def test_panic_mode_is_named_and_not_its_rules(
    programs: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule in the table that firewalld has for it would last until the next reload."""
    assert programs
    table = {"table": {"family": "inet", "name": "firewalld_policy_drop"}}
    monkeypatch.setattr(bus.Firewalld, "tables", lambda _self: json.dumps({"nftables": [table]}))
    asked = Bus(in_force(files(objects(case("sql602")))))
    asked.panics = True
    backend = FirewalldBackend(Firewalld(asked), OwnConfiguration(str(tmp_path)))
    found = backend.decode(backend.observe()).foreign(case("sql602"))
    assert len(found) == len(case("sql602").accepts)
    assert {(item.verdict, item.fix) for item in found} == {("drops", "")}
    assert "firewall-cmd --panic-off" in found[0].sentence("erp-db")


def test_what_firewalld_drops_while_it_reloads_is_not_foreign() -> None:
    """In a table of its own, as long as that takes."""
    shown = observed(NOTHING)
    place = {"family": "inet", "table": "firewalld_policy_drop"}
    chain = {**place, "name": "filter_input", "type": "filter", "hook": "input", "prio": 9, "policy": "drop"}
    shown["tables"] = json.dumps(
        {"nftables": [{"table": {"family": "inet", "name": place["table"]}}, {"chain": chain}]}
    )
    assert FirewalldBackend().decode(shown).foreign(case("sql602")) == []


class Bus:
    """A busctl that knows what firewalld answers."""

    def __init__(self, settings: dict[str, Any], *, running: bool = True) -> None:
        self.settings = settings
        self.running = running
        self.panics = False
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str], text: str) -> Output:
        """Answer one call."""
        if argv[0] == "firewall-cmd":
            return Output(0 if self.running else 252, "", "")
        if argv[0] != "busctl":
            return Output(0, "# the time\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", "")
        assert list(argv[:3]) == ["busctl", "--system", "--auto-start=no"]
        if "NameHasOwner" in argv:
            return Output(0, f"b {str(self.running).lower()}\n", "")
        words = list(argv[argv.index("org.fedoraproject.FirewallD1") + 2 :])
        self.asked.append(words[1])
        return Output(0, json.dumps(self.answer(words)), "")

    def answer(self, words: list[str]) -> dict[str, Any]:
        """Return what a method gives."""
        room = {"zone": "zones", "policy": "policies", "ipset": "ipsets"}.get(words[0].rsplit(".", 1)[1], "")
        if words[1] == "FirewallBackend":
            return {"type": "s", "data": "nftables"}
        if words[1] == "queryPanicMode":
            return {"type": "b", "data": [self.panics]}
        if words[1] == "getIPSetByName":
            return {"type": "o", "data": ["/place"]}
        if words[1] == "getSettings":
            return {"type": "(ssssa{ss}as)", "data": [["", "", "", "hash:net", {}, ["192.0.2.1"]]]}
        if words[1].startswith("getAll"):
            return {"type": "as", "data": [self.settings["direct"][words[1][len("getAll") :]]]}
        if words[1] in ("getZones", "getPolicies", "getIPSets"):
            return {"type": "as", "data": [list(self.settings[room])]}
        return {"type": "a{sv}", "data": [self.settings[room][words[3]]]}


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the programs that are installed."""
    installed = {"firewall-cmd", "busctl", "iptables-save"}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(bus.Nft, "locate", lambda: None)
    monkeypatch.setattr(bus, "find", lambda name: f"/usr/bin/{name}" if name in installed else None)
    return installed


def test_a_host_is_observed(programs: set[str], tmp_path: Path) -> None:
    """Over D-Bus, with the own files; ipsets of others only where a reload would change them."""
    assert programs
    kept = files(objects(case("sql602")))
    settings = in_force(kept)
    settings["ipsets"]["same"] = ["", "", "", "hash:net", {}, ["192.0.2.1"]]
    settings["ipsets"]["other"] = ["", "", "", "hash:net", {}, ["192.0.2.2"]]
    for item in kept:
        place = tmp_path / item.path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(item.content, encoding="utf-8")
        place.chmod(0o644)
    asked = Bus(settings)
    backend = FirewalldBackend(Firewalld(asked), OwnConfiguration(str(tmp_path)))
    assert backend.governs() == "firewalld is running"
    assert backend.carries()
    shown = backend.observe()
    state = backend.decode(shown)
    assert (state.ruleset, state.kept.files) == (case("sql602"), kept)
    assert backend.encode(case("sql602"), shown, persist=True).load == ()
    # What others have takes a call each and is asked for when something changes.
    assert not {"getZones", "getIPSetByName"} & set(asked.asked)
    assert [step for step in backend.encode(Ruleset(), shown, persist=True).load if isinstance(step, RunCommand)]
    assert {"getZones", "getIPSetByName"} < set(asked.asked)
    assert {**json.loads(shown["settings"])["ipsets"], **json.loads(shown["others"])["ipsets"]}.keys() == set(
        settings["ipsets"]
    ) - {"same"}
    assert (json.loads(shown["saved"]), shown["uses"]) == ({}, "nftables")


def listing(*tables: str) -> str:
    """Return nft's JSON of a host with these tables, each with a chain."""
    nodes = [{"chain": {"family": "inet", "table": name, "name": "in"}} for name in tables]
    return json.dumps({"nftables": nodes})


class Counting(Bus):
    """Such a busctl that also counts whether it was asked if firewalld runs, on a host with rules in iptables or none.

    :ivar rules: what iptables-save prints.
    """

    rules = ""

    def __call__(self, argv: Sequence[str], text: str) -> Output:
        """Answer one call."""
        if argv[0] == "iptables-save":
            return Output(0, self.rules, "")
        self.asked += ["NameHasOwner"] if "NameHasOwner" in argv else []
        return super().__call__(argv, text)


def test_what_is_known_is_not_asked_again(programs: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it runs and which policies it has, for the choice and the look after it; a second look asks anew."""
    assert programs
    monkeypatch.setattr(bus.Firewalld, "tables", lambda _self: listing("firewalld"))
    asked = Counting(in_force(files(objects(case("sql602")))))
    backend = FirewalldBackend(Firewalld(asked), OwnConfiguration(str(tmp_path)))
    assert backend.carries()
    assert backend.governs()
    backend.observe()
    assert asked.asked == ["NameHasOwner", "getPolicies", "getPolicySettings"]
    asked.settings = NOTHING
    assert not backend.decode(backend.observe()).ruleset
    assert asked.asked[3:] == ["NameHasOwner", "getPolicies"]
    asked.running = False
    assert backend.observe()["settings"] == ""


@pytest.mark.parametrize(
    ("rules", "tables", "shown"),
    [
        ("", ["firewalld"], []),
        ("", ["theirs"], ["FirewallBackend"]),
        (":INPUT_ZONES - [0:0]\n", ["firewalld"], ["FirewallBackend"]),
    ],
    ids=["its table", "no table of it", "rules in iptables, and a table that may be old"],
)
def test_what_it_uses_is_asked_where_its_table_does_not_tell(
    rules: str, tables: list[str], shown: list[str], programs: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change asks all the same: what it is set to use comes with the reload. Direct rules would be in iptables."""
    assert programs
    monkeypatch.setattr(bus.Firewalld, "tables", lambda _self: listing(*tables))
    asked = Counting(in_force(()))
    asked.rules = f"*filter\n{rules}COMMIT\n"
    backend = FirewalldBackend(Firewalld(asked), OwnConfiguration(str(tmp_path)))
    observed = backend.observe()
    assert observed["uses"] == "nftables"
    assert asked.asked[2:] == shown
    backend.encode(case("sql602"), observed, persist=True)
    assert "FirewallBackend" in asked.asked
    assert ("getAllRules" in asked.asked) is bool(rules)


def test_a_zone_whose_file_says_what_is_in_force_is_not_set_again(programs: set[str], tmp_path: Path) -> None:
    """A reload leaves it as it is. A file of the host's owner takes the place of one that firewalld brings along."""
    assert programs
    settings = in_force(())
    services = {"services": {"type": "as", "data": ["ssh"]}}
    settings["zones"] = dict.fromkeys(("work", "home", "public", "mine", "dmz"), services)
    text = '<zone><service name="ssh"/></zone>'
    for name, content in {
        **{f"usr/lib/firewalld/zones/{name}.xml": text for name in ("work", "home", "dmz")},
        "etc/firewalld/zones/home.xml": "<zone/>",
        "etc/firewalld/zones/public.xml": text,
        "etc/firewalld/zones/dmz/part.xml": text,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    backend = FirewalldBackend(Firewalld(Bus(settings)), OwnConfiguration(str(tmp_path)))
    script = script_of(backend.encode(case("sql602"), backend.observe(), persist=True).load)
    again = [name for name in settings["zones"] if f" -- {name} " in script]
    assert again == ["home", "mine", "dmz"]


def test_a_host_without_busctl(programs: set[str], tmp_path: Path) -> None:
    """No other firewall takes the place of a firewalld that cannot be asked."""
    programs.discard("busctl")
    backend = FirewalldBackend(Firewalld(Bus(NOTHING)), OwnConfiguration(str(tmp_path)))
    assert backend.governs() == "firewalld is running"
    with pytest.raises(DbportsError, match="busctl") as error:
        backend.carries()
    assert error.value.code == "program_missing"
    stopped = FirewalldBackend(Firewalld(Bus(NOTHING, running=False)), OwnConfiguration(str(tmp_path)))
    assert stopped.governs() is None


@pytest.mark.parametrize(
    ("shown", "runs"),
    [
        (["Job=7\nActiveState=deactivating\n", "Job=7\nActiveState=inactive\n", "ActiveState=activating\n"], True),
        (["Job=8\nActiveState=deactivating\n", "Job=\nActiveState=inactive\n"], False),
        (["Job=\nActiveState=active\n"], True),
        (["Job=0\nActiveState=inactive\n"], False),
    ],
)
def test_a_restart_is_waited_for(
    shown: list[str], runs: bool, programs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or another firewall would get the rules, as on a host whose firewalld its owner stopped."""
    programs.add("systemctl")
    monkeypatch.setattr(bus.time, "sleep", lambda _seconds: None)
    left = list(shown)

    def run(argv: Sequence[str], _text: str) -> Output:
        if argv[0] == "busctl":
            return Output(0, f"b {str(runs and not left).lower()}\n", "")
        assert argv[:2] == ("systemctl", "show")
        return Output(0, left.pop(0), "")

    assert Firewalld(run).running() is runs
    assert left == []


def test_a_start_that_does_not_end(programs: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and no other firewall takes its place."""
    programs.add("systemctl")
    monkeypatch.setattr(bus.time, "sleep", lambda _seconds: None)
    starting = Firewalld(lambda argv, _text: Output(0, "b false" if argv[0] == "busctl" else "Job=7\n", ""))
    with pytest.raises(DbportsError) as error:
        starting.running()
    assert error.value.code == "busy"


@pytest.mark.parametrize(("status", "missing", "starts"), [(0, "", True), (1, "", False), (0, "systemctl", False)])
def test_whether_systemd_starts_it(status: int, missing: str, starts: bool, programs: set[str]) -> None:
    """One that is off now and on after the next boot."""
    programs.update({"systemctl"} - {missing})

    def run(argv: Sequence[str], _text: str) -> Output:
        assert argv == ("systemctl", "is-enabled", "--quiet", "firewalld.service")
        return Output(status, "", "")

    assert FirewalldBackend(Firewalld(run)).starts_at_boot() is starts


@pytest.mark.parametrize("missing", ["firewall-cmd", "a running one"])
def test_a_host_without_firewalld(missing: str, programs: set[str], tmp_path: Path) -> None:
    """It governs nothing, and nothing is asked but whether it runs."""
    programs.discard(missing)
    asked = Bus(NOTHING, running=missing != "a running one")
    backend = FirewalldBackend(Firewalld(asked), OwnConfiguration(str(tmp_path)))
    assert (backend.governs(), backend.carries()) == (None, False)
    assert backend.observe()["settings"] == ""
    assert asked.asked == []


@pytest.mark.parametrize(("left", "unseen"), [("DOCKER-USER", ""), ("IN_dbports-in", "firewalld does not run")])
def test_rules_that_a_dead_firewalld_left_are_not_said_to_be_gone(
    left: str, unseen: str, programs: set[str], tmp_path: Path
) -> None:
    """It was killed, or has CleanupOnExit=no: only a running one could take them away."""
    assert programs

    def run(argv: Sequence[str], text: str) -> Output:
        return Output(0, f"*filter\n:{left} - [0:0]\nCOMMIT\n", "") if argv[0] == "iptables-save" else dead(argv, text)

    dead = Bus(NOTHING, running=False)
    backend = FirewalldBackend(Firewalld(run), OwnConfiguration(str(tmp_path)))
    shown = backend.observe()
    assert backend.decode(shown).unseen == unseen
    change = plan_change(backend, shown, DesiredState.from_arguments({"state": "absent"}))
    assert (change.refusal.code if change.refusal else "") == ("program_missing" if unseen else "")


def test_rules_in_force_without_a_file_are_carried(programs: set[str], tmp_path: Path) -> None:
    """After persist false there is no file."""
    assert programs
    settings = in_force(files(objects(case("sql602"))))
    assert FirewalldBackend(Firewalld(Bus(settings)), OwnConfiguration(str(tmp_path))).carries()
    assert not FirewalldBackend(Firewalld(Bus(NOTHING)), OwnConfiguration(str(tmp_path))).carries()


def test_another_user_may_not_look(programs: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """firewalld would ask for a password."""
    assert programs
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    backend = FirewalldBackend(Firewalld(Bus(NOTHING)), OwnConfiguration(str(tmp_path)))
    assert backend.governs() == "firewalld is running"
    with pytest.raises(DbportsError) as error:
        backend.carries()
    assert error.value.code == "not_permitted"


def test_an_answer_that_is_no_json(programs: set[str]) -> None:
    """And a busctl that cannot print any says how to get one."""
    assert programs
    with pytest.raises(DbportsError) as error:
        Firewalld(lambda _argv, _text: Output(0, "b true", "")).backend()
    assert error.value.code == "malformed_answer"
    with pytest.raises(DbportsError) as error:
        Firewalld(lambda _argv, _text: Output(1, "", "unrecognized option '--json=short'")).backend()
    assert "systemd" in str(error.value.fix)


@pytest.mark.parametrize(
    "said",
    [
        "Message recipient disconnected from message bus without replying.",
        'Call failed: Name "org.fedoraproject.FirewallD1" does not exist',
        "The name org.fedoraproject.FirewallD1 was not provided by any .service files",
    ],
)
def test_a_firewalld_that_ends_while_it_is_asked(said: str, programs: set[str]) -> None:
    """Seen of busctl while firewalld was restarted."""
    assert programs
    with pytest.raises(DbportsError) as error:
        Firewalld(lambda _argv, _text: Output(1, "", said)).backend()
    assert "run again" in str(error.value.fix)


def test_the_dry_run_is_in_a_copy() -> None:
    """firewall-offline-cmd reads nothing but the new files, and the copy is gone afterwards."""
    read: list[dict[str, str]] = []
    folders: list[Path] = []

    def run(argv: Sequence[str], _text: str) -> Output:
        assert (argv[0], argv[1], argv[3]) == ("firewall-offline-cmd", "--system-config", "--default-config")
        assert list(argv[4:]) == [f"{argv[2]}/stock", "--check-config"]
        folders.append(Path(argv[2]))
        assert {path.name for path in Path(argv[4]).iterdir()} == {"icmptypes", "services", "zones"}
        read.append({str(path.relative_to(argv[2])): path.read_text("utf-8") for path in Path(argv[2]).glob("[ip]*/*")})
        return Output(len(read) - 1, "", "INVALID_PORT: 0")

    script = FirewalldBackend().encode(case("sql602"), observed(NOTHING), persist=True)
    backend = FirewalldBackend(configuration=OwnConfiguration(runner=run))
    backend.check(script)
    assert {f"/etc/firewalld/{name}" for name in read[0]} == set(script.kept.paths)
    with pytest.raises(DbportsError, match="INVALID_PORT"):
        backend.check(script)
    backend.check(FirewalldBackend().encode(Ruleset(), loaded("sql602"), persist=True))
    assert len(read) == 2
    assert not any(folder.exists() for folder in folders)
