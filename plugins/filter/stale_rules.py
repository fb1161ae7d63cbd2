# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own rules of a cloud that are no longer planned."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stale_rules
short_description: Find own rules of a cloud group that are no longer planned
version_added: 0.2.0
description:
  - Compares what P(dbports.firewall.aws_security_group#filter), P(dbports.firewall.azure_rules#filter) or
    P(dbports.firewall.openstack_rules#filter) returned with the rules that a group has, and returns what removes own
    rules that are no longer planned.
  - Own rules are those whose name (Azure) or description (AWS, OpenStack) begins with C(dbports). Whether they are
    planned is decided by protocol, network and ports. No other rule is removed.
  - Every value of what the cloud shows is checked.
positional: current, platform
options:
  _input:
    description: What the filter of the platform returned.
    type: raw
    required: true
  current:
    description:
      - For V(aws_security_group), one of C(security_groups) of C(amazon.aws.ec2_security_group_info).
      - For V(azure), one of C(securitygroups) of C(azure.azcollection.azure_rm_securitygroup_info).
      - For V(openstack), C(security_group_rules) of C(openstack.cloud.security_group_rule_info).
    type: raw
    required: true
  platform:
    description: The platform.
    type: str
    required: true
    choices: [aws_security_group, azure, openstack]
notes:
  - The data are validated against the argument specs of the vendors' modules. No cloud was used.
    C(docs/clouds.md) has a play.
seealso:
  - plugin: dbports.firewall.openstack_rules
    plugin_type: filter
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show what has to be removed
  ansible.builtin.debug:
    msg: "{{ wanted | dbports.firewall.stale_rules(group, 'azure') }}"
  vars:
    wanted:
      rules:
        - {name: dbports-in-1000, direction: Inbound, priority: 1000}
    group:
      name: dc
      rules:
        - {name: AllowSSH, direction: Inbound, priority: 100}
        - {name: dbports-in-1000, direction: Inbound, priority: 1000}
        - {name: dbports-in-1001, direction: Inbound, priority: 1001}
# => {"changed": true, "remove": [{"provider": "Network", "resource_type": "networkSecurityGroups",
#     "resource_name": "dc", "subresource": [{"type": "securityRules", "name": "dbports-in-1001"}],
#     "state": "absent"}]}
"""

RETURN = r"""
_value:
  description: What removes the rules.
  type: dict
  contains:
    changed:
      description: Whether there are any.
      type: bool
    remove:
      description:
        - For V(openstack), the parameters of C(openstack.cloud.security_group_rule) for each rule.
        - For V(azure), the parameters of C(azure.azcollection.azure_rm_resource) for each rule, without
          C(resource_group).
        - For V(aws_security_group), the rules, to be read only.
      type: list
      elements: dict
    rules:
      description:
        - For V(aws_security_group), C(rules) of C(amazon.aws.ec2_security_group), all rules that stay or are planned.
          Also C(rules_egress), C(purge_rules) and C(purge_rules_egress).
      type: list
      elements: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.stale import stale_rules

FilterModule = filter_module("stale_rules", stale_rules)
