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
  - Collects the host's ruleset, the sockets of its servers and the answers of the servers that it is a client of, in
    one call, and compares them with the plan.
  - A host that must not reach a server, because it is listed in C(forbidden_clients) or is a client of another server
    only, must get no answer.
  - Programs of the declared servers that listen on ports outside the plan are findings as well, if other hosts can
    reach them. They are failures, or warnings where the host's ruleset guards these ports for another server.
  - Findings do not fail the task, unless O(conclude) is set. Check RV(passed), or use the role
    P(dbports.firewall.verify#role), which prints a table and fails.
  - If O(plan_dir) is set and M(dbports.firewall.apply) was given the same one, findings are marked that are new since
    the last apply, and rules that were edited by hand are distinguished from a plan that has changed.
options:
  plan_dir:
    description:
      - The directory on the controller to which M(dbports.firewall.plan) wrote the plan. A relative path starts at the
        directory in which ansible-playbook was started.
      - If set, the findings are written to this directory for M(dbports.firewall.report).
    type: path
  prepare:
    description:
      - Only note on which ports the instances with dynamic ports of this host listen. Later calls of the same run on
        other hosts then try these ports, to show that the host does not get in.
      - Nothing is called on hosts without such an instance.
    type: bool
    default: false
  conclude:
    description:
      - Collect nothing. Take the findings of this run from O(plan_dir), add to what this host met what its servers
        showed, and fail if O(fail_on) says so, or if there are none of this run.
    type: bool
    default: false
  fail_on:
    description:
      - The findings for which RV(passed) is false. V(fail), V(warn) for failures and warnings, V(unknown) for failures
        and what could not be seen, V(never), and any codes of C(docs/findings.md), each whatever its verdict.
    type: list
    elements: str
    default: [fail]
  timeout:
    description:
      - The timeout in seconds of each probe, and of the wait for servers that do not listen yet. A server that has only
        just been started opens its ports later.
      - TCP probes from a Windows host take at least 3 seconds, because Windows tries a port that refuses several times.
    type: float
    default: 2
  backend:
    description: The firewall that carries the rules, see O(dbports.firewall.ruleset#module:backend).
    type: str
    choices: [auto, firewalld, ufw, nftables, iptables]
    default: auto
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action, dbports.firewall.plan_source]
attributes:
  check_mode:
    support: full
    details:
      - The module never changes the host. Probes are sent in check mode as well.
  diff_mode:
    support: none
  platform:
    platforms: linux, windows
seealso:
  - module: dbports.firewall.apply
  - module: dbports.firewall.plan
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

- name: Fail on hosts that differ from the plan
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
  description: Whether no finding is one of O(fail_on).
  returned: success
  type: bool
counts:
  description: The number of findings by verdict.
  returned: success
  type: dict
  sample: {ok: 5, fail: 1}
failures:
  description: The findings of O(fail_on) as text, one for all of which the same is said.
  returned: success
  type: list
  elements: str
  sample: ["FAIL stopped erp-db mssql/MSSQLSERVER/tds tcp 1433: nothing listens on tcp 1433: start the server"]
findings:
  description: The findings, with one verdict each.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: What the finding says. The page C(docs/findings.md) explains each code.
      type: str
      sample: dropped_between
    verdict:
      description: One of V(ok), V(warn), V(fail), V(unknown).
      type: str
      sample: fail
    host:
      description: The host that was inspected, or that sent the probe.
      type: str
      sample: app-01
    server:
      description: The host of the endpoint.
      type: str
      sample: erp-db
    endpoint:
      description: The endpoint's id in the plan, or for what passes a router its gateway and targets.
      type: str
      sample: mssql/MSSQLSERVER/tds
    port:
      description: The protocol and the ports.
      type: str
      sample: tcp 1433
    peers:
      description: Inventory names or addresses that the finding is about. Left out if it is about all peers.
      type: list
      elements: str
      sample: [app-01]
    intended:
      description: V(accept) or V(refuse), what the plan intends for these peers.
      type: str
      sample: accept
    configured:
      description: >-
        What the rules in force do with their packets, one of V(accepts), V(open), V(refuses), V(blocked), V(maybe),
        V(held), V(unknown).
      type: str
      sample: accepts
    listening:
      description: How the server listens, one of V(listens), V(nothing), V(moved), V(local), V(other), V(hidden).
      type: str
      sample: listens
    reached:
      description: >-
        What the probe met, one of V(answers), V(partly), V(refused), V(filtered), V(silent), V(unknown), V(no_family),
        V(taken), V(not_sent).
      type: str
      sample: filtered
    data:
      description: What the sentence names.
      type: dict
      sample: {detail: "filtered: no answer in time", program: sqlservr}
    sentence:
      description: What is seen, and what to do.
      type: str
      sample: >-
        listening and configured, but not reachable (filtered: no answer in time): something between app-01 and erp-db
        drops it; look at the firewalls and routes on the way
    since:
      description: When this was first seen, in a row of verifications with the same O(plan_dir), in UTC.
      type: str
      sample: "2026-01-02T03:04:05+00:00"
    drift:
      description: Whether it is new since the last apply. Left out if it is not.
      type: bool
    optional:
      description: Whether what does not work is only a warning. Left out if it is not.
      type: bool
    declared:
      description: The declaration that the finding is based on.
      type: str
      sample: "erp-db: dbports_servers[0].clients[0]"
"""
