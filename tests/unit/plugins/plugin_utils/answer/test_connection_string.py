# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection strings: what each driver reads out of them is what was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.connection_string import connection_string
from hypothesis import given
from hypothesis import strategies as st

SITE: dict[str, Any] = {
    "hosts": {
        "erp-db": {
            "dbports_addresses": ["192.0.2.10", "2001:db8::10"],
            "dbports_servers": [
                {
                    "engine": "mssql",
                    "clients": ["app-01", "six"],
                    "dac": "remote",
                    "instances": [
                        {"tcp_port": [1450, 1433]},
                        {"name": "SALES"},
                        {"name": "PAY", "tcp_port": 1500, "connect_by": "name"},
                        {"name": "HR", "tcp_port": 1501, "connect_by": "port", "clients": ["192.0.2.99"]},
                    ],
                }
            ],
        },
        "app-01": {"ansible_host": "192.0.2.21"},
        "six": {"ansible_host": "2001:db8::21"},
        "other": {"ansible_host": "192.0.2.30"},
    },
}
ONE = {"engine": "mssql"}


@pytest.mark.parametrize(
    ("driver", "instance", "wanted"),
    [
        ("odbc", None, "Server=tcp:192.0.2.10,1433"),
        ("dotnet", None, "Data Source=tcp:192.0.2.10,1433"),
        ("jdbc", None, "jdbc:sqlserver://192.0.2.10:1433"),
        ("sqlcmd", None, "tcp:192.0.2.10,1433"),
        ("odbc", "SALES", "Server=tcp:192.0.2.10\\SALES"),
        ("dotnet", "sales", "Data Source=tcp:192.0.2.10\\SALES"),
        ("jdbc", "SALES", "jdbc:sqlserver://192.0.2.10;instanceName=SALES"),
        ("sqlcmd", "SALES", "tcp:192.0.2.10\\SALES"),
        ("sqlcmd", "PAY", "tcp:192.0.2.10\\PAY"),
        ("sqlcmd", "HR", "tcp:192.0.2.10,1501"),
    ],
)
def test_by_port_and_by_name(driver: str, instance: str | None, wanted: str) -> None:
    assert connection_string(SITE, driver, instance=instance) == wanted


@pytest.mark.parametrize(
    ("driver", "instance", "wanted"),
    [
        ("odbc", None, "Server={tcp:[2001:db8::10],1433}"),
        ("dotnet", None, "Data Source=tcp:[2001:db8::10],1433"),
        ("sqlcmd", None, "tcp:[2001:db8::10],1433"),
        ("sqlcmd", "SALES", "tcp:[2001:db8::10]\\SALES"),
        ("jdbc", None, "jdbc:sqlserver://;serverName=2001:db8::10;portNumber=1433"),
        ("jdbc", "SALES", "jdbc:sqlserver://;serverName=2001:db8::10;instanceName=SALES"),
    ],
)
def test_a_client_gets_an_address_of_its_family(driver: str, instance: str | None, wanted: str) -> None:
    assert connection_string(SITE, driver, instance=instance, client="six") == wanted
    assert "192.0.2.10" in connection_string(SITE, driver, instance=instance, client="app-01")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"ag_listener_addresses": ["192.0.2.50"], "ag_listener_port": 14333}, "tcp:192.0.2.50,14333"),
        ({"ag_dnn_port": 6789}, "tcp:192.0.2.10,6789"),
    ],
)
def test_a_client_that_uses_only_the_listener(options: dict[str, Any], wanted: str) -> None:
    server = {"engine": "mssql", "clients": ["dba"], "ag_replicas": ["192.0.2.11"], **options}
    instance = {"name": "SALES", "tcp_port": 1500, "connect_by": "name"}
    hosts = {
        "db": {
            "ansible_host": "192.0.2.10",
            "dbports_servers": [{**server, "ag_listener_clients": ["app"], "instances": [instance]}],
        },
        "app": {"ansible_host": "192.0.2.21"},
        "dba": {"ansible_host": "192.0.2.99"},
    }
    assert connection_string({"hosts": hosts}, "sqlcmd", client="app") == wanted
    assert connection_string({"hosts": hosts}, "sqlcmd", client="dba") == "tcp:192.0.2.10\\SALES"


@pytest.mark.parametrize("client", ["other", "192.0.2.99"])
def test_a_client_that_the_plan_does_not_let_in(client: str) -> None:
    with pytest.raises(DbportsError, match=r"does not let this client in: .*not among those declared") as caught:
        connection_string(SITE, "odbc", client=client)
    assert caught.value.code == "contradiction"


