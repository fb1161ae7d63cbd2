# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets in a text that netstat or ss printed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: parse_netstat
short_description: Read the output of netstat or ss of any system
version_added: 0.2.0
description:
  - Reads what C(netstat) or C(ss) printed, and returns the structure of M(dbports.firewall.netstat_facts). Use it for
    hosts on which no module runs, and for texts that others send.
  - Understands C(netstat) of net-tools and BusyBox in all languages of net-tools, C(netstat) of Windows with any of
    C(-a), C(-n), C(-o), C(-b) in any language, C(netstat) of macOS and the BSDs, and old and new C(ss).
  - A text that is not understood is an error and never a host without sockets. Names in the place of addresses and
    ports are errors, and so are addresses that may have been cut to their column.
  - A process can have a line end in its name. Prefer M(dbports.firewall.netstat_facts), which does not read names from
    a text.
options:
  _input:
    description: The whole output, with its heading.
    type: str
    required: true
seealso:
  - module: dbports.firewall.netstat_facts
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show on which ports a Windows host listens, from what netstat -ano printed there
  ansible.builtin.debug:
    msg: >-
      {{ (printed | dbports.firewall.parse_netstat).sockets
         | selectattr('state', 'eq', 'LISTEN') | map(attribute='local_port') | unique | list }}
  vars:
    printed: |2

        Proto  Local Address          Foreign Address        State           PID
        TCP    0.0.0.0:1433           0.0.0.0:0              LISTENING       4711
        TCP    [::]:1433              [::]:0                 LISTENING       4711
        TCP    192.0.2.10:1433        192.0.2.21:50123       ESTABLISHED     4711
# => [1433]
"""

RETURN = r"""
_value:
  description: The program that printed the text, and the sockets.
  type: dict
  contains:
    source:
      description: The program.
      type: str
      sample: netstat of Windows
    sockets:
      description:
        - The sockets, each as in RV(dbports.firewall.netstat_facts#module:ansible_facts.dbports_netstat.sockets).
        - The process is what the text says, for example V(sqlservr.exe). A text of Windows can have a pid without
          process, or a process without pid.
      type: list
      elements: dict
"""

from ansible_collections.dbports.firewall.plugins.module_utils._netstat.text import read
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module

FilterModule = filter_module("parse_netstat", read)
