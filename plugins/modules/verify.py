#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Compare a host with its part of the plan
version_added: 0.1.0
description:
  - Collects in one call what the host shows (its ruleset, the sockets of its servers, and the answers of the servers
    whose client it is) and compares it with the plan.
  - A host that is forbidden to reach a server, because the user named it in C(forbidden_clients) or because it is a
    client of another server, must get no answer.
  - The task does not fail because of a finding. Look at RV(passed), or use the role P(dbports.firewall.verify#role),
    which prints the table and fails.
options:
  plan_dir:
    description:
      - The directory of a plan that M(dbports.firewall.plan) wrote, on the controller. A relative path is below the
        directory in which ansible-playbook was started.
      - With it the findings are written below it for M(dbports.firewall.report).
    type: path
  timeout:
    description: Seconds that each probe may take.
    type: float
    default: 2
extends_documentation_fragment: [dbports.firewall.plan_source]
attributes:
  check_mode:
    description: Can run in check mode and tell what a real run tells.
    support: full
    details:
      - It changes nothing on the host; the probes are sent in check mode too.
  diff_mode:
    description: Tells what changed.
    support: none
seealso:
  - module: dbports.firewall.observation_info
  - module: dbports.firewall.report
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Compare every host with the plan
  dbports.firewall.verify:
    plan_dir: dbports-plan
  register: verified

- name: Fail on hosts that are not as planned
  ansible.builtin.assert:
    that: verified.passed
"""

RETURN = r"""
plan_id:
  description: The digest of the plan.
  returned: always
  type: str
  sample: 4b5c0b0a2f0d1f7b8a5d3a7e9a0c1d2e3f405162738495a6b7c8d9eaf0b1c2d3
passed:
  description: Whether no finding is V(fail).
  returned: success
  type: bool
counts:
  description: How many findings have each verdict.
  returned: success
  type: dict
  sample: {ok: 5, fail: 1}
findings:
  description: One verdict each.
  returned: success
  type: list
  elements: dict
  contains:
    stage:
      description: One of V(configured), V(listening), V(connected), V(reachable), V(forbidden).
      type: str
      returned: always
      sample: reachable
    verdict:
      description: One of V(ok), V(warn), V(fail), V(unknown).
      type: str
      returned: always
      sample: ok
    host:
      description: The host that was looked at, or that probed.
      type: str
      returned: always
      sample: app-01
    server:
      description: The host of the endpoint.
      type: str
      returned: always
      sample: erp-db
    endpoint:
      description: The endpoint's id in the plan.
      type: str
      returned: always
      sample: mssql/MSSQLSERVER/tds
    port:
      description: Protocol and ports.
      type: str
      returned: always
      sample: tcp 1433
    reason:
      description: Why.
      type: str
      returned: always
      sample: "answers: SQL Server 16.0.4150 answered"
    declared:
      description: The declaration it follows from.
      type: str
      returned: always
      sample: "erp-db: dbports_servers[0].clients[0]"
"""
