# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan in real runs: the same whoever asks and however, computed once, and exact in check and diff mode."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

PLAN = """
- hosts: all
  gather_facts: false
  tasks:
    - name: plan
      dbports.firewall.plan:
        plan_dir: out
"""
INVENTORY: dict[str, Any] = {
    "all": {
        "vars": {"ansible_connection": "local"},
        "hosts": {
            "db-1": {
                "dbports_addresses": ["192.0.2.10"],
                "dbports_servers": [{"engine": "mssql", "clients": ["apps"]}],
            },
            "db-2": {
                "dbports_addresses": ["192.0.2.11", "2001:db8::11"],
                "dbports_servers": [{"engine": "sql602", "clients": ["apps", "198.51.100.0/24"]}],
            },
            "idle": {},
        },
        "children": {
            "apps": {
                "vars": {"dbports_os": "linux"},
                "hosts": {
                    "app-1": {"dbports_addresses": ["192.0.2.21"]},
                    "app-2": {"dbports_addresses": ["192.0.2.22"]},
                },
            },
        },
    },
}
HOSTS = ["app-1", "app-2", "db-1", "db-2", "idle"]


def inventory(**changes: Any) -> dict[str, Any]:
    """Return the inventory with other variables of hosts."""
    data = copy.deepcopy(INVENTORY)
    for host, variables in changes.items():
        data["all"]["hosts"][host.replace("_", "-")].update(variables)
    return data


def files(place: Path) -> dict[str, str]:
    """Return every file of the written plan."""
    return {
        str(path.relative_to(place)): path.read_text(encoding="utf-8") for path in place.rglob("*") if path.is_file()
    }


def ids(result: Any) -> set[str]:
    """Return the plan_ids that the hosts of a run got."""
    assert result.rc == 0, result.text
    return {item["plan_id"] for item in result.of("plan")}


@pytest.fixture(scope="module")
def plain(run_first: Any) -> tuple[str, dict[str, str]]:
    """Return the plan_id of a plain run, and what it wrote."""
    (plan_id,) = ids(run_first(PLAN, INVENTORY))
    return plan_id, files(run_first.place / "out")


@pytest.fixture
def whole(run_playbook: Any, plain: tuple[str, dict[str, str]]) -> str:
    """Return the plan_id of the plain run, whose files are where it would have left them."""
    plan_id, written = plain
    run_playbook.write(INVENTORY, {f"out/{name}": text for name, text in written.items()})
    return plan_id


