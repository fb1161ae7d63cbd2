# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSRP: asking SQL Server Browser for the port of an instance's dedicated administrator connection (DAC).

Source: [MC-SQLR] 2.2.6 (CLNT_UCAST_DAC) and 2.2.7 (SVR_RESP (DAC)). Integers are little-endian.
"""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._probe import ssrp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    Deadline,
    Outcome,
    ProbeKind,
    Question,
    Target,
)


def encode_dac_request(instance: str) -> bytes:
    """Return CLNT_UCAST_DAC.

    :raises DbportsError: when the name cannot be asked for.
    """
    return b"\x0f\x01" + ssrp.name_bytes(instance) + b"\0"


def parse_dac_response(data: bytes) -> int:
    """Return the TCP port from SVR_RESP (DAC).

    :raises DbportsError: when the answer is malformed. Its size counts the whole packet, unlike that of SVR_RESP.
    """
    if len(data) != 6 or data[:4] != b"\x05\x06\x00\x01":
        raise malformed(
            "the answer is not an SSRP answer about an administrator connection",
            data[:16],
        )
    return ssrp.parse_port(str(int.from_bytes(data[4:], "little")))


def _query(target: Target) -> ssrp.Query:
    if not target.instance:
        what = "a probe for an administrator connection needs the name of an instance"
        raise DbportsError(what, code="missing", path="instance")
    hint = ": a firewall drops the packets, or SQL Server Browser knows no administrator connection of the instance"
    return ssrp.Query(
        encode_dac_request(target.instance),
        lambda data: f"administrator connection of {target.instance}, tcp port {parse_dac_response(data)}",
        hint,
    )


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Ask the Browser; the detail says the port."""
    return _query(target).ask(target, deadline)


def question(target: Target) -> Question:
    """Return the same for another program to carry."""
    return _query(target).carried(target)


KIND = ProbeKind("ssrp_dac", ("udp",), max_ports=1, run=probe, question=question, names_instance=True)
