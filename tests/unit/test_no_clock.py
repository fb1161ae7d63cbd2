# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No test fails because a machine is busy: none reads a clock, and Hypothesis measures no time."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).resolve().parents[1]
PARTS = ("unit", "property", "packet", "integration", "first_hour", "page", "support")
CLOCKS = {"time", "monotonic", "perf_counter", "process_time", "thread_time", "now", "utcnow"}
SHORTEST = 60
"""Seconds that something may take which has to happen; what never happens may be waited for as briefly as one likes."""


def clocks(code: str) -> list[str]:
    """Return the clocks that a program reads, and the limits of Hypothesis that are times."""
    found = []
    for node in ast.walk(ast.parse(code)):
        name = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        base = getattr(node.func.value, "id", "") if name and isinstance(node, ast.Call) else ""
        if base in ("time", "timeit", "datetime") and name.removesuffix("_ns") in CLOCKS:
            found.append(f"line {node.lineno}: {base}.{name}")
        if isinstance(node, ast.keyword) and node.arg == "deadline":
            found.append(f"line {node.value.lineno}: deadline")
    return found


def hasty(code: str) -> list[str]:
    """Return the limits of processes that a test waits for which a busy machine may exceed."""
    return [
        f"line {node.lineno}: {node.func.attr}"
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in ("run", "communicate", "wait", "wait_for")
        for keyword in node.keywords
        if keyword.arg in ("timeout", "seconds")
        if isinstance(keyword.value, ast.Constant) and keyword.value.value < SHORTEST
    ]


@pytest.mark.parametrize("part", PARTS)
def test_no_test_reads_a_clock_or_is_in_a_hurry(part: str) -> None:
    files = sorted((TESTS / part).rglob("*.py"))
    assert files
    told = {str(path): clocks(text) + hasty(text) for path in files for text in [path.read_text(encoding="utf-8")]}
    assert not {path: found for path, found in told.items() if found}


def test_hypothesis_measures_no_time() -> None:
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("assert time.monotonic() - started < 5", 1),
        ("time.process_time_ns()", 1),
        ("@settings(deadline=200)\ndef test(): pass", 1),
        ("child.communicate(timeout=5)", 1),
        ("child.communicate(timeout=120); time.sleep(0.02)", 0),
    ],
)
def test_the_test(code: str, told: int) -> None:
    assert len(clocks(code) + hasty(code)) == told
