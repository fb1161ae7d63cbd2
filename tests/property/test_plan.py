# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every inventory: order does not matter, both sides agree, and no name breaks out of its place."""

from __future__ import annotations

import copy
import json
import tempfile
import unicodedata
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import (
    INDEX,
    LIMIT,
    digest,
    host_file,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Index, read_host, read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_artifact
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_host, render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import BROADCAST, Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import (
    escape,
    plan_markdown,
    plan_summary,
    table,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from drawn import planned

HOSTS = [f"h{number}" for number in range(7)]
GROUPS = ["apps", "dbs", "everyone"]
NETWORKS = ["192.0.2.0/28", "198.51.100.7", "203.0.113.4-203.0.113.9", "2001:db8::/64"]
MARKDOWN_READER = MarkdownIt("commonmark", {"html": True}).enable("table")
"""As lenient as readers are: HTML in Markdown is HTML, so what must not become HTML has to be escaped."""

bools = st.booleans()
references = st.lists(st.sampled_from(HOSTS + GROUPS + NETWORKS), min_size=1, max_size=4, unique=True)
sql602 = st.fixed_dictionaries(
    {"engine": st.just("sql602"), "clients": references},
    optional={
        "port_base": st.sampled_from([5001, 5002, 6001, 65534]),
        "http_tunnel_port": st.sampled_from([80, 8080]),
        "web_port": st.sampled_from([80, 5002]),
        "search": bools,
        "interrupt": bools,
        "announcements": bools,
        "ping": bools,
        "minimum": bools,
    },
)
instances = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["MSSQLSERVER", "SALES", "PAY"])},
        optional={
            "tcp_port": st.sampled_from([1433, 5002, "dynamic", [1500, 1501], "1600-1700"]),
            "connect_by": st.sampled_from(["port", "name"]),
            "clients": references,
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda item: item["name"],
)
mssql = st.fixed_dictionaries(
    {"engine": st.just("mssql"), "clients": references},
    optional={"instances": instances, "browser": bools, "dac": st.sampled_from(["off", "local", "remote"])},
)
systems = st.sampled_from([None, "linux", "windows", "windows_2003"])


