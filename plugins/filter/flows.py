# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All flows of a plan, as plain data."""

from __future__ import annotations

DOCUMENTATION = r"""
name: flows
short_description: Every flow between servers and their clients
version_added: 0.1.0
description:
  - Plans from a dictionary, without any inventory, and returns every flow once, seen from nobody's side.
positional: addresses
options:
  _input:
    description:
      - An inventory as a dictionary. C(hosts) holds the variables of each host, by its name, C(groups) lists of hosts,
        C(vars) the variables of all.
      - Or one entry of C(dbports_servers), whose clients are addresses and networks then.
    type: dict
    required: true
  addresses:
    description:
      - The addresses of the host of a single server. Without them its addresses are empty lists.
    type: list
    elements: str
seealso:
  - plugin: dbports.firewall.required_ports
    plugin_type: filter
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show who talks to whom, and from which ports
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
      description: Who sends first, a host, an address or a network.
      type: str
    initiator_addresses:
      description: Its addresses.
      type: list
      elements: str
    responder:
      description: Who answers.
      type: str
    responder_addresses:
      description: Its addresses.
      type: list
      elements: str
    protocol:
      description: V(tcp), V(udp) or V(icmp).
      type: str
    source_ports:
      description: The ports that the initiator sends from.
      type: str
    ports:
      description: The ports that the responder receives on, such as V(1433) or V(1433,1500-1501).
      type: str
    flow:
      description: The short name of the flow.
      type: str
    endpoint:
      description: Where the server listens.
      type: str
    purpose:
      description: What it is for.
      type: str
    need:
      description: V(required) or V(optional).
      type: str
    citation:
      description: The source that says so.
      type: str
    unsolicited:
      description: Whether connection tracking does not know it for an answer.
      type: bool
    declared:
      description: The declaration it comes from.
      type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.required_ports import plain_flows
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import as_filter


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by its name."""
        return {"flows": as_filter("flows", plain_flows)}
