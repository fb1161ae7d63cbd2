# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-doc shows: every page leads to others that exist, and says what holds for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
SUBOPTIONS = {"options", "suboptions"}
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def names(kind: str) -> list[str]:
    """Return the plugins of a folder."""
    return sorted(path.stem for path in (PLUGINS / kind).glob("*.py"))


def documentation(kind: str, name: str) -> dict[str, Any]:
    """Return a plugin's or fragment's DOCUMENTATION."""
    tree = ast.parse((PLUGINS / kind / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{kind}/{name} has no DOCUMENTATION")


def whole(name: str, part: str = "attributes") -> dict[str, Any]:
    """Return a module's attributes or options with those of its fragments, merged as ansible-doc does it."""
    own = documentation("modules", name)
    fragments = [fragment.rpartition(".")[2] for fragment in own["extends_documentation_fragment"]]
    found: dict[str, Any] = {}
    for page in [*(documentation("doc_fragments", fragment) for fragment in fragments), own]:
        for key, item in page.get(part, {}).items():
            found[key] = {**found.get(key, {}), **item}
    return found


def role_entries(role: str) -> dict[str, Any]:
    """Return the entry points of a role."""
    return yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]


def pages() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every page that users open first: its kind, its name and its documentation."""
    for kind, folder in (("module", "modules"), ("filter", "filter")):
        for name in names(folder):
            yield kind, name, documentation(folder, name)
    for role in ROLES:
        yield "role", role, role_entries(role)["main"]


@pytest.mark.parametrize(("kind", "name", "page"), [pytest.param(*page, id="-".join(page[:2])) for page in pages()])
def test_every_page_leads_to_others_that_exist(kind: str, name: str, page: dict[str, Any]) -> None:
    known = {"module": names("modules"), "filter": names("filter"), "role": ROLES}
    seen = [
        ("module", item["module"]) if "module" in item else (item["plugin_type"], item["plugin"])
        for item in page["seealso"]
    ]
    assert seen
    assert len(seen) == len(set(seen))
    assert (kind, f"dbports.firewall.{name}") not in seen
    for what, full in seen:
        assert full.startswith("dbports.firewall.")
        assert full.rpartition(".")[2] in known[what]


def test_the_action_group_is_documented_where_it_applies() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    shown = {
        name: [item.rpartition(".")[2] for item in whole(name).get("action_group", {}).get("membership", [])]
        for name in names("modules")
    }
    assert {group: [name for name in shown if group in shown[name]] for group in groups} == groups
    assert {group for listed in shown.values() for group in listed} == set(groups)


def test_modules_say_whether_they_have_an_action_plugin() -> None:
    assert [name for name in names("modules") if "action" in whole(name)] == names("action")


@pytest.mark.parametrize("name", names("action"))
def test_actions_take_what_is_documented(name: str) -> None:
    """Ansible compares only modules with their documentation."""
    module = import_module(f"ansible_collections.dbports.firewall.plugins.action.{name}")
    said = whole(name, "options")
    assert shapes(said) == shapes(module.ActionModule.ARGUMENTS)


def shapes(options: dict[str, Any]) -> dict[str, Any]:
    """Return what documentation and an argument spec both say of options."""
    return {
        name: {
            "type": item.get("type", "str"),
            "default": item.get("default"),
            **{key: item[key] for key in ("choices", "elements", "required") if item.get(key)},
            **({"options": shapes(item.get("suboptions") or item["options"])} if set(item) & SUBOPTIONS else {}),
        }
        for name, item in options.items()
    }


def test_the_role_plan_says_in_which_order_its_variables_matter() -> None:
    """ansible-doc sorts options by name: the description has them by where they are set."""
    entries = role_entries("plan")
    described = " ".join(entries["main"]["description"])
    assert re.findall(r"C\((dbports_\w+)\)", described) == list(entries["main"]["options"])
    for name, entry in entries.items():
        if name != "main" and not name.startswith("gateway_"):
            listed = re.findall(r"C\((\w+)\)", entry["description"][1])
            assert listed == list(entry["options"]["dbports_servers"]["options"])


def test_actions_have_the_defaults_that_the_roles_document() -> None:
    """A role leaves most settings of a run to the action, which reads the same variables."""
    compared = []
    for role in ROLES:
        main = role_entries(role)["main"]["options"]
        tasks = (ROOT / "roles" / role / "tasks" / "main.yml").read_text(encoding="utf-8")
        for option, spec in whole(role, "options").items():
            name = f"dbports_{option}"
            if role != "guard" and name in main and f"{role}_{name}" not in tasks:
                compared.append((role, option))
                assert (main[name].get("default") or None) == (spec.get("default") or None), (role, option)
    assert ("apply", "confirm_timeout") in compared


@pytest.mark.parametrize("role", ROLES)
def test_every_role_shows_a_playbook(role: str) -> None:
    plays = yaml.safe_load(role_entries(role)["main"]["examples"])
    assert f"dbports.firewall.{role}" in str(plays[0]["roles"])


def markdown() -> list[Path]:
    """Return every page that the tarball has."""
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    pages = [path for top in ("docs", "roles") for path in (ROOT / top).rglob("*.md")]
    return sorted(path for path in [*pages, *ROOT.glob("*.md")] if path.relative_to(ROOT).parts[0] not in ignored)


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in links."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", markdown(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_that_users_have(page: Path) -> None:
    folders = [ROOT / "docs" / name for name in ("images", "schema")]
    known = {*markdown(), *folders, *(path for folder in folders for path in folder.iterdir()), ROOT / "COPYING"}
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        if "://" in link:
            continue
        name, _hash, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target in known, link
        assert not anchor or anchor in anchors(target), link


def test_every_page_of_the_documentation_is_linked() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{path.name}" in text
