# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All flows of a plan, as plain data."""

from __future__ import annotations

DOCUMENTATION = r"""
name: flows
short_description: Return all flows between servers and their clients
version_added: 0.1.0
description:
  - Plans from a dictionary, without an inventory, and returns every flow once.
positional: addresses
options:
  _input:
    description:
      - An inventory as a dictionary. C(hosts) holds the variables of each host, C(groups) the hosts of each group, and
        C(vars) the variables of all hosts.
      - Alternatively one entry of C(dbports_servers), with addresses and networks as clients.
    type: dict
    required: true
  addresses:
    description:
      - The addresses of the host, if the input is a single server. If omitted, its addresses are empty lists.
    type: list
    elements: str
seealso:
  - plugin: dbports.firewall.required_ports
    plugin_type: filter
  - module: dbports.firewall.plan
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show all flows with their ports
  ansible.builtin.debug:
    msg: >-
      {{ server | dbports.firewall.flows(['192.0.2.10']) | map('dict2items')
         | map('selectattr', 'key', 'in', ['initiator', 'responder_addresses', 'protocol', 'source_ports', 'ports'])
         | map('items2dict') | list }}
  vars:
    server:
      engine: sql602
      minimum: true
      clients:
        - name: 198.51.100.0/24
          os: linux
# => [{"initiator": "198.51.100.0/24", "responder_addresses": ["192.0.2.10"], "protocol": "tcp",
#      "source_ports": "32768-60999", "ports": "5002"}]
"""

RETURN = r"""
_value:
  description:
    - The flows, sorted by responder, endpoint and initiator.
  type: list
  elements: dict
  contains:
    initiator:
      description: The host, address or network that sends first.
      type: str
    initiator_addresses:
      description: Its addresses.
      type: list
      elements: str
    responder:
      description: The host, address or network that answers.
      type: str
    responder_addresses:
      description: Its addresses.
      type: list
      elements: str
    protocol:
      description: V(tcp), V(udp) or V(icmp).
      type: str
    source_ports:
      description: The source ports of the initiator.
      type: str
    ports:
      description: The destination ports, for example V(1433) or V(1433,1500-1501).
      type: str
    flow:
      description: The short name of the flow.
      type: str
    endpoint:
      description: The endpoint at which the server listens.
      type: str
    purpose:
      description: The purpose of the flow.
      type: str
    need:
      description: V(required) or V(optional).
      type: str
    citation:
      description: The document that lists the port.
      type: str
    unsolicited:
      description: Whether connection tracking does not recognize the flow as a reply.
      type: bool
    guarded:
      description:
        - Whether the responder refuses everyone else. If V(false), others use the port as well, such as the file shares
          of Windows.
      type: bool
    declared:
      description: The declaration that the flow is declared by.
      type: str
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.required_ports import plain_flows
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module

FilterModule = filter_module("flows", plain_flows)
