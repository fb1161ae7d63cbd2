# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of filters: what is of another kind than documented is an error that names it, and no exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.connection_string import connection_string
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import explain_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.required_ports import plain_flows, required_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import as_filter

SERVER: dict[str, Any] = {"engine": "mssql", "clients": ["198.51.100.0/24"]}
SITE = {"hosts": {"db": {"ansible_host": "192.0.2.10", "dbports_servers": [SERVER]}}}


@pytest.mark.parametrize(
    ("call", "data", "arguments", "says"),
    [
        (explain_data, SITE, {"host": ["db"], "port": "1433"}, "host: expected text (got "),
        (explain_data, SITE, {"host": "db", "port": "1433", "peer": {"a": 1}}, "peer: expected text"),
        (required_ports, SITE, {"host": ["db"]}, "host: expected text"),
        (connection_string, SITE, {"driver": ["odbc"]}, "driver: expected text"),
        (connection_string, SITE, {"driver": "odbc", "client": ["198.51.100.7"]}, "client: expected text"),
        (connection_string, SITE, {"driver": "odbc", "address": 7}, "address: expected text"),
        (connection_string, SITE, {"driver": "odbc", "instance": 2019}, "instance: expected text (got 2019)"),
        (connection_string, SITE, {"driver": "odbc", "options": "A=1"}, "options: expected a dictionary (got 'A=1')"),
        (plain_flows, SERVER, {"addresses": "192.0.2.10"}, "addresses: expected a list (got '192.0.2.10')"),
        (plain_flows, SERVER, {"addresses": 1}, "addresses: expected a list"),
    ],
)
def test_another_kind_is_refused(call: Callable[..., Any], data: Any, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        as_filter("name", call)(data, **arguments)
    assert f"dbports.firewall.name: {says}" in str(caught.value)


def test_what_is_left_out_or_null_is_as_before() -> None:
    found = as_filter("flows", plain_flows)(SERVER, addresses=None)
    assert found == as_filter("flows", plain_flows)(SERVER)
    assert as_filter("required_ports", required_ports)(SITE, host=None, direction="in")
