# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan's short way through an inventory gives what Ansible's own long way gives.

``VariableManager.get_vars`` is the oracle: whatever an inventory is made of, every variable that the plan reads of a
host is the same there, templates filled in.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from ansible import constants
from ansible.inventory.host import Host
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory import ansible_inventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.ansible_inventory import (
    AnsibleInventory,
    inventory_state,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import (
    GLOBAL_VARIABLES,
    HOST_VARIABLES,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from hypothesis import given, settings
from hypothesis import strategies as st

SECRET = VaultSecret(b"not a secret")


class Bundle:
    """An inventory on disk with all that belongs to it, read by Ansible and by the plan.

    :param files: texts by their path below ``place``; ``play`` is the playbook's folder.
    :param sources: what is given with ``-i``: paths below ``place``, or lists of hosts.
    """

    def __init__(
        self, place: Path, files: Mapping[str, str], *sources: str, extra: Mapping[str, Any] | None = None
    ) -> None:
        for name, text in {"play/.keep": "", **files}.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, encoding="utf-8")
        self.loader = DataLoader()
        self.loader.set_basedir(str(place / "play"))
        self.loader.set_vault_secrets([("default", SECRET)])
        self.manager = InventoryManager(
            loader=self.loader, sources=[item if "," in item else str(place / item) for item in sources]
        )
        self.variables = VariableManager(loader=self.loader, inventory=self.manager)
        self.variables._extra_vars = dict(extra or {})
        self.hostvars = HostVars(self.manager, self.variables, self.loader)

    def ours(self) -> AnsibleInventory:
        """Return the inventory as the plan reads it."""
        return AnsibleInventory(self.hostvars)

    def oracle(self, name: str) -> dict[str, Any]:
        """Return a host's variables as Ansible sees them, as plain data."""
        variables = self.variables.get_vars(host=self.manager.hosts[name])
        templar = Templar(loader=self.loader, variables=variables)
        return {key: simple(templar.template(variables[key])) for key in HOST_VARIABLES if key in variables}

    def oracle_of_all(self) -> dict[str, Any]:
        """Return what a host in no other group than all would have of the variables of the whole inventory."""
        host = Host("in-no-other-group")
        host.add_group(self.manager.groups["all"])
        variables = self.variables.get_vars(host=host)
        templar = Templar(loader=self.loader, variables=variables)
        return {key: simple(templar.template(variables[key])) for key in GLOBAL_VARIABLES if key in variables}

    def agree(self) -> dict[str, dict[str, Any]]:
        """Compare all hosts, groups and who declares servers; return the variables of all hosts."""
        ours = self.ours()
        expected = {str(name): self.oracle(name) for name in self.manager.hosts}
        assert {name: ours.host(name) for name in expected} == expected
        declaring = {name for name, values in expected.items() if "dbports_servers" in values}
        assert set(self.ours().declaring()) == declaring
        for name, group in self.manager.groups.items():
            assert sorted(ours.group(name) or ()) == sorted(host.name for host in group.get_hosts())
        assert ours.settings() == self.oracle_of_all()
        assert ours.size() == len(expected)
        assert set(ours.names()) == set(self.manager.hosts) | set(self.manager.groups)
        return expected


def simple(value: Any) -> Any:
    """Return data as JSON has it."""
    return json.loads(json.dumps(value))


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Bundle]:
    """Return what makes a bundle: ``bundle(files, *sources, extra=...)``."""
    return lambda files, *sources, extra=None: Bundle(tmp_path, files, *sources, extra=extra)


INI = """
[all:vars]
dbports_os=linux
dbports_policy=open

[apps]
app-[1:3] dbports_addresses="['192.0.2.21']"

[dbs]
db-1 ansible_host=192.0.2.10
db-2 ansible_host=db-2.example.org dbports_filter_outbound=yes

[dbs:vars]
dbports_servers=[{"engine": "mssql", "clients": ["apps"]}]

[site:children]
apps
dbs

[site:vars]
dbports_os=windows
"""
YAML = """
all:
  vars: {dbports_policy: open}
  hosts:
    lonely: {ansible_host: 192.0.2.99}
  children:
    site:
      vars: {dbports_os: windows}
      children:
        dbs:
          hosts:
            db-1: {dbports_servers: [{engine: sql602, clients: [apps], ping: true}]}
            db-2:
        apps:
          vars: {dbports_os: linux, dbports_ephemeral_ports: 20000-30000}
          hosts: {app-1: , app-2: {dbports_addresses: [192.0.2.22, '2001:db8::22']}}
    both: {hosts: {db-1: , app-1: {dbports_policy: guard}}, vars: {dbports_os: freebsd}}
"""