class TestTheSamePlan:
    """However a run is cut into pieces, the plan is of the whole inventory."""

    @pytest.mark.parametrize(
        ("arguments", "hosts"),
        [
            (("--limit", "db-1"), ["db-1"]),
            (("--limit", "idle"), ["idle"]),
            (("--limit", "apps"), ["app-1", "app-2"]),
            (("--limit", "all:!db-2"), ["app-1", "app-2", "db-1", "idle"]),
            (("-f", "1"), HOSTS),
            (("-f", "5"), HOSTS),
            (("--check",), HOSTS),
        ],
        ids=" ".join,
    )
    def test_with_arguments(self, run_playbook: Any, whole: str, arguments: tuple[str, ...], hosts: list[str]) -> None:
        written = files(run_playbook.place / "out")
        result = run_playbook(PLAN, INVENTORY, *arguments)
        assert ids(result) == {whole}
        assert sorted(result.stats) == hosts
        assert files(run_playbook.place / "out") == written

    @pytest.mark.parametrize(
        "keyword", ["serial: 1", "serial: [1, 2]", "strategy: free", "strategy: host_pinned", "order: reverse_sorted"]
    )
    def test_with_keywords(self, run_playbook: Any, whole: str, keyword: str) -> None:
        result = run_playbook(PLAN.replace("hosts: all", f"hosts: all\n  {keyword}"), INVENTORY)
        assert ids(result) == {whole}
        assert len(result.of("plan")) == len(HOSTS)

    def test_once_for_a_play(self, run_playbook: Any, whole: str) -> None:
        result = run_playbook(PLAN.replace("plan_dir: out", "plan_dir: out\n      run_once: true"), INVENTORY)
        assert ids(result) == {whole}
        assert len(result.of("plan")) == 1

    def test_an_extra_variable_is_everybodys(self, run_playbook: Any, whole: str) -> None:
        result = run_playbook(PLAN, INVENTORY, "-e", "dbports_policy=open")
        assert len(ids(result)) == 1
        assert ids(result) != {whole}
        written = json.loads((run_playbook.place / "out" / "hosts" / "db-1.json").read_text(encoding="utf-8"))
        assert written["settings"]["policy"] == "open"

    def test_the_written_index_has_that_id(self, run_playbook: Any, whole: str) -> None:
        index = (run_playbook.place / "out" / "index.json").read_bytes()
        assert hashlib.sha256(index).hexdigest() == whole
        assert [item["host"] for item in json.loads(index)["hosts"]] == ["app-1", "app-2", "db-1", "db-2"]

    def test_a_host_that_the_run_adds_is_in_the_plans_after_it(self, run_playbook: Any, whole: str) -> None:
        playbook = (
            PLAN
            + """
- hosts: db-1
  gather_facts: false
  tasks:
    - add_host: {name: app-3, groups: apps, dbports_addresses: [192.0.2.23]}
    - name: plan again
      dbports.firewall.plan: {plan_dir: out}
"""
        )
        result = run_playbook(playbook, INVENTORY)
        assert ids(result) == {whole}
        (again,) = result.of("plan again")
        assert again["plan_id"] != whole
        assert "app-3" in (run_playbook.place / "out" / "hosts" / "db-1.json").read_text(encoding="utf-8")

    def test_a_host_that_the_run_gives_another_address_has_it_in_the_plans_after_it(
        self, run_playbook: Any, whole: str
    ) -> None:
        playbook = (
            PLAN
            + """
- hosts: db-1
  gather_facts: false
  tasks:
    - add_host: {name: app-1, dbports_addresses: [192.0.2.99]}
    - name: plan again
      dbports.firewall.plan: {plan_dir: out}
"""
        )
        result = run_playbook(playbook, INVENTORY)
        assert ids(result) == {whole}
        assert result.of("plan again")[0]["plan_id"] != whole
        assert "192.0.2.99" in (run_playbook.place / "out" / "hosts" / "app-1.json").read_text(encoding="utf-8")

    def test_each_playbook_of_a_run_has_the_group_vars_beside_it(self, run_playbook: Any) -> None:
        for name, policy in (("one", "open"), ("two", "guard")):
            folder = run_playbook.place / name
            (folder / "group_vars").mkdir(parents=True)
            (folder / "group_vars" / "all.yml").write_text(f"dbports_policy: {policy}\n", encoding="utf-8")
            (folder / "plan.yml").write_text(PLAN.replace("plan_dir: out", f"plan_dir: out-{name}"), encoding="utf-8")
        run_playbook.write(INVENTORY)
        result = run_playbook.run("-i", "inventory.yml", "one/plan.yml", "two/plan.yml", "--limit", "db-1")
        assert result.rc == 0, result.text
        for name, policy in (("one", "open"), ("two", "guard")):
            written = json.loads((run_playbook.place / f"out-{name}/hosts/db-1.json").read_text(encoding="utf-8"))
            assert written["settings"]["policy"] == policy

    def test_a_vaulted_address(self, run_playbook: Any, whole: str) -> None:
        """The plan is made of what the vault holds, so it is the same as of plain text."""
        secret = VaultSecret(b"not a secret")
        text = VaultLib([("default", secret)]).encrypt(b"192.0.2.10", secret).decode("ascii")
        lines = "".join(f"    {line}\n" for line in text.splitlines())
        data = copy.deepcopy(INVENTORY)
        del data["all"]["hosts"]["db-1"]["dbports_addresses"]
        result = run_playbook(
            PLAN,
            data,
            "--vault-password-file",
            "password",
            files={"password": "not a secret\n", "host_vars/db-1.yml": f"dbports_addresses:\n  - !vault |\n{lines}"},
        )
        assert ids(result) == {whole}


