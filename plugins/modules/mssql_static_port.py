#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mssql_static_port
short_description: Give instances of SQL Server the fixed ports that the plan has
version_added: 0.2.0
description:
  - Compares the TCP ports of the instances of Microsoft SQL Server on a host with the plan, and sets those that differ.
    The ports are those of C(dbports_servers), so that the plan and the server agree.
  - On Windows, writes TcpPort of IPAll and clears TcpDynamicPorts by M(ansible.windows.win_regedit). On Linux, runs
    C(mssql-conf set network.tcpport).
  - Restarts nothing. The role of the same name does, where O(restart) allows it, and waits until the instance listens.
  - Refuses an instance of a failover cluster on a node that does not run it, a blank in a value, an instance with
    TCP/IP disabled or with ports of single addresses, a new port among the dynamic or excluded ones of the host, and,
    without O(restart), a change that SQL Server Browser would announce before the instance is restarted.
  - Where declaration and server disagree and nothing can be set, such as a declared dynamic port, a warning says what
    to declare.
options:
  restart:
    description: Whether the services in RV(restart) may be restarted after this task.
    type: bool
    default: false
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action, dbports.firewall.plan_source]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: linux, windows
seealso:
  - module: dbports.firewall.plan
  - module: dbports.firewall.verify
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show where the instances of this host differ from the plan
  dbports.firewall.mssql_static_port:
  check_mode: true
  diff: true
"""

RETURN = r"""
plan_id:
  description: The digest of the plan.
  returned: always
  type: str
platform:
  description: V(linux) or V(windows).
  returned: always
  type: str
not_listening:
  description: Services that do not listen as planned, or will not before they are restarted.
  returned: always
  type: list
  elements: str
  sample: [MSSQL$SALES]
restart:
  description: Those of RV(not_listening) that run and may be restarted. Never an instance of a failover cluster.
  returned: always
  type: list
  elements: str
browser_unneeded:
  description:
    - Whether SQL Server Browser is installed, and no declared flow asks it. Never where an instance is not declared,
      or where an instance does not listen as planned and is not restarted.
  returned: always
  type: bool
msg:
  description: Where the services of RV(not_listening) listen, and where they should.
  returned: always
  type: str
"""
