#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: learn
short_description: Learn what hosts without a declaration run
version_added: 0.2.0
description:
  - Looks at the database programs of a host, the ports on which they listen, the addresses that are connected to them,
    and the ports in their configuration files. From these it writes a declaration of C(dbports_servers) to review.
  - Nothing that was learned is planned or applied. Review the file and move it to C(host_vars).
  - A client is named as in the inventory where one host there has its address, and it is an address otherwise.
  - A further run adds what it sees to the file, so that clients are found that connect only at times. Nothing is
    removed, and what was written into it by hand stays.
  - Hosts that declare C(dbports_servers) are left alone, and so are programs that listen only on loopback.
  - A program is known by its name, which any user of the host can choose.
options:
  learn_dir:
    description: The directory on the controller in which each host gets a file.
    type: path
    required: true
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action]
attributes:
  check_mode:
    support: full
    details:
      - The host is looked at, and nothing is written.
  diff_mode:
    support: none
  platform:
    platforms: linux, windows
seealso:
  - module: dbports.firewall.learn_info
  - module: dbports.firewall.plan
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Write what the hosts run to files to review
  dbports.firewall.learn:
    learn_dir: dbports-learned
"""

RETURN = r"""
servers:
  description: What was learned in this run and before, as in C(dbports_servers).
  returned: always
  type: list
  elements: dict
  sample: [{engine: postgresql, port: 5433, clients: [app-01, 192.0.2.50]}]
notes:
  description: What there is to look at in this host's declaration.
  returned: always
  type: list
  elements: str
file:
  description: The host's file. Empty if there is nothing to write.
  returned: always
  type: str
"""
