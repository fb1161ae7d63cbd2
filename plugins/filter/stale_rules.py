# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own rules of a cloud or of a firewall with policies that are no longer planned."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stale_rules
short_description: Find own rules of a cloud group or firewall that are no longer planned
version_added: 0.2.0
description:
  - Compares what P(dbports.firewall.aws_security_group#filter), P(dbports.firewall.azure_rules#filter),
    P(dbports.firewall.openstack_rules#filter), P(dbports.firewall.panos_rules#filter) or
    P(dbports.firewall.fortios_policies#filter) returned with the rules that are there, and returns what removes own
    rules that are no longer planned.
  - Own rules are those whose name (Azure, PAN-OS, FortiOS) or description (AWS, OpenStack) begins with C(dbports). In
    clouds, protocol, network and ports decide whether they are planned. On PAN-OS and FortiOS the name decides, because
    it ends in a digest of what the rule permits. No other rule is removed.
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
      - For V(panos), C(gathered) of C(paloaltonetworks.panos.panos_security_rule).
      - For V(fortios), C(results) of the selector V(firewall_policy) of C(fortinet.fortios.fortios_configuration_fact).
    type: raw
    required: true
  platform:
    description: The platform.
    type: str
    required: true
    choices: [aws_security_group, azure, openstack, panos, fortios]
notes:
  - The data are validated against the argument specs of the vendors' modules. No cloud and
    no device was used. C(docs/clouds.md) and C(docs/devices.md) have plays.
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
        - For V(panos), the parameters of C(paloaltonetworks.panos.panos_security_rule) for each rule.
        - For V(fortios), C(firewall_policy) of C(fortinet.fortios.fortios_firewall_policy), with C(state=absent).
      type: list
      elements: dict
    rules:
      description:
        - For V(aws_security_group), C(rules) of C(amazon.aws.ec2_security_group), all rules that stay or are planned.
          Also C(rules_egress), C(purge_rules) and C(purge_rules_egress).
      type: list
      elements: dict
    policies:
      description:
        - For V(fortios), the planned policies. One that is there keeps its number, because a name belongs to one policy
          only, and new ones get free numbers.
      type: list
      elements: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.stale import stale_rules

FilterModule = filter_module("stale_rules", stale_rules)
