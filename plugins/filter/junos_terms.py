# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Junos firewall filters of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: junos_terms
short_description: Return the firewall filters of a gateway as set commands
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as set commands for the C(lines) of
    C(juniper.device.junos_config) or C(junipernetworks.junos.junos_config), with the replies, because
    these filters do not track connections.
  - The module junos_acls has no C(tcp-established), and junipernetworks.junos writes port ranges as empty elements.
  - The name of a term begins with C(dbports) and depends on what the term permits, so that the same entry has the
    same name in every plan.
positional: name, ipv6_name, origin, target, mode, before, end
options:
  before:
    description:
      - The term of the filter before which the terms are moved. Without it, they come after all terms of the filter.
    type: str
seealso:
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
  - dbports.firewall.acl
  - dbports.firewall.acl.list
  - dbports.firewall.acl.end
  - dbports.firewall.acl.ipv6
"""

EXAMPLES = r"""
- name: Show what packets from the office need
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.junos_terms('office-in', origin='office') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => ["set firewall family inet filter office-in term dbports-icmp-error-649ec74c56a0 from destination-address
#    198.51.100.10/32", "set firewall family inet filter office-in term dbports-icmp-error-649ec74c56a0 from protocol
#    icmp", "set firewall family inet filter office-in term dbports-icmp-error-649ec74c56a0 from icmp-type 3", "set
#    firewall family inet filter office-in term dbports-icmp-error-649ec74c56a0 from icmp-code 4", "set firewall
#    family inet filter office-in term dbports-icmp-error-649ec74c56a0 then accept", "set firewall family inet filter
#    office-in term dbports-erp-db-mssql-mssqlserver-tds-372d43a0e30a from source-address 192.0.2.21/32", "set
#    firewall family inet filter office-in term dbports-erp-db-mssql-mssqlserver-tds-372d43a0e30a from
#    destination-address 198.51.100.10/32", "set firewall family inet filter office-in term
#    dbports-erp-db-mssql-mssqlserver-tds-372d43a0e30a from protocol tcp", "set firewall family inet filter office-in
#    term dbports-erp-db-mssql-mssqlserver-tds-372d43a0e30a from source-port 32768-60999", "set firewall family inet
#    filter office-in term dbports-erp-db-mssql-mssqlserver-tds-372d43a0e30a from destination-port 1433", "set
#    firewall family inet filter office-in term dbports-erp-db-mssql-mssqlserver-tds-372d43a0e30a then accept"]
"""

RETURN = r"""
_value:
  description:
    - Set commands. Empty if nothing has to be permitted.
  type: list
  elements: str
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("junos_terms", from_data(translator("junos_terms")))