class TestForms:
    """Everything in which variables are written."""

    def test_ini(self, bundle: Callable[..., Bundle]) -> None:
        values = bundle({"hosts.ini": INI}, "hosts.ini").agree()
        assert values["db-2"]["dbports_os"] == "windows", "a child group beats all"
        assert values["db-1"]["dbports_servers"][0]["clients"] == ["apps"]

    def test_yaml(self, bundle: Callable[..., Bundle]) -> None:
        values = bundle({"hosts.yml": YAML}, "hosts.yml").agree()
        assert values["app-1"]["dbports_policy"] == "guard"
        assert values["lonely"]["ansible_host"] == "192.0.2.99"

    def test_several_sources_the_last_one_wins(self, bundle: Callable[..., Bundle]) -> None:
        files = {"a/hosts.yml": YAML, "b/hosts.ini": INI, "a/group_vars/all.yml": "dbports_policy: guard\n"}
        files["b/host_vars/db-1.yml"] = "ansible_host: 198.51.100.1\n"
        first = bundle(files, "a/hosts.yml", "b/hosts.ini").agree()
        assert first["db-1"]["dbports_servers"][0]["engine"] == "sql602", "a host's own beats its group's"
        assert first["db-1"]["ansible_host"] == "198.51.100.1"

    def test_a_directory_of_inventories(self, bundle: Callable[..., Bundle]) -> None:
        files = {
            "inv/01.yml": YAML,
            "inv/02.ini": INI,
            "inv/group_vars/apps.yml": "dbports_os: macos\n",
            "inv/host_vars/app-2/main.yml": "dbports_policy: guard\n",
        }
        values = bundle(files, "inv").agree()
        assert values["app-2"]["dbports_os"] == "macos"
        assert values["app-2"]["dbports_policy"] == "guard"

    def test_a_list_of_hosts_with_files_beside_the_playbook(self, bundle: Callable[..., Bundle]) -> None:
        files = {
            "play/host_vars/192.0.2.10.yml": "dbports_servers: [{engine: mssql, clients: [192.0.2.21]}]\n",
            "play/group_vars/all": "dbports_os: linux\n",
        }
        values = bundle(files, "192.0.2.10,192.0.2.21,").agree()
        assert values["192.0.2.10"]["dbports_servers"][0]["engine"] == "mssql"
        assert values["192.0.2.21"] == {"dbports_os": "linux"}

    def test_files_beside_inventory_and_playbook(self, bundle: Callable[..., Bundle]) -> None:
        files = {
            "hosts.yml": YAML,
            "group_vars/all.yml": "dbports_policy: guard\ndbports_os: aix\n",
            "group_vars/dbs/a.yml": "dbports_os: hpux\n",
            "group_vars/dbs/b.json": '{"dbports_os": "solaris"}',
            "group_vars/site.yaml": "dbports_ephemeral_ports: 1-2\n",
            "host_vars/db-1": "ansible_host: 192.0.2.10\n",
            "play/group_vars/all.yml": "dbports_filter_outbound: true\n",
            "play/group_vars/apps.yml": "dbports_ephemeral_ports: 3-4\n",
            "play/host_vars/db-2.yml": "dbports_servers: [{engine: mssql, clients: [apps]}]\n",
            "play/host_vars/db-1.yml": "ansible_host: 192.0.2.110\n",
            "host_vars/.hidden.yml": "dbports_os: windows\n",
            "host_vars/lonely.txt": "dbports_os: windows\n",
        }
        values = bundle(files, "hosts.yml").agree()
        assert values["db-2"]["dbports_servers"][0]["engine"] == "mssql"
        assert values["db-1"]["ansible_host"] == "192.0.2.110", "the playbook's folder beats the inventory's"
        assert values["app-1"]["dbports_ephemeral_ports"] == "3-4"

    @pytest.mark.parametrize("name", ["db.example.org", "db.yml", "192.0.2.10", "db.d", "br\u00fccke"])
    @pytest.mark.parametrize("form", ["{}", "{}.yml", "{}.json", "{}/x.yml", "{}/deep/er/x.yaml"])
    def test_names_with_dots_and_their_files(self, bundle: Callable[..., Bundle], name: str, form: str) -> None:
        files = {
            "hosts.yml": yaml.safe_dump({"all": {"hosts": {name: None, "other": None}}}),
            f"host_vars/{form.format(name)}": '{"dbports_servers": [], "dbports_os": "linux"}',
        }
        assert bundle(files, "hosts.yml").agree()[name] == {"dbports_servers": [], "dbports_os": "linux"}

    def test_an_extra_variable_beats_everything(self, bundle: Callable[..., Bundle]) -> None:
        files = {"hosts.yml": YAML, "host_vars/db-1.yml": "dbports_policy: guard\n"}
        values = bundle(files, "hosts.yml", extra={"dbports_policy": "open", "dbports_servers": []}).agree()
        assert {item["dbports_policy"] for item in values.values()} == {"open"}

    def test_group_priority(self, bundle: Callable[..., Bundle]) -> None:
        text = YAML.replace("vars: {dbports_os: freebsd}", "vars: {dbports_os: freebsd, ansible_group_priority: PRIO}")
        first = bundle({"hosts.yml": text.replace("PRIO", "0")}, "hosts.yml").agree()
        assert first["app-1"]["dbports_os"] == "linux"

    def test_a_higher_group_priority(self, bundle: Callable[..., Bundle]) -> None:
        text = YAML.replace("vars: {dbports_os: freebsd}", "vars: {dbports_os: freebsd, ansible_group_priority: 10}")
        values = bundle(
            {"hosts.yml": text, "group_vars/both.yml": "dbports_ephemeral_ports: 5-6\n"}, "hosts.yml"
        ).agree()
        assert values["app-1"]["dbports_ephemeral_ports"] == "5-6"

    @pytest.mark.parametrize("order", [(5, 4, 3, 2, 1, 0), (1, 0, 5, 2), (3, 5, 0), (2, 4, 1), (5,), ()])
    def test_another_precedence(
        self, bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]
    ) -> None:
        entries = list(constants.VARIABLE_PRECEDENCE)
        monkeypatch.setattr(constants, "VARIABLE_PRECEDENCE", [entries[number] for number in order])
        files = {
            "hosts.yml": YAML,
            "group_vars/all.yml": "dbports_os: aix\n",
            "group_vars/apps.yml": "dbports_os: hpux\n",
            "play/group_vars/all.yml": "dbports_os: solaris\n",
            "play/group_vars/dbs.yml": "dbports_os: macos\n",
        }
        bundle(files, "hosts.yml").agree()

    @pytest.mark.parametrize(
        ("behaviour", "networks", "policy"),
        [
            ("replace", {"dc": ["198.51.100.0/24"]}, {"c": 4}),
            (
                "merge",
                {"office": ["192.0.2.0/24"], "lab": ["203.0.113.0/24"], "dc": ["198.51.100.0/24"]},
                {"a": {"x": 1, "y": 2}, "b": 3, "c": 4},
            ),
        ],
    )
    def test_dictionaries_from_several_places(
        self,
        bundle: Callable[..., Bundle],
        monkeypatch: pytest.MonkeyPatch,
        behaviour: str,
        networks: dict[str, Any],
        policy: dict[str, Any],
    ) -> None:
        """hash_behaviour = merge: dictionaries are put together, level by level; replace: the last one wins."""
        monkeypatch.setattr(constants, "DEFAULT_HASH_BEHAVIOUR", behaviour)
        files = {
            "hosts.yml": (
                "all: {vars: {dbports_networks: {office: [192.0.2.0/24], dc: [192.0.2.128/25]}}, children: {dbs: "
                "{hosts: {db-1: {dbports_policy: {b: 3}}}, vars: {dbports_policy: {a: {x: 1, y: 1}}}}}}\n"
            ),
            "group_vars/all.yml": "dbports_networks: {lab: [203.0.113.0/24]}\n",
            "play/group_vars/dbs.yml": "dbports_policy: {a: {y: 2}}\n",
            "play/host_vars/db-1.yml": "dbports_policy: {c: 4}\n",
        }
        made = bundle(files, "hosts.yml", extra={"dbports_networks": {"dc": ["198.51.100.0/24"]}})
        assert made.agree()["db-1"]["dbports_policy"] == policy
        assert made.ours().settings() == {"dbports_networks": networks}

    def test_hosts_of_no_group_and_groups_of_no_host(self, bundle: Callable[..., Bundle]) -> None:
        text = "[empty]\n[empty:vars]\ndbports_servers=[]\n[group]\nb\n"
        text += "[ungrouped]\na\n[ungrouped:vars]\ndbports_os=linux\n"
        values = bundle({"hosts.ini": text}, "hosts.ini").agree()
        assert values["a"] == {"dbports_os": "linux"}

    def test_facts_that_tasks_set_are_not_the_inventorys(self, bundle: Callable[..., Bundle]) -> None:
        made = bundle({"hosts.yml": YAML}, "hosts.yml")
        made.variables.set_nonpersistent_facts("db-2", {"dbports_servers": [], "dbports_os": "aix"})
        made.variables.set_host_variable("db-2", "dbports_policy", "guard")
        assert made.ours().host("db-2") == {"dbports_policy": "open", "dbports_os": "windows"}

    def test_settings_of_the_whole_inventory(self, bundle: Callable[..., Bundle]) -> None:
        files = {"hosts.yml": YAML, "group_vars/all.yml": "dbports_expected_hosts: '{{ 2 + 3 }}'\n"}
        made = bundle(files, "hosts.yml")
        assert str(made.ours().settings()["dbports_expected_hosts"]) == "5"
        assert not set(made.ours().host("db-1") or ()) & set(GLOBAL_VARIABLES)

    def test_an_unknown_host_and_an_unknown_group(self, bundle: Callable[..., Bundle]) -> None:
        ours = bundle({"hosts.yml": YAML}, "hosts.yml").ours()
        assert ours.host("nobody") is None
        assert ours.group("nobody") is None
        assert ours.host("localhost") is None


