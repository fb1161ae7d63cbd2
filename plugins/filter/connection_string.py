# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client writes to reach an instance of SQL Server."""

from __future__ import annotations

DOCUMENTATION = r"""
name: connection_string
short_description: Connection string of an instance of SQL Server, over the port that is planned
version_added: 0.1.0
description:
  - Writes what a client has to write to reach an instance of SQL Server over TCP, by port, or by name where the
    declarations say so or the port is dynamic.
  - With O(client), a client that the plan does not let in is an error, and the address is one of a family that the
    client has.
  - Values are encoded as each driver reads them. A password in O(options) is in the result; use C(no_log) then.
positional: driver, host, instance, client
options:
  _input:
    description:
      - An inventory as a dictionary. C(hosts) holds the variables of each host, by its name, C(groups) lists of hosts,
        C(vars) the variables of all.
      - Or one entry of C(dbports_servers), with O(address).
    type: dict
    required: true
  driver:
    description:
      - The language. V(odbc), V(dotnet), V(jdbc), or V(sqlcmd) for the value of its C(-S).
    type: str
    required: true
    choices: [odbc, dotnet, jdbc, sqlcmd]
  host:
    description:
      - The database host. It may be left out where only one host declares servers.
    type: str
  instance:
    description:
      - The instance. Left out, the default instance, or the only one.
    type: str
  client:
    description:
      - Who connects, a host of the dictionary or an address.
    type: str
  address:
    description:
      - What the client writes for the host, such as its DNS name, in place of its address.
    type: str
  options:
    description:
      - More keywords with their values, in their order. Their names are those of the driver.
      - C(Driver) of ODBC comes first wherever it stands. V(sqlcmd) takes none.
    type: dict
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show what app-01 writes for ODBC
  ansible.builtin.debug:
    msg: "{{ inventory | dbports.firewall.connection_string('odbc', client='app-01', options=more) }}"
  vars:
    more:
      Driver: ODBC Driver 18 for SQL Server
      Database: erp;test
      Encrypt: true
    inventory:
      hosts:
        erp-db:
          ansible_host: 192.0.2.10
          dbports_servers:
            - engine: mssql
              clients: [app-01]
              instances:
                - name: SALES
                  tcp_port: 14330
        app-01:
          ansible_host: 192.0.2.21
# => "Driver={ODBC Driver 18 for SQL Server};Server=tcp:192.0.2.10,14330;Database={erp;test};Encrypt=yes"

- name: Show what Java writes for an instance with a dynamic port, which has to be named
  ansible.builtin.debug:
    msg: "{{ server | dbports.firewall.connection_string('jdbc', address='erp-db.example.com', options=more) }}"
  vars:
    more:
      databaseName: erp
    server:
      engine: mssql
      instances:
        - name: SALES
# => "jdbc:sqlserver://erp-db.example.com;instanceName=SALES;databaseName=erp"

- name: Show what to give to sqlcmd -S
  ansible.builtin.debug:
    msg: "{{ {'engine': 'mssql'} | dbports.firewall.connection_string('sqlcmd', address='2001:db8::10') }}"
# => "tcp:[2001:db8::10],1433"
"""

RETURN = r"""
_value:
  description: The connection string.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.connection_string import connection_string
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import as_filter


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by its name."""
        return {"connection_string": as_filter("connection_string", connection_string)}
