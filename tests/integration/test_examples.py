# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example that users read is run: those of all plugins, and the YAML of README and docs.

The lab holds the hosts that the README's inventory names; the examples of the modules are written for the same ones.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.engines import read_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import read_server
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import (
    GLOBAL_VARIABLES,
    HOST_VARIABLES,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.variables import RUN_VARIABLES
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import TRANSLATORS
from packaging.specifiers import SpecifierSet

from gateway_plans import example_plan, file_data
from lab import Lab
from socks_scene import gateway_of
from socks_scene import inventory as socks_inventory

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STAND_INS = ROOT / "tests" / "lab" / "stand_ins.py"
LAB = {
    "erp-db": "192.0.2.10",
    "neighbour": "192.0.2.11",
    "app-01": "192.0.2.21",
    "intruder": "192.0.2.66",
    "reports-01": "192.0.2.99",
}
EXTRA = {
    "ansible_connection": "netns",
    "ansible_python_interpreter": sys.executable,
    "ansible_become": False,
    "dbports_persist": False,
    "guard_persist": False,
    "dbports_probe_timeout": 2,
}
"""What a lab host needs beside what the example says."""

EXAMPLES_OF = re.compile(r'^EXAMPLES = r"""\n(.*?)^"""', re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^ *```ya?ml\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([a-z_]+(?:/[a-z0-9-]+)?\.yml)\b")
ANSWER = re.compile(r"^# => (.*(?:\n#    .*)*)", re.MULTILINE)
STATE = {"apply": "absent", "ruleset": "absent", "verify": "present"}
"""What the hosts have to look like before the examples of a module; the others do not care."""
GATEWAYS: dict[str, dict[str, Any]] = {
    "gateways": {
        "dbports_networks": {"office": ["192.0.2.21/32"], "dc": ["192.0.2.10/32"]},
        "dbports_gateways": [{"name": "acl-1", "kind": "filter", "platform": "ios", "between": ["office", "dc"]}],
    }
}
"""What the inventory has to declare for the examples of a module; the others do without gateways."""


def plugins(kind: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins" / kind).glob("*.py") if not path.stem.startswith("_"))


def examples(kind: str, name: str) -> str:
    """Return a plugin's EXAMPLES as they are written, comments included."""
    match = EXAMPLES_OF.search((ROOT / "plugins" / kind / f"{name}.py").read_text(encoding="utf-8"))
    assert match, f"{kind} {name} has no examples"
    return match.group(1)


def flat(tasks: Any) -> Iterator[dict[str, Any]]:
    """Yield tasks and those inside of blocks."""
    for task in tasks:
        if "block" in task:
            yield from flat(task["block"])
        else:
            yield task


def project() -> dict[str, str]:
    """Return the files of the README's project: the blocks that begin with a file's name in a comment."""
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return {match.group(1): text for text in blocks if (match := FILE.match(text))}


def blocks() -> list[Any]:
    """Return every block of YAML that readers of README, docs and roles see, but for files of a project.

    The play of docs/clouds.md has modules of vendors; test_clouds.py runs it.
    """
    pages = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "clouds.md")
    paths = [ROOT / "README.md", *pages, *sorted(ROOT.glob("roles/*/README.md"))]
    return [
        pytest.param(
            match.group(1), id=f"{path.relative_to(ROOT)}:{path.read_text()[: match.start()].count(chr(10)) + 1}"
        )
        for path in paths
        for match in BLOCK.finditer(path.read_text(encoding="utf-8"))
        if not (path.name == "README.md" and path.parent == ROOT and FILE.match(match.group(1)))
    ]


def readme_inventory() -> dict[str, Any]:
    """Return the README's first inventory."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return next(data for data in map(yaml.safe_load, BLOCK.findall(text)) if isinstance(data, dict) and "all" in data)


class Site:
    """The lab, and ansible-playbook on it."""

    def __init__(self, lab: Lab, runner: Any) -> None:
        self._runner = runner
        wanted = ("DBPORTS_LAB_DIR", "ANSIBLE_CONNECTION_PLUGINS")
        runner.environment.update({key: lab.environ[key] for key in wanted})
        self.inventory = readme_inventory()
        for name in ("neighbour", "reports-01"):
            self.inventory["all"]["hosts"][name] = {"ansible_host": LAB[name]}

    def write_gateway(self, filter_name: str) -> None:
        """Write the gateway's file of a plan that the filters of devices read; the others do not care."""
        platform = next((item.platform for item in TRANSLATORS if item.name == filter_name), "ios")
        plan = gateway_of(socks_inventory("dante")) if filter_name == "danted_conf" else example_plan(platform)
        path = self._runner.place / "dbports-plan" / "gateways" / f"{plan.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(file_data(plan)), encoding="utf-8")

    @property
    def plan_id(self) -> str:
        text = (self._runner.place / "dbports-plan" / "plan.md").read_text(encoding="utf-8")
        return re.search(r"plan_id `(\w+)`", text).group(1)

    @property
    def planned(self) -> set[str]:
        """The hosts of the plan."""
        return set((self._runner.place / "dbports-plan" / "hosts.limit").read_text(encoding="utf-8").split())

    def write(self, inventory: dict[str, Any] | None = None) -> None:
        path = self._runner.place / "inventory.yml"
        path.write_text(yaml.safe_dump(inventory or self.inventory), encoding="utf-8")

    def run(self, *arguments: str, **variables: Any) -> Any:
        """Run a playbook that must succeed."""
        extra = json.dumps({**EXTRA, **variables})
        result = self._runner.run("-i", "inventory.yml", "-e", extra, *arguments)
        assert result.rc == 0, result.text
        return result

    def play(self, plays: list[dict[str, Any]], **variables: Any) -> Any:
        """Run a playbook given as data."""
        (self._runner.place / "playbook.yml").write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
        return self.run("playbook.yml", **variables)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        for name, address in LAB.items():
            made.host(name, [f"{address}/24"])
        for name in ("erp-db", "reports-01"):  # the second one is guarded without a plan
            made.hosts[name].popen(
                [sys.executable, str(STAND_INS), "mssql", "--port", "1433"], stdout=subprocess.DEVNULL
            )
            made.hosts[name].wait_for("tcp/1433")
        yield made


@pytest.fixture
def site(lab: Lab, run_playbook: Any) -> Site:
    found = Site(lab, run_playbook)
    found.write()
    return found


def as_plays(text: str, hosts: str) -> list[dict[str, Any]]:
    """Return examples as plays: tasks get a play around them."""
    items = yaml.safe_load(text)
    assert isinstance(items, list)
    if all("hosts" in item for item in items):
        return items
    return [{"hosts": hosts, "gather_facts": False, "tasks": items}]


@pytest.mark.parametrize("name", plugins("modules"))
def test_examples_of_modules_run(site: Site, name: str) -> None:
    """As they are written, on the lab; one of apply names a plan that was approved."""
    site.inventory["all"]["vars"] = GATEWAYS.get(name, {})
    site.write()
    site.run("dbports.firewall.plan")
    if name in STATE:
        site.run("dbports.firewall.apply", dbports_state=STATE[name])
    plays = as_plays(examples("modules", name), "erp-db")
    result = site.play(plays, approved_plan_id=site.plan_id)
    ran = {item["task"] for item in result.tasks if item["status"] == "ok"}
    names = {task["name"] for play in plays for task in flat(play["tasks"]) if "ansible.builtin.meta" not in task}
    assert names <= ran
    assert not [item for item in result.tasks if item["status"] != "ok"]


def documentation(kind: str, name: str) -> dict[str, Any]:
    """Return what is written in a plugin's own file."""
    text = (ROOT / "plugins" / kind / f"{name}.py").read_text(encoding="utf-8")
    return yaml.safe_load(re.search(r'^ *DOCUMENTATION = r"""\n(.*?)^"""', text, re.M | re.S).group(1))


@pytest.mark.parametrize("name", plugins("modules"))
def test_examples_of_modules_say_only_what_is_documented(name: str) -> None:
    """Every option of an example is in the documentation, by its full name of the plugin."""
    documented = documentation("modules", name)
    options = set(documented["options"])
    for fragment in documented.get("extends_documentation_fragment", []):
        options.update(documentation("doc_fragments", fragment.rpartition(".")[2]).get("options", {}))
    tasks = [task for play in as_plays(examples("modules", name), "all") for task in flat(play["tasks"])]
    own = [task for task in tasks if f"dbports.firewall.{name}" in task]
    assert own, "no example shows the module itself"
    for task in own:
        assert set(task[f"dbports.firewall.{name}"] or {}) <= options


@pytest.mark.parametrize("name", plugins("filter"))
def test_examples_of_filters_give_what_they_say(site: Site, name: str) -> None:
    """Each example is evaluated; the comment below it holds the result."""
    text = examples("filter", name)
    wanted = [yaml.safe_load(answer.replace("\n#", "\n ")) for answer in ANSWER.findall(text)]
    tasks = yaml.safe_load(text)
    assert len(wanted) == len(tasks) > 0, "every example has its result"
    site.write_gateway(name)
    result = site.play(as_plays(text, "localhost"), ansible_connection="local")
    assert [result.of(task["name"])[0]["msg"] for task in tasks] == wanted


@pytest.mark.parametrize("text", blocks())
def test_yaml_of_the_documents_is_real(site: Site, text: str) -> None:
    """A playbook runs; variables are ones that are read; an inventory is planned, and where its hosts are those of the
    lab, it is applied and verified, first in check mode and then indeed.
    """
    data = yaml.safe_load(text)
    if isinstance(data, dict) and "all" in data:
        site.write(data)
        site.run("dbports.firewall.plan")
        if site.planned <= set(LAB):
            site.run("dbports.firewall.apply", dbports_state="absent")
            site.run("dbports.firewall.site", "--check", "--diff")
            site.run("dbports.firewall.site")
    elif isinstance(data, list) and all(isinstance(item, dict) and "hosts" in item for item in data):
        site.run("dbports.firewall.plan")
        if "firewall.verify" in text:
            site.run("dbports.firewall.apply")
        site.play(data)
    else:
        check_variables(data)


def check_variables(data: Any) -> None:
    """Check that a fragment holds variables of the inventory, and servers that can be read."""
    if isinstance(data, list):
        data = {"dbports_servers": data}
    assert isinstance(data, dict), "neither an inventory nor a playbook nor variables"
    assert set(data) <= {*HOST_VARIABLES, *GLOBAL_VARIABLES, *RUN_VARIABLES}, "variables that nobody reads"
    errors: list[DbportsError] = []
    own, _refused = read_engines(data.get("dbports_engines"), builtin_engines(), errors.append)
    assert not errors
    for index, server in enumerate(data.get("dbports_servers", [])):
        read_server(server, f"dbports_servers[{index}]", {**builtin_engines(), **own}, [])


def test_the_project_of_the_readme_is_planned_applied_and_taken_away(site: Site, run_playbook: Any) -> None:
    """Files where the README says, and its commands in their order."""
    files = project()
    assert {"inventory.yml", "group_vars/all.yml", "group_vars/databases.yml", "host_vars/reports-01.yml"} <= set(files)
    for name, text in files.items():
        path = run_playbook.place / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    site.run("dbports.firewall.apply", dbports_state="absent")
    site.run("dbports.firewall.plan")
    assert site.planned == {"erp-db", "reports-01", "app-01", "intruder"}
    plan = (run_playbook.place / "dbports-plan" / "plan.md").read_text(encoding="utf-8")
    assert plan.count("198.51.100.0/24") > 0, "the list of the host replaced that of the group"
    limit = ("--limit", "@dbports-plan/hosts.limit")
    site.run("dbports.firewall.apply", *limit, dbports_plan_id=site.plan_id)
    site.run("dbports.firewall.site", "--tags", "verify")
    site.run("dbports.firewall.site", "--tags", "report")
    site.run("dbports.firewall.site", dbports_state="absent")


def test_requirements_name_this_collection() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    (wanted,) = yaml.safe_load(project()["requirements.yml"])["collections"]
    assert wanted["name"] == f"{galaxy['namespace']}.{galaxy['name']}"
    assert SpecifierSet(wanted["version"]).contains(galaxy["version"])


def test_there_are_blocks_to_check() -> None:
    names = [str(block.id) for block in blocks()]
    assert any(name.startswith("README.md") for name in names)
    assert sum(name.startswith("roles/") for name in names) == len(list(ROOT.glob("roles/*/tasks")))
