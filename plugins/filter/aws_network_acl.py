# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS network ACL of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_network_acl
short_description: Return the entries of a gateway for amazon.aws.ec2_vpc_nacl
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as C(ingress) and C(egress) of C(amazon.aws.ec2_vpc_nacl), with the
    replies, because network ACLs do not track connections.
  - An entry names the network at the other end and the destination ports. It holds for all hosts of the subnets, and
    it does not know the source port or the flags of TCP, so that replies are permitted from any port. This is wider
    than the plan. Guard the hosts themselves, or use security groups as well.
  - The module replaces both lists and empties one that it does not get. Pass both, and pass entries of your own
    through O(ingress) and O(egress).
positional: protects, ingress, egress, first, step, quota
options:
  ingress:
    description:
      - Inbound entries of your own, in the form of the module, which are returned as well.
    type: list
    elements: list
    default: []
  egress:
    description:
      - Outbound entries of your own.
    type: list
    elements: list
    default: []
  first:
    description:
      - The number of the first entry, the beginning of the reserved block.
    type: int
    default: 20000
  step:
    description:
      - The distance between numbers.
    type: int
    default: 10
  quota:
    description:
      - The number of entries that the account permits in each direction, at most 40. The entries that refuse the
        rest count as well, one for each family.
    type: int
    default: 20
seealso:
  - plugin: dbports.firewall.aws_security_group
    plugin_type: filter
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
  - dbports.firewall.cloud
"""

EXAMPLES = r"""
- name: Show what erp-db needs
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.aws_network_acl('dc') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => {"ingress": [[20000, "icmp", "allow", "0.0.0.0/0", 3, 4], [20010, "tcp", "allow", "192.0.2.21/32", null, null,
#    1433, 1433]], "egress": [[20000, "icmp", "allow", "192.0.2.21/32", 3, 4], [20010, "tcp", "allow", "192.0.2.21/32",
#    null, null, 32768, 60999]]}
"""

RETURN = r"""
_value:
  description:
    - C(ingress) and C(egress) of the module.
  type: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("aws_network_acl", from_data(translator("aws_network_acl")))
