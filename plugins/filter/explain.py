# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a port is open and who may reach it, from plain data."""

from __future__ import annotations

DOCUMENTATION = r"""
name: explain
short_description: Explain why a port of a host is open and who may reach it
version_added: 0.1.0
description:
  - Plans from a dictionary, without an inventory, and answers like M(dbports.firewall.explain).
positional: host, port, peer
options:
  _input:
    description:
      - An inventory as a dictionary. C(hosts) holds the variables of each host, C(groups) the hosts of each group, and
        C(vars) the variables of all hosts.
    type: dict
    required: true
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
      - A host of the dictionary, an address or a network, to explain whether it may reach the port.
    type: str
seealso:
  - module: dbports.firewall.explain
  - plugin: dbports.firewall.flows
    plugin_type: filter
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show why reports-01 is refused
  ansible.builtin.debug:
    msg: "{{ answer.reasons | map(attribute='text') | list }}"
  vars:
    answer: "{{ inventory | dbports.firewall.explain('erp-db', '1433/tcp', 'reports-01') }}"
    inventory:
      hosts:
        erp-db:
          ansible_host: 192.0.2.10
          dbports_servers:
            - engine: mssql
              clients: [app-01]
        app-01:
          ansible_host: 192.0.2.21
        reports-01:
          ansible_host: 203.0.113.9
# => ["reports-01 is not among those declared for mssql/MSSQLSERVER/tds; if it should be, add it to
#      erp-db: dbports_servers[0].clients"]
"""

RETURN = r"""
_value:
  description:
    - C(host), C(port), C(peer), C(policy), C(open), C(rules), C(outbound), C(verdict), C(reasons) and C(lines), as
      M(dbports.firewall.explain) returns them.
  type: dict
"""

from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import explain_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.explanation import answer_data


def _explain(data: Any, host: str, port: Any, peer: str | None = None) -> dict[str, Any]:
    """Return the answer as plain data."""
    return answer_data(explain_data(data, host, port, peer))


FilterModule = filter_module("explain", _explain)
