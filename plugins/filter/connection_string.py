# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client writes to reach an instance of SQL Server or a 602SQL server."""

from __future__ import annotations

DOCUMENTATION = r"""
name: connection_string
short_description: Return what a client of SQL Server or 602SQL writes to connect
version_added: 0.1.0
description:
  - Returns the connection string with which a client reaches an instance of SQL Server over TCP on its planned port.
    The instance is named instead of its port if the declarations say so or the port is dynamic.
  - For a 602SQL server, returns the registration that its clients need. It has PORTBASE as its port, because clients
    compute the port of the connection themselves, or the port of the HTTP tunnel if the client can only use that.
  - With O(client), it is an error if the plan does not allow that client, and the address is of a family that the
    client has. If O(client) is a host and a gateway translates addresses on its way, the address and port are those
    that the gateway publishes.
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
      - The syntax of the result. V(sqlcmd) returns the value of its option C(-S).
      - V(602sql) returns a section for C(/etc/602sql), or for C(602sql) in the user's home directory.
      - V(602sql_windows) returns a file for C(reg import). A 32-bit client on 64-bit Windows needs the C(reg.exe) in
        C(SysWOW64). It takes no host name in O(address), and is the only one for clients behind a SOCKS host.
      - V(602sql) and V(602sql_windows) were added in dbports.firewall 0.2.0.
    type: str
    required: true
    choices: [odbc, dotnet, jdbc, sqlcmd, 602sql, 602sql_windows]
  host:
    description:
      - The database host. It can be omitted if only one host declares servers.
    type: str
  instance:
    description:
      - The instance. If omitted, the default instance or the only one.
      - For 602SQL, the C(name) of the server in C(dbports_servers), which becomes the name of the registration. Clients
        connect to the server by this name.
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
      - For 602SQL, only C(Use HTTP Tunnel). If true, clients are registered for the tunnel although they could connect
        directly; if false, never for the tunnel.
    type: dict
seealso:
  - plugin: dbports.firewall.explain
    plugin_type: filter
  - plugin: dbports.firewall.required_ports
    plugin_type: filter
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

- name: Show the registration of a 602SQL server on a Linux client behind an address translator
  ansible.builtin.debug:
    msg: "{{ inventory | dbports.firewall.connection_string('602sql', client='office-pc') }}"
  vars:
    inventory:
      hosts:
        erp-db:
          ansible_host: 198.51.100.10
          dbports_servers:
            - engine: sql602
              name: ERP
              minimum: true
              clients: [office-pc]
        office-pc:
          ansible_host: 192.0.2.21
      vars:
        dbports_networks:
          office: [192.0.2.0/24]
          dc: [198.51.100.0/24]
        dbports_gateways:
          - name: nat-1
            kind: nat
            inside: dc
            between: [office, dc]
            addresses: {office: 192.0.2.1, dc: 198.51.100.1}
            mappings:
              - {host: erp-db, protocol: tcp, port: 5001-5002, public_port: 15001-15002}
# => "[ERP]\nIP address=192.0.2.1\nIPPort=15001\n"

- name: Show the registration of its HTTP tunnel on a Windows client
  ansible.builtin.debug:
    msg: "{{ server | dbports.firewall.connection_string('602sql_windows', address='192.0.2.10', options=more) }}"
  vars:
    more:
      Use HTTP Tunnel: true
    server:
      engine: sql602
      name: ERP
      http_tunnel_port: 80
# => "Windows Registry Editor Version 5.00\r\n\r\n\
#      [HKEY_LOCAL_MACHINE\\SOFTWARE\\Software602\\602SQL\\Database\\ERP]\r\n\
#      \"IP address\"=\"192.0.2.10\"\r\n\"IPPort\"=dword:00000050\r\n\
#      \"Use HTTP Tunnel\"=dword:00000001\r\n\"Through Firewall\"=dword:00000000\r\n"
"""

RETURN = r"""
_value:
  description: The connection string, or the registration.
  type: str
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.connection_string import connection_string
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module

FilterModule = filter_module("connection_string", connection_string)
