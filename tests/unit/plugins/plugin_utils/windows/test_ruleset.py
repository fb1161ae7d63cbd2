# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset on a simulated Windows host: changed, not changed, failed at every step, undone and confirmed."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows import policy
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.policy import matches
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.rules import parse_rule
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost, script_text
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.observation import observe
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ports import dynamic_range, excluded_ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ruleset import apply_ruleset, confirm
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.task import rollback_command, task_xml

from simulated_windows import DENIED, SimulatedWindows


def rule(port: str, *peers: str, protocol: str = "tcp", **more: Any) -> dict[str, Any]:
    """Return an inbound rule."""
    return {"direction": "in", "protocol": protocol, "ports": [port], "peers": list(peers), **more}


WANTED = {"owner": "erp-db", "rules": [rule("1433", "192.0.2.21", "2001:db8::21"), rule("1434", protocol="udp")]}
OTHER = {"owner": "erp-db", "rules": [rule("1433", "192.0.2.22"), rule("5022", "192.0.2.11")], "allow_shrink": True}


@pytest.fixture
def windows() -> SimulatedWindows:
    """Return a host as it is after setup."""
    return SimulatedWindows()


def run(windows: SimulatedWindows, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Give the host a ruleset."""
    return apply_ruleset(WindowsHost(windows.call), arguments, **{"check": False, **more})


def test_one_call_looks_and_one_changes(windows: SimulatedWindows) -> None:
    before = dict(windows.state["local"])
    predicted = run(windows, WANTED, check=True)
    assert (windows.calls, windows.state["local"]) == (["collect"], before)
    done = run(windows, WANTED)
    assert windows.calls == ["collect", "collect", "apply"]
    assert (done["changed"], done["guarded"], done["backend"]) == (True, {"tcp": "1433", "udp": "1434"}, "windows")
    assert done["diff"] == predicted["diff"]
    again = run(windows, WANTED)
    assert (again["changed"], again["diff"], windows.calls[3:]) == (False, [], ["collect"])
    assert windows.state["local"]["{THEIRS-1}"] == before["{THEIRS-1}"]
    run(windows, {"owner": "erp-db", "state": "absent"})
    assert windows.state["local"] == before


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"backend": "nftables"}, "backend"),
        ({"backend": "nftables", "state": "absent"}, "backend"),
        ({"chains": ["inet filter input"]}, "chains"),
    ],
)
def test_a_choice_that_windows_does_not_have_is_refused(
    windows: SimulatedWindows, more: dict[str, Any], path: str
) -> None:
    """Whoever asks for a firewall does not get another one, from apply as little as from verify."""
    before = dict(windows.state["local"])
    with pytest.raises(DbportsError) as caught:
        run(windows, {**WANTED, **more})
    assert (caught.value.code, caught.value.path) == ("wrong_backend", path)
    assert windows.state["local"] == before
    found = observe(WindowsHost(windows.call), {"ruleset": {**WANTED, **more}})["ruleset"]
    assert found["error"] == str(caught.value)


def test_a_rule_that_was_edited_is_drift_and_comes_back(windows: SimulatedWindows) -> None:
    run(windows, WANTED)
    key = next(key for key, text in windows.state["local"].items() if "Action=Block" in text and "LPort=1433" in text)
    windows.state["local"][key] = windows.state["local"][key].replace("Active=TRUE", "Active=FALSE")
    assert run(windows, WANTED, check=True)["changed"]
    run(windows, WANTED)
    assert run(windows, WANTED)["changed"] is False
    assert "Active=FALSE" not in "".join(windows.state["local"].values())


@pytest.mark.parametrize("confirm_timeout", [0, 30])
def test_a_failure_at_any_step_leaves_the_host_as_it_was(windows: SimulatedWindows, confirm_timeout: float) -> None:
    run(windows, WANTED)
    ended = False
    for step in range(1, 30):
        host = SimulatedWindows({**copy.deepcopy(windows.state), "steps": 0, "fail_at": step})
        rules = sorted(host.state["local"].values())
        try:
            run(host, OTHER, confirm_timeout=confirm_timeout)
        except DbportsError as error:
            assert error.code == "command_failed"
            assert sorted(host.state["local"].values()) == rules
            assert not host.state["task"]
        else:
            ended = True
            break
    assert ended


def test_what_is_not_confirmed_comes_back(windows: SimulatedWindows) -> None:
    run(windows, WANTED)
    before = sorted(windows.state["local"].values())
    assert run(windows, OTHER, confirm_timeout=30)["confirm"]
    assert sorted(windows.state["local"].values()) != before
    windows.run_task()
    assert sorted(windows.state["local"].values()) == before
    assert not windows.state["task"]
    with pytest.raises(DbportsError) as caught:
        confirm(WindowsHost(windows.call), OTHER)
    assert caught.value.code == "not_confirmed"


def test_what_is_confirmed_stays(windows: SimulatedWindows) -> None:
    run(windows, WANTED, confirm_timeout=30)
    after = sorted(windows.state["local"].values())
    confirm(WindowsHost(windows.call), WANTED)
    windows.run_task()
    assert sorted(windows.state["local"].values()) == after
    assert (windows.state["task"], windows.state["registry"]) == ("", "")


def test_a_copy_of_a_rule_of_ours_is_never_removed_in_its_place(windows: SimulatedWindows) -> None:
    """Windows removes by name, and a copy has the name without the group."""
    run(windows, WANTED)
    text = next(text for text in windows.state["local"].values() if "EmbedCtxt=dbports|" in text)
    windows.state["local"] = {"{COPY}": text.replace("EmbedCtxt=dbports|", ""), **windows.state["local"]}
    there = dict(windows.state["local"])
    with pytest.raises(DbportsError) as caught:
        run(windows, {**WANTED, "state": "absent"})
    assert (caught.value.code, windows.state["local"]) == ("not_ours", there)
    assert f"Name={caught.value.value}|" in text
    assert not run(windows, WANTED)["changed"]


def test_a_rule_is_added_beside_a_copy_of_it(windows: SimulatedWindows) -> None:
    run(other := SimulatedWindows(), WANTED)
    copies = {
        f"{{COPY-{key}}}": text.replace("EmbedCtxt=dbports|", "")
        for key, text in other.state["local"].items()
        if "EmbedCtxt=dbports|" in text
    }
    windows.state["local"].update(copies)
    assert run(windows, WANTED)["changed"]
    assert not run(windows, WANTED)["changed"]
    assert all(windows.state["local"][key] == text for key, text in copies.items())


@pytest.mark.parametrize("port", ["22", "3389", "5985-5986", "2222"])
def test_ways_in_are_not_guarded(windows: SimulatedWindows, port: str) -> None:
    with pytest.raises(DbportsError) as caught:
        run(windows, {"owner": "erp-db", "rules": [rule(port, "192.0.2.21")]}, ways_in=[2222])
    assert caught.value.code == "would_lock_out"
    assert "could lock administrators out" in str(caught.value)
    assert windows.calls == ["collect"]


@pytest.mark.parametrize(
    "switch",
    [
        {"PublicProfile": {"AllowLocalPolicyMerge": "0"}},
        {"PublicProfile": {}, r"PublicProfile\GloballyOpenPorts": {"AllowUserPrefMerge": "0"}},
    ],
)
def test_rules_that_group_policy_ignores_are_refused(
    windows: SimulatedWindows, switch: dict[str, dict[str, str]]
) -> None:
    windows.state["switches"]["policy"] = switch
    with pytest.raises(DbportsError) as caught:
        run(windows, WANTED)
    assert caught.value.code == "not_enforced"
    run(other := SimulatedWindows(), WANTED)
    wanted = [parse_rule(text) for text in other.state["local"].values() if "EmbedCtxt=dbports|" in text]
    assert len(wanted) == 3
    for one in wanted:
        assert one.text() in str(caught.value)


def test_a_firewall_that_is_off_is_told(windows: SimulatedWindows) -> None:
    windows.state["switches"]["local"] = {"PublicProfile": {"EnableFirewall": "0"}}
    assert any("is off in the public profile" in item for item in run(windows, WANTED)["warnings"])


def test_a_rule_that_blocks_a_client_is_named(windows: SimulatedWindows) -> None:
    windows.state["local"]["{X}"] = "v2.10|Action=Block|Active=TRUE|Dir=In|Protocol=6|RA4=192.0.2.0/24|Name=theirs|"
    result = run(windows, WANTED)
    assert [item["verdict"] for item in result["foreign"]] == ["drops"]
    assert any("rule 'theirs' blocks tcp 1433 from 192.0.2.21" in item for item in result["warnings"])


@pytest.mark.parametrize(
    ("said", "code", "fix"),
    [
        (DENIED, "not_permitted", "Administrators"),
        (
            "There are no more endpoints available from the endpoint mapper. (Exception from HRESULT: 0x800706D9)",
            "command_failed",
            "MpsSvc",
        ),
        ("Cannot create type. Only core types are supported in this language mode.", "not_permitted", "WDAC"),
        ("something else", "command_failed", ""),
    ],
)
def test_what_windows_says_has_a_sentence(windows: SimulatedWindows, said: str, code: str, fix: str) -> None:
    windows.state["says"] = said
    with pytest.raises(DbportsError) as caught:
        run(windows, WANTED)
    assert caught.value.code == code
    assert fix in (caught.value.fix or "")


def test_ports_that_a_server_may_not_get_are_told(windows: SimulatedWindows) -> None:
    windows.state["excluded"] = (
        "\nStart Port    End Port\n----------    --------\n      1400        1499\n     50000       50000     *\n"
    )
    ports = [rule("1433", "192.0.2.21"), rule("50000", "192.0.2.21"), rule("50001", "192.0.2.21")]
    said = run(windows, {"owner": "erp-db", "rules": ports})["warnings"]
    assert [item.partition(":")[0] for item in said] == [
        "tcp 1433 is in the range 1400-1499, which Windows has reserved",
        "tcp 50001 is in the dynamic range 49152-65535 of this host, where another program may take it; to reserve it "
        "for the server",
    ]
    assert said[1].endswith(
        "net stop winnat; netsh int ipv4 add excludedportrange protocol=tcp startport=50001 numberofports=1; "
        "net start winnat"
    )


def test_netsh_is_read_in_any_language() -> None:
    german = (
        "\nProtokoll tcp Dynamischer Portbereich\n-----------------\nStartport   : 49152\nAnzahl von Ports : 16384\n"
    )
    assert str(dynamic_range(german)) == "49152-65535"
    assert dynamic_range("Der Befehl ist fehlgeschlagen.") is None
    assert excluded_ranges("nothing") == ([], [])


def test_the_task_runs_the_script_and_fits_a_command_line() -> None:
    task = task_xml(30.4)
    assert "<RegistrationTrigger><Enabled>true</Enabled><Delay>PT30S</Delay></RegistrationTrigger>" in task
    assert "<BootTrigger>" in task
    assert len(rollback_command()) < 32767
    script = base64.b64decode(rollback_command().rpartition(" ")[2]).decode("utf-16-le")
    assert script.splitlines()[0] == "$ErrorActionPreference = 'Stop'", "it ends at the first error, as under Ansible"
    assert "$rules.Remove" in script_text("apply.ps1")


def test_400_rules_are_one_call_each_way(windows: SimulatedWindows) -> None:
    many = {"owner": "erp-db", "rules": [rule(str(20000 + number), f"192.0.2.{number % 250}") for number in range(400)]}
    run(windows, many)
    assert windows.calls == ["collect", "apply"]
    assert run(windows, many)["changed"] is False
    assert len(json.dumps(windows.state["local"])) < 700_000


def test_many_rules_are_not_compared_with_each_other(
    windows: SimulatedWindows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has to be looked at grows with the rules, and not with their square."""
    looked = []

    def count(*arguments: Any) -> Any:
        looked.append(arguments)
        return matches(*arguments)

    monkeypatch.setattr(policy, "matches", count)
    counts = []
    for size in (100, 200):
        looked.clear()
        host = SimulatedWindows(copy.deepcopy(windows.state))
        ports = [rule(str(20000 + number), f"192.0.2.{number % 250}") for number in range(size)]
        run(host, {"owner": "erp-db", "rules": ports})
        counts.append(len(looked))
    assert 0 < counts[1] <= 2 * counts[0]


def connect(windows: SimulatedWindows, *peers: str, port: int = 1433, pid: int = 4711) -> None:
    """Give the host connections."""
    for number, peer in enumerate(peers):
        end = f"[{peer}]" if ":" in peer else peer
        here = "[2001:db8::10]" if ":" in peer else "192.0.2.10"
        row = f"  TCP    {here}:{port}   {end}:{51000 + number}   ESTABLISHED     {pid}\n"
        windows.state["netstat"] += row


def test_connections_that_would_be_cut_are_named(windows: SimulatedWindows) -> None:
    connect(windows, "192.0.2.21", "192.0.2.66", "2001:db8::66")
    connect(windows, "192.0.2.66", port=50123, pid=999)  # the host's own, to a server elsewhere
    predicted = run(windows, WANTED, check=True)
    done = run(windows, WANTED)
    assert predicted["cut"] == done["cut"]
    assert [(item["peer"], item["peer_port"], item["process"], item["services"]) for item in done["cut"]] == [
        ("192.0.2.66", 51001, "sqlservr", ["MSSQLSERVER"]),
        ("2001:db8::66", 51002, "sqlservr", ["MSSQLSERVER"]),
    ]
    (said,) = [item for item in done["warnings"] if "cut" in item]
    assert "tcp 1433 from 192.0.2.66 port 51001 (sqlservr, MSSQLSERVER, pid 4711)" in said
    assert said.startswith("erp-db: the new rules cut 2 established connections")
    assert said.endswith("Windows ends them at their next packet")


def test_a_state_in_another_language_hides_no_connection(windows: SimulatedWindows) -> None:
    connect(windows, "192.0.2.66")
    windows.state["netstat"] = windows.state["netstat"].replace("ESTABLISHED", "USTANOWIONO")
    windows.state["netstat"] += "  TCP    192.0.2.10:1433   192.0.2.67:51000   CZAS_OCZEKIWANIA     0\n"
    assert [item["peer"] for item in run(windows, WANTED)["cut"]] == ["192.0.2.66"]


def test_what_is_done_about_cut_connections_is_the_users_choice(windows: SimulatedWindows) -> None:
    connect(windows, "192.0.2.66")
    before = dict(windows.state["local"])
    with pytest.raises(DbportsError) as caught:
        run(windows, {**WANTED, "cut_live": "refuse"})
    assert caught.value.code == "would_cut"
    assert "192.0.2.66" in str(caught.value)
    assert (windows.state["local"], windows.calls) == (before, ["collect"])
    allowed = run(windows, {**WANTED, "cut_live": "allow"})
    assert [item["peer"] for item in allowed["cut"]] == ["192.0.2.66"]
    assert not [item for item in allowed["warnings"] if "cut" in item]


def test_removing_the_rules_cuts_whom_only_they_let_in(windows: SimulatedWindows) -> None:
    del windows.state["local"]["{THEIRS-1}"]
    run(windows, WANTED)
    connect(windows, "192.0.2.21")
    assert [item["peer"] for item in run(windows, {**WANTED, "state": "absent"}, check=True)["cut"]] == ["192.0.2.21"]
    windows.state["local"]["{X}"] = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=1433|Name=theirs|"
    assert run(windows, {**WANTED, "state": "absent"}, check=True)["cut"] == []


def test_nothing_is_cut_where_the_firewall_is_off(windows: SimulatedWindows) -> None:
    windows.state["switches"]["local"] = {"PublicProfile": {"EnableFirewall": "0"}}
    connect(windows, "192.0.2.66")
    assert run(windows, WANTED, check=True)["cut"] == []


def test_connections_that_cannot_be_read_are_told(windows: SimulatedWindows) -> None:
    windows.state["netstat"] = "Access denied"
    assert any(
        "which established connections the new rules cut is not known" in x for x in run(windows, WANTED)["warnings"]
    )
    with pytest.raises(DbportsError):
        run(windows, {**OTHER, "cut_live": "refuse"})


def test_a_change_that_waits_is_not_overtaken(windows: SimulatedWindows) -> None:
    """A run that finds the rules of an unconfirmed change must not call the host done: they are about to go."""
    before = dict(windows.state["local"])
    assert run(windows, WANTED, confirm_timeout=30)["confirm"]
    with pytest.raises(DbportsError) as caught:
        run(windows, WANTED)
    assert caught.value.code == "busy"
    assert run(windows, WANTED, check=True)["changed"] is False
    windows.run_task()
    assert windows.state["local"] == before
    assert run(windows, WANTED)["changed"] is True


def test_the_way_back_keeps_the_order(windows: SimulatedWindows) -> None:
    """Allow is added before block and block removed before allow, so that no declared client is blocked meanwhile."""
    run(windows, WANTED)
    run(windows, OTHER, confirm_timeout=30)
    back = json.loads(windows.state["registry"])
    assert [item["action"] for item in back["add"]] == sorted((item["action"] for item in back["add"]), reverse=True)
    assert [item["action"] for item in back["remove"]] == sorted(item["action"] for item in back["remove"])
    assert {item["action"] for item in back["add"]} == {item["action"] for item in back["remove"]} == {0, 1}
