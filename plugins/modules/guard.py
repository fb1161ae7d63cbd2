#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guard
short_description: Guard the servers of one host without a plan of the inventory
version_added: 0.2.0
description:
  - For roles that bring their own variables. Takes the declarations of one host as arguments, guards its ports with one
    call of M(dbports.firewall.ruleset), and compares the host with them as M(dbports.firewall.verify) does.
  - Engines, validation, transaction and verdicts are those of a plan. Nothing is planned for other hosts, gateways are
    not taken into account, and no client sends probes.
  - A host that a plan guards already is refused, and so is a plan for a host that this module guards. The rules on the
    host carry the name of their owner.
  - Refuses rules that would drop the SSH connection through which the host is reached, C(delegate_to) another
    host, and C(run_once) with several hosts.
options:
  servers:
    description:
      - The servers of this host in the words of C(dbports_servers). Clients are addresses, networks, inventory hosts or
        groups; the addresses of inventory hosts are read from the inventory.
    type: list
    elements: dict
    default: []
  addresses:
    description: The addresses of this host, if C(ansible_host) is not an address and there are no facts.
    type: list
    elements: str
  engines:
    description: Engines of your own, in the words of C(dbports_engines).
    type: dict
  policy:
    description: V(guard) refuses everyone but the declared clients on the guarded ports. V(open) only accepts.
    type: str
    choices: [guard, open]
    default: guard
  filter_outbound:
    description: Also guard the planned destination ports of the host's own traffic.
    type: bool
    default: false
  state:
    description: V(present) guards the host. V(absent) removes everything that this module wrote to it.
    type: str
    choices: [present, absent]
    default: present
  allow_shrink:
    description: Allow the host to lose a guarded port, or more than half of the addresses allowed on one.
    type: bool
    default: false
  former_name:
    description:
      - The owner whose rules are taken over, as the refusal names it. Set it to the name of the host to take over the
        rules that a plan wrote.
    type: str
  accept_conflicts:
    description: The conflicts to accept, by the names that the refusal prints, such as V(db-1 tcp/5002).
    type: list
    elements: str
    default: []
  timeout:
    description:
      - The timeout in seconds of each probe, and of the wait for servers that do not listen yet.
      - TCP probes from a Windows host take at least 3 seconds, because Windows tries a port that refuses several times.
    type: float
    default: 2.0
  fail_on:
    description:
      - The findings for which RV(passed) is false, as in M(dbports.firewall.verify).
    type: list
    elements: str
    default: [fail]
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action, dbports.firewall.host_rules]
attributes:
  check_mode:
    support: full
    details:
      - The ruleset is computed and tested in a dry run of the firewall, and nothing is loaded or compared.
  diff_mode:
    support: full
  platform:
    platforms: linux, windows
seealso:
  - module: dbports.firewall.apply
  - module: dbports.firewall.ruleset
  - module: dbports.firewall.verify
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Guard the database of a role of your own
  hosts: reports-01
  gather_facts: false
  tasks:
    - name: Guard SQL Server
      dbports.firewall.guard:
        servers:
          - engine: mssql
            clients: [app-01, 198.51.100.0/24]
        persist: false

    - name: Take it away again
      dbports.firewall.guard:
        state: absent
"""

RETURN = r"""
guarded:
  description: The guarded ports by protocol.
  returned: success
  type: dict
  sample: {tcp: "1433", udp: ""}
in_sync:
  description: Whether the rules in force already were the wanted ones.
  returned: success
  type: bool
confirmed:
  description: Whether the change was confirmed over a new connection.
  returned: when something changed and O(confirm_timeout) is not 0
  type: bool
passed:
  description: Whether no finding is one of O(fail_on).
  returned: when the host was compared
  type: bool
counts:
  description: The number of findings by verdict.
  returned: when the host was compared
  type: dict
  sample: {ok: 5, fail: 1}
failures:
  description: The findings of O(fail_on) as text.
  returned: when the host was compared
  type: list
  elements: str
findings:
  description: The findings, as M(dbports.firewall.verify) returns them.
  returned: when the host was compared
  type: list
  elements: dict
"""
