# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings on disk, one file a host below the plan's directory, and as a task returns them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import FINDINGS, HOSTS, host_file
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_text
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import visible

FINDINGS_SCHEMA = "dbports.findings/1"


class HostFindings(NamedTuple):
    """One host's findings.

    :param verified_at: when, in UTC, ISO 8601.
    """

    verified_at: str
    findings: tuple[Finding, ...]


def findings_file(directory: Path, host: str) -> Path:
    """Return where a host's findings are kept, below the plan's directory."""
    return directory / host_file(host).replace(HOSTS, FINDINGS, 1)


def forget_findings(directory: Path, host: str) -> None:
    """Remove a host's earlier findings, so that a verification that breaks off leaves none.

    :raises DbportsError: when the directory cannot be written.
    """
    try:
        findings_file(directory, host).unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(directory, error) from error


def write_findings(directory: Path, host: str, plan_id: str, found: HostFindings) -> None:
    """Write a host's findings below the plan's directory.

    :raises DbportsError: when the directory cannot be written.
    """
    data = {
        "schema": FINDINGS_SCHEMA,
        "host": host,
        "plan_id": plan_id,
        "verified_at": found.verified_at,
        "findings": [finding._asdict() for finding in found.findings],
    }
    path = findings_file(directory, host)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(data, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise _not_written(directory, error) from error


def _not_written(directory: Path, error: OSError) -> DbportsError:
    return DbportsError(
        f"the findings cannot be written: {error.strerror}", code="not_written", path="plan_dir", value=str(directory)
    )


def read_findings(directory: Path, hosts: Iterable[str], plan_id: str) -> dict[str, HostFindings]:
    """Return the findings of the hosts that were verified against this plan, by host.

    A file that is missing or damaged, or belongs to another plan, counts as none.
    """
    found: dict[str, HostFindings] = {}
    for host in hosts:
        try:
            data = json.loads(findings_file(directory, host).read_text(encoding="utf-8"))
            if (data["schema"], data["plan_id"]) == (FINDINGS_SCHEMA, plan_id):
                found[host] = codec(HostFindings).read(data)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def returned(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Return findings as a task does: Ansible prints its result, which names programs of the host."""
    return [{key: visible(text) for key, text in finding._asdict().items()} for finding in findings]
