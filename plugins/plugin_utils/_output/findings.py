# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings on disk, one file a host below the plan's directory, and as a task returns them."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import FINDINGS, HOSTS, host_file
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import refuse_links, write_text
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence

FINDINGS_SCHEMA = "dbports.findings/2"
MAX_SIZE = 16 << 20
"""Bytes of a host's file: some ten thousand findings have a quarter of that."""


class HostFindings(NamedTuple):
    """One host's findings.

    :param verified_at: when, in UTC, ISO 8601.
    :param run: what the run of ansible-playbook is known by in which that was.
    """

    verified_at: str
    run: str
    findings: tuple[Finding, ...]


class Verified(NamedTuple):
    """The findings that are there, by host, and why those of other hosts cannot be used, by host."""

    hosts: Mapping[str, HostFindings]
    unusable: Mapping[str, str]


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
        raise not_written("the findings", directory, error) from error


def write_findings(directory: Path, host: str, plan_id: str, found: HostFindings) -> None:
    """Write a host's findings below the plan's directory.

    :raises DbportsError: when the directory cannot be written.
    """
    data = {
        "schema": FINDINGS_SCHEMA,
        "host": host,
        "plan_id": plan_id,
        "verified_at": found.verified_at,
        "run": found.run,
        "findings": [as_data(finding) for finding in found.findings],
    }
    path = findings_file(directory, host)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(data, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise not_written("the findings", directory, error) from error


def not_written(what: str, directory: Path, error: OSError) -> DbportsError:
    """Return the error of a plan's directory that cannot be written."""
    return DbportsError(
        f"{what} cannot be written: {error.strerror}", code="not_written", path="plan_dir", value=str(directory)
    )


def read_findings(directory: Path, hosts: Iterable[str], plan_id: str) -> Verified:
    """Return the findings of the hosts that were verified against this plan.

    The file of a host that cannot be trusted counts as none, and why is told; one that is missing counts as none.

    :raises DbportsError: when the folder is a symbolic link.
    """
    refuse_links(directory)
    found: dict[str, HostFindings] = {}
    unusable: dict[str, str] = {}
    for host in hosts:
        try:
            found[host] = _read(bytes_of(findings_file(directory, host)), host, plan_id)
        except FileNotFoundError:
            continue
        except DbportsError as error:
            unusable[host] = error.reason
        except OSError as error:
            unusable[host] = f"the file of its findings cannot be read: {error.strerror}"
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
            unusable[host] = "the file of its findings is damaged, or of another release"
    return Verified(found, unusable)


def bytes_of(path: Path) -> bytes:
    """Read an ordinary file of an ordinary size; what else is in its place is not followed, and not waited for."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise _unusable("the file of its findings is a link, or no ordinary file")
    if found.st_size > MAX_SIZE:
        raise _unusable(f"the file of its findings is larger than {MAX_SIZE >> 20} MiB")
    return path.read_bytes()


def _read(text: bytes, host: str, plan_id: str) -> HostFindings:
    data: Any = json.loads(text)
    if data["plan_id"] != plan_id:
        raise _unusable("its findings are of another plan")
    found: HostFindings = codec(HostFindings).read(data)
    moment = datetime.fromisoformat(found.verified_at)
    if data["schema"] != FINDINGS_SCHEMA or moment.tzinfo is None:
        raise ValueError
    of_others = [one for one in found.findings if one.server != host and one.peers != (host,)]
    if of_others or {data["host"], *(one.host for one in found.findings)} != {host}:
        raise _unusable("the file of its findings names other hosts")
    return found._replace(verified_at=moment.astimezone(timezone.utc).isoformat(timespec="seconds"))


def _unusable(reason: str) -> DbportsError:
    return DbportsError(reason, code="unreadable")


def as_data(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON has it, with its sentence for readers."""
    data: dict[str, Any] = json.loads(codec(Finding).write(finding))
    return {**data, "sentence": finding_sentence(finding)}


def returned(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings as a task does: Ansible prints its result, which names programs of the host."""
    return [visible_data(as_data(finding)) for finding in findings]
