# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan on disk: canonical, reviewable a line a flow, within its directory and refused when it was changed."""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact import store, write
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import (
    HOSTS,
    INDEX,
    LIMIT,
    VERSION,
    host_file,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_host, read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import (
    PAGE,
    diff_artifact,
    load_artifact,
    writable_by_others,
    write_artifact,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import (
    Artifact,
    render_host,
    render_plan,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import (
    FlowPorts,
    PlanWarning,
    WarningCode,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import plan_markdown
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).resolve().parents[5] / "docs" / "schema"

SMALL = """
hosts:
  db: {dbports_addresses: [192.0.2.10], dbports_servers: [{engine: mssql, clients: [app-01, app-02]}]}
  app-01: {dbports_addresses: [192.0.2.21], dbports_os: linux}
  app-02: {dbports_addresses: [192.0.2.22], dbports_os: windows}
  app-03: {dbports_addresses: [192.0.2.23]}
"""
LARGE = """
hosts:
  db-1:
    dbports_addresses: [192.0.2.10, '2001:db8::10']
    dbports_os: windows
    dbports_policy: open
    dbports_servers:
      - engine: mssql
        name: main
        dac: remote
        clients: [apps, 198.51.100.0/24, 203.0.113.4-203.0.113.9]
        forbidden_clients: [other]
        instances: [{}, {name: SALES, clients: [app-01]}, {name: FIXED, tcp_port: [1500, 1533, 1510-1520]}]
  db-2:
    dbports_addresses: [192.0.2.11]
    dbports_filter_outbound: true
    dbports_servers:
      - {engine: sql602, clients: [apps, 203.0.113.0/24], ping: true, http_tunnel_port: 8080, web_port: 8081}
      - {engine: sql602, clients: [other], search: false}
      - {engine: mssql, clients: [{name: none, allow_empty: true}], instances: [{tcp_port: 5002}]}
  app-01: {dbports_addresses: [192.0.2.21], dbports_os: linux}
  app-02: {dbports_addresses: ['2001:db8::22'], dbports_ephemeral_ports: 20000-30000}
  other: {ansible_host: 192.0.2.30}
groups: {apps: [app-01, app-02], none: []}
"""
PLANS = {
    "small": SMALL,
    "large": LARGE,
    "empty": "hosts: {}",
    "no server": "hosts: {db: {dbports_addresses: [192.0.2.1], dbports_servers: []}}",
}


def with_page(inventory: dict[str, Any]) -> Artifact:
    """Return an inventory's plan as a run keeps it: its files and the page for readers."""
    plan = build_plan(PlainInventory(inventory))
    artifact = render_plan(plan)
    page = plan_markdown(plan, artifact.plan_id, artifact.inputs_id)
    return replace(artifact, files={**artifact.files, PAGE: page})


def rendered(text: str) -> Artifact:
    """Return the plan of an inventory in YAML."""
    return with_page(yaml.safe_load(text))


@pytest.fixture
def plan_dir(tmp_path: Path) -> Path:
    """Return a directory with the small plan in it."""
    write_artifact(rendered(SMALL), tmp_path / "plan")
    return tmp_path / "plan"


def changed_lines(before: str, after: str) -> list[str]:
    """Return the lines that a diff of two texts shows as removed or added."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


class TestSchema:
    """docs/schema says what is in the files, and nothing else is."""

    @pytest.mark.parametrize("text", PLANS.values(), ids=PLANS.keys())
    def test_every_file_of_a_plan_is_as_published(self, text: str) -> None:
        artifact = rendered(text)
        index = Draft202012Validator(json.loads((SCHEMAS / "plan-index.schema.json").read_text(encoding="utf-8")))
        host = Draft202012Validator(json.loads((SCHEMAS / "plan-host.schema.json").read_text(encoding="utf-8")))
        index.validate(json.loads(artifact.files[INDEX]))
        named = [name for name in artifact.files if name.startswith(f"{HOSTS}/")]
        assert len(named) == artifact.counts["hosts"]
        for name in named:
            host.validate(json.loads(artifact.files[name]))

    @pytest.mark.parametrize("name", ["plan-index.schema.json", "plan-host.schema.json", "plan-gateway.schema.json"])
    def test_the_schemas_are_schemas_and_strict(self, name: str) -> None:
        schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)

        def objects(node: Any) -> list[dict[str, Any]]:
            if isinstance(node, list):
                return [found for item in node for found in objects(item)]
            if not isinstance(node, dict):
                return []
            own = [node] if "properties" in node and node.get("type") == "object" else []
            return own + [found for item in node.values() for found in objects(item)]

        assert len(objects(schema)) >= 3
        for node in objects(schema):
            assert node["additionalProperties"] is False
            if node is not schema["$defs"]["warning"]:
                assert sorted(node["required"]) == sorted(node["properties"])

    def test_a_warning_is_the_same_in_all_of_them(self) -> None:
        """Its fields are those of the model; only its code and host are never empty."""
        texts = (path.read_text(encoding="utf-8") for path in sorted(SCHEMAS.glob("plan-*.schema.json")))
        first, *others = (json.loads(text)["$defs"]["warning"] for text in texts)
        assert len(others) == 2
        assert others == [first, first]
        assert list(first["properties"]) == list(PlanWarning._fields)
        assert first["properties"]["code"]["enum"] == list(get_args(WarningCode))
        assert first["properties"]["flows"]["items"]["required"] == list(FlowPorts._fields)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("rules", 0, "protocol"), "sctp"),
            (("rules", 0, "ports"), "any"),
            (("rules", 0, "ports"), ""),
            (("rules", 0, "peers", 0, "addresses"), []),
            (("rules", 0, "peers", 0, "addresses"), ["app-01"]),
            (("rules", 0, "note"), "x"),
            (("settings", "policy"), "deny"),
            (("addresses",), ["db.example.org"]),
            (("endpoints", 0, "id"), "tds"),
            (("rules", 0, "peers", 0, "declared"), "db: dbports_servers[0].clients[0]"),
            (("rules", 0, "peers", 0, "kind"), "group"),
            (("rules", 0, "peers", 0, "source_ports"), ""),
            (("warnings",), ["a sentence"]),
            (("warnings",), [{"code": "engine", "host": "db", "peers": []}]),
            (("schema",), "dbports.plan-host/1"),
        ],
    )
    def test_a_file_of_another_form_is_not(self, path: tuple[Any, ...], value: Any) -> None:
        validator = Draft202012Validator(json.loads((SCHEMAS / "plan-host.schema.json").read_text(encoding="utf-8")))
        data = json.loads(rendered(SMALL).files[host_file("db")])
        assert validator.is_valid(data)
        place = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert not validator.is_valid(data)


class TestCanonical:
    """The same plan is the same text, and a changed flow is a changed line."""

    def test_one_flow_to_two_servers_with_and_without_a_named_instance(self) -> None:
        """The rules differ only in the instance that the probe asks for, and one of them has none."""
        servers: dict[str, Any] = {
            "a": {"engine": "mssql", "clients": ["app"], "browser_clients": ["app"]},
            "b": {"engine": "mssql", "clients": ["app"], "instances": [{"name": "SALES"}]},
        }
        hosts: dict[str, Any] = {
            name: {"ansible_host": f"192.0.2.{number}", "dbports_servers": [server]}
            for number, (name, server) in enumerate(servers.items(), 10)
        }
        artifact = with_page({"hosts": {**hosts, "app": {"ansible_host": "192.0.2.21"}}})
        rules = json.loads(artifact.files[host_file("app")])["rules"]
        probes = [rule["probe"]["instance"] for rule in rules if rule["flow"] == "browser"]
        assert probes == [None, "SALES"]

    def test_text_is_ascii_with_line_feeds_and_ends_with_one(self) -> None:
        for name, text in rendered(LARGE).files.items():
            assert text.isascii(), name
            assert text.endswith("\n"), name
            assert "\r" not in text, name
            assert not [line for line in text.split("\n") if line != line.rstrip()], name

    def test_names_of_all_languages_are_escaped_in_the_data(self) -> None:
        text = LARGE.replace("app-01", "br\u00fccke-\u6570\u636e")
        for name, content in rendered(text).files.items():
            assert content.isascii() or name in (PAGE, LIMIT)

    def test_no_times_and_no_paths(self, tmp_path: Path) -> None:
        first, second = rendered(LARGE), rendered(LARGE)
        assert first == second
        write_artifact(first, tmp_path / "plan")
        for path in (tmp_path / "plan").rglob("*.*"):
            assert str(tmp_path) not in path.read_text(encoding="utf-8")

    def test_ids_are_what_they_are_said_to_be(self, plan_dir: Path) -> None:
        artifact = rendered(SMALL)
        assert hashlib.sha256((plan_dir / INDEX).read_bytes()).hexdigest() == artifact.plan_id
        index = json.loads((plan_dir / INDEX).read_text(encoding="utf-8"))
        assert index["inputs_id"] == artifact.inputs_id
        for entry in index["hosts"]:
            assert hashlib.sha256((plan_dir / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]

    def test_a_new_client_is_one_line_more_for_the_server(self) -> None:
        before = rendered(SMALL).files
        after = rendered(SMALL.replace("[app-01, app-02]", "[app-01, app-02, app-03]")).files
        assert len(changed_lines(before[host_file("db")], after[host_file("db")])) in (1, 3), "one, and a comma"
        added = [line for line in changed_lines(before[host_file("db")], after[host_file("db")]) if "app-03" in line]
        assert len(added) == 1
        for name in ("app-01", "app-02"):
            assert before[host_file(name)] == after[host_file(name)]
        assert set(after) - set(before) == {host_file("app-03")}

    def test_a_client_between_others_is_exactly_one_line(self) -> None:
        before = rendered(SMALL.replace("[app-01, app-02]", "[app-01, app-03]")).files[host_file("db")]
        after = rendered(SMALL.replace("[app-01, app-02]", "[app-01, app-02, app-03]")).files[host_file("db")]
        (line,) = [line for line in changed_lines(before, after) if "declared" in line and line.startswith("+")][:1]
        assert '"name":"app-02"' in line

    def test_another_port_is_one_line_a_rule_and_endpoint(self) -> None:
        before = rendered(SMALL).files
        after = rendered(SMALL.replace("engine: mssql,", "engine: mssql, instances: [{tcp_port: 1444}],")).files
        assert len(changed_lines(before[host_file("app-01")], after[host_file("app-01")])) == 2
        assert len(changed_lines(before[host_file("db")], after[host_file("db")])) == 4
        assert "1444" in after[host_file("db")]

    def test_another_address_is_told_where_it_matters(self) -> None:
        before = rendered(SMALL).files
        after = rendered(SMALL.replace("192.0.2.21", "192.0.2.121")).files
        assert len(changed_lines(before[host_file("db")], after[host_file("db")])) == 2
        assert before[host_file("app-02")] == after[host_file("app-02")]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("192.0.2.22", "192.0.2.99"),
            ("windows", "windows_2003"),
            ("[app-01, app-02]", "[app-02, app-01]"),
            ("engine: mssql,", "engine: mssql, browser: false,"),
        ],
    )
    def test_inputs_id_is_of_all_that_was_read(self, old: str, new: str) -> None:
        assert rendered(SMALL).inputs_id != rendered(SMALL.replace(old, new)).inputs_id

    def test_hosts_that_matter_to_nobody_are_in_neither(self) -> None:
        assert rendered(SMALL).inputs_id == rendered(SMALL.replace("192.0.2.23", "192.0.2.99")).inputs_id
        assert rendered(SMALL).plan_id == rendered(SMALL.replace("192.0.2.23", "192.0.2.99")).plan_id

    def test_another_release_is_another_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = rendered(SMALL)
        monkeypatch.setattr(write, "VERSION", "0.3.0")
        after = rendered(SMALL)
        assert before.inputs_id != after.inputs_id
        assert before.plan_id != after.plan_id

    def test_the_version_is_that_of_the_collection(self) -> None:
        galaxy = yaml.safe_load((SCHEMAS.parents[1] / "galaxy.yml").read_text(encoding="utf-8"))
        assert galaxy["version"] == VERSION


NAMES = [
    "db",
    "db.example.org",
    ".x",
    "..",
    ".",
    "../x",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "%2Ex",
    "%2E.",
    "a b",
    "a\nb",
    "-rf",
    "~root",
    "$(id)",
    "br\u00fccke",
    "\u6570\u636e",
    "index",
    "CON",
    "a.json",
    "a:b",
    "\ud800",
    "*",
]


class TestNames:
    """A host's name comes from somebody's inventory; its file stays where files of hosts are."""

    @pytest.mark.parametrize("name", NAMES)
    def test_stays_inside_and_comes_back(self, name: str, tmp_path: Path) -> None:
        server = {"engine": "mssql", "clients": ["192.0.2.21"]}
        artifact = with_page({"hosts": {name: {"dbports_addresses": ["192.0.2.10"], "dbports_servers": [server]}}})
        plan_dir = tmp_path / "in" / "plan"
        write_artifact(artifact, plan_dir)
        written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
        assert len(written) == 4
        (own,) = [path for path in written if path.startswith("in/plan/hosts/") and path.endswith(".json")]
        assert not Path(own).name.startswith(".")
        index = read_index(plan_dir, artifact.plan_id)
        assert read_host(plan_dir, index, name).host == name

    def test_two_names_are_two_files(self) -> None:
        assert len({host_file(name) for name in NAMES}) == len(NAMES)

    def test_a_plan_of_all_of_them(self, tmp_path: Path) -> None:
        servers = [{"engine": "mssql", "clients": ["192.0.2.21"]}]
        hosts = {
            name: {"dbports_addresses": [f"198.51.100.{number}"], "dbports_servers": servers}
            for number, name in enumerate(NAMES, 1)
        }
        artifact = render_plan(build_plan(PlainInventory({"hosts": hosts})))
        write_artifact(artifact, tmp_path)
        index = read_index(tmp_path, None)
        for number, name in enumerate(NAMES, 1):
            assert read_host(tmp_path, index, name).addresses == (AddressRange.parse(f"198.51.100.{number}"),)
        validator = Draft202012Validator(json.loads((SCHEMAS / "plan-index.schema.json").read_text(encoding="utf-8")))
        validator.validate(json.loads(artifact.files[INDEX]))

    def test_a_name_cannot_take_another_line_of_the_limit(self) -> None:
        hosts = {
            "evil\nall": {
                "dbports_addresses": ["192.0.2.10"],
                "dbports_servers": [{"engine": "mssql", "clients": ["192.0.2.21"]}],
            }
        }
        artifact = render_plan(build_plan(PlainInventory({"hosts": hosts})))
        assert "all" not in artifact.files[LIMIT].splitlines()


class TestRefused:
    """What was approved is applied, or nothing is."""

    def test_the_plan_that_was_approved(self, plan_dir: Path) -> None:
        artifact = rendered(SMALL)
        index = read_index(plan_dir, artifact.plan_id)
        assert index.plan_id == artifact.plan_id
        assert render_host(read_host(plan_dir, index, "db")) == artifact.files[host_file("db")]

    def test_another_plan_id(self, plan_dir: Path) -> None:
        with pytest.raises(DbportsError) as caught:
            read_index(plan_dir, "0" * 64)
        assert (caught.value.code, caught.value.path, caught.value.value) == ("other_plan", "plan_id", "0" * 64)
        assert rendered(SMALL).plan_id in caught.value.reason
        assert caught.value.fix

    def test_a_changed_index(self, plan_dir: Path) -> None:
        text = (plan_dir / INDEX).read_text(encoding="utf-8")
        (plan_dir / INDEX).write_text(text.replace("192", "193") + " ", encoding="utf-8")
        with pytest.raises(DbportsError, match="not the approved plan") as caught:
            read_index(plan_dir, rendered(SMALL).plan_id)
        assert caught.value.code == "other_plan"

    @pytest.mark.parametrize("change", ["byte", "peer", "space", "other host's file"])
    def test_a_changed_host_file(self, plan_dir: Path, change: str) -> None:
        index = read_index(plan_dir, rendered(SMALL).plan_id)
        path = plan_dir / host_file("db")
        text = path.read_text(encoding="utf-8")
        changed = {
            "byte": text.replace("192.0.2.21", "192.0.2.66"),
            "peer": "\n".join(line for line in text.split("\n") if "app-02" not in line),
            "space": text + " ",
            "other host's file": (plan_dir / host_file("app-01")).read_text(encoding="utf-8"),
        }[change]
        assert changed != text
        path.write_text(changed, encoding="utf-8")
        with pytest.raises(DbportsError) as caught:
            read_host(plan_dir, index, "db")
        assert (caught.value.code, caught.value.host) == ("changed_plan", "db")
        assert "changed after the plan was made" in caught.value.reason
        assert caught.value.fix
        assert read_host(plan_dir, index, "app-01").host == "app-01", "only that host is in trouble"

    def test_a_missing_host_file(self, plan_dir: Path) -> None:
        index = read_index(plan_dir, None)
        (plan_dir / host_file("db")).unlink()
        with pytest.raises(DbportsError) as caught:
            read_host(plan_dir, index, "db")
        assert (caught.value.code, caught.value.host, caught.value.path) == ("changed_plan", "db", "plan_dir")
        assert "missing" in caught.value.reason

    def test_a_host_that_is_not_in_the_plan_is_no_empty_port_set(self, plan_dir: Path) -> None:
        index = read_index(plan_dir, None)
        with pytest.raises(DbportsError) as caught:
            read_host(plan_dir, index, "app-03")
        assert (caught.value.code, caught.value.host) == ("not_in_plan", "app-03")
        assert "not in the plan" in caught.value.reason
        assert "--limit" in (caught.value.fix or "")

    def test_no_plan(self, tmp_path: Path) -> None:
        for directory in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(DbportsError, match="no plan in this directory") as caught:
                read_index(directory, None)
            assert caught.value.code == "no_plan"
            assert "dbports.firewall.plan" in (caught.value.fix or "")

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"schema":"dbports.plan-index/2"}', "null", "[" * 100000])
    def test_a_file_that_is_no_index(self, text: str, plan_dir: Path) -> None:
        (plan_dir / INDEX).write_text(text, encoding="utf-8")
        with pytest.raises(DbportsError) as caught:
            read_index(plan_dir, None)
        assert (caught.value.code, caught.value.path) == ("unreadable_plan", "plan_dir")

    def test_an_index_that_is_no_text(self, plan_dir: Path) -> None:
        (plan_dir / INDEX).write_bytes(b"\xff")
        with pytest.raises(DbportsError) as caught:
            read_index(plan_dir, None)
        assert caught.value.code == "no_plan"

    def test_a_link_in_place_of_a_host_file_cannot_show_another_text(self, plan_dir: Path) -> None:
        index = read_index(plan_dir, None)
        (plan_dir / host_file("db")).unlink()
        (plan_dir / host_file("db")).symlink_to(plan_dir / host_file("app-01"))
        with pytest.raises(DbportsError, match="was changed") as caught:
            read_host(plan_dir, index, "db")
        assert caught.value.code == "changed_plan"


class TestWriting:
    """Written as a whole, in an order that never shows a new index with old files."""

    def test_what_was_written_is_read(self, plan_dir: Path) -> None:
        assert load_artifact(plan_dir) == rendered(SMALL)
        assert diff_artifact(rendered(SMALL), plan_dir) == []

    def test_writing_again_touches_nothing(self, plan_dir: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in plan_dir.rglob("*")}
        write_artifact(rendered(SMALL), plan_dir)
        assert {path: path.stat().st_mtime_ns for path in plan_dir.rglob("*")} == before

    def test_hosts_that_are_gone_lose_their_file(self, plan_dir: Path) -> None:
        smaller = rendered(SMALL.replace("[app-01, app-02]", "[app-01]"))
        assert [
            item["after"] for item in diff_artifact(smaller, plan_dir) if item["after_header"].endswith("app-02.json")
        ] == [""]
        write_artifact(smaller, plan_dir)
        assert sorted(path.name for path in (plan_dir / HOSTS).iterdir()) == ["app-01.json", "db.json"]
        assert load_artifact(plan_dir) == smaller

    def test_what_is_not_the_plans_stays(self, plan_dir: Path) -> None:
        (plan_dir / "findings.json").write_text("{}", encoding="utf-8")
        (plan_dir / "report.md").write_text("# Report\n", encoding="utf-8")
        (plan_dir / HOSTS / "README").write_text("mine\n", encoding="utf-8")
        write_artifact(rendered(LARGE), plan_dir)
        assert (plan_dir / "findings.json").read_text(encoding="utf-8") == "{}"
        assert (plan_dir / "report.md").is_file()
        assert (plan_dir / HOSTS / "README").is_file()

    def test_the_diff_is_of_files_that_change_alone(self, plan_dir: Path) -> None:
        after = rendered(SMALL.replace("192.0.2.21", "192.0.2.121"))
        names = [item["after_header"] for item in diff_artifact(after, plan_dir)]
        assert names == [host_file("app-01"), host_file("db"), INDEX, PAGE]
        assert diff_artifact(after, plan_dir) == diff_artifact(after, plan_dir), "looking changes nothing"

    def test_a_run_that_is_broken_off_leaves_the_old_index_or_a_plan_that_is_refused(
        self, plan_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Break off at every rename: a reader of the old plan_id gets the old text or an error, never another."""
        old, new = rendered(SMALL), rendered(SMALL.replace("192.0.2.2", "192.0.2.12"))
        for allowed in range(10):
            write_artifact(old, plan_dir)
            done: list[str] = []

            with monkeypatch.context() as patch:
                patch.setattr(Path, "replace", _replace_at_most(allowed, done))
                try:
                    write_artifact(new, plan_dir)
                except DbportsError as error:
                    assert error.code == "not_written"
                    assert "No space left" in error.reason
                else:
                    assert done[-1] == INDEX
                    assert load_artifact(plan_dir) == new
                    return
            assert INDEX not in done
            index = read_index(plan_dir, old.plan_id)
            assert index.plan_id == old.plan_id
            for name in ("db", "app-01", "app-02"):
                try:
                    assert render_host(read_host(plan_dir, index, name)) == old.files[host_file(name)]
                except DbportsError as error:
                    assert error.code == "changed_plan"
                    assert "was changed" in error.reason
            assert not [path for path in plan_dir.rglob("*") if ".dbports-" in path.name], "no litter"
        pytest.fail("writing never came to its end")

    def test_a_host_that_another_run_removed_first_is_no_failure(
        self, plan_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two hosts of a play write the same plan at once."""
        smaller = rendered(SMALL.replace("[app-01, app-02]", "[app-01]"))
        changes = store._changes(smaller, plan_dir)
        monkeypatch.setattr(store, "_changes", lambda artifact, directory: changes)
        (plan_dir / host_file("app-02")).unlink()
        write_artifact(smaller, plan_dir)
        assert not (plan_dir / host_file("app-02")).exists()

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(DbportsError) as caught:
            write_artifact(rendered(SMALL), tmp_path / "file" / "plan")
        assert (caught.value.code, caught.value.path) == ("not_written", "plan_dir")
        assert caught.value.value == str(tmp_path / "file" / "plan")

    def test_a_file_that_is_no_text_is_written_anew(self, plan_dir: Path) -> None:
        (plan_dir / host_file("db")).write_bytes(b"\xff\x00")
        assert [item["before"] for item in diff_artifact(rendered(SMALL), plan_dir)] == ["\\xff\x00"]
        write_artifact(rendered(SMALL), plan_dir)
        assert load_artifact(plan_dir) == rendered(SMALL)

    def test_a_name_longer_than_a_file_name(self, tmp_path: Path) -> None:
        data = copy.deepcopy(yaml.safe_load(SMALL))
        data["hosts"]["x" * 300] = data["hosts"].pop("db")
        with pytest.raises(DbportsError, match="cannot be written") as caught:
            write_artifact(with_page(data), tmp_path / "plan")
        assert caught.value.code == "not_written"
        assert not (tmp_path / "plan").exists()

    def test_a_full_disk_leaves_the_plan_as_it_was(self, plan_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The new host's file is written and the index is not: neither it nor a temporary file stays."""
        before = everything_in(plan_dir)
        monkeypatch.setattr(Path, "chmod", _no_space)
        with pytest.raises(DbportsError, match="No space left"):
            write_artifact(rendered(SMALL.replace("[app-01, app-02]", "[app-01, app-02, app-03]")), plan_dir)
        assert everything_in(plan_dir) == before

    def test_files_are_for_everybody_to_read(self, plan_dir: Path) -> None:
        write_artifact(rendered(LARGE), plan_dir)
        umask = os.umask(0)
        os.umask(umask)
        for path in plan_dir.rglob("*"):
            if path.is_file():
                assert path.stat().st_mode & 0o777 & ~umask == 0o644 & ~umask, path.name


def _no_space(*_arguments: Any) -> None:
    raise OSError(28, "No space left on device")


def everything_in(place: Path) -> dict[str, str | None]:
    """Return what a folder holds: texts of files, targets of links, None for folders."""
    return {
        str(path.relative_to(place)): f"-> {path.readlink()}"
        if path.is_symlink()
        else (path.read_text(encoding="utf-8") if path.is_file() else None)
        for path in place.rglob("*")
    }


class TestNotOurs:
    """Only a directory that is new, empty or bears an index of ours is written, and only files that it names."""

    @pytest.mark.parametrize(
        "files",
        [
            {"hosts/db.json": "{}"},
            {"hosts/other.json": "{}", "gateways/gw.json": "{}"},
            {"notes.txt": "mine"},
            {INDEX: "{}"},
            {INDEX: '{"schema": "somebody.else/1", "hosts": []}'},
            {INDEX: "no json", "hosts/db.json": "{}"},
            {"plan.md": "# my plan"},
            {".git/config": ""},
        ],
        ids=" ".join,
    )
    def test_somebody_elses_directory(self, files: dict[str, str], tmp_path: Path) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        before = everything_in(tmp_path)
        for call in (diff_artifact, write_artifact):
            with pytest.raises(DbportsError) as caught:
                call(rendered(SMALL), tmp_path)
            assert (caught.value.code, caught.value.path, caught.value.value) == ("not_ours", "plan_dir", str(tmp_path))
            assert caught.value.fix
        assert everything_in(tmp_path) == before

    def test_other_files_in_a_plans_folders_stay(self, plan_dir: Path) -> None:
        mine = {"hosts/mine.json": "{}", "gateways/gw.json": "{}", "notes.txt": "mine"}
        (plan_dir / "gateways").mkdir()
        for name, text in mine.items():
            (plan_dir / name).write_text(text, encoding="utf-8")
        write_artifact(rendered(SMALL.replace("[app-01, app-02]", "[app-01]")), plan_dir)
        assert mine.items() <= everything_in(plan_dir).items()
        assert not (plan_dir / host_file("app-02")).exists()

    def test_a_file_that_no_plan_wrote_is_not_written_over(self, plan_dir: Path) -> None:
        (plan_dir / host_file("app-03")).write_text("mine", encoding="utf-8")
        before = everything_in(plan_dir)
        with pytest.raises(DbportsError) as caught:
            write_artifact(rendered(SMALL.replace("[app-01, app-02]", "[app-01, app-02, app-03]")), plan_dir)
        assert (caught.value.code, caught.value.value) == ("not_ours", str(plan_dir / host_file("app-03")))
        assert everything_in(plan_dir) == before

    def test_an_index_that_names_other_files_lets_none_of_them_go(self, plan_dir: Path, tmp_path: Path) -> None:
        index = json.loads((plan_dir / INDEX).read_text(encoding="utf-8"))
        (tmp_path / "mine.json").write_text("mine", encoding="utf-8")
        index["hosts"][0] = {"host": "../../mine", "file": "../mine.json", "sha256": "0" * 64}
        (plan_dir / INDEX).write_text(json.dumps(index), encoding="utf-8")
        (plan_dir / host_file("app-01")).unlink()
        write_artifact(rendered(SMALL), plan_dir)
        assert (tmp_path / "mine.json").read_text(encoding="utf-8") == "mine"

    @pytest.mark.parametrize("name", ["", HOSTS, "gateways", "findings", INDEX, LIMIT, PAGE, "hosts/db.json"])
    @pytest.mark.parametrize("dangling", [True, False])
    def test_a_symbolic_link_is_not_followed(self, name: str, dangling: bool, plan_dir: Path, tmp_path: Path) -> None:
        place, outside = plan_dir / name, tmp_path / "outside"
        if place.exists():
            place.rename(outside)
        else:
            outside.mkdir()
        place.symlink_to(tmp_path / "nowhere" if dangling else outside)
        before = everything_in(tmp_path)
        for call in (diff_artifact, write_artifact):
            with pytest.raises(DbportsError) as caught:
                call(rendered(LARGE), plan_dir)
            assert caught.value.code == "not_ours"
            assert Path(str(caught.value.value)) == plan_dir / name
        assert everything_in(tmp_path) == before

    @pytest.mark.parametrize(
        ("mode", "expected"), [(0o755, False), (0o700, False), (0o775, True), (0o757, True), (0o1777, False)]
    )
    def test_a_directory_that_others_may_write(self, mode: int, expected: bool, tmp_path: Path) -> None:
        tmp_path.chmod(mode)
        assert writable_by_others(tmp_path) is expected

    def test_a_new_directory_is_only_its_owners(self, tmp_path: Path) -> None:
        umask = os.umask(0)
        try:
            write_artifact(rendered(SMALL), tmp_path / "plan")
        finally:
            os.umask(umask)
        assert not writable_by_others(tmp_path / "plan")
        assert not writable_by_others(tmp_path / "plan" / HOSTS)


def _replace_at_most(allowed: int, done: list[str]) -> Callable[[Path, Path], Path]:
    """Return a Path.replace that works a number of times, noting the names, and then finds the disk full."""
    replace = Path.replace

    def breaking(self: Path, target: Path) -> Path:
        if len(done) >= allowed:
            raise OSError(28, "No space left on device")
        done.append(Path(target).name)
        return replace(self, target)

    return breaking
