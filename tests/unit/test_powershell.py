# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PowerShell scripts, read by a parser of that language: no machine here can run them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {path.name: path for path in (ROOT / "plugins").rglob("*.ps1")}
PARSER = Parser(Language(tree_sitter_powershell.language()))
LINES = 100

ALLOWED = {
    "collect.ps1": {
        "ConvertFrom-Json",
        "ConvertTo-Json",
        "ForEach-Object",
        "Get-CimInstance",
        "Get-Item",
        "Get-Process",
        "New-Object",
        "Set-StrictMode",
        "Test-Path",
        "netsh",
        "netstat",
    },
    "apply.ps1": {
        "ConvertFrom-Json",
        "ConvertTo-Json",
        "Get-Item",
        "Get-ScheduledTask",
        "New-Item",
        "New-ItemProperty",
        "New-Object",
        "Register-ScheduledTask",
        "Remove-Item",
        "Set-StrictMode",
        "Test-Path",
        "Unregister-ScheduledTask",
    },
    "probe.ps1": {
        "ConvertFrom-Json",
        "ConvertTo-Json",
        "ForEach-Object",
        "Set-StrictMode",
        "Start-Sleep",
        "Where-Object",
    },
}
"""Everything else that a script calls is a function of its own. Nothing here takes text for code."""

CHANGES = ("Set-", "New-Item", "Remove-", "Register-", "Unregister-", "Add", "Stop-", "Start-", "Clear-")


def nodes(path: Path) -> Iterator[Node]:
    """Yield all nodes of a script's syntax tree."""
    left = [PARSER.parse(path.read_bytes()).root_node]
    while left:
        node = left.pop()
        yield node
        left += node.children


def texts(path: Path, kind: str) -> list[str]:
    """Return the texts of all nodes of a kind."""
    return [node.text.decode() for node in nodes(path) if node.type == kind and node.text]


def test_every_script_is_known() -> None:
    assert set(SCRIPTS) == set(ALLOWED)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_script_is_valid_and_small(name: str) -> None:
    path = SCRIPTS[name]
    assert not [node.start_point for node in nodes(path) if node.type == "ERROR" or node.is_missing]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES
    assert path.read_text(encoding="utf-8").isascii()


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "pester").glob("*.ps1")), ids=lambda path: path.name)
def test_the_tests_that_run_on_windows_are_valid(path: Path) -> None:
    assert not [node.start_point for node in nodes(path) if node.type == "ERROR" or node.is_missing]


@pytest.mark.parametrize("name", ALLOWED)
def test_a_script_calls_only_what_is_listed(name: str) -> None:
    path = SCRIPTS[name]
    functions = set(texts(path, "function_name"))
    assert set(texts(path, "command_name")) - functions == ALLOWED[name]
    assert not texts(path, "invokation_operator") and not texts(path, "command_invokation_operator")
    assert "[scriptblock]" not in path.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("name", ["collect.ps1", "probe.ps1"])
def test_looking_changes_nothing(name: str) -> None:
    called = ALLOWED[name] - {"Set-StrictMode", "Start-Sleep"}
    assert not [name for name in called if name.startswith(CHANGES)]


def test_the_types_that_a_script_uses_are_those_that_it_needs() -> None:
    """Static calls cannot be shadowed by a test, so only the probes have them, and only sockets among them."""
    used = {name: {text.strip("[]") for text in texts(path, "type_literal")} for name, path in SCRIPTS.items()}
    plain = {"string", "int", "byte", "Math", "Convert", "ref"}
    system = {kind for kind in used["probe.ps1"] if kind.startswith("System.")}
    assert {kind.rpartition(".")[0] for kind in system} <= {
        "System.Diagnostics",
        "System.Net",
        "System.Net.NetworkInformation",
        "System.Net.Sockets",
    }
    for name, kinds in used.items():
        assert not [kind for kind in kinds if kind.startswith("System.") and name != "probe.ps1"], name
        assert kinds - system <= plain, name


def test_the_checks_find_what_they_look_for(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ps1"
    bad.write_text("if ($x { }\n")
    assert any(node.type == "ERROR" or node.is_missing for node in nodes(bad))
    bad.write_text("& $text\nInvoke-Expression $text\n")
    assert texts(bad, "command_name") and (
        texts(bad, "invokation_operator") or texts(bad, "command_invokation_operator")
    )
