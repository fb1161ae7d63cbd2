# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Google Cloud firewall rules of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: gcp_rules
short_description: Return the rules of a gateway for google.cloud.gcp_compute_firewall
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as parameters of C(google.cloud.gcp_compute_firewall), one
    dictionary a rule. There is a rule for each direction, family, protocol and range of ports.
  - Rules have no destination for inbound packets, so that they hold for the instances with the given tags or
    service accounts.
  - A rule permits all types of ICMP or none, so that ping is an error here.
  - The documentation of the module says that only IPv4 is supported. Networks of IPv6 are in rules of their own.
  - A rule that is no longer planned is not in the list, and stays until it is removed.
positional: name, protects, members, target_tags, target_service_accounts, network, priority
options:
  name:
    description:
      - How the names of the rules begin. The direction, family, protocol and ports follow, 63 characters in all.
    type: str
    required: true
  target_tags:
    description:
      - The network tags of the members. Either these or O(target_service_accounts) are required.
    type: list
    elements: str
  target_service_accounts:
    description:
      - The service accounts of the members.
    type: list
    elements: str
  network:
    description:
      - The link of the VPC network.
    type: str
    default: global/networks/default
  priority:
    description:
      - The priority of the rules, from 0 to 65535. Lower ones come first.
    type: int
    default: 1000
seealso:
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
  - dbports.firewall.cloud
  - dbports.firewall.cloud.members
"""

EXAMPLES = r"""
- name: Show what erp-db needs
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.gcp_rules('dbports-erp', 'dc', target_tags=['erp-db']) }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => [{"name": "dbports-erp-in-v4-tcp-1433", "description": "dbports acl-1: ingress of dc", "network": {"selfLink":
#    "global/networks/default"}, "direction": "INGRESS", "priority": 1000, "allowed": [{"ip_protocol": "tcp", "ports":
#    ["1433"]}], "source_ranges": ["192.0.2.21/32"], "target_tags": ["erp-db"]}]
"""

RETURN = r"""
_value:
  description:
    - The parameters of each rule.
  type: list
  elements: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("gcp_rules", from_data(translator("gcp_rules")))