class TestTemplates:
    """Values in which Jinja stands, or that are no plain data before Ansible looks at them."""

    def test_templates_are_filled_in_with_the_hosts_own_variables(self, bundle: Callable[..., Bundle]) -> None:
        files = {
            "hosts.yml": YAML,
            "group_vars/all.yml": (
                "site: 192.0.2\n"
                "ansible_host: '{{ site }}.{{ number | default(7) }}'\n"
                "dbports_addresses: ['{{ ansible_host }}', \"{{ '2001:db8::' ~ (number | default(7)) }}\"]\n"
                "dbports_policy: \"{{ 'open' if inventory_hostname in groups.apps else 'guard' }}\"\n"
                "dbports_filter_outbound: '{{ number is defined }}'\n"
                "dbports_ephemeral_ports: '{# as it is #}20000-30000'\n"
            ),
            "host_vars/db-1.yml": (
                "number: 10\n"
                "dbports_servers: [{engine: mssql, clients: '{{ groups.apps }}', instances: '{{ all_of_them }}'}]\n"
                "all_of_them: [{name: SALES, tcp_port: '{{ 14000 + number }}'}]\n"
            ),
        }
        values = bundle(files, "hosts.yml").agree()
        assert values["db-1"]["dbports_addresses"] == ["192.0.2.10", "2001:db8::10"]
        assert values["db-1"]["dbports_servers"][0]["instances"] == [{"name": "SALES", "tcp_port": 14010}]
        assert values["db-1"]["dbports_servers"][0]["clients"] == ["app-1", "app-2"]
        assert values["app-2"]["dbports_policy"] == "open"
        assert values["db-1"]["dbports_ephemeral_ports"] == "20000-30000"
        assert values["db-1"]["dbports_filter_outbound"] is True

    def test_text_that_is_marked_unsafe_stays(self, bundle: Callable[..., Bundle]) -> None:
        files = {"hosts.yml": YAML, "host_vars/db-1.yml": "dbports_os: !unsafe '{{ nothing }}'\n"}
        assert bundle(files, "hosts.yml").agree()["db-1"]["dbports_os"] == "{{ nothing }}"

    def test_a_vaulted_file(self, bundle: Callable[..., Bundle]) -> None:
        text = VaultLib([("default", SECRET)]).encrypt(b"ansible_host: 192.0.2.10\n", SECRET).decode("ascii")
        files = {"hosts.yml": YAML, "host_vars/db-1.yml": text}
        assert bundle(files, "hosts.yml").agree()["db-1"]["ansible_host"] == "192.0.2.10"

    @pytest.mark.parametrize(
        "text",
        [
            "dbports_os: '{{ nowhere }}'",
            "dbports_servers: [{engine: mssql, clients: ['{{ nowhere }}']}]",
            "dbports_servers: [{engine: mssql, clients: ['{{ groups.apps']}]",
            "dbports_servers: '{{ hostvars.nobody.x }}'",
            "dbports_os: \"{{ lookup('file', '/nowhere/at/all') }}\"",
        ],
    )
    def test_a_template_that_cannot_be_filled_in(self, bundle: Callable[..., Bundle], text: str) -> None:
        ours = bundle({"hosts.yml": YAML, "host_vars/db-2.yml": text + "\n"}, "hosts.yml").ours()
        with pytest.raises(DbportsError) as caught:
            ours.host("db-2")
        assert (caught.value.host, caught.value.path) == ("db-2", text.partition(":")[0])
        assert "template" in caught.value.reason

    def test_what_comes_out_has_nothing_of_ansible_in_it(self, bundle: Callable[..., Bundle]) -> None:
        files = {"hosts.yml": YAML, "group_vars/all.yml": "dbports_addresses: ['{{ 192 }}.0.2.1']\n"}
        ours = bundle(files, "hosts.yml").ours()

        def types(value: Any) -> set[type]:
            if isinstance(value, dict):
                return {dict}.union(*(types(key) | types(item) for key, item in value.items()))
            if isinstance(value, list):
                return {list}.union(*map(types, value))
            return {type(value)}

        for name in ("db-1", "db-2", "app-1", "lonely"):
            assert types(ours.host(name)) <= {dict, list, str, int, bool, type(None)}


