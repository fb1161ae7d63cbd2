#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write a report of the plan and its findings
version_added: 0.1.0
description:
  - Reads the findings that M(dbports.firewall.verify) wrote next to the plan, prints a table of all endpoints and
    writes the report. Without findings it is that of the plan.
  - C(report.html) is one page for a browser, with nothing to load from elsewhere. It has the findings, the topology, a
    matrix of clients and endpoints, and every rule with its reason and its source.
  - C(report.md) is for readers of text. C(report.json) is for programs, see C(docs/schema/report.schema.json).
    C(report.junit.xml) is for continuous integration, with a suite for each host, a case for each finding and the
    engine as its class. It fails when the run does, see O(fail_on). C(report.csv) has a line for each flow, for those
    who run the network.
  - If the inventory declares no server and O(plan_id) is not given, this is the report of the plan in O(plan_dir).
  - Findings of an earlier run, of hosts that C(--limit) left out of this one, are marked C(old) and have their time. If
    nothing was verified in this run, the latest run is what the others are compared with.
  - Hosts without findings are listed. Findings of another plan and files that are damaged, too large, links or of
    other hosts do not count, and the reason is given.
  - With C(run_once) and a strategy that honours it, this is done at once. Otherwise the last host of the batch does it,
    when the findings of all are there.
options:
  plan_dir:
    required: true
  fail_on:
    description:
      - The findings that are failures in C(report.junit.xml), as in O(dbports.firewall.verify#module:fail_on).
    type: list
    elements: str
    default: [fail]
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action, dbports.firewall.plan_source]
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written.
  diff_mode:
    support: none
seealso:
  - module: dbports.firewall.plan
  - module: dbports.firewall.verify
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Print the table and write the report
  dbports.firewall.report:
    plan_dir: dbports-plan
  run_once: true
"""

RETURN = r"""
plan_id:
  description: The digest of the plan.
  returned: always
  type: str
  sample: 4b5c0b0a2f0d1f7b8a5d3a7e9a0c1d2e3f405162738495a6b7c8d9eaf0b1c2d3
counts:
  description: The number of findings by verdict, those of earlier runs included.
  returned: when this host writes the report
  type: dict
  sample: {ok: 9, fail: 0, warn: 1, unknown: 0}
unverified:
  description: The number of hosts in the plan without findings.
  returned: when this host writes the report
  type: int
earlier:
  description: The number of hosts whose findings are of an earlier run.
  returned: when this host writes the report
  type: int
report:
  description: The path of the page. The other files of the report lie beside it.
  returned: always
  type: str
"""
