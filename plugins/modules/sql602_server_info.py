#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: ask a 602SQL server what it tells before a client logs in."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sql602_server_info
short_description: Ask a 602SQL server what it tells before a client logs in
version_added: 0.2.0
description:
  - Searches for the server as a client does and returns the name that it announces, connects to it and returns the
    connect result, and asks its HTTP tunnel.
  - The server announces itself from a new source port to O(answer_port) of the target. A firewall on the target that
    does not accept UDP there makes the search silent, although the server answered.
options:
  address:
    description: The IPv4 address of the server, as the target sees it. 602SQL has no IPv6.
    type: str
    required: true
  port_base:
    description: PORTBASE of the server. It is searched for on this UDP port, and connected to on the next TCP port.
    type: int
    default: 5001
  answer_port:
    description:
      - The UDP port of the target to which the server is to announce itself; V(0) for any that is free.
      - If a program holds the port, such as a client that is searching, another one is used.
    type: int
    default: 5002
  http_tunnel_port:
    description: The port of the HTTP tunnel. If omitted, the tunnel is not asked.
    type: int
  timeout:
    description: Seconds for each of the three. From 0.05 to 60.
    type: float
    default: 2
extends_documentation_fragment: [dbports.firewall.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
seealso:
  - module: dbports.firewall.probe
  - module: dbports.firewall.mssql_browser_info
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Ask a 602SQL server
  dbports.firewall.sql602_server_info:
    address: 192.0.2.10
    http_tunnel_port: 8090
  register: asked

- name: Show the name under which clients register it
  ansible.builtin.debug:
    msg: "{{ asked.server.name }}"
"""

RETURN = r"""
server:
  description: The answers of the server.
  returned: success
  type: dict
  contains:
    address:
      description: The address that was asked.
      type: str
      sample: 192.0.2.10
    port_base:
      description: PORTBASE.
      type: int
      sample: 5001
    name:
      description: The name that the server announced, in printable ASCII characters; null where it was not heard.
      type: str
      sample: ERP
    answer_port:
      description: The UDP port of the target that the search named.
      type: int
      sample: 5002
    search:
      description: The port, V(verdict) and V(detail) of the search, as from M(dbports.firewall.probe).
      type: dict
      sample: {port: 5001, verdict: answers, detail: 602SQL server ERP announced itself}
    connect:
      description:
        - The same for the connection. V(refused) can also mean that the server's own IP filter refused the target.
      type: dict
      sample: {port: 5002, verdict: answers, detail: 602SQL accepted the connection}
    tunnel:
      description: The same for the HTTP tunnel. V(silent) can also mean that only the web interface listens there.
      type: dict
      returned: when O(http_tunnel_port) is set
      sample: {port: 8090, verdict: answers, detail: the 602SQL HTTP tunnel answered}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe.sql602_info import ask_server

ARGUMENT_SPEC = {
    "address": {"type": "str", "required": True},
    "port_base": {"type": "int", "default": 5001},
    "answer_port": {"type": "int", "default": 5002},
    "http_tunnel_port": {"type": "int"},
    "timeout": {"type": "float", "default": 2},
}


def main() -> None:
    """Ask what the task wants to know."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        server = ask_server(**module.params)
    except DbportsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, server=server)


if __name__ == "__main__":
    main()