def test_a_client_of_one_instance_alone() -> None:
    assert connection_string(SITE, "sqlcmd", instance="HR", client="192.0.2.99") == "tcp:192.0.2.10,1501"
    with pytest.raises(DbportsError, match=r"is declared for another endpoint of the host \(mssql/MSSQLSERVER/tds\)"):
        connection_string(SITE, "sqlcmd", instance="HR", client="app-01")


def test_a_single_server() -> None:
    assert connection_string(ONE, "sqlcmd", address="erp-db.example.com") == "tcp:erp-db.example.com,1433"
    named = {**ONE, "instances": [{"name": "SALES", "tcp_port": 14330}]}
    assert connection_string(named, "sqlcmd", address="192.0.2.7") == "tcp:192.0.2.7,14330", "the only instance"
    assert connection_string(named, "sqlcmd", address="[2001:DB8::7]") == "tcp:[2001:db8::7],14330"


@pytest.mark.parametrize("address", ["fe80::1%eth0", "192.0.2.0/24", "192.0.2.7/32"])
def test_one_address_that_means_the_same_everywhere(address: str) -> None:
    with pytest.raises(DbportsError) as caught:
        connection_string(ONE, "sqlcmd", address=address)
    assert caught.value.code == "not_an_address"


def test_odbc_drivers_come_first() -> None:
    text = connection_string(ONE, "odbc", address="db", options={"Database": "erp", "Driver": "{x}"})
    assert text == "Driver={{x}}};Server=tcp:db,1433;Database=erp"


def test_booleans_are_written_in_the_drivers_words() -> None:
    options = {"Encrypt": True, "TrustServerCertificate": False}
    found = [connection_string(ONE, name, address="db", options=options) for name in ("odbc", "dotnet", "jdbc")]
    assert [text.split(";", 2)[1:] for text in found[:2]] == [
        ["Encrypt=yes", "TrustServerCertificate=no"],
        ["Encrypt=True", "TrustServerCertificate=False"],
    ]
    assert found[2].endswith(";Encrypt=true;TrustServerCertificate=false")


@pytest.mark.parametrize(
    ("data", "arguments", "message", "code"),
    [
        (ONE, {"driver": "oledb", "address": "db"}, "Use one of odbc", "not_a_choice"),
        (ONE, {"driver": "odbc"}, "Set address", "missing"),
        ({"engine": "sql602"}, {"driver": "odbc", "address": "db"}, "for mssql only", "not_a_choice"),
        (ONE, {"driver": "odbc", "address": "db;Database=x"}, "neither a host name nor an address", "not_an_address"),
        (ONE, {"driver": "jdbc", "address": "db:1433/x"}, "neither a host name nor an address", "not_an_address"),
        (ONE, {"driver": "odbc", "address": "tcp:db,1433"}, "neither a host name nor an address", "not_an_address"),
        (ONE, {"driver": "odbc", "address": "db", "options": {"Server": "x"}}, "not a keyword", "not_a_name"),
        (ONE, {"driver": "odbc", "address": "db", "options": {"Data Source": "x"}}, "not a keyword", "not_a_name"),
        (ONE, {"driver": "jdbc", "address": "db", "options": {"portNumber": 1}}, "not a keyword", "not_a_name"),
        (ONE, {"driver": "odbc", "address": "db", "options": {"A=B;C": "x"}}, "not a keyword", "not_a_name"),
        (ONE, {"driver": "odbc", "address": "db", "options": {"PWD": "a\nb"}}, "control characters", "cannot_encode"),
        (ONE, {"driver": "odbc", "address": "db", "options": {"PWD": ["a"]}}, "text, a number", "wrong_type"),
        (ONE, {"driver": "sqlcmd", "address": "db", "options": {"Database": "erp"}}, "-d erp", "contradiction"),
        (SITE, {"driver": "odbc", "instance": "NOPE"}, "Name one of MSSQLSERVER, SALES, PAY, HR", "unknown_name"),
        (SITE, {"driver": "odbc", "host": "app-01"}, "no such instance", "unknown_name"),
        (SITE, {"driver": "odbc", "host": "nope"}, "no such host", "unknown_name"),
        (
            {**ONE, "tcp_enabled": False, "named_pipes": True},
            {"driver": "odbc", "address": "db"},
            "do not connect to it in this way",
            "contradiction",
        ),
        (
            {**ONE, "instances": [], "analysis_services": True},
            {"driver": "odbc", "address": "db"},
            "no such",
            "unknown_name",
        ),
        (
            {**ONE, "instances": [{"name": "A"}, {"name": "B"}]},
            {"driver": "odbc", "address": "db"},
            "Name one of A, B",
            "missing",
        ),
    ],
)
def test_errors(data: Any, arguments: dict[str, Any], message: str, code: str) -> None:
    with pytest.raises(DbportsError, match=message) as caught:
        connection_string(data, **arguments)
    assert caught.value.code == code


