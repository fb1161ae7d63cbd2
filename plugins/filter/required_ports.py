# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that a packet filter has to open for a host, as plain data."""

from __future__ import annotations

DOCUMENTATION = r"""
name: required_ports
short_description: Return the ports that a host needs, for a security group or another role
version_added: 0.1.0
description:
  - Plans from a dictionary, without an inventory, and returns the rules that one host needs, in the form that security
    groups and most firewall roles take.
  - Rules for the same protocol and ports are merged.
positional: host, direction
options:
  _input:
    description:
      - An inventory as a dictionary. C(hosts) holds the variables of each host, C(groups) the hosts of each group, and
        C(vars) the variables of all hosts.
      - Alternatively one entry of C(dbports_servers), with addresses and networks as clients.
    type: dict
    required: true
  host:
    description:
      - The host that needs the rules. It can be omitted if only one host declares servers.
    type: str
  direction:
    description:
      - V(in) for inbound rules, V(out) for outbound rules.
    type: str
    default: in
    choices: [in, out]
seealso:
  - plugin: dbports.firewall.flows
    plugin_type: filter
  - module: dbports.firewall.ruleset
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show the ports of one server
  ansible.builtin.debug:
    msg: "{{ server | dbports.firewall.required_ports }}"
  vars:
    server:
      engine: mssql
      clients: [198.51.100.0/24, 192.0.2.21]
      instances:
        - name: SALES
          tcp_port: 14330
# => [{"protocol": "tcp", "from_port": 14330, "to_port": 14330, "sources": ["192.0.2.21/32", "198.51.100.0/24"],
#      "purpose": "Clients connect to instance SALES", "need": "required"}]

- name: Show the outbound ports of an application server
  ansible.builtin.debug:
    msg: "{{ inventory | dbports.firewall.required_ports('app-01', direction='out') }}"
  vars:
    inventory:
      hosts:
        erp-db:
          ansible_host: 192.0.2.10
          dbports_servers:
            - engine: mssql
              clients: [app_servers]
        app-01:
          ansible_host: 192.0.2.21
      groups:
        app_servers: [app-01]
# => [{"protocol": "tcp", "from_port": 1433, "to_port": 1433, "destinations": ["192.0.2.10/32"],
#      "purpose": "Clients connect to instance MSSQLSERVER", "need": "required"}]
"""

RETURN = r"""
_value:
  description:
    - The rules, sorted by protocol and port. A port without declared peers has no rule.
  type: list
  elements: dict
  contains:
    protocol:
      description: V(tcp), V(udp), V(icmp) or V(icmpv6).
      type: str
    from_port:
      description: The first port; for ICMP, the type of an echo request.
      type: int
    to_port:
      description: The last port; for ICMP, V(-1) for every code.
      type: int
    sources:
      description: The networks that may send, with O(direction=in).
      type: list
      elements: str
    destinations:
      description: The networks that are sent to, with O(direction=out).
      type: list
      elements: str
    purpose:
      description: The purpose of the rule.
      type: str
    need:
      description: V(required) or V(optional).
      type: str
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.required_ports import required_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module

FilterModule = filter_module("required_ports", required_ports)
