# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the report's page for the documentation: three made-up hosts, and three thousand.

python tests/tools/screenshots.py docs/images
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

OUTPUT = "ansible_collections.dbports.firewall.plugins.plugin_utils._output"
TESTS = Path(__file__).resolve().parents[1]
SIZES = {"report-3.png": (1200, 1080), "report-3000.png#topology": (1200, 1420)}
"""The width and height of each picture, and the heading at which it begins."""


def main() -> None:
    """Write the pictures into the folder named on the command line."""
    folder = Path(sys.argv[1])
    sys.path[:0] = [str(TESTS), str(TESTS / "support")]
    importlib.import_module("conftest")  # makes the checkout importable as the collection
    browser: Any = importlib.import_module("browser")
    pages: Any = importlib.import_module("pages")
    page_of = importlib.import_module(f"{OUTPUT}.html_page").page_of
    folder.mkdir(parents=True, exist_ok=True)
    for (target, (width, height)), data in zip(SIZES.items(), (pages.THREE, pages.fleet())):
        name, _hash, heading = target.partition("#")
        with tempfile.TemporaryDirectory() as place, browser.Browser(width, height) as chromium:
            page = Path(place) / "report.html"
            page.write_text(page_of(pages.overview(data, pages.sample_findings(data))), encoding="utf-8")
            chromium.cdp(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
            chromium.open(f"{page.as_uri()}#{heading}")
            chromium.screenshot(folder / name)
        print(f"{folder / name}: {(folder / name).stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
