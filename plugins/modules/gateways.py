#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateways
short_description: Write what gateways have to permit
version_added: 0.2.0
description:
  - For each gateway in C(dbports_gateways) that has no C(platform), writes firewall requests for the people who change
    it. C(requests/NAME.csv) and C(requests/NAME.md) list everything that it has to permit, with purpose, owner, source
    and citation. C(changes/NAME.csv) and C(changes/NAME.md) say how that differs from the requests before.
  - A request keeps its id as long as only its clients change. Nothing is written if nothing changed, so
    the last difference stays until there is another one.
  - For a gateway that O(rules) names, writes C(rules/NAME.json) in place of requests, with the result of the platform's
    filter for each set of arguments. Review it, and hand it to the vendor's own module.
  - Gateways with a platform that runs on an inventory host are named in the result, for the roles that apply rules.
    Nothing is done to any host.
options:
  gateways_dir:
    description: The directory on the controller to write to. Requests in it are what is compared with.
    type: path
    required: true
  rules:
    description:
      - For each gateway, by its name, the arguments of its platform's filter (for example
        P(dbports.firewall.ios_aces#filter)), one dictionary for each list of rules.
      - A gateway that is not named gets requests instead.
    type: dict
    default: {}
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action, dbports.firewall.plan_source]
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written.
  diff_mode:
    support: full
seealso:
  - module: dbports.firewall.plan
  - module: dbports.firewall.apply
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Write rules for an access list, and requests for all other gateways
  dbports.firewall.gateways:
    gateways_dir: dbports-gateways
    rules:
      acl-1:
        - {name: OFFICE-IN, origin: office, target: dc}
        - {name: DC-IN, origin: dc, target: office}
  run_once: true

- name: Write requests for the gateways without a platform
  dbports.firewall.gateways:
    gateways_dir: dbports-gateways
  run_once: true
"""

RETURN = r"""
plan_id:
  description: The digest of the plan.
  returned: always
  type: str
gateways:
  description:
    - The gateways of the plan, and those that are no longer in it and had requests. Each has C(name), C(platform),
      C(host), the number of C(statements), the C(files) in O(gateways_dir), C(changes) with the numbers of requests
      that are C(new), C(changed) and C(gone), and C(task).
    - C(task) is C(apply) for a gateway that is an inventory host, C(render) where its rules were written for its own
      tools, and C(request) where people are asked.
  returned: always
  type: list
  elements: dict
hosts:
  description: The inventory hosts to apply rules to, by platform.
  returned: always
  type: dict
  sample: {linux: [router-1], dante: [], sshd: []}
"""
