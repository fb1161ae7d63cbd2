# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flows from end to end, clusters of hosts, the picture and the matrix."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.clusters import PLACES, clusters_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.flows import Flow, flows_of, rules_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.html_page import page_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.matrix import matrix_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.states import STATES, States, worst
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.topology import Box, Picture, picture_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

from counting import assert_linear, steps
from pages import THREE, fleet, overview, sample_findings

MSSQL = {"engine": "mssql", "clients": ["app-01"]}
NETWORKS = {"office": ["192.0.2.0/24"], "dmz": ["203.0.113.0/24"], "dc": ["198.51.100.0/24"]}
NOTHING = States([], [])


def flows(*gateways: dict[str, Any], **server: Any) -> list[Flow]:
    """Return the flows of a client in the office and a server in the data centre."""
    data = {
        "hosts": {
            "erp-db": {"ansible_host": "198.51.100.10", "dbports_servers": [{**MSSQL, **server}]},
            "app-01": {"ansible_host": "192.0.2.21", "dbports_os": "linux"},
        },
        "vars": {"dbports_networks": NETWORKS, "dbports_gateways": list(gateways)},
    }
    plan = build_plan(PlainInventory(data))
    return flows_of(list(plan.hosts.values()), plan.gateways)


def test_a_flow_is_met_on_both_hosts_and_counted_once() -> None:
    (found,) = flows()
    assert found.key == ("app-01", "erp-db", "mssql/MSSQLSERVER/tds", "tcp 1433")
    assert (found.engine, found.allowed, found.gateways, str(found.source_ports)) == ("mssql", True, (), "32768-60999")


def test_flows_to_networks_and_refusals_are_flows_too() -> None:
    (sql, hostile) = flows(clients=["203.0.113.0/24"], forbidden_clients=["app-01"])
    assert (sql.source.name, sql.source.kind, sql.allowed) == ("203.0.113.0/24", "network", True)
    assert (hostile.source.name, hostile.target.name, hostile.allowed, hostile.named) == (
        "app-01",
        "erp-db",
        False,
        True,
    )


def test_filters_on_the_way_come_as_packets_meet_them() -> None:
    gateways = [{"name": name, "kind": "filter", "between": ["office", "dc"]} for name in ("z-outer", "a-inner")]
    (found,) = flows(*gateways)
    assert found.gateways == ("z-outer", "a-inner")
    back = [flow.gateways for flow in flows(*gateways, engine="sql602") if flow.source.name == "erp-db"]
    assert back == [("a-inner", "z-outer")]


def test_a_gateway_that_stands_for_others_is_an_end_and_not_on_the_way() -> None:
    nat = {
        "name": "nat-1",
        "kind": "nat",
        "between": ["office", "dc"],
        "inside": "dc",
        "addresses": {"office": "192.0.2.1", "dc": "198.51.100.1"},
        "mappings": [{"host": "erp-db", "protocol": "tcp", "port": 1433, "public_port": 21433}],
    }
    found = flows(nat)
    assert {(flow.source.name, flow.target.name, flow.shown) for flow in found} == {
        ("app-01", "nat-1", "tcp 21433"),
        ("nat-1", "erp-db", "tcp 1433"),
    }
    assert all(flow.gateways == () for flow in found)


def test_hosts_with_the_same_rule_share_a_line_and_mirrors_are_left_out() -> None:
    clients = {f"app-{number}": {"ansible_host": f"192.0.2.{number}"} for number in range(1, 9)}
    server = {"ansible_host": "198.51.100.10", "dbports_servers": [{"engine": "sql602", "clients": list(clients)}]}
    plan = build_plan(PlainInventory({"hosts": {**clients, "db": server}}))
    rules = rules_of(plan.hosts.values())
    assert {rule.key.direction for rule in rules} == {"in"}
    (announcement,) = [rule for rule in rules if rule.key.flow == "announcement"]
    assert announcement.hosts == tuple(clients)
    assert [peer.name for peer in announcement.peers] == ["db"]


def test_outbound_rules_that_are_in_force_are_listed() -> None:
    client = {"ansible_host": "192.0.2.21", "dbports_filter_outbound": True}
    server = {"ansible_host": "198.51.100.10", "dbports_servers": [MSSQL]}
    plan = build_plan(PlainInventory({"hosts": {"app-01": client, "erp-db": server}}))
    found = [(rule.hosts, rule.key.direction) for rule in rules_of(plan.hosts.values())]
    assert found == [(("erp-db",), "in"), (("app-01",), "out")]


