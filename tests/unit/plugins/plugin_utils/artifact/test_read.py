# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan's files hold is read back into the values they were written from, and nothing else is read."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import (
    GATEWAYS,
    HOSTS,
    INDEX,
    digest,
    gateway_file,
    host_file,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import (
    Index,
    read_gateway,
    read_host,
    read_index,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.text_store import TextStore
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import (
    render_gateway,
    render_host,
    render_plan,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[5]
EMPTY = Index("", "", {}, (), (), (), ())
NULLABLE = {"address", "icmp_code", "icmp_type", "instance", "probe", "published", "source_ports"}
UNREAD = {"collection", "file", "action"}
"""What is in the files for other readers, and follows from the rest."""

JUNK = (None, True, 5, 1.5, "\x00", [], ["x", 5], {}, {"x": 5})


@cache
def plans() -> dict[str, Plan]:
    """Return the plans of all scenarios that can be planned, by title."""
    found = {}
    for path in sorted((ROOT / "tests" / "scenarios").glob("*.yml")):
        for item in yaml.safe_load(path.read_text(encoding="utf-8")):
            try:
                found[f"{path.stem}: {item['title']}"] = build_plan(PlainInventory(item["inventory"]))
            except PlanError:
                assert "error" in item
    return found


@pytest.mark.parametrize("title", plans())
def test_every_scenario_comes_back(title: str, tmp_path: Path) -> None:
    plan = plans()[title]
    artifact, kept = render_plan(plan), TextStore(tmp_path / "run.plan")
    kept.write(artifact.files)
    index = read_index(kept, artifact.plan_id)
    assert (index.plan_id, index.inputs_id, index.counts) == (artifact.plan_id, artifact.inputs_id, plan.counts())
    assert [name for name, _digest in index.hosts] == sorted(plan.hosts)
    assert list(index.conflicts) == plan.conflicts
    assert list(index.warnings) == plan.warnings
    for name, host in plan.hosts.items():
        back = read_host(kept, index, name)
        assert set(back.endpoints) == set(host.endpoints)
        assert set(back.forbidden) == set(host.forbidden)
        assert replace(back, endpoints=host.endpoints, forbidden=host.forbidden) == host
        assert render_host(back) == artifact.files[host_file(name)]
    assert [read_gateway(kept, index, name) for name, _digest in index.gateways] == plan.gateways
    for item in plan.gateways:
        assert render_gateway(item) == artifact.files[gateway_file(item.name)]


def validator_of(file: str) -> Draft202012Validator:
    """Return what docs/schema publishes for a file of a plan."""
    name = {HOSTS: "host", GATEWAYS: "gateway", INDEX: "index"}[file.partition("/")[0]]
    return Draft202012Validator(
        json.loads((ROOT / "docs" / "schema" / f"plan-{name}.schema.json").read_text(encoding="utf-8"))
    )


def test_every_scenario_is_as_published() -> None:
    validators = {folder: validator_of(folder) for folder in (HOSTS, GATEWAYS, INDEX)}
    for title, plan in plans().items():
        for file, text in render_plan(plan).files.items():
            if file.endswith(".json"):
                errors = [error.message for error in validators[file.partition("/")[0]].iter_errors(json.loads(text))]
                assert not errors, (title, file)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every value of a document with its path."""
    yield path, data
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield from places(value, (*path, key))


def samples() -> Iterator[tuple[str, Any, tuple[Any, ...], Any]]:
    """Yield file, document, path and value: from all scenarios one of every field and type."""
    seen = set()
    for plan in plans().values():
        for file, text in render_plan(plan).files.items():
            if not file.endswith(".json"):
                continue
            data = json.loads(text)
            for path, value in places(data):
                fields = tuple("*" if isinstance(key, int) else key for key in path)
                shape = (file.partition("/")[0], fields, type(value))
                if shape not in seen:
                    seen.add(shape)
                    yield file, data, path, value


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a document with another value at a path."""
    if not path:
        return value
    found = copy.deepcopy(data)
    place = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return found


def read_back(plan_dir: Path, file: str, name: str, text: str) -> Any:
    """Read a file that is the one which the index names."""
    (plan_dir / file).parent.mkdir(parents=True, exist_ok=True)
    (plan_dir / file).write_text(text, encoding="utf-8")
    listed = ((name, digest(text)),)
    if file.startswith(HOSTS):
        return read_host(plan_dir, replace(EMPTY, hosts=listed), name)
    if file.startswith(GATEWAYS):
        return read_gateway(plan_dir, replace(EMPTY, gateways=listed), name)
    return read_index(plan_dir, digest(text))


def name_of(data: Any) -> str:
    """Return the name of a file's host or gateway."""
    return str(data.get("gateway", data.get("host", "")))


def test_no_field_is_read_as_another_type(tmp_path: Path) -> None:
    number = 0
    for file, data, path, value in samples():
        for junk in JUNK:
            if type(junk) is type(value):
                continue
            number += 1
            text = json.dumps(changed(data, path, junk))
            may_be_read = path and (path[-1] in UNREAD or (path[-1] in NULLABLE and (value is None or junk is None)))
            try:
                read_back(tmp_path, file, name_of(data), text)
            except DbportsError as error:
                assert (error.code, error.path) == ("unreadable_plan", "plan_dir"), (file, path, junk)
            else:
                assert may_be_read, (file, path, junk)
    assert number > 1000


def test_no_field_is_left_out_but_those_of_a_warning(tmp_path: Path) -> None:
    for file, data, path, _value in samples():
        if not path or not isinstance(path[-1], str) or path[-1] in UNREAD or "addresses" in path or "counts" in path:
            continue
        fewer = copy.deepcopy(data)
        place = fewer
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        if "warnings" in path[:-1] and len(path) == 3 and path[-1] not in ("code", "host"):
            read_back(tmp_path, file, name_of(data), json.dumps(fewer))
            continue
        with pytest.raises(DbportsError) as caught:
            read_back(tmp_path, file, name_of(data), json.dumps(fewer))
        assert caught.value.code == "unreadable_plan", (file, path)


def test_a_file_that_was_changed_is_not_read_at_all(tmp_path: Path) -> None:
    for file, data, path, _value in samples():
        if file == INDEX:
            continue
        name = name_of(data)
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(json.dumps(changed(data, path, ["x"])), encoding="utf-8")
        listed = ((name, digest(json.dumps(data))),)
        with pytest.raises(DbportsError) as caught:
            if file.startswith(HOSTS):
                read_host(tmp_path, replace(EMPTY, hosts=listed), name)
            else:
                read_gateway(tmp_path, replace(EMPTY, gateways=listed), name)
        assert caught.value.code == "changed_plan"


def test_a_gateway_that_is_not_in_the_plan(tmp_path: Path) -> None:
    with pytest.raises(DbportsError) as caught:
        read_gateway(tmp_path, replace(EMPTY, gateways=(("fw1", ""), ("fw2", ""))), "fw3")
    assert (caught.value.code, caught.value.path, caught.value.value) == ("not_in_plan", "gateway", "fw3")
    assert "fw1, fw2" in (caught.value.fix or "")


def test_checks_that_differ_only_in_why_they_were_chosen_have_one_order() -> None:
    host = next(host for plan in plans().values() for host in plan.hosts.values() if host.forbidden)
    checks = [
        host.forbidden[0]._replace(endpoint=f"mssql/e{number}/tds", sampled=sampled)
        for number in range(8)
        for sampled in (True, False)
    ]
    written = json.loads(render_host(replace(host, forbidden=checks)))["forbidden"]
    assert [item["sampled"] for item in written] == [False, True] * 8
