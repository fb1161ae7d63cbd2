# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenStack security group of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: openstack_rules
short_description: Return the rules of a gateway for openstack.cloud.security_group_rule
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as parameters of C(openstack.cloud.security_group_rule), one
    dictionary a rule. Networks always have a prefix, because the module does not find a rule without it again.
  - Ranges from port 1 or to port 65535 are two or three rules. The module takes these ends for none when it looks for a
    rule, and may find another rule instead. The description is always C(dbports), because the module fails once it
    changes. It also fails for a rule that is there with another description.
  - A group with C(stateful=false) needs a gateway with C(stateful=false), whose replies are rules as well. A rule does
    not know the source port or the flags of TCP, so that replies are permitted from any port. This is wider than the
    plan.
  - A rule that is no longer planned is not in the list, and stays until it is removed, see
    P(dbports.firewall.stale_rules#filter).
positional: security_group, protects, members, quota
options:
  security_group:
    description:
      - The name or id of the security group.
    type: str
    required: true
  quota:
    description:
      - The number of rules that the project permits.
    type: int
    default: 100
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
    msg: "{{ gateway | dbports.firewall.openstack_rules('erp-db', 'dc') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => [{"security_group": "erp-db", "description": "dbports", "direction": "ingress", "ether_type": "IPv4",
#     "remote_ip_prefix": "192.0.2.21/32", "protocol": "tcp", "port_range_min": 1433, "port_range_max": 1433}]
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

FilterModule = filter_module("openstack_rules", from_data(translator("openstack_rules")))
