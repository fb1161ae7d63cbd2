# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the report's page takes to write and to open, and its filter to answer, with 3, 300, 3,000 and 9,000 hosts.

It is opened from a file in headless Chromium, three times each; the numbers are medians.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

OUTPUT = "ansible_collections.dbports.firewall.plugins.plugin_utils._output"
TESTS = Path(__file__).resolve().parents[1]
ROUNDS = 3
OPENED = """
const [entry] = performance.getEntriesByType("navigation");
return Math.max(entry.loadEventEnd, ...performance.getEntriesByType("paint").map(paint => paint.startTime)) / 1000;
"""
FILTERED = """
const [words, done] = arguments;
const input = document.querySelector(".filter input");
const start = performance.now();
input.value = words;
input.dispatchEvent(new Event("input"));
requestAnimationFrame(() => requestAnimationFrame(() => done((performance.now() - start) / 1000)));
"""


def main() -> None:
    """Measure fleets of each size."""
    sys.path[:0] = [str(TESTS), str(TESTS / "support")]
    importlib.import_module("conftest")  # makes the checkout importable as the collection
    browser: Any = importlib.import_module("browser")
    pages: Any = importlib.import_module("pages")
    page_of = importlib.import_module(f"{OUTPUT}.html_page").page_of
    fleets = [pages.THREE, *(pages.fleet(scale) for scale in (0.1, 1.0, 3.0))]
    with tempfile.TemporaryDirectory() as place, browser.Browser() as chromium:
        for data in fleets:
            found = pages.overview(data, pages.sample_findings(data))
            start = time.perf_counter()
            text = page_of(found)
            written = time.perf_counter() - start
            page = Path(place) / "report.html"
            page.write_text(text, encoding="utf-8")
            opened, filtered = [], []
            for _round in range(ROUNDS):
                chromium.open(page)
                chromium.settle()
                opened.append(chromium.run(OPENED))
                filtered.append(chromium.run_async(FILTERED, "017"))
            print(
                f"page: {len(data['hosts']):>5,} hosts, {len(text) >> 10:>5,} KiB: written in {written:.2f} s, opened "
                f"in {statistics.median(opened):.2f} s, filtered in {statistics.median(filtered):.2f} s"
            )


if __name__ == "__main__":
    main()