CHOICES: dict[str, list[Any]] = {
    "ansible_host": ["192.0.2.10", "db.example.org", "{{ inventory_hostname }}"],
    "dbports_addresses": [["192.0.2.10"], ["192.0.2.11", "2001:db8::11"], "{{ ['192.0.2.12'] }}"],
    "dbports_ephemeral_ports": ["20000-30000", "1024-65535"],
    "dbports_filter_outbound": [True, False, "yes", "{{ 1 == 1 }}"],
    "dbports_networks": [{"a": ["192.0.2.0/24"]}, {"a": ["198.51.100.0/24"], "b": ["203.0.113.0/24"]}],
    "dbports_os": ["linux", "windows", None],
    "dbports_policy": ["guard", {"x": {"y": 1}}, {"x": {"z": 2}}, "{{ 'open' if other is defined else 'guard' }}"],
    "dbports_servers": [
        [],
        [{"engine": "mssql", "clients": ["g0"]}],
        "{{ [{'engine': 'sql602', 'clients': ['g1']}] }}",
    ],
    "other": [1],
}


def generated(choice: random.Random) -> tuple[dict[str, str], list[str], dict[str, Any]]:
    """Return the files, sources and extra variables of an inventory."""
    hosts = [f"h{number}" if choice.random() < 0.7 else f"h{number}.example.org" for number in range(8)]
    groups = [f"g{number}" for number in range(7)]

    def some(likely: float) -> dict[str, Any]:
        return {key: choice.choice(values) for key, values in CHOICES.items() if choice.random() < likely}

    def part() -> dict[str, Any]:
        """Return one source: groups may be children of groups with a higher number, so there is no circle."""
        found: dict[str, Any] = {"all": {"hosts": {name: some(0.1) for name in hosts if choice.random() < 0.6}}}
        if choice.random() < 0.5:
            found["all"]["vars"] = some(0.2)
        for number, name in enumerate(groups):
            variables = some(0.25)
            if choice.random() < 0.3:
                variables["ansible_group_priority"] = choice.choice([1, 5, 10])
            found[name] = {
                "hosts": {host: some(0.05) for host in hosts if choice.random() < 0.25},
                "children": {other: None for other in groups[:number] if choice.random() < 0.3},
                "vars": variables,
            }
        return found

    files = {"inv/1.yml": yaml.safe_dump(part()), "inv/2.yml": yaml.safe_dump(part())}
    for base in ("inv", "play"):
        for name in [*hosts, *groups, "all", "ungrouped"]:
            if choice.random() < 0.3:
                folder = "host_vars" if name in hosts else "group_vars"
                form = choice.choice(["{}", "{}.yml", "{}.json", "{}/a.yml"]).format(name)
                files[f"{base}/{folder}/{form}"] = json.dumps(some(0.3))
    sources = choice.choice([["inv"], ["inv/1.yml"], ["inv/1.yml", "inv/2.yml"], ["inv/2.yml", "inv/1.yml"]])
    extra = {key: value for key, value in some(0.05).items() if "{{" not in str(value)}
    return files, sources, extra


