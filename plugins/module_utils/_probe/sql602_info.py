# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a 602SQL server tells a client before it logs in: its announcement, the connect result, the HTTP tunnel."""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import of_error, printable
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import check_timeout, run_probes
from ansible_collections.dbports.firewall.plugins.module_utils._probe.sql602_search import Search


def ask_server(
    address: str, port_base: int, answer_port: int, http_tunnel_port: int | None, timeout: float
) -> dict[str, Any]:
    """Search for a server, connect to it and ask its HTTP tunnel, each for ``timeout`` seconds at most.

    :param port_base: the server's PORTBASE.
    :param answer_port: the UDP port of this host where the announcement is waited for; 0 for any that is free.
    :returns: address and port_base, name (None where it did not announce itself), answer_port, and for search, connect
        and, with a port, tunnel the port, verdict and detail of a probe.
    :raises DbportsError: when the question makes no sense; then nothing was sent.
    """
    where = AddressRange.address(address)
    if where.family != 4:
        raise DbportsError("602SQL has no IPv6", code="not_an_address", path="address", value=address)
    if not 1 <= port_base < MAX_PORT:
        raise DbportsError("PORTBASE is from 1 to 65534", code="not_a_port", path="port_base", value=port_base)
    if not 0 <= answer_port <= MAX_PORT:
        raise DbportsError("not a port", code="not_a_port", path="answer_port", value=answer_port)
    check_timeout(timeout)
    probes = [{"id": "connect", "kind": "sql602_connect", "address": str(where), "ports": str(port_base + 1)}]
    if http_tunnel_port is not None:
        probes.append({"id": "tunnel", "kind": "http_tunnel", "address": str(where), "ports": str(http_tunnel_port)})
    found = _search(str(where), port_base, answer_port, timeout)
    for result in run_probes(probes, timeout):
        found[result["id"]] = {key: result[key] for key in ("port", "verdict", "detail")}
    return {"address": str(where), "port_base": port_base, **found}


def _search(address: str, port_base: int, answer_port: int, timeout: float) -> dict[str, Any]:
    server = (address, port_base)
    search = Search([server], answer_port)
    try:
        outcome, _seconds = search.run(timeout)[server]
    except OSError as error:
        outcome = of_error(error, port_base, no_answer="unknown")
    announced = search.announced.get(server)
    return {
        "name": printable(announced.name) if announced else None,
        "answer_port": search.answer_port,
        "search": {"port": port_base, "verdict": outcome.verdict, "detail": outcome.detail},
    }
