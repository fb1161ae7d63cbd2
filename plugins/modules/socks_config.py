#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: write what a SOCKS host may be asked to connect to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: socks_config
short_description: Write exactly what a SOCKS host passes on
version_added: 0.2.0
description:
  - Writes the pass and block rules of a Dante server (C(/etc/danted.conf), in whole), or the blocks of one account in
    an OpenSSH server (C(/etc/ssh/sshd_config.d/00-dbports-socks.conf)), which relays for clients of C(ssh -D).
  - The given clients get connections to the given servers and ports. Everything else is refused and, by Dante, logged.
    BIND, UDP ASSOCIATE and SOCKS 5 are refused.
  - The program's own parser reads the new file before anything is replaced, because a running Dante ends when it is
    told to read a broken one. The file is replaced at once, the server is told to read it, and running sessions go on.
    If it does not follow, the old file is brought back.
  - M(dbports.firewall.socks) computes the rules from the plan and calls this module.
options:
  state:
    description:
      - V(present) writes the rules.
      - V(absent) brings back what was there before this module, or removes the file. A Dante that then serves no client
        is stopped.
    type: str
    choices: [present, absent]
    default: present
  platform:
    description:
      - What relays. Required if O(state=present).
      - With O(state=absent) and no platform, everything that this module wrote on the host is taken away. It is
        recognised by its first line.
    type: str
    choices: [dante, sshd]
  exclusive:
    description: Whether what this module wrote for another platform on the host is taken away.
    type: bool
    default: false
  gateway:
    description: The name of the gateway, for the file's first line.
    type: str
    default: socks
  port:
    description: The port on which Dante listens. Not used with V(sshd).
    type: int
    default: 1080
  internal:
    description: The host's own IPv4 addresses at which clients ask it. Required if O(state=present).
    type: list
    elements: str
    default: []
  external:
    description: The host's own IPv4 addresses that servers see. Required if O(state=present).
    type: list
    elements: str
    default: []
  rules:
    description: Who may ask for which servers. SOCKS 4 carries TCP over IPv4.
    type: list
    elements: dict
    default: []
    suboptions:
      clients:
        description: Addresses and networks.
        type: list
        elements: str
        required: true
      servers:
        description: Addresses of servers. With V(sshd) each address and port is named on its own, 4096 at most.
        type: list
        elements: str
        required: true
      ports:
        description: Ports and ranges of ports of these servers.
        type: list
        elements: str
        required: true
  user:
    description:
      - The account with which clients of V(sshd) log in. It must exist, and gets no shell, terminal, agent, X11 or
        remote forwarding from these addresses or any other.
    type: str
    default: dbports-socks
  take_over:
    description:
      - Whether a file that this collection did not write, and that serves clients, is replaced. It is kept in
        C(/etc/dbports).
      - A C(danted.conf) without C(internal), such as the one that the package brings, serves no client and is replaced
        anyway.
    type: bool
    default: false
  allow_shrink:
    description:
      - Whether clients may lose a server altogether, or a server's port more than half of its clients' addresses.
    type: bool
    default: false
extends_documentation_fragment: [dbports.firewall.attributes]
attributes:
  check_mode:
    support: full
    details: Also makes the program's own dry run.
  diff_mode:
    support: full
seealso:
  - module: dbports.firewall.socks
requirements:
  - dante-server, or openssh-server, on the host
  - root
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Let the office reach one 602SQL server through Dante
  dbports.firewall.socks_config:
    platform: dante
    gateway: socks-1
    internal: [192.0.2.10]
    external: [192.0.2.10]
    rules:
      - clients: [192.0.2.0/24]
        servers: [198.51.100.10]
        ports: ["5002"]

- name: Bring back what was there before
  dbports.firewall.socks_config:
    state: absent
"""

RETURN = r"""
path:
  description: The file that holds the rules; the first one that was changed if there are several.
  type: str
  returned: success
  sample: /etc/danted.conf
platform:
  description: What relays.
  type: str
  returned: success
  sample: dante
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._relay.change import bring
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible

RULE = {name: {"type": "list", "elements": "str", "required": True} for name in ("clients", "servers", "ports")}


def main() -> None:
    """Read the arguments, make the one call, hand back the result."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "platform": {"type": "str", "choices": ["dante", "sshd"]},
            "exclusive": {"type": "bool", "default": False},
            "gateway": {"type": "str", "default": "socks"},
            "port": {"type": "int", "default": 1080},
            "internal": {"type": "list", "elements": "str", "default": []},
            "external": {"type": "list", "elements": "str", "default": []},
            "rules": {"type": "list", "elements": "dict", "default": [], "options": RULE},
            "user": {"type": "str", "default": "dbports-socks"},
            "take_over": {"type": "bool", "default": False},
            "allow_shrink": {"type": "bool", "default": False},
        },
        required_if=[("state", "present", ("platform",))],
        supports_check_mode=True,
    )
    try:
        result = bring(module.params, check=module.check_mode)
    except DbportsError as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings"):
        module.warn(visible(warning))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
