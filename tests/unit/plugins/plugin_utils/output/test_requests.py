# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall requests for gateways that nobody automates, and what is new since the last ones."""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.requests import (
    HEADER,
    changes_between,
    changes_csv,
    changes_markdown,
    csv_of,
    markdown_of,
    requests_of,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan


def gateway(*servers: dict[str, Any], **more: Any) -> GatewayPlan:
    """Plan servers behind one gateway."""
    hosts = {
        "db": {"ansible_host": "198.51.100.10", "dbports_servers": list(servers)},
        "app-01": {"ansible_host": "192.0.2.21", "dbports_os": "linux"},
        "app-02": {"ansible_host": "192.0.2.22", "dbports_os": "linux"},
    }
    own = {"name": "edge", "kind": "filter", "between": ["office", "dc"], "owner": "network team", **more}
    networks = {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]}
    return build_plan(
        PlainInventory({"hosts": hosts, "vars": {"dbports_networks": networks, "dbports_gateways": [own]}})
    ).gateways[0]


ONE = {"engine": "mssql", "clients": ["app-01"]}
BOTH = {"engine": "mssql", "clients": ["app-01", "app-02"]}


def test_a_request_says_what_for_whom_and_why() -> None:
    (found,) = requests_of(gateway(ONE))
    assert found[1:14] == (
        "edge",
        "network team",
        "permit",
        "office",
        "dc",
        "request",
        "tcp",
        "192.0.2.21",
        "",
        "198.51.100.10",
        "1433",
        "",
        "",
    )
    assert (found.need, found.requested_for) == ("required", "db mssql/MSSQLSERVER/tds")
    assert "SQL Server" in found.citation or "KB" in found.citation


def test_a_new_client_changes_a_request_and_is_no_new_one() -> None:
    one, both = requests_of(gateway(ONE)), requests_of(gateway(BOTH))
    changes = changes_between(one, both)
    (row,) = changes_csv(changes).splitlines()[1:]
    assert (changes.added, changes.removed) == ((), ())
    assert row.startswith(f"change,192.0.2.22,,{one[0].id},edge,")
    assert "| 192.0.2.22 |  |" in changes_markdown("edge", changes)
    (back,) = changes_csv(changes_between(both, one)).splitlines()[1:]
    assert back.startswith(f"change,,192.0.2.22,{one[0].id},")


def test_what_is_no_longer_needed_is_listed() -> None:
    before = requests_of(gateway(ONE))
    changes = changes_between(before, ())
    assert changes.removed == before
    assert "## No longer needed" in changes_markdown("edge", changes)


def test_two_endpoints_that_need_one_opening_share_a_request() -> None:
    postgresql = {"engine": "postgresql", "clients": ["app-01"], "replicas": ["app-02"]}
    (found,) = [item for item in requests_of(gateway(postgresql)) if item.destination == "198.51.100.10"]
    assert found.source == "192.0.2.21 192.0.2.22"
    assert found.requested_for == "db postgresql/replication; db postgresql/sql"
    assert found.purpose.count("; ") == 1


def test_without_connection_tracking_answers_are_requests_of_their_own() -> None:
    before, after = (requests_of(gateway(item, stateful=False)) for item in (ONE, BOTH))
    reply = next(item for item in after if item.kind == "reply")
    assert (reply.source, reply.source_ports, reply.flags) == ("198.51.100.10", "1433", "established")
    changed = {item.kind for item, _new, _gone in changes_between(before, after).changed}
    assert changed == {"request", "reply", "icmp_error"}


def test_the_files_name_owner_and_gateway() -> None:
    plan = gateway(ONE)
    requests = requests_of(plan)
    assert csv_of(requests).splitlines()[0] == ",".join(HEADER)
    text = markdown_of(plan, requests)
    assert text.startswith("# Firewall requests for edge\n\nfilter, with connection tracking, between office and dc.")
    assert "Owner: network team" in text
    assert "Nothing has to be permitted." in markdown_of(plan, ())
