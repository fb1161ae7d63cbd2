# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines: those that come with the collection, one more by one file, and those that users describe."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import resolve_flows
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.engine_check import check_engine
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import ALIASES, builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import read_server
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

ROOT = Path(__file__).resolve().parents[5]
BUILTIN = sorted(builtin_engines().values(), key=lambda engine: engine.name)
SIMPLE = {"name": "sql", "port": "port", "purpose": "Clients connect"}
GOOD: dict[str, Any] = {
    "source": "the vendor's manual",
    "options": {
        "port": {"type": "port", "default": 9088},
        "mode": {"type": "str", "choices": ["plain", "tls"], "default": "plain"},
        "partners": {"type": "clients"},
    },
    "flows": [SIMPLE],
}


def inventory(engine: Any, name: Any = "informix", **server: Any) -> dict[str, Any]:
    """Return a deployment of an engine that a user describes."""
    return {
        "hosts": {
            "db": {
                "ansible_host": "192.0.2.10",
                "dbports_servers": [{"engine": str(name), "clients": ["app"], **server}],
            },
            "app": {"ansible_host": "192.0.2.21"},
            "other": {"ansible_host": "192.0.2.22"},
        },
        "vars": {"dbports_engines": {name: engine}},
    }


def lines(data: dict[str, Any]) -> list[str]:
    """Plan an inventory and return its flows, a line each."""
    flows = flows_of(build_plan(PlainInventory(data)))
    return sorted(
        f"{one['initiator']} {one['responder']} {one['protocol']} {one['ports']} {one['flow']}" for one in flows
    )


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the good engine with one part replaced; ``...`` takes it away."""
    engine = copy.deepcopy(GOOD)
    place: Any = engine
    *way, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return engine


class TestBuiltin:
    """The engines that come with the collection."""

    @pytest.mark.parametrize("engine", BUILTIN, ids=[engine.name for engine in BUILTIN])
    def test_passes_what_users_have_to_pass(self, engine: Engine) -> None:
        check_engine(engine)

    @pytest.mark.parametrize(
        ("engine", "option", "level"),
        [
            pytest.param(engine, item.name, level, id=f"{engine.name} {item.name} {level}")
            for engine in BUILTIN
            for level, options in (("server", engine.options), ("instance", engine.instance_options))
            for item in options
            if item.type == "clients"
        ],
    )
    def test_an_empty_list_is_planned_or_refused_by_name(self, engine: Engine, option: str, level: str) -> None:
        """For nobody: what else the option needs, such as a port, is asked for and not looked up in vain."""
        server = {"engine": engine.name, **({} if engine.outbound else {"clients": ["app"]})}
        server.update({"db2": {"port": 50000}, "azure_sql": {"service": "database"}}.get(engine.name, {}))
        server.update({option: []} if level == "server" else {"instances": [{option: []}]})
        hosts = {"db": {"dbports_addresses": ["192.0.2.10"], "dbports_servers": [server]}}
        hosts["app"] = {"dbports_addresses": ["192.0.2.21"]}
        try:
            plan = build_plan(PlainInventory({"hosts": hosts}))
        except PlanError as error:
            assert all(str(item.path).startswith("dbports_servers[0]") for item in error.errors)
        else:
            assert "db" in plan.hosts

    @pytest.mark.parametrize("engine", BUILTIN, ids=[engine.name for engine in BUILTIN])
    def test_a_mistake_in_it_is_found(self, engine: Engine) -> None:
        first = dataclasses.replace(engine.flows[0], when=("no_such_option",))
        with pytest.raises(DbportsError) as caught:
            check_engine(dataclasses.replace(engine, flows=(first, *engine.flows[1:])))
        assert caught.value.path == "flows[0].when[0]"

    @pytest.mark.parametrize("engine", BUILTIN, ids=[engine.name for engine in BUILTIN])
    def test_options_are_sentences(self, engine: Engine) -> None:
        for option in (*engine.options, *engine.instance_options):
            assert option.description.endswith("."), option.name
        assert engine.source
        assert engine.title

    def test_generated_pages_and_argument_specs_are_up_to_date(self) -> None:
        run = subprocess.run(
            [sys.executable, "tests/tools/gen_docs.py", "--check"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr


NEW_ENGINE = """
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option

