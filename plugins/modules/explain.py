#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: explain
short_description: Tell why a port of a host is open, for whom, and why somebody is kept out
version_added: 0.1.0
description:
  - Answers from the plan why a port of a host is open, for whom, since which declaration and by which source.
  - With O(peer), also whether that one may reach it, and why or why not.
  - It tells what is planned. Whether packets really pass is what M(dbports.firewall.verify) finds out.
options:
  host:
    description:
      - The host whose port is asked about.
    type: str
    required: true
  port:
    description:
      - The port with its protocol, such as V(1434/udp). Without a protocol both tcp and udp are meant, and V(icmp)
        stands for echo requests.
    type: str
    required: true
  peer:
    description:
      - Who wants to reach it. An inventory host, an address or a network.
    type: str
extends_documentation_fragment: [dbports.firewall.plan_source]
attributes:
  check_mode:
    description: Can run in check mode and tell what a real run tells.
    support: full
  diff_mode:
    description: Tells what changed.
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
- name: Why is UDP 1434 open on erp-db
  dbports.firewall.explain:
    host: erp-db
    port: 1434/udp
  run_once: true

- name: Why can reports-01 not reach SQL Server on erp-db
  dbports.firewall.explain:
    host: erp-db
    port: 1433/tcp
    peer: reports-01
  run_once: true
"""

RETURN = r"""
plan_id:
  description: The digest of the plan that was asked.
  returned: always
  type: str
host:
  description: The host that was asked about.
  returned: always
  type: str
port:
  description: Protocol and port that were asked about.
  returned: always
  type: str
  sample: udp 1434
peer:
  description: The peer that was asked about, or an empty string.
  returned: always
  type: str
policy:
  description: The host's C(dbports_policy).
  returned: always
  type: str
open:
  description: Whether anybody may reach the port by the plan.
  returned: always
  type: bool
rules:
  description: The inbound rules that hold the port.
  returned: always
  type: list
  elements: dict
  contains:
    endpoint:
      description: Where the server listens.
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
      description: What it is for.
      type: str
    need:
      description: V(required) or V(optional).
      type: str
    citation:
      description: The source that says so.
      type: str
    peers:
      description: Who may reach it. Name, addresses, source ports, and the declaration that says so.
      type: list
      elements: dict
outbound:
  description: The rules by which the host itself sends to this port of others.
  returned: always
  type: list
  elements: dict
verdict:
  description:
    - V(allowed), V(partly) (a part of the network that was asked about), V(refused), V(unguarded) (neither let in nor
      refused by this collection) or V(unknown). An empty string without O(peer).
  returned: always
  type: str
reasons:
  description:
    - Why. Each has a C(code), which is one of V(declared), V(not_declared), V(not_in_networks), V(other_endpoint),
      V(forbidden), V(no_common_family), V(partly_in_networks), V(nothing_planned), V(through_gateway),
      V(lost_on_gateway), V(outbound), V(warning), V(open_policy), V(icmp), V(itself), V(unknown_host), V(group) and
      V(no_address), and a C(text).
  returned: always
  type: list
  elements: dict
  sample:
    - code: not_declared
      text: >-
        reports-01 is not among those declared for mssql/MSSQLSERVER/tds; if it should be, add it to
        erp-db: dbports_servers[0].clients
lines:
  description: The answer for readers.
  returned: always
  type: list
  elements: str
"""
