# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Cisco ASA access list of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: asa_aces
short_description: Return the access list of a gateway for cisco.asa.asa_acls
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as the C(config) of C(cisco.asa.asa_acls), one list for both
    families. ASA tracks connections, so that replies need no entries. Replies to ICMP echo requests need C(inspect
    icmp).
positional: name, origin, target, mode, first, end
options:
  first:
    description:
      - The line of the list at which the entries are inserted. Lines below it move down.
    type: int
    default: 1
seealso:
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
  - dbports.firewall.acl
  - dbports.firewall.acl.list
  - dbports.firewall.acl.end
"""

EXAMPLES = r"""
- name: Show what packets from the office need
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.asa_aces('office-in', origin='office') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => {"acls": [{"name": "office-in", "acl_type": "extended", "aces": [{"line": 1, "remark": "dbports erp-db
#    mssql/MSSQLSERVER/tds request: Clients connect to instance MSSQLSERVER"}, {"line": 2, "grant": "permit",
#    "protocol": "tcp", "source": {"host": "192.0.2.21"}, "destination": {"host": "198.51.100.10", "port_protocol":
#    {"eq": "1433"}}}]}]}
"""

RETURN = r"""
_value:
  description:
    - The C(config) of the module.
  type: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("asa_aces", from_data(translator("asa_aces")))
