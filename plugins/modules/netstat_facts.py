#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the sockets of a host as facts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: netstat_facts
short_description: List the sockets of a host as facts
version_added: 0.1.0
description:
  - Lists the TCP, UDP and raw sockets of a host with their state and their process, as C(netstat) shows them.
  - On Windows, C(netstat -ano) is run by M(ansible.windows.win_powershell) and read on the controller.
  - The structure is the same for netlink, C(netstat), C(ss) and C(/proc).
  - On a host with thousands of sockets, returning them all takes time here and on the controller. Use O(ports) or
    O(processes) to return only those that matter.
  - Only root sees the owner of every socket; other users see only the owners of their own sockets.
options:
  source:
    description:
      - Where to read the sockets from.
      - With V(auto), the kernel is asked over netlink (V(netlink)), or V(proc) is read where it does not answer.
      - V(netstat) and V(ss) run these programs.
      - Processes are always found in C(/proc), because a program can choose a name that C(netstat) or C(ss) prints as
        another row.
    type: str
    choices: [auto, netlink, netstat, ss, proc]
    default: auto
  ports:
    description:
      - Ports such as V(1433) and ranges of ports such as V(1024-65535).
      - When given, only sockets with one of them as their local or remote port are returned.
    type: list
    elements: str
  processes:
    description:
      - Patterns of program names such as V(602sql*).
      - When given, the sockets on which these programs listen are returned, and those of O(ports).
    type: list
    elements: str
    default: []
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - The module changes nothing.
  platform:
    platforms: linux, windows
seealso:
  - plugin: dbports.firewall.parse_netstat
    plugin_type: filter
  - module: dbports.firewall.probe
  - module: dbports.firewall.observation_info
  - module: dbports.firewall.verify
notes:
  - A socket that several processes share is returned once for each of them. Count connections by their addresses and
    ports, not by rows.
  - C(netstat) and C(/proc) do not distinguish a dual-stack listener from one for IPv6 only. Both have the
    address V(::), from every source.
author: dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: List the sockets of a 602SQL server with the default ports
  dbports.firewall.netstat_facts:
    ports: ["5001-5002"]
  become: true

- name: List the listeners of SQL Server, whatever their ports
  dbports.firewall.netstat_facts:
    processes: [sqlservr]
  become: true

- name: Show which process listens on TCP port 5002
  ansible.builtin.debug:
    msg: >-
      {{ ansible_facts.dbports_netstat.sockets
         | selectattr('protocol', 'eq', 'tcp') | selectattr('state', 'eq', 'LISTEN')
         | selectattr('local_port', 'eq', 5002) | map(attribute='process') | unique }}
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to ansible_facts.
  returned: always
  type: dict
  contains:
    dbports_netstat:
      description: The sockets, and where they were read from.
      type: dict
      contains:
        source:
          description: Where they were read from, V(netlink), V(netstat), V(ss) or V(proc).
          type: str
          sample: netlink
        sockets:
          description: One row for each socket and process, sorted by protocol, family and local port.
          type: list
          elements: dict
          contains:
            protocol:
              description:
                - V(tcp) or V(udp).
                - V(icmp) for a raw socket of ICMP or ICMPv6, V(raw) for any other raw socket.
              type: str
              sample: tcp
            family:
              description:
                - V(ipv4) or V(ipv6), the family of the packets.
                - An IPv4 client of a dual-stack listener is V(ipv4).
              type: str
              sample: ipv4
            state:
              description:
                - The English word of C(netstat), such as V(LISTEN), V(ESTABLISHED) or V(TIME_WAIT).
                - V(UNKNOWN) where the state has no known word.
                - Null for UDP and raw sockets without a fixed peer.
              type: str
              sample: LISTEN
            local_address:
              description: The address of this host without a zone id, V(0.0.0.0) or V(::) for all.
              type: str
              sample: 0.0.0.0
            local_port:
              description: The port of this host; null for raw sockets and sockets that are not bound.
              type: int
              sample: 5002
            remote_address:
              description: The address of the peer; null where there is none.
              type: str
              sample: 192.0.2.21
            remote_port:
              description: The port of the peer; null where there is none.
              type: int
              sample: 40312
            pid:
              description: The id of the process; null for sockets of the kernel and where it is not visible.
              type: int
              sample: 23423
            process:
              description: The kernel's name of the process, at most 15 bytes; null where there is no pid.
              type: str
              sample: 602sql11
            services:
              description:
                - The services of the process, because only they tell which instance of SQL Server it is.
              type: list
              elements: str
              returned: on Windows
              sample: [MSSQL$SALES]
            instance:
              description: The instance of SQL Server that the process is; null for other programs.
              type: str
              returned: on Windows
              sample: SALES
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, reported
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import SOURCES, collect
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import parse_ports

ARGUMENT_SPEC: dict[str, Any] = {
    "source": {"type": "str", "choices": list(SOURCES), "default": "auto"},
    "ports": {"type": "list", "elements": "str"},
    "processes": {"type": "list", "elements": "str", "default": []},
}

_ROWS = 500
"""How many sockets are written at once."""


def answer(params: dict[str, Any], source: str, sockets: list[Socket]) -> Iterator[str]:
    """Yield the module's result as JSON, in parts.

    exit_json copies, converts and writes a result as a whole, which takes several times the memory of the sockets.
    """
    head = {
        "changed": False,
        "invocation": {"module_args": params},
        "ansible_facts": {"dbports_netstat": {"source": source}},
    }
    yield f'\n{json.dumps(head)[:-3]}, "sockets": ['
    for first in range(0, len(sockets), _ROWS):
        rows = json.dumps([one._asdict() for one in sockets[first : first + _ROWS]])
        yield f"{', ' if first else ''}{rows[1:-1]}"
    yield "]}}}\n"


def main() -> None:
    """Read the sockets and return them as facts."""
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        supports_check_mode=True,
    )
    ports = module.params["ports"]
    try:
        watched = None if ports is None else parse_ports(ports)
        source, sockets = collect(module.params["source"], watched, module.params["processes"])
    except (DbportsError, MemoryError) as error:
        module.fail_json(msg=str(reported(error)))
    sys.stdout.writelines(answer(module.params, source, sockets))
    raise SystemExit(0)  # Ansible takes a module that only returns for one that was forgotten to end


if __name__ == "__main__":
    main()
