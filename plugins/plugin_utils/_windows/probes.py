# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes from a Windows host: a script carries bytes over .NET sockets, and the verdicts are those of every host."""

from __future__ import annotations

import base64
import binascii
import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import Answer, Question
from ansible_collections.dbports.firewall.plugins.module_utils._probe.carried import Carried, run_carried
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost

TIMEOUT = 2.0
"""Seconds, the default of the modules that probe."""

REFUSED_AFTER = 3.0
"""Seconds after which a refusal of TCP is known on Windows, with one to spare.

It sends its SYN up to four times again, half a second apart, before it takes a reset for an answer (Microsoft KB
175523; github.com/nmap/nmap/issues/2113): in less time a port that refuses looks like one that is filtered.
"""

_ERRORS = {
    10013: errno.EPERM,  # WSAEACCES: what the host's own firewall does not let out
    10048: errno.EADDRINUSE,
    10050: errno.ENETUNREACH,
    10051: errno.ENETUNREACH,
    10054: errno.ECONNRESET,
    10060: errno.ETIMEDOUT,
    10061: errno.ECONNREFUSED,
    10064: errno.EHOSTUNREACH,
    10065: errno.EHOSTUNREACH,
    11002: errno.ENETUNREACH,
    11003: errno.EHOSTUNREACH,
    11004: errno.EACCES,
    11010: errno.ETIMEDOUT,
}
"""Errors of Windows Sockets 2, and from 11002 on of IP (``IPStatus``), which .NET has on every system."""


def run_probes(host: WindowsHost, values: Iterable[Mapping[str, Any]], timeout: float) -> list[dict[str, Any]]:
    """Run probes from a host, and return what the module dbports.firewall.probe returns under ``probes``.

    :param timeout: seconds that each of them may take.
    :raises DbportsError: when a probe makes no sense, or the host's answer cannot be read.
    """

    def carry(questions: Sequence[Question]) -> list[Carried]:
        return _read(host.probe(request(questions, timeout)), questions)

    return run_carried(values, timeout, carry)


def request(questions: Sequence[Question], timeout: float) -> dict[str, Any]:
    """Return questions as ``probe.ps1`` reads them; see :data:`REFUSED_AFTER`."""
    if any(item.protocol == "tcp" for item in questions):
        timeout = max(timeout, REFUSED_AFTER)
    return {
        "timeout": round(timeout * 1000),
        "hears": next((item.hears_at for item in questions if item.hears_at), 0),
        "questions": [
            {
                "protocol": item.protocol,
                "address": item.address,
                "port": item.port or 0,
                "request": base64.b64encode(item.request).decode("ascii"),
                "waits": item.waits,
                "hears": bool(item.hears_at),
                "patient": item.patient,
            }
            for item in questions
        ],
    }


def _read(shown: Mapping[str, Any], questions: Sequence[Question]) -> list[Carried]:
    try:
        found = [
            Carried(
                Answer(
                    bool(item["reached"]),
                    tuple(base64.b64decode(part, validate=True) for part in item["data"]),
                    _error(int(item["error"]), question),
                ),
                int(item["milliseconds"]) / 1000,
            )
            for item, question in zip(shown["answers"], questions)
        ]
        if len(found) != len(questions) or len(found) != len(shown["answers"]):
            raise ValueError("not an answer for each question")
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise DbportsError(
            "the answer of probe.ps1 cannot be read", code="malformed_answer", value=dict(shown)
        ) from None
    return found


def _error(number: int, question: Question) -> OSError | None:
    """Return the error that this host would have raised; an ICMP port unreachable is a reset to Windows."""
    if not number:
        return None
    found = _ERRORS.get(number)
    if found == errno.ECONNRESET and question.protocol == "udp":
        found = errno.ECONNREFUSED
    return OSError(found, os.strerror(found)) if found else OSError(f"Windows says error {number}")
