# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arista EOS access lists of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: eos_aces
short_description: Return the access lists of a gateway for arista.eos.eos_acls
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as the C(config) of C(arista.eos.eos_acls), with the
    replies, because these lists do not track connections.
  - Source ports are written as ranges, also single ones, because the module replaces a single one with a name from
    C(/etc/services) of the controller. Remarks have underscores instead of hyphens, because the module reads them so.
positional: name, ipv6_name, origin, target, mode, first, step, end
seealso:
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
  - dbports.firewall.acl
  - dbports.firewall.acl.list
  - dbports.firewall.acl.end
  - dbports.firewall.acl.ipv6
  - dbports.firewall.acl.sequences
"""

EXAMPLES = r"""
- name: Show what packets from the office need
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.eos_aces('office-in', origin='office') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => [{"afi": "ipv4", "acls": [{"name": "office-in", "aces": [{"sequence": 50000, "remark": "dbports icmp_error: Any
#    router on the way says that a packet is too big: without it large answers ne"}, {"sequence": 50010, "grant":
#    "permit", "protocol": "icmp", "source": {"any": true}, "destination": {"host": "198.51.100.10"},
#    "protocol_options": {"icmp": {"packet_too_big": true}}}, {"sequence": 50020, "remark": "dbports erp_db
#    mssql/MSSQLSERVER/tds request: Clients connect to instance MSSQLSERVER"}, {"sequence": 50030, "grant": "permit",
#    "protocol": "tcp", "source": {"host": "192.0.2.21", "port_protocol": {"range": "32768 60999"}}, "destination":
#    {"host": "198.51.100.10", "port_protocol": {"eq": "1433"}}}]}]}]
"""

RETURN = r"""
_value:
  description:
    - The C(config) of the module. Empty if nothing has to be permitted.
  type: list
  elements: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("eos_aces", from_data(translator("eos_aces")))
