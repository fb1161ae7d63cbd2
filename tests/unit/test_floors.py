# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of plugins/ and the floors they are on: imports go down, never up and never in a circle.

docs/architecture.md draws the same tree; a folder that is not in the list below fails here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
PREFIX = "ansible_collections.dbports.firewall.plugins."

FLOORS = (
    ("module_utils._visible",),
    ("module_utils._errors",),
    ("module_utils._ports",),
    ("module_utils._addresses", "module_utils._ephemeral"),
    ("module_utils._netstat", "module_utils._probe"),
    ("module_utils._firewall",),
    ("module_utils._engines", "module_utils._observe", "module_utils._learn", "module_utils._relay"),
    ("plugin_utils._inventory",),
    ("plugin_utils._declare",),
    ("plugin_utils._model",),
    ("plugin_utils._gateway", "plugin_utils._findings"),
    ("plugin_utils._plan",),
    ("plugin_utils._artifact",),
    ("plugin_utils._answer",),
    ("plugin_utils._output",),
    ("plugin_utils._windows", "plugin_utils._learn"),
    ("plugin_utils._static_port",),
    ("plugin_utils._edge",),
    ("modules", "filter", "doc_fragments"),
    ("action",),
)
"""From the ground up; a room imports only itself and rooms on lower floors."""

ANSIBLE = ("plugin_utils._inventory.ansible_inventory", "plugin_utils._edge", "action", "filter", "modules")
"""The only places that know Ansible."""

LIBRARIES = {
    "netaddr": "plugin_utils._declare.networks",
    "jinja2": "plugin_utils._output.html_page",
    "markupsafe": "plugin_utils._output.html_page",
    "yaml": "plugin_utils._learn.files",
}
"""What the controller uses beside Ansible and the standard library, each in one file."""

Imports = dict[str, set[str]]
LEVEL = {room: number for number, floor in enumerate(FLOORS) for room in floor}


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def name_of(path: Path) -> str:
    """Return a file's dotted name below plugins."""
    return ".".join(path.relative_to(PLUGINS).with_suffix("").parts)


def room_of(name: str) -> str:
    """Return the room of a module below plugins."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in ("module_utils", "plugin_utils") else parts[0]


def read_imports() -> Imports:
    """Return what every file of the collection imports of the collection."""
    return {
        name_of(path): {item[len(PREFIX) :] for item in imports_of(path) if item.startswith(PREFIX)}
        for path in sorted(PLUGINS.rglob("*.py"))
    }


def unlisted(imports: Imports) -> set[str]:
    """Return the rooms that are on no floor."""
    return {room_of(name) for name in imports} - set(LEVEL)


def upward(imports: Imports) -> list[str]:
    """Return the imports that lead to the same or a higher floor of another room."""
    return [
        f"{name} -> {other}"
        for name, others in imports.items()
        for other in sorted(others)
        if room_of(name) != room_of(other) and LEVEL[room_of(other)] >= LEVEL[room_of(name)]
    ]


def circle(imports: Imports) -> list[str]:
    """Return files that import each other in a circle, or nothing."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(imports.get(name, ())):
            found = walk(other, [*way, name])
            if found:
                return found
        done.add(name)
        return []

    return next((found for found in (walk(name, []) for name in sorted(imports)) if found), [])


IMPORTS = read_imports()


def test_every_room_is_on_a_floor() -> None:
    assert not unlisted(IMPORTS)
    assert not [
        room for room in LEVEL if not list((PLUGINS / room.replace(".", "/")).parent.glob(f"{room.split('.')[-1]}*"))
    ]


def test_imports_go_down() -> None:
    assert not upward(IMPORTS)


def test_no_circles() -> None:
    assert not circle(IMPORTS)


def test_modules_use_only_what_reaches_a_target() -> None:
    for name, others in IMPORTS.items():
        if name.startswith(("modules.", "module_utils.")):
            assert not [other for other in others if not other.startswith("module_utils.")], name


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=name_of)
def test_only_the_edges_know_ansible_and_libraries_have_their_place(path: Path) -> None:
    name = name_of(path)
    for item in imports_of(path):
        top = item.partition(".")[0]
        if top == "ansible":
            assert name.startswith(ANSIBLE), f"{name} imports {item}"
        elif top in LIBRARIES:
            assert name == LIBRARIES[top], f"{name} imports {item}"
        elif top != "ansible_collections":
            assert top in sys.stdlib_module_names, f"{name} imports {item}"


def loaded_with(name: str, found: set[str]) -> set[str]:
    """Return a module and all that its import loads, without what is imported in functions or for types only."""
    if name not in found:
        found.add(name)
        for node in ast.parse((PLUGINS / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
                loaded_with(str(node.module)[len(PREFIX) :], found)
    return found


def test_a_run_with_nothing_to_change_loads_little() -> None:
    """A host compiles what it loads: only what most runs need may be imported at the top of a file."""
    loaded = loaded_with("modules.ruleset", set()) | loaded_with("module_utils._firewall.nftables.backend", set())
    rare = ("forward", "forward_lines", "elsewhere", "placed", "foreign", "losses", "arming", "changing", "way_in")
    assert "module_utils._firewall.transaction" in loaded
    assert sorted(name for name in loaded if name.rpartition(".")[2] in rare or ".live." in name) == []
    assert sorted(name for name in loaded if {"ufw", "firewalld", "windows"} & set(name.split("."))) == []


def test_no_folder_hides_a_module() -> None:
    """Ansible's importer takes ``page/`` for the package ``page`` and never looks at ``page.py``."""
    assert not [path for path in PLUGINS.rglob("*.py") if path.with_suffix("").is_dir()]


def test_the_map_draws_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for room in LEVEL:
        assert room.rpartition(".")[2] in text, room


class TestTheTest:
    """A house that is wrong must be found."""

    def test_a_new_room(self) -> None:
        assert unlisted({"plugin_utils._cellar.wine": set()}) == {"plugin_utils._cellar"}

    def test_an_import_upwards_and_one_next_door(self) -> None:
        assert upward({"module_utils._ports": {"module_utils._errors", "plugin_utils._plan.builder"}})
        assert upward({"module_utils._probe.tcp": {"module_utils._netstat.sockets"}})
        assert not upward({"plugin_utils._plan.builder": {"plugin_utils._plan.conflicts", "module_utils._ports"}})

    def test_a_circle(self) -> None:
        assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
        assert not circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})