@st.composite
def inventories(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an inventory of seven hosts, some of which declare servers."""
    hosts: dict[str, Any] = {}
    for number, name in enumerate(HOSTS):
        hosts[name] = {"dbports_addresses": [f"192.0.2.{number + 10}"], "dbports_os": draw(systems)}
        if draw(bools):
            hosts[name]["dbports_addresses"].append(f"2001:db8::{number + 10}")
        if draw(bools):
            hosts[name]["dbports_servers"] = draw(st.lists(st.one_of(sql602, mssql), max_size=2))
        if draw(bools):
            hosts[name]["dbports_filter_outbound"] = draw(bools)
    groups = {name: draw(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=5, unique=True)) for name in GROUPS}
    return {"hosts": hosts, "groups": groups}


def rules_of(plan: Plan) -> set[tuple[Any, ...]]:
    """Return every permission of a plan: host, direction, flow and peer."""
    return {
        (name, *head, peer.name, peer.addresses, peer.source_ports)
        for name, host in plan.hosts.items()
        for head, peers in host.rules.items()
        for peer in peers.values()
    }


@given(inventories(), st.data())
def test_the_order_of_the_inventory_does_not_matter(inventory: dict[str, Any], data: st.DataObject) -> None:
    shuffled = {
        "groups": {name: data.draw(st.permutations(inventory["groups"][name])) for name in reversed(GROUPS)},
        "hosts": {name: dict(reversed(inventory["hosts"][name].items())) for name in data.draw(st.permutations(HOSTS))},
    }
    try:
        before = render_plan(build_plan(PlainInventory(inventory)))
    except PlanError as error:
        try:
            build_plan(PlainInventory(shuffled))
        except PlanError as other:
            assert sorted(map(str, other.errors)) == sorted(map(str, error.errors))
            return
        raise AssertionError("the same declarations are refused in only one order") from error
    assert render_plan(build_plan(PlainInventory(shuffled))) == before


@given(inventories(), st.data())
def test_to_remove_a_client_permits_nothing_new(inventory: dict[str, Any], data: st.DataObject) -> None:
    two = data.draw(st.lists(st.sampled_from(HOSTS[1:] + NETWORKS), min_size=2, max_size=4, unique=True))
    inventory["hosts"]["h0"]["dbports_servers"] = [{"engine": "sql602", "clients": two}]
    plan = planned(inventory)
    fewer = copy.deepcopy(inventory)
    places = [
        item["clients"]
        for host in fewer["hosts"].values()
        for server in host.get("dbports_servers", [])
        for item in (server, *server.get("instances", []))
        if len(item.get("clients", [])) > 1
    ]
    place = data.draw(st.sampled_from(places))
    del place[data.draw(st.integers(0, len(place) - 1))]
    assert rules_of(build_plan(PlainInventory(fewer))) <= rules_of(plan)


@given(inventories())
def test_a_group_is_its_hosts(inventory: dict[str, Any]) -> None:
    """Names in place of groups: the same permissions."""
    spelled = copy.deepcopy(inventory)
    for host in spelled["hosts"].values():
        for server in host.get("dbports_servers", []):
            for item in (server, *server.get("instances", [])):
                if "clients" in item:
                    item["clients"] = [name for ref in item["clients"] for name in spelled["groups"].get(ref, [ref])]
    assert rules_of(planned(spelled)) == rules_of(planned(inventory))


@given(inventories())
def test_both_sides_have_every_flow(inventory: dict[str, Any]) -> None:
    plan = planned(inventory)
    seen: set[tuple[str, str, str]] = set()
    for name, host in plan.hosts.items():
        for head, peers in host.rules.items():
            mirrored = head._replace(direction="out" if head.direction == "in" else "in", probe=None)
            for peer in peers.values():
                assert peer.name != name, "no host is its own peer"
                ends = (name, peer.name) if head.direction == "out" else (peer.name, name)
                seen.add((*ends, head.endpoint + head.flow))
                if peer.name not in plan.hosts:
                    assert peer.name in NETWORKS or "/" in peer.name or "-" in peer.name
                    continue
                # Two servers with one endpoint id may be probed for different instances: rules of their own.
                (back,) = [
                    others[name]
                    for key, others in plan.hosts[peer.name].rules.items()
                    if key._replace(probe=None) == mirrored and name in others
                ]
                assert back.source_ports == peer.source_ports
                assert back.declared == peer.declared
                assert set(back.addresses) - {BROADCAST} == set(host.addresses)
                assert set(peer.addresses) - {BROADCAST} == set(plan.hosts[peer.name].addresses)
    assert len(seen) == plan.flows


@given(inventories())
def test_who_must_not_reach_a_port_is_not_let_in(inventory: dict[str, Any]) -> None:
    plan = planned(inventory)
    for name, host in plan.hosts.items():
        for item in host.forbidden:
            permitted = [
                peers
                for head, peers in plan.hosts[item.host].rules.items()
                if head.direction == "in"
                and (head.protocol, head.ports) == (item.protocol, item.ports)
                and head.endpoint == item.endpoint
            ]
            assert len(permitted) == 1
            assert name not in permitted[0]


@given(inventories())
def test_what_is_written_is_read_back(inventory: dict[str, Any]) -> None:
    plan = planned(inventory)
    artifact = render_plan(plan)
    with tempfile.TemporaryDirectory() as folder:
        write_artifact(artifact, Path(folder))
        index = read_index(Path(folder), artifact.plan_id)
        assert list(index.warnings) == plan.warnings
        assert list(index.conflicts) == plan.conflicts
        for name, host in plan.hosts.items():
            back = read_host(Path(folder), index, name)
            assert set(back.endpoints) == set(host.endpoints)
            assert set(back.forbidden) == set(host.forbidden)
            assert replace(back, endpoints=host.endpoints, forbidden=host.forbidden) == host
            assert render_host(back) == artifact.files[host_file(name)]


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.sampled_from(NETWORKS)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@given(inventories(), junk, st.data())
def test_a_file_of_any_content_is_read_or_refused(inventory: dict[str, Any], value: Any, data: st.DataObject) -> None:
    """What is read has values of its model's types, so that it can be written and read again."""
    files = render_plan(planned(inventory)).files
    file = data.draw(st.sampled_from(sorted(name for name in files if name.endswith(".json"))))
    document = {"": json.loads(files[file])}
    place: Any = document
    key: Any = ""
    while isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    place[key] = value
    text = json.dumps(document[""])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / (INDEX if file == INDEX else host_file("h"))
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
        try:
            if file == INDEX:
                read_index(Path(folder), digest(text))
                return
            index = Index("", "", {}, (("h", digest(text)),), (), (), ())
            again = render_host(read_host(Path(folder), index, "h"))
        except DbportsError as error:
            assert error.code == "unreadable_plan"
            return
        place.write_text(again, encoding="utf-8")
        assert render_host(read_host(Path(folder), replace(index, hosts=(("h", digest(again)),)), "h")) == again


hostile = st.one_of(
    st.text(min_size=1, max_size=40),
    st.text("|`<>&\"'\\\n\r\t*_[](){}!#~-+=.:/\x00\x1b\x85\u2028\u202e\u200b ab1", min_size=1, max_size=30),
    st.sampled_from(
        [
            "a|b",
            "a\\|b",
            "`",
            "<script>alert(1)</script>",
            "<!--",
            "&lt;b&gt;",
            "a\n\n<b>",
            "](javascript:1)",
            "![x](http://203.0.113.1/x)",
            "<http://203.0.113.1>",
            "a\\",
            "\\",
            "\u202edb",
            "\x1b[2J",
            "{{ 1 }}",
            "../..",
            "$(id)",
            "'; DROP",
            "\ud800",
            "]]>",
            "---",
            "# x",
            "- x",
            "1. x",
            "> x",
            "```",
            "    x",
            "~~~",
        ]
    ),
)


def reads(tokens: list[Any]) -> list[str]:
    """Return the types of all tokens, inline ones too."""
    return [kind for token in tokens for kind in (token.type, *reads(token.children or []))]


@given(st.lists(st.tuples(hostile, hostile), min_size=1, max_size=3))
@example([("a\\|b", "`|`"), ("\\", "|")])
@example([("<b", ">"), ("[a]", "(b)")])
def test_a_table_keeps_its_form_whatever_is_in_it(rows: list[tuple[str, str]]) -> None:
    tokens = MARKDOWN_READER.parse("\n".join(table(("one", "two"), rows)) + "\n")
    kinds = reads(tokens)
    assert kinds.count("table_open") == 1
    assert kinds.count("tr_open") == 1 + len(rows)
    assert kinds.count("td_open") == 2 * len(rows)
    markup = {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "em_open",
        "strong_open",
        "code_inline",
        "heading_open",
    }
    assert not markup & set(kinds)


@given(hostile)
def test_escaped_text_reads_as_the_text(text: str) -> None:
    """What a reader sees is the name itself, with the code points of what cannot be seen."""
    tokens = MARKDOWN_READER.parse("| a |\n|---|\n" + "| " + escape(text) + " |\n")
    (shown,) = [
        "".join(child.content for child in token.children or [])
        for before, token in zip(tokens, tokens[1:])
        if before.type == "td_open"
    ]
    assert "".join(shown.split()) == "".join(visible(text).split())


@settings(max_examples=200)
@given(hostile, hostile, hostile, hostile)
@example("    ", "0", "0", "0")
@example("0", "\ud800", "0", "0")
def test_hostile_names_are_refused_or_stay_in_their_place(db: str, app: str, server: str, instance: str) -> None:
    assume(db != app)
    inventory = {
        "hosts": {
            db: {
                "dbports_addresses": ["192.0.2.10"],
                "dbports_servers": [
                    {"engine": "mssql", "clients": [app], "name": server, "instances": [{"name": instance}]}
                ],
            },
            app: {"dbports_addresses": ["192.0.2.21"]},
        }
    }
    try:
        plan = build_plan(PlainInventory(inventory))
    except PlanError as refused:
        assert refused.errors
        assert all(error.path and error.fix for error in refused.errors)
        return
    artifact = render_plan(plan)
    page = plan_markdown(plan, artifact.plan_id, artifact.inputs_id)
    markdown = reads(MARKDOWN_READER.parse(page))
    assert not {"html_block", "html_inline", "link_open", "image", "fence", "code_block"} & set(markdown)
    assert markdown.count("tr_open") * 6 == markdown.count("td_open") + markdown.count("th_open")
    assert markdown.count("table_open") == 2
    assert len(artifact.files[LIMIT].splitlines()) == 2
    for name in (db, app):
        path = PurePosixPath(host_file(name))
        assert path.parent == PurePosixPath("hosts")
        assert not path.name.startswith(".")
        data = json.loads(artifact.files[host_file(name)])
        assert data["host"] == name
    assert [item["host"] for item in json.loads(artifact.files[INDEX])["hosts"]] == sorted([db, app])
    for text in (page, *artifact.files.values()):
        text.encode("utf-8")
    for line in plan_summary(plan, artifact.plan_id):
        assert not [char for char in line if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