@pytest.mark.parametrize("behaviour", ["replace", "merge"])
def test_generated_inventories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> None:
    monkeypatch.setattr(constants, "DEFAULT_HASH_BEHAVIOUR", behaviour)
    seen: dict[str, set[str]] = {key: set() for key in HOST_VARIABLES}
    places = (tmp_path / str(number) for number in itertools.count())

    @settings(max_examples=60, derandomize=True, database=None)
    @given(st.randoms(use_true_random=True))
    def compare(choice: random.Random) -> None:
        files, sources, extra = generated(choice)
        for values in Bundle(next(places), files, *sources, extra=extra).agree().values():
            for key, value in values.items():
                seen[key].add(json.dumps(value))

    compare()
    assert all(len(values) > 1 for values in seen.values()), "the comparison is worth something"


class Looked:
    """Who was looked at, and how."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hostvars: list[str] = []
        self.files: list[str] = []
        plain_item, plain_get = HostVars.__getitem__, VariableManager.get_vars

        def item(hostvars: Any, name: str) -> Any:
            self.hostvars.append(str(name))
            return plain_item(hostvars, name)

        def get_vars(manager: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("host") is not None:
                self.hostvars.append(str(kwargs["host"].name))
            return plain_get(manager, *args, **kwargs)

        monkeypatch.setattr(HostVars, "__getitem__", item)
        monkeypatch.setattr(VariableManager, "get_vars", get_vars)
        for name in ("get_vars_from_inventory_sources", "get_vars_from_path"):
            plain = getattr(ansible_inventory, name)

            def spy(loader: Any, place: Any, entities: Any, stage: str, plain: Any = plain) -> Any:
                self.files += [str(entity.name) for entity in entities]
                return plain(loader, place, entities, stage)

            monkeypatch.setattr(ansible_inventory, name, spy)


class TestLittleIsRead:
    """No clock, but who is asked: hosts that matter to nobody are not."""

    FILES: ClassVar[dict[str, str]] = {
        "hosts.ini": (
            "db ansible_host=192.0.2.10\n[apps]\napp-[1:3]\n[idle]\nidle-[1:200]\n[idle:vars]\n"
            "dbports_os={{ lookup('pipe', 'false') }}\n[apps:vars]\ndbports_os=linux\n"
        ),
        "group_vars/apps.yml": "dbports_addresses: [\"{{ '198.51.100.' ~ inventory_hostname[-1] }}\"]\n",
        "host_vars/db.yml": "dbports_servers: [{engine: mssql, clients: [apps]}]\n",
        "host_vars/idle-7.yml": 'note: nothing for us\nansible_host: \'{{ lookup("pipe", "false") }}\'\n',
    }

    def test_of_hosts_that_matter_to_nobody(
        self, bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = bundle(self.FILES, "hosts.ini")
        looked = Looked(monkeypatch)
        plan = build_plan(made.ours())
        assert sorted(plan.hosts) == ["app-1", "app-2", "app-3", "db"]
        assert format_addresses(plan.hosts["app-2"].addresses) == ["198.51.100.2"]
        assert set(looked.hostvars) == {"app-1", "app-2", "app-3"}, "only theirs have templates"
        hosts = {name for name in looked.files if name in made.manager.hosts}
        assert hosts == {"db", "idle-7"}, "only those that have files"

    def test_without_templates_nothing_is_asked_of_hostvars(
        self, bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = {**self.FILES, "group_vars/apps.yml": "dbports_addresses: [198.51.100.1]\n"}
        made = bundle(files, "hosts.ini")
        looked = Looked(monkeypatch)
        build_plan(made.ours())
        assert looked.hostvars == []

    def test_a_set_of_groups_is_read_once(self, bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch) -> None:
        """Twice the hosts in the same groups: not one look at a file more."""
        counts = []
        for number, size in enumerate((50, 100)):
            text = 'db ansible_host=192.0.2.10 dbports_servers=\'[{"engine": "mssql", "clients": ["apps"]}]\'\n'
            text += f"[apps]\napp-[1:{size}] ansible_host=198.51.100.1\n[apps:vars]\ndbports_os=linux\n"
            made = bundle({f"{number}/hosts.ini": text}, f"{number}/hosts.ini")
            with monkeypatch.context() as patch:
                looked = Looked(patch)
                assert len(build_plan(made.ours()).hosts) == size + 1
            counts.append(len(looked.files))
        assert counts[0] == counts[1] > 0


class TestState:
    """What a run does to its inventory is noticed; what it leaves alone costs no new plan."""

    def test_nothing_happened(self, bundle: Callable[..., Bundle]) -> None:
        made = bundle({"hosts.yml": YAML}, "hosts.yml")
        before = inventory_state(made.hostvars)
        made.ours().declaring()
        made.variables.set_nonpersistent_facts("db-1", {"ansible_host": "192.0.2.99"})
        assert inventory_state(made.hostvars) == before

    @pytest.mark.parametrize(
        "added",
        [
            {"host_name": "db-1", "host_vars": {"ansible_host": "192.0.2.11"}},
            {"host_name": "db-1", "host_vars": {"dbports_servers": []}},
            {"host_name": "lonely", "groups": ["apps"]},
            {"host_name": "new"},
        ],
    )
    def test_add_host(self, bundle: Callable[..., Bundle], added: dict[str, Any]) -> None:
        made = bundle({"hosts.yml": YAML}, "hosts.yml")
        before = inventory_state(made.hostvars)
        made.manager.add_dynamic_host(added, {})
        assert inventory_state(made.hostvars) != before

    def test_group_by(self, bundle: Callable[..., Bundle]) -> None:
        made = bundle({"hosts.yml": YAML}, "hosts.yml")
        before = inventory_state(made.hostvars)
        made.manager.add_dynamic_group(made.manager.hosts["lonely"], {"add_group": "apps", "parent_groups": ["all"]})
        assert inventory_state(made.hostvars) != before

    def test_refresh_inventory(self, bundle: Callable[..., Bundle]) -> None:
        made = bundle({"hosts.yml": YAML}, "hosts.yml")
        before = inventory_state(made.hostvars)
        made.manager.refresh_inventory()
        assert inventory_state(made.hostvars) != before


class TestFacts:
    """The last resort for a host's address: what was gathered or cached."""

    HOSTS = 'db dbports_servers=\'[{"engine": "mssql", "clients": ["app"]}]\' ansible_host=192.0.2.10\napp\n'

    def test_default_addresses(self, bundle: Callable[..., Bundle]) -> None:
        made = bundle({"hosts.ini": self.HOSTS}, "hosts.ini")
        assert made.ours().fact_addresses("app") == []
        made.variables.set_host_facts(
            "app",
            {"ansible_default_ipv4": {"address": "192.0.2.21"}, "ansible_default_ipv6": {"address": "2001:db8::21"}},
        )
        assert made.ours().fact_addresses("app") == ["192.0.2.21", "2001:db8::21"]
        plan = build_plan(made.ours())
        assert format_addresses(plan.hosts["app"].addresses) == ["192.0.2.21", "2001:db8::21"]
        assert plan.inputs["facts"] == {"app": ["192.0.2.21", "2001:db8::21"]}

    @pytest.mark.parametrize(
        "facts", [{}, {"ansible_default_ipv4": {}}, {"ansible_default_ipv4": None}, {"ansible_default_ipv6": "x"}]
    )
    def test_facts_without_an_address(self, bundle: Callable[..., Bundle], facts: dict[str, Any]) -> None:
        made = bundle({"hosts.ini": self.HOSTS}, "hosts.ini")
        made.variables.set_host_facts("app", facts)
        assert made.ours().fact_addresses("app") == []
