# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report, next to the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_text
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.exports import csv_of, json_of, junit_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.html_page import page_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.overview import Overview

PAGE = "report.html"

FORMATS: Mapping[str, Callable[[Overview], str]] = {
    PAGE: page_of,
    "report.md": lambda overview: overview.report.markdown(),
    "report.json": json_of,
    "report.junit.xml": junit_of,
    "report.csv": csv_of,
}
"""What writes each file; a new format is a line here."""


def write_report(overview: Overview, directory: Path) -> None:
    """Write the report in all formats.

    :raises DbportsError: when the directory cannot be written.
    """
    try:
        for name, text in [(name, write(overview)) for name, write in FORMATS.items()]:
            write_text(directory / name, text)
    except OSError as error:
        raise DbportsError(
            f"the report cannot be written: {error.strerror}", code="not_written", path="plan_dir", value=str(directory)
        ) from error