def test_few_hosts_stand_for_themselves_and_many_for_their_group_or_role() -> None:
    small, large = (overview(data, {}) for data in (THREE, fleet(0.4)))
    assert [item.name for item in clusters_of(small.parties, 16)] == ["app-01", "guest-01", "erp-db"]
    groups = clusters_of(large.parties, 16)
    assert {"erp_app", "guests", "billing_db"} <= {item.name for item in groups}
    assert {name for item in groups for name in item.members} == set(large.port_sets)
    roles = clusters_of(overview(fleet(0.4), {}, groups={}).parties, 16)
    assert {"client of mssql", "must not connect", "sql602 server"} <= {item.name for item in roles}


@pytest.mark.parametrize("most", [1, 2, 5, 16, 1000])
def test_no_place_has_more_clusters_than_asked_for_and_no_party_is_lost(most: int) -> None:
    found = overview(fleet(0.1), {})
    clusters = clusters_of(found.parties, most)
    assert sorted(name for item in clusters for name in item.members) == sorted(item.name for item in found.parties)
    assert all(sum(item.place == place for item in clusters) <= most for place in PLACES)


def picture(data: dict[str, Any], most: int = 16) -> Picture:
    """Return the picture of declarations that were not verified."""
    found = overview(data, {})
    return picture_of(clusters_of(found.parties, most), found.flows, NOTHING)


def overlap(first: Box, second: Box) -> bool:
    """Tell whether two boxes lie on each other."""
    return (
        first.x < second.x + second.width
        and second.x < first.x + first.width
        and first.y < second.y + second.height
        and second.y < first.y + first.height
    )


@pytest.mark.parametrize("most", [1, 6, 16, 100])
def test_boxes_lie_within_the_picture_and_not_on_each_other(most: int) -> None:
    drawn = picture(fleet(0.05), most)
    for number, box in enumerate(drawn.boxes):
        assert box.x >= 0 and box.y >= 0
        assert box.x + box.width <= drawn.width and box.y + box.height <= drawn.height
        assert not any(overlap(box, other) for other in drawn.boxes[number + 1 :])


def test_columns_have_the_same_middle() -> None:
    columns: dict[str, list[Box]] = {}
    for box in picture(fleet(0.05)).boxes:
        columns.setdefault(box.cluster.place, []).append(box)
    middles = [min(box.y for box in column) + max(box.y + box.height for box in column) for column in columns.values()]
    assert len(middles) > 1
    assert max(middles) - min(middles) <= 2, "twice the middles, each rounded"


def test_every_line_begins_and_ends_at_its_boxes() -> None:
    drawn = picture(fleet(0.05))
    boxes = {box.cluster.number: box for box in drawn.boxes}
    assert drawn.edges
    for edge in drawn.edges:
        numbers = list(map(int, re.findall(r"-?\d+", edge.path)))
        for (x, y), box in ((numbers[:2], boxes[edge.source]), (numbers[-2:], boxes[edge.target])):
            assert x in (box.x, box.x + box.width)
            assert box.y < y < box.y + box.height


def test_signs_of_lines_that_cross_keep_clear_of_each_other() -> None:
    servers = {"dbports_servers": [{"engine": "mssql", "clients": ["app-01", "app-02"]}]}
    hosts = {
        **{f"db-0{number}": {"ansible_host": f"192.0.2.1{number}", **servers} for number in (1, 2)},
        **{f"app-0{number}": {"ansible_host": f"192.0.2.2{number}"} for number in (1, 2)},
    }
    places = [edge.at for edge in picture({"hosts": hosts, "groups": {}, "vars": {}}).edges if edge.at]
    assert len(places) == 4
    assert all(abs(a - x) + abs(b - y) > 20 for (a, b), (x, y) in combinations(places, 2))


def test_a_box_lists_its_ports_and_says_how_many_it_leaves_out() -> None:
    servers = [
        {**MSSQL, "name": f"s{port}", "instances": [{"name": f"I{port}", "tcp_port": port}], "os": "windows"}
        for port in range(1500, 1512)
    ]
    data = {
        "hosts": {
            "db": {"ansible_host": "192.0.2.10", "dbports_servers": servers},
            "app-01": {"ansible_host": "192.0.2.21"},
        },
        "groups": {},
    }
    (box,) = [box for box in picture(data).boxes if box.cluster.name == "db"]
    assert [line.ports for line in box.lines][:2] == ["tcp 1500", "tcp 1501"]
    assert box.lines[-1].names.startswith("and ") and box.lines[-1].names.endswith(" more ports")
    assert box.line_of("tcp 1511") == box.lines[-1].y