def read_braced(text: str) -> dict[str, str]:
    """Read ``key=value;...`` as ODBC and JDBC do: a value in braces ends at a brace that is not doubled."""
    found, rest = {}, text
    while rest:
        key, _equals, rest = rest.partition("=")
        if not rest.startswith("{"):
            value, _semicolon, rest = rest.partition(";")
        else:
            at, value = 1, ""
            while rest[at : at + 2] == "}}" or rest[at] != "}":
                value += rest[at]
                at += 2 if rest[at] == "}" else 1
            rest = rest[at + 1 :]
            assert not rest or rest.startswith(";"), text
            rest = rest[1:]
        assert key not in found, text
        found[key] = value
    return found


def read_dotnet(text: str) -> dict[str, str]:
    """Read a connection string as DbConnectionStringBuilder does."""
    found, rest = {}, text
    while rest:
        key, _equals, rest = rest.partition("=")
        if not rest.startswith(("'", '"')):
            value, _semicolon, rest = rest.partition(";")
            value = value.strip()
        else:
            quote, at, value = rest[0], 1, ""
            while rest[at : at + 2] == quote * 2 or rest[at] != quote:
                value += rest[at]
                at += 2 if rest[at] == quote else 1
            rest = rest[at + 1 :]
            assert not rest or rest.startswith(";"), text
            rest = rest[1:]
        assert key not in found, text
        found[key] = value
    return found


VALUES = st.one_of(
    st.text(st.sampled_from("{}[]();,=\"' \\ab?*!@$%"), max_size=12), st.text(max_size=12).filter(str.isprintable)
)


@pytest.mark.parametrize(
    ("driver", "read", "lead"),
    [
        ("odbc", read_braced, "Server=tcp:db,1433;"),
        ("jdbc", read_braced, "jdbc:sqlserver://db:1433;"),
        ("dotnet", read_dotnet, "Data Source=tcp:db,1433;"),
    ],
)
@given(first=VALUES, second=VALUES)
def test_every_value_comes_back(
    driver: str, read: Callable[[str], dict[str, str]], lead: str, first: str, second: str
) -> None:
    """Whatever is in a value, it stays one value: nobody adds a keyword through a password."""
    text = connection_string(ONE, driver, address="db", options={"PWD": first, "UID": second})
    assert text.startswith(lead)
    assert read(text[len(lead) :]) == {"PWD": first, "UID": second}


def test_a_client_behind_address_translation_writes_what_is_published() -> None:
    mapping = {"host": "db", "protocol": "tcp", "port": 1433, "public_port": 11433}
    nat = {
        "name": "nat1",
        "kind": "nat",
        "between": ["office", "dc"],
        "inside": "dc",
        "addresses": {"office": ["192.0.2.1"], "dc": ["198.51.100.1"]},
        "mappings": [mapping],
    }
    server = {"engine": "mssql", "clients": ["app", "near"]}
    data = {
        "hosts": {
            "db": {"ansible_host": "198.51.100.10", "dbports_servers": [server]},
            "app": {"ansible_host": "192.0.2.21"},
            "near": {"ansible_host": "198.51.100.77"},
        },
        "vars": {
            "dbports_networks": {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]},
            "dbports_gateways": [nat],
        },
    }
    assert connection_string(data, "sqlcmd", client="app") == "tcp:192.0.2.1,11433"
    assert connection_string(data, "sqlcmd", client="near") == "tcp:198.51.100.10,1433"


def test_a_failover_cluster_instance_is_reached_at_its_own_address() -> None:
    server = {"engine": "mssql", "clients": ["192.0.2.9"], "fci_addresses": ["198.51.100.50"]}
    data = {"hosts": {"db": {"ansible_host": "198.51.100.10", "dbports_servers": [server]}}}
    assert connection_string(data, "sqlcmd", client="192.0.2.9") == "tcp:198.51.100.50,1433"