class TestOnce:
    """A template in the inventory leaves a line whenever it is filled in: so many plans were computed."""

    def computed(self, run_playbook: Any, *arguments: str, playbook: str = PLAN) -> int:
        counter = run_playbook.place / "counter"
        counter.unlink(missing_ok=True)
        system = "{{ lookup('pipe', 'echo x >> " + str(counter) + "; sleep 0.3; echo linux') }}"
        result = run_playbook(playbook, inventory(db_1={"dbports_os": system}), *arguments)
        assert len(ids(result)) == 1
        return len(counter.read_text(encoding="utf-8").splitlines())

    @pytest.mark.parametrize("forks", ["2", "5"])
    def test_several_forks_at_once(self, run_playbook: Any, forks: str) -> None:
        alone = self.computed(run_playbook, "--limit", "db-2")
        assert alone >= 1
        assert self.computed(run_playbook, "-f", forks) == alone

    def test_several_plays_batches_and_the_free_strategy(self, run_playbook: Any) -> None:
        alone = self.computed(run_playbook, "--limit", "db-2")
        plays = (
            PLAN
            + PLAN.replace("hosts: all", "hosts: all\n  serial: 2")
            + PLAN.replace("hosts: all", "hosts: all\n  strategy: free")
        )
        assert self.computed(run_playbook, "-f", "2", playbook=plays) == alone

    def test_the_next_run_computes_it_anew(self, run_playbook: Any) -> None:
        """The count itself is no constant: two runs are twice as many."""
        assert self.computed(run_playbook, "-f", "2") == self.computed(run_playbook, "-f", "2") >= 1

    def test_the_summary_is_printed_once(self, run_playbook: Any) -> None:
        result = run_playbook(PLAN, INVENTORY, "-f", "5")
        (plan_id,) = ids(result)
        assert result.stdout.count(f"Plan {plan_id}: 2 servers, 4 hosts,") == 1
        assert "from app-1, app-2" in result.stdout


class TestChanged:
    """changed, --check and --diff say what happens to the directory."""

    def test_first_second_and_predicted(self, run_playbook: Any) -> None:
        out = run_playbook.place / "out"
        predicted = run_playbook(PLAN, INVENTORY, "--check", "--diff", "--limit", "db-1")
        assert predicted.of("plan")[0]["changed"] is True
        assert not out.exists()
        (page,) = predicted.of("plan")[0]["diff"]  # it says all that the files for programs say
        assert (page["after_header"], page["before"]) == ("plan.md", "")
        assert "| in | tcp 1433 |" in page["after"]
        first = run_playbook(PLAN, INVENTORY, "--diff", "--limit", "db-1")
        assert first.of("plan")[0] == predicted.of("plan")[0]
        assert first.stats["db-1"]["changed"] == 1
        for arguments in ((), ("--check",)):
            again = run_playbook(PLAN, INVENTORY, *arguments)
            assert all(item["changed"] == 0 for item in again.stats.values()), again.stats
            assert again.rc == 0

    def test_of_several_hosts_one_writes(self, run_playbook: Any) -> None:
        result = run_playbook(PLAN, INVENTORY, "-f", "5")
        assert sorted(item["changed"] for item in result.of("plan")) == [False, False, False, False, True]

    def test_a_removed_client(self, run_playbook: Any) -> None:
        run_playbook(PLAN, INVENTORY)
        out = run_playbook.place / "out"
        before = files(out)
        smaller = copy.deepcopy(INVENTORY)
        del smaller["all"]["children"]["apps"]["hosts"]["app-2"]
        predicted = run_playbook(PLAN, smaller, "--check", "--diff", "-f", "1", "--limit", "idle")
        assert files(out) == before
        assert predicted.of("plan")[0]["changed"] is True
        shown = [line for line in predicted.stdout.splitlines() if line.startswith("-") and '"name":"app-2"' in line]
        servers_rules = before["hosts/db-1.json"].count('"name":"app-2"') + before["hosts/db-2.json"].count(
            '"name":"app-2"'
        )
        assert len(shown) == servers_rules > 1
        result = run_playbook(PLAN, smaller, "--diff", "-f", "5")
        assert result.rc == 0, result.text
        assert not (out / "hosts" / "app-2.json").exists()
        changes = [item for item in result.of("plan") if item["changed"]]
        assert [item["diff"] for item in changes] == [predicted.of("plan")[0]["diff"]]

    def test_without_a_directory_nothing_is_written(self, run_playbook: Any) -> None:
        playbook = PLAN.replace("dbports.firewall.plan:\n        plan_dir: out", "dbports.firewall.plan:")
        result = run_playbook(playbook, INVENTORY)
        assert len(ids(result)) == 1
        assert all(item["changed"] == 0 for item in result.stats.values())
        assert not (run_playbook.place / "out").exists()