def test_the_matrix_says_who_uses_what() -> None:
    found = overview(THREE, sample_findings(THREE))
    matrix = matrix_of(clusters_of(found.parties, 40), found.flows, found.states)
    assert (matrix.heads, matrix.columns) == ((("erp-db", 1),), ("tcp 1433",))
    assert [(name, cells[0].state if cells[0] else None) for name, _detail, cells in matrix.rows] == [
        ("app-01", "ok"),
        ("guest-01", "refused"),
    ]


def test_a_cell_of_many_flows_counts_those_that_need_attention() -> None:
    found = overview(fleet(0.4), sample_findings(fleet(0.4)))
    matrix = matrix_of(clusters_of(found.parties, 16), found.flows, found.states)
    cells = {name: cells for name, _detail, cells in matrix.rows}
    (crm,) = [cell for cell in cells["crm_app"] if cell]
    assert crm.state == "fail"
    assert re.fullmatch(r"\d+/136", crm.number)
    assert re.fullmatch(r"\d+ failed, \d+ reached", crm.text)


def test_the_worst_state_is_shown() -> None:
    assert worst(STATES) == "fail"
    assert worst(["ok", "set"]) == "ok"
    assert worst(["planned", "ok"]) == "planned"
    assert worst([]) == "planned"


def test_what_was_not_verified_is_not_called_reached_or_configured() -> None:
    data = fleet(0.05)
    verified = sample_findings(data)
    gone = {name: found for name, found in verified.items() if not name.startswith("erp-app")}
    found = overview(data, gone)
    states = {found.states.of_flow(flow) for flow in found.flows if flow.source.name.startswith("erp-app")}
    assert states == {"planned"}
    assert {NOTHING.of_flow(flow) for flow in found.flows} == {"planned", "forbidden"}


def test_the_work_grows_with_the_hosts_and_not_faster() -> None:
    def work(number: int) -> int:
        found = overview(fleet(0.1 * number), {})
        return steps(lambda: picture_of(clusters_of(found.parties, 16), found.flows, NOTHING))

    assert_linear(work(number) for number in (1, 2, 4))


def test_every_gateway_shows_what_it_permits_and_loses() -> None:
    socks = {"name": "relay", "kind": "socks", "addresses": {"office": "192.0.2.1", "dc": "198.51.100.1"}}
    data: dict[str, Any] = {
        "hosts": {
            "app-01": {"ansible_host": "192.0.2.21"},
            "erp-db": {
                "ansible_host": "198.51.100.10",
                "dbports_servers": [{"engine": "sql602", "clients": ["app-01"]}],
            },
        },
        "vars": {
            "dbports_networks": NETWORKS,
            "dbports_gateways": [
                {**socks, "between": ["office", "dc"]},
                {"name": "idle", "kind": "filter", "between": ["office", "dmz"]},
            ],
        },
        "groups": {},
    }
    found = overview(data, {})
    page = page_of(found)
    boxes = {box.title: box for box in picture_of(clusters_of(found.parties, 16), found.flows, NOTHING, {}).boxes}
    assert {"relay", "idle"} <= set(boxes)
    (plan,) = [item for item in found.gateways if item.name == "relay"]
    lost = sum(len(item.flows) for item in found.lost["relay"])
    assert len(plan.statements) > 0 and lost >= 2
    for number, word in ((len(plan.statements), "permitted"), (lost, "lost")):
        assert f'{number} <tspan class="names">{word}</tspan>' in page
    assert "Lost here:" in page and "a SOCKS host passes only the connections that clients ask it for" in page


def test_a_gateway_is_as_its_host_is() -> None:
    """What verify finds on a router is seen in the picture, where it has the gateway's name."""
    there = {"edge": "fw-1"}
    dropped = Finding("blocked", "fail", "fw-1", "fw-1")
    assert States([dropped], ["fw-1"], there).of_host("edge") == "fail"
    assert States([], ["fw-1"], there).of_host("edge") == "ok"
    assert States([], [], there).of_host("edge") == "planned"
