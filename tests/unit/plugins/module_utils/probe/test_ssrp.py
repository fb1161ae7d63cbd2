# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSRP messages: examples of the specification, and answers that must be refused."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import ssrp, ssrp_dac
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

SALES = b"ServerName;HOST1;InstanceName;SALES;IsClustered;No;Version;15.0.2000.5"


def answer(text: bytes) -> bytes:
    return b"\x05" + len(text).to_bytes(2, "little") + text


def test_requests_have_the_bytes_of_the_specification() -> None:
    assert ssrp.encode_list_request() == b"\x03"
    assert ssrp.encode_instance_request("SALES") == b"\x04SALES\x00"
    assert ssrp_dac.encode_dac_request("SQLEXPRESS") == bytes.fromhex("0f0153514c4558505245535300")


@pytest.mark.parametrize("name", ["", "A\0B", "A;B", "Účty", "A" * 33, "A\nB"])
def test_a_name_that_cannot_be_asked_for_is_refused(name: str) -> None:
    with pytest.raises(DbportsError):
        ssrp.encode_instance_request(name)


def test_an_instance_is_read_with_its_port() -> None:
    (found,) = ssrp.parse_response(answer(SALES + b";np;\\\\HOST1\\pipe\\sql\\query;tcp;49172;;"))
    assert (found.server, found.name, found.version, found.tcp_port) == ("HOST1", "SALES", "15.0.2000.5", 49172)
    assert found.protocols["np"] == "\\\\HOST1\\pipe\\sql\\query"


def test_the_order_of_protocols_does_not_matter_and_tcp_may_be_missing() -> None:
    text = SALES + b";tcp;1500;np;x;;" + SALES.replace(b"SALES", b"HR") + b";;"
    assert [(item.name, item.tcp_port) for item in ssrp.parse_response(answer(text))] == [("SALES", 1500), ("HR", None)]


def test_bytes_of_an_unknown_code_page_do_not_hide_the_port() -> None:
    (found,) = ssrp.parse_response(answer(SALES.replace(b"HOST1", b"D\xccM") + b";tcp;1500;;"))
    assert found.tcp_port == 1500


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x05",
        b"\x05\x00\x00",
        b"\x04\x02\x00;;",
        answer(SALES + b";tcp;1500;;")[:-1],
        answer(SALES + b";tcp;1500;;") + b"x",
        answer(SALES + b";tcp;1500"),
        answer(SALES + b";tcp;1500;"),
        answer(SALES + b";tcp;0;;"),
        answer(SALES + b";tcp;65536;;"),
        answer(SALES + b";tcp;1 500;;"),
        answer(SALES + b";tcp;" + b"9" * 5000 + b";;"),
        answer(SALES + b";tcp;;"),
        answer(b"ServerName;HOST1;;"),
        answer(b"InstanceName;;;"),
        answer(b";;"),
        answer(b"nonsense"),
    ],
)
def test_a_malformed_answer_is_refused(data: bytes) -> None:
    with pytest.raises(DbportsError):
        ssrp.parse_response(data)


def test_the_port_of_an_administrator_connection() -> None:
    assert ssrp_dac.parse_dac_response(bytes.fromhex("050600019a05")) == 1434


@pytest.mark.parametrize("text", ["", "0506", "050300019a05", "050600029a05", "050600010000", "050600019a0500"])
def test_a_malformed_administrator_answer_is_refused(text: str) -> None:
    with pytest.raises(DbportsError):
        ssrp_dac.parse_dac_response(bytes.fromhex(text))


@pytest.mark.parametrize(("pinned", "probes"), [({}, {("ssrp_dac", "SALES")}), ({"dac_port": 14340}, {("tcp", None)})])
def test_administrators_ask_only_for_a_port_that_is_not_known(pinned: dict[str, int], probes: set[object]) -> None:
    instance = {"name": "SALES", "tcp_port": 14330, "dac": "remote", "dac_clients": ["dba"], **pinned}
    server = {"engine": "mssql", "clients": ["app"], "instances": [instance]}
    hosts = {
        "db": {"ansible_host": "192.0.2.10", "dbports_servers": [server]},
        "app": {"ansible_host": "192.0.2.21"},
        "dba": {"ansible_host": "192.0.2.99"},
    }
    plan = build_plan(PlainInventory({"hosts": hosts}))
    assert {head.probe for head in plan.hosts["dba"].rules if head.probe} == probes