ENGINE = Engine(
    name="redis", title="Redis", source="redis.conf", options=(Option("port", "port", "The port.", 6379),),
    flows=(FlowSpec("commands", "tcp", "port", "Clients send commands", "redis.conf: port"),),
)
"""
USE_IT = """
import json
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

hosts = {"db": {"ansible_host": "192.0.2.10", "dbports_servers": [{"engine": "redis", "clients": ["192.0.2.21"]}]}}
flows = flows_of(build_plan(PlainInventory({"hosts": hosts})))
print(json.dumps([[flow["ports"], flow["citation"]] for flow in flows]))
"""


def test_one_file_is_one_more_engine(tmp_path: Path) -> None:
    """Put a file beside the others in a copy of the collection; nothing else changes."""
    plugins = tmp_path / "ansible_collections" / "dbports" / "firewall" / "plugins"
    for part in ("module_utils", "plugin_utils"):
        shutil.copytree(ROOT / "plugins" / part, plugins / part, ignore=shutil.ignore_patterns("__pycache__"))
    (plugins / "module_utils" / "_engines" / "redis.py").write_text(NEW_ENGINE, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", USE_IT],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [["6379", "redis.conf: port"]]


def test_what_an_option_needs_is_an_option() -> None:
    """And the error has words for it."""
    wrong = dataclasses.replace(BUILTIN[0].options[0], needs="no_such_option")
    with pytest.raises(DbportsError, match="this condition names no option"):
        check_engine(dataclasses.replace(BUILTIN[0], options=(wrong, *BUILTIN[0].options[1:])))
    for engine in BUILTIN:
        for option in (*engine.options, *engine.instance_options):
            assert bool(option.needs) == bool(option.needs_reason), (engine.name, option.name)


class TestUserEngine:
    """What an engine of a user does."""

    def test_the_smallest(self) -> None:
        engine = {"source": "manual", "flows": [{"name": "sql", "port": 9088, "purpose": "Clients connect"}]}
        assert lines(inventory(engine)) == ["app db tcp 9088 sql"]

    def test_the_documented_one(self) -> None:
        text = (ROOT / "docs" / "own_engines.md").read_text(encoding="utf-8")
        data = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["all"]
        assert lines(data) == ["app-01 ifx-01 tcp 9088 sql", "app-01 ifx-01 tcp 9089 tls"]

    def test_options_beside_engine_or_below_options(self) -> None:
        assert lines(inventory(GOOD, port=9090)) == ["app db tcp 9090 sql"]
        assert lines(inventory(GOOD, options={"port": 9090})) == ["app db tcp 9090 sql"]

    def test_its_rules_say_why(self) -> None:
        data = inventory(changed("flows.0.citation", "page 12"))
        (flow,) = flows_of(build_plan(PlainInventory(data)))
        assert (flow["purpose"], flow["citation"]) == ("Clients connect", "page 12")
        (flow,) = flows_of(build_plan(PlainInventory(inventory(GOOD))))
        assert flow["citation"] == "the vendor's manual"

    def test_unconfirmed(self) -> None:
        (flow,) = flows_of(build_plan(PlainInventory(inventory(changed("flows.0.confirmed", False)))))
        assert flow["citation"] == "the vendor's manual (unconfirmed)"

    def test_conditions(self) -> None:
        engine = changed("flows", [SIMPLE, {**SIMPLE, "name": "tls", "port": "port+1", "when": "mode=tls"}])
        assert lines(inventory(engine)) == ["app db tcp 9088 sql"]
        assert lines(inventory(engine, mode="tls")) == ["app db tcp 9088 sql", "app db tcp 9089 tls"]

    def test_a_flow_exists_only_where_its_port_is_known(self) -> None:
        engine = changed("options.port", {"type": "ports"})
        engine["flows"].append({"name": "fixed", "port": 80, "purpose": "Always"})
        assert lines(inventory(engine)) == ["app db tcp 80 fixed"]
        assert lines(inventory(engine, port="90-92")) == ["app db tcp 80 fixed", "app db tcp 90-92 sql"]

    def test_other_directions(self) -> None:
        engine = changed(
            "flows",
            [
                {**SIMPLE, "name": "push", "port": "9000-9001", "initiator": "server", "responder": "clients"},
                {**SIMPLE, "name": "pull", "protocol": "udp", "initiator": "partners", "when": ["partners"]},
                {"name": "ping", "protocol": "icmp", "purpose": "Clients look"},
            ],
        )
        assert lines(inventory(engine)) == ["app db icmp  ping", "db app tcp 9000-9001 push"]
        assert "other db udp 9088 pull" in lines(inventory(engine, partners=["other"]))

    def test_a_cluster(self) -> None:
        mesh = {**SIMPLE, "initiator": "partners", "responder": "partners", "mesh": True}
        engine = changed("flows", [mesh])
        assert lines(inventory(engine, partners=["other"])) == ["db other tcp 9088 sql", "other db tcp 9088 sql"]

    def test_it_is_probed_unless_nothing_may_be_sent(self) -> None:
        def probes(engine: dict[str, Any]) -> list[Any]:
            app = build_plan(PlainInventory(inventory(engine))).hosts["app"]
            return [head.probe for head in app.rules]

        assert probes(GOOD) == [("tcp", None)]
        assert probes(changed("flows.0.probe", "none")) == [None]
        assert probes(changed("flows.0.listens", False)) == [None]

    def test_a_port_that_others_are_counted_from_cannot_be_too_high(self) -> None:
        engine = changed("flows.0.port", "port+2")
        assert lines(inventory(engine, port=65533)) == ["app db tcp 65535 sql"]
        with pytest.raises(PlanError) as caught:
            build_plan(PlainInventory(inventory(engine, port=65534)))
        (error,) = caught.value.errors
        assert (error.host, error.path) == ("db", "dbports_servers[0].port")
        assert "at most 65533: flow sql needs port port+2" in str(error)

    def test_its_description_belongs_to_the_inputs(self) -> None:
        one = build_plan(PlainInventory(inventory(GOOD))).inputs
        other = build_plan(PlainInventory(inventory(changed("flows.0.purpose", "Something else")))).inputs
        assert one != other

    @pytest.mark.parametrize(
        ("written", "server", "seen"),
        [(500, {}, "500"), ("500-501", {}, "500-501"), ("port+1", {}, "9089"), ("back", {"back": 7000}, "7000")],
    )
    def test_where_a_protocol_sends_from(self, written: Any, server: dict[str, Any], seen: str) -> None:
        engine = changed("flows.0.source_port", written)
        engine["options"]["back"] = {"type": "port"}
        (flow,) = flows_of(build_plan(PlainInventory(inventory(engine, **server))))
        assert flow["source_ports"] == seen

    def test_a_source_port_that_is_no_option_s_value_yet_means_no_flow(self) -> None:
        engine = changed("flows.0.source_port", "back")
        engine["options"]["back"] = {"type": "port"}
        assert lines(inventory(engine)) == []

    def test_a_server_of_it_has_the_same_errors_as_any_other(self) -> None:
        with pytest.raises(PlanError) as caught:
            build_plan(PlainInventory(inventory(GOOD, prot=1)))
        (error,) = caught.value.errors
        assert (error.host, error.path) == ("db", "dbports_servers[0].prot")
        assert "port" in (error.fix or "")

    def test_every_bad_engine_is_told_at_once(self) -> None:
        data = inventory(changed("source", ...))
        data["vars"]["dbports_engines"]["other"] = {"source": "manual"}
        with pytest.raises(PlanError) as caught:
            build_plan(PlainInventory(data))
        assert [error.path for error in caught.value.errors] == [
            "dbports_engines.informix.source",
            "dbports_engines.other.flows",
        ]


class Bad(NamedTuple):
    """A part of the good engine, what is written there instead, and the error."""

    part: str
    value: Any
    path: str
    reason: str


BAD = [
    Bad("source", ..., "source", "one line of text"),
    Bad("source", "two\nlines", "source", "one line of text"),
    Bad("titel", "X", "titel", "unknown key"),
    Bad("title", 7, "title", "one line of text"),
    Bad("default_os", "beos", "default_os", "not a known value"),
    Bad("flows", [], "flows", "list of flows"),
    Bad("flows", {"sql": 1}, "flows", "list of flows"),
    Bad("flows", ["sql"], "flows[0]", "expected a dictionary"),
    Bad("flows", [SIMPLE, SIMPLE], "flows[1].name", "two flows have this name"),
    Bad("options", [], "flows[0].port", "neither a port nor an option"),
    Bad("options", ["port"], "options", "dictionary of options"),
    Bad("options.port", 9088, "options.port", "expected a dictionary"),
    Bad("options.port.typ", "port", "options.port.typ", "unknown key"),
    Bad("options.port.type", "prot", "options.port.type", "not a known value"),
    Bad("options.port.type", ..., "options.port.type", "not a known value"),
    Bad("options.port.type", ["port"], "options.port.type", "not a known value"),
    Bad("options.port.default", 70000, "options.port.default", "from 1 to 65535"),
    Bad("options.port.default", "many", "options.port.default", "not a port"),
    Bad("options.port.maximum", 0, "options.port.maximum", "not a port"),
    Bad("options.port.maximum", 9000, "options.port.default", "at most 9000"),
    Bad("options.mode.default", "fast", "options.mode.default", "not a value for mode"),
    Bad("options.mode.choices", "plain", "options.mode.choices", "expected a list"),
    Bad("options.partners.default", ["app"], "options.partners.default", "no default"),
    Bad("options.clients", {"type": "clients"}, "options.clients", "reserved"),
    Bad("options.engine", {"type": "str"}, "options.engine", "reserved"),
    Bad("options.server", {"type": "clients"}, "options.server", "reserved"),
    Bad("options.os", {"type": "str"}, "options.os", "reserved"),
    Bad("options.source_port", {"type": "port"}, "options.source_port", "reserved"),
    Bad("options.Port", {"type": "port"}, "options.Port", "lowercase letters"),
    Bad("flows.0.name", "SQL", "flows[0].name", "lowercase letters"),
    Bad("flows.0.name", "a/b", "flows[0].name", "lowercase letters"),
    Bad("flows.0.name", ..., "flows[0].name", "lowercase letters"),
    Bad("flows.0.prot", 1, "flows[0].prot", "unknown key"),
    Bad("flows.0.purpose", ..., "flows[0].purpose", "one line of text"),
    Bad("flows.0.citation", "", "flows[0].citation", "one line of text"),
    Bad("flows.0.protocol", "sctp", "flows[0].protocol", "not a known value"),
    Bad("flows.0.protocol", ["tcp"], "flows[0].protocol", "not a known value"),
    Bad("flows.0.protocol", "icmp", "flows[0].port", "ICMP has no ports"),
    Bad("flows.0.port", ..., "flows[0].port", "no port"),
    Bad("flows.0.port", "prot", "flows[0].port", "neither a port nor an option"),
    Bad("flows.0.port", "mode", "flows[0].port", "neither a port nor an option"),
    Bad("flows.0.port", 0, "flows[0].port", "neither a port nor an option"),
    Bad("flows.0.port", "65535+1", "flows[0].port", "neither a port nor an option"),
    Bad("flows.0.port", "port+x", "flows[0].port", "a number after +"),
    Bad("flows.0.port", "port+0", "flows[0].port", "a number after +"),
    Bad("flows.0.port", [9088], "flows[0].port", "no port"),
    Bad("flows.0.port", True, "flows[0].port", "no port"),
    Bad("flows.0.source_port", "prot", "flows[0].source_port", "neither a port nor an option"),
    Bad("flows.0.source_port", "dynamic", "flows[0].source_port", "neither a port nor an option"),
    Bad("flows.0.source_port", "500,4500", "flows[0].source_port", "neither a port nor an option"),
    Bad("flows.0.source_port", "port+x", "flows[0].source_port", "a number after +"),
    Bad("flows.0.source_port", 0, "flows[0].source_port", "neither a port nor an option"),
    Bad("flows.0.source_port", False, "flows[0].source_port", "no port"),
    Bad("flows.0.need", "maybe", "flows[0].need", "not a known value"),
    Bad("flows.0.when", "prot", "flows[0].when[0]", "names no option"),
    Bad("flows.0.when", ["port", "!tls"], "flows[0].when[1]", "names no option"),
    Bad("flows.0.when", "mode=fast", "flows[0].when[0]", "mode is never fast"),
    Bad("flows.0.when", {"mode": "tls"}, "flows[0].when", "expected a list of words"),
    Bad("flows.0.initiator", "port", "flows[0].initiator", "neither server nor an option of type clients"),
    Bad("flows.0.initiator", "partner", "flows[0].initiator", "neither server nor an option of type clients"),
    Bad("flows.0.initiator", ["partners"], "flows[0].initiator", "neither server nor an option of type clients"),
    Bad("flows.0.initiator", "server", "flows[0].responder", "both sides are the same"),
    Bad("flows.0.responder", "clients", "flows[0].responder", "both sides are the same"),
    Bad("flows.0.responder", "nobody", "flows[0].responder", "neither server nor an option of type clients"),
    Bad("flows.0.mesh", True, "flows[0].mesh", "on both sides"),
    Bad("flows.0.mesh", "perhaps", "flows[0].mesh", "true or false"),
    Bad("flows.0.probe", "tds", "flows[0].probe", "not a probe"),
    Bad("flows.0.process", 5, "flows[0].process", "expected a list of words"),
    Bad("flows.0.address", "nowhere", "flows[0].address", "no option has this name"),
]


@pytest.mark.parametrize("bad", BAD, ids=[f"{bad.part} {bad.value}"[:60] for bad in BAD])
def test_malformed(bad: Bad) -> None:
    with pytest.raises(PlanError) as caught:
        build_plan(PlainInventory(inventory(changed(bad.part, bad.value))))
    (error,) = caught.value.errors
    assert (error.host, error.path) == ("all", f"dbports_engines.informix.{bad.path}")
    assert bad.reason in str(error)


class TestMeant:
    """An engine that does not exist, and the one that was probably meant."""

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("sqlserver", "mssql"),
            ("SQL Server", "mssql"),
            ("mssqlserver", "mssql"),
            ("mssqll", "mssql"),
            ("galera", "mysql"),
            ("mariadb", "mysql"),
            ("my_sql", "mysql"),
            ("psql", "postgresql"),
            ("postgre", "postgresql"),
            ("602", "sql602"),
            (602, "sql602"),
            ("azure-sql", "azure_sql"),
            ("informx", "informix"),
        ],
    )
    def test_it_is_named(self, written: Any, meant: str) -> None:
        known = {**builtin_engines(), "informix": Engine("informix", "Informix", "its manual", (), ())}
        with pytest.raises(DbportsError) as caught:
            read_server({"engine": written, "clients": ["app"]}, "dbports_servers[0]", known, ())
        assert (caught.value.code, caught.value.fix) == ("unknown_name", f"Did you mean {meant}?")

    @pytest.mark.parametrize("written", ["adabas", "", None, []])
    def test_nothing_is_guessed(self, written: Any) -> None:
        with pytest.raises(DbportsError) as caught:
            read_server({"engine": written, "clients": ["app"]}, "dbports_servers[0]", builtin_engines(), ())
        assert (caught.value.fix or "").startswith("Use one of azure_sql, ")

    def test_every_alias_leads_to_an_engine_and_is_none(self) -> None:
        assert set(ALIASES.values()) <= set(builtin_engines())
        assert not set(ALIASES) & set(builtin_engines())


def test_udp_has_no_tcp_probe() -> None:
    engine = changed("flows.0.protocol", "udp")
    assert lines(inventory(engine)) == ["app db udp 9088 sql"]
    engine["flows"][0]["probe"] = "tcp"
    with pytest.raises(PlanError) as caught:
        build_plan(PlainInventory(inventory(engine)))
    assert caught.value.errors[0].path == "dbports_engines.informix.flows[0].probe"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("mssql", "the collection has an engine of this name"), ("My-SQL", "lowercase letters"), (5, "letters")],
)
def test_names(name: Any, reason: str) -> None:
    with pytest.raises(PlanError) as caught:
        build_plan(PlainInventory(inventory(GOOD, name)))
    assert [error.path for error in caught.value.errors] == [f"dbports_engines.{name}"]
    assert reason in str(caught.value)


@pytest.mark.parametrize("value", [[], "informix", [GOOD]])
def test_not_a_dictionary(value: Any) -> None:
    data = inventory(GOOD)
    data["vars"]["dbports_engines"] = value
    with pytest.raises(PlanError) as caught:
        build_plan(PlainInventory(data))
    assert "dbports_engines" in {error.path for error in caught.value.errors}


@pytest.mark.parametrize(
    ("written", "warnings"),
    [
        ("{engine: mssql, clients: [app]}", []),
        (
            "{engine: mssql, clients: [app], edition: express, instances: [{name: A, tcp_port: 1500}, {name: B}]}",
            [
                ("tcp_disabled", "edition"),
                ("dynamic_port", "instances[1].tcp_port"),
                ("tcp_disabled", "edition"),
            ],
        ),
        (
            "{engine: mssql, clients: [app], os: linux, browser: true}",
            [("browser_unused", "browser"), ("no_browser_on_linux", "browser")],
        ),
        (
            "{engine: sql602, clients: [app], port_base: 6001, announcements: false}",
            [("search_without_announcements", "search"), ("search_beyond_broadcast", "port_base")],
        ),
        ("{engine: firebird, clients: [app], events: true}", [("dynamic_port", "aux_port")]),
    ],
)
def test_warnings_are_values(written: str, warnings: list[tuple[str, str]]) -> None:
    server = read_server(yaml.safe_load(written), "dbports_servers[0]", builtin_engines(), ())
    assert [(item.code, item.path) for item in server.warnings] == warnings
    assert all(item.text for item in server.warnings)


def test_what_is_read_has_types() -> None:
    """An address is read once: whoever asks later finds a value and no text."""
    written = (
        "{engine: mssql, clients: [app], rpc_ports: 5000-5100, instances: [{listen: [{address: '::ffff:192.0.2.10', "
        "tcp_port: 1500}], dac: remote, dac_port: 1435}, {name: B, fci_addresses: ['2001:DB8:0::10']}]}"
    )
    server = read_server(yaml.safe_load(written), "dbports_servers[0]", builtin_engines(), ())
    one, other = server.instances
    (listen,) = one["listen"]
    assert listen == {"address": AddressRange.parse("192.0.2.10"), "ports": (PortRange(1500, 1500),)}
    assert other["fci_addresses"] == (AddressRange.parse("2001:db8::10"),)
    assert one["dac_port"] == PortRange(1435, 1435)
    assert server.values["rpc_ports"] == (PortRange(5000, 5100),)
    flows = list(resolve_flows(server.engine, server.values, server.instances, PortRange(49152, 65535)))
    ids = {flow.endpoint: flow.address for flow in flows if flow.spec.probe == "tds"}
    assert ids == {
        "mssql/MSSQLSERVER/tds@192.0.2.10": AddressRange.parse("192.0.2.10"),
        "mssql/B/fci@2001:db8::10": AddressRange.parse("2001:db8::10"),
    }
