# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection string with which a client reaches an instance of SQL Server."""

from __future__ import annotations

DOCUMENTATION = r"""
name: connection_string
short_description: Return a connection string for an instance of SQL Server
version_added: 0.1.0
description:
  - Returns the connection string with which a client reaches an instance of SQL Server over TCP on its planned port.
    The instance is named instead of its port if the declarations say so or the port is dynamic.
  - With O(client), it is an error if the plan does not allow that client, and the address is of a family that the
    client has.
  - Values are encoded for the driver. A password in O(options) is part of the result; use C(no_log) in that case.
positional: driver, host, instance, client
options:
  _input:
    description:
      - An inventory as a dictionary. C(hosts) holds the variables of each host, C(groups) the hosts of each group, and
        C(vars) the variables of all hosts.
      - Alternatively one entry of C(dbports_servers), together with O(address).
    type: dict
    required: true
  driver:
    description:
      - The syntax of the connection string. V(sqlcmd) returns the value of its option C(-S).
    type: str
    required: true
    choices: [odbc, dotnet, jdbc, sqlcmd]
  host:
    description:
      - The database host. It can be omitted if only one host declares servers.
    type: str
  instance:
    description:
      - The instance. If omitted, the default instance or the only one.
    type: str
  client:
    description:
      - The client, as a host of the dictionary or an address.
    type: str
  address:
    description:
      - The name or address under which the client knows the host, for example its DNS name, instead of the planned
        address.
    type: str
  options:
    description:
      - Further keywords of the driver with their values, in this order.
      - C(Driver) of ODBC always comes first. V(sqlcmd) takes no keywords.
    type: dict
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show the ODBC connection string of app-01
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

- name: Show the JDBC URL of an instance with a dynamic port, which has to be named
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

- name: Show the value of sqlcmd -S
  ansible.builtin.debug:
    msg: "{{ {'engine': 'mssql'} | dbports.firewall.connection_string('sqlcmd', address='2001:db8::10') }}"
# => "tcp:[2001:db8::10],1433"
"""

RETURN = r"""
_value:
  description: The connection string.
  type: str
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.connection_string import connection_string
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module

FilterModule = filter_module("connection_string", connection_string)
