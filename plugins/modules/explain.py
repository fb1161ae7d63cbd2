#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: explain
short_description: Explain why a port of a host is open and who may reach it
version_added: 0.1.0
description:
  - Explains from the plan why a port of a host is open, who may reach it, and by which declaration and source.
  - With O(peer), also explains whether that peer may reach the port, and why or why not.
  - The answer describes the plan. Use M(dbports.firewall.verify) to check whether packets really pass.
options:
  host:
    description:
      - The host that the port is on.
    type: str
    required: true
  port:
    description:
      - The port with its protocol, for example V(1434/udp). A port without a protocol means both TCP and UDP. V(icmp)
        means echo requests.
    type: str
    required: true
  peer:
    description:
      - An inventory host, address or network, to explain whether it may reach the port.
    type: str
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action, dbports.firewall.plan_source]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
seealso:
  - module: dbports.firewall.plan
  - module: dbports.firewall.verify
  - plugin: dbports.firewall.explain
    plugin_type: filter
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Explain why UDP 1434 is open on erp-db
  dbports.firewall.explain:
    host: erp-db
    port: 1434/udp
  run_once: true

- name: Explain why reports-01 cannot reach SQL Server on erp-db
  dbports.firewall.explain:
    host: erp-db
    port: 1433/tcp
    peer: reports-01
  run_once: true
"""

RETURN = r"""
plan_id:
  description: The digest of the plan.
  returned: always
  type: str
host:
  description: The host in question.
  returned: always
  type: str
port:
  description: The protocol and port in question.
  returned: always
  type: str
  sample: udp 1434
peer:
  description: The peer in question, or an empty string.
  returned: always
  type: str
policy:
  description: The host's C(dbports_policy).
  returned: always
  type: str
open:
  description: Whether the plan allows anyone to reach the port.
  returned: always
  type: bool
rules:
  description: The inbound rules that include the port.
  returned: always
  type: list
  elements: dict
  contains:
    endpoint:
      description: The endpoint at which the server listens.
      type: str
      sample: mssql/browser
    flow:
      description: The short name of the flow.
      type: str
    protocol:
      description: tcp, udp or icmp.
      type: str
    ports:
      description: All ports of the rule.
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
    peers:
      description: Who may reach it, with names, addresses, source ports and the declaration of each peer.
      type: list
      elements: dict
outbound:
  description: The rules for traffic from this host to the same port of other hosts.
  returned: always
  type: list
  elements: dict
verdict:
  description:
    - V(allowed), V(partly) (only a part of the network), V(refused), V(unguarded) (neither allowed nor refused by this
      collection) or V(unknown). An empty string without O(peer).
  returned: always
  type: str
reasons:
  description:
    - The reasons for the verdict. Each has a C(text) and a C(code), which is one of V(declared), V(not_declared),
      V(not_in_networks), V(other_endpoint), V(forbidden), V(no_common_family), V(partly_in_networks),
      V(nothing_planned), V(through_gateway), V(lost_on_gateway), V(outbound), V(warning), V(open_policy), V(icmp),
      V(itself), V(unknown_host), V(group) and V(no_address).
  returned: always
  type: list
  elements: dict
  sample:
    - code: not_declared
      text: >-
        reports-01 is not among those declared for mssql/MSSQLSERVER/tds; if it should be, add it to
        erp-db: dbports_servers[0].clients
lines:
  description: The answer as text.
  returned: always
  type: list
  elements: str
"""