class TestErrors:
    """What cannot be planned fails everywhere, says all of it and writes nothing."""

    def test_every_error_is_told_and_nothing_written(self, run_playbook: Any) -> None:
        wrong = inventory(
            db_1={"dbports_servers": [{"engine": "mssql", "clients": ["app"]}]},
            db_2={"dbports_servers": [{"engine": "sql602", "clients": ["apps"], "port_base": 65535}]},
        )
        result = run_playbook(PLAN, wrong, "--limit", "idle")
        assert result.rc != 0
        assert "db-1: dbports_servers[0].clients[0]: neither an inventory host or group" in result.text
        assert "db-2: dbports_servers[0].port_base: at most 65534" in result.text
        assert "Traceback" not in result.text
        assert not (run_playbook.place / "out").exists()

    def test_a_template_that_cannot_be_filled_in(self, run_playbook: Any) -> None:
        servers = [{"engine": "mssql", "clients": ["apps"], "name": "{{ nowhere }}"}]
        result = run_playbook(PLAN, inventory(db_1={"dbports_servers": servers}), "--limit", "idle")
        assert result.rc != 0
        assert "db-1: dbports_servers: its template cannot be filled in" in result.text
        assert "'{{ nowhere }}'" in result.text
        assert "a plan knows only variables of the inventory" in result.text

    def test_an_error_of_many_hosts_is_printed_once(self, run_playbook: Any) -> None:
        """Not once a host, and not again in the failure of each host."""
        hosts = {f"n{number:02}": {"dbports_addresses": [f"198.51.100.{number}"]} for number in range(20)}
        group = {"vars": {"dbports_servers": [{"engine": "mssqll", "clients": ["apps"]}]}, "hosts": hosts}
        data = copy.deepcopy(INVENTORY)
        data["all"]["children"]["nodes"] = group
        result = run_playbook(PLAN, data, "-f", "5")
        assert result.rc != 0
        hosts_told = "n00, n01, n02 and 17 more hosts"
        told = f"{hosts_told}: dbports_servers[0].engine: no such engine (got 'mssqll'). Did you mean mssql?"
        assert result.text.count("no such engine") == 1
        assert told in result.text
        failures = [failure["msg"] for failure in result.of("plan")]
        assert len(failures) == 25
        assert set(failures) == {
            "the declarations cannot be planned: see the 20 errors printed above, once for all hosts."
        }

    def test_an_error_of_group_all_names_the_file(self, run_playbook: Any) -> None:
        files = {"group_vars/all.yml": "dbports_networks: {office: [192.0.2.300]}\ndbports_gateways: '{{ nowhere }}'\n"}
        result = run_playbook(PLAN, INVENTORY, "--limit", "idle", files=files)
        file = run_playbook.place / "group_vars/all.yml"
        assert f"all ({file}): dbports_gateways: its template cannot be filled in" in result.text
        (run_playbook.place / "group_vars/all.yml").write_text("dbports_networks: {office: [192.0.2.300]}\n")
        result = run_playbook.run("playbook.yml", "-i", "inventory.yml", "--limit", "idle")
        assert f"all ({file}): dbports_networks.office[0]: not an IPv4 or IPv6 address" in result.text
        assert "(got '192.0.2.300')" in result.text

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            (
                "2026-01-01",
                "dbports_addresses[0]: expected text, a number, true or false, a list or a dictionary, "
                "not a date (got '2026-01-01'). Write it in quotes",
            ),
            ("!!binary aGVsbG8=", "not binary data (got \"b'hello'\")"),
        ],
    )
    def test_a_value_that_is_no_plain_data(self, run_playbook: Any, value: str, told: str) -> None:
        files = {"host_vars/db-1.yml": f"dbports_addresses: [{value}]\n"}
        data = copy.deepcopy(INVENTORY)
        del data["all"]["hosts"]["db-1"]["dbports_addresses"]
        result = run_playbook(PLAN, data, "--limit", "idle", files=files)
        assert "db-1: dbports_addresses[0]" in result.text
        assert told in result.text

    @pytest.mark.parametrize("address", ["{{ secret }}", "{{ secret }}/24"])
    def test_a_value_out_of_a_vault_is_not_printed(self, run_playbook: Any, address: str) -> None:
        password = VaultSecret(b"not a secret")
        text = VaultLib([("default", password)]).encrypt(b"198.51.100.300", password).decode("ascii")
        lines = "".join(f"  {line}\n" for line in text.splitlines())
        servers = [{"engine": "mssql", "clients": [address, "{{ secret }}"]}]
        files = {"password": "not a secret\n", "group_vars/all.yml": f"secret: !vault |\n{lines}"}
        data = inventory(db_1={"dbports_servers": servers})
        result = run_playbook(PLAN, data, "--limit", "idle", "--vault-password-file", "password", files=files)
        assert (
            "db-1: dbports_servers[0].clients[1]: not an IPv4 or IPv6 address or network (a vault value)" in result.text
        )
        assert "198.51.100.300" not in result.text
        result = run_playbook(PLAN, data, "--limit", "idle", files=files)
        assert "db-1: dbports_servers: its template cannot be filled in" in result.text
        assert "198.51.100.300" not in result.text

    def test_half_an_inventory_is_noticed(self, run_playbook: Any) -> None:
        data = copy.deepcopy(INVENTORY)
        data["all"]["vars"]["dbports_expected_hosts"] = 6
        result = run_playbook(PLAN, data, "--limit", "db-1")
        assert result.rc != 0
        assert "only 5 hosts" in result.text
        data["all"]["vars"]["dbports_expected_hosts"] = 5
        assert run_playbook(PLAN, data, "--limit", "db-1").rc == 0

    def test_an_emptied_group_is_no_plan(self, run_playbook: Any) -> None:
        """A controller's job slice keeps groups and empties them."""
        data = copy.deepcopy(INVENTORY)
        data["all"]["children"]["apps"]["hosts"] = {}
        result = run_playbook(PLAN, data)
        assert result.rc != 0
        assert "this group has no hosts" in result.text

    def test_an_unknown_argument(self, run_playbook: Any) -> None:
        result = run_playbook(PLAN.replace("plan_dir: out", "plan_directory: out"), INVENTORY, "--limit", "db-1")
        assert result.rc != 0
        assert "plan_directory" in result.of("plan")[0]["msg"]
