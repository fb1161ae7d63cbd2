#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: collect all that a host shows about its database ports."""

from __future__ import annotations

DOCUMENTATION = r"""
module: observation_info
short_description: Collect what a host shows about its database ports
version_added: 0.1.0
description:
  - Collects in one call what M(dbports.firewall.verify) compares with the plan. That is the sockets on some ports,
    whether the ruleset is the wanted one, and the results of probes.
  - For only one of the three use M(dbports.firewall.netstat_facts), M(dbports.firewall.ruleset) in check mode, or
    M(dbports.firewall.probe).
options:
  ports:
    description: Ports and ranges of ports whose sockets to return. Without any, sockets are not collected.
    type: list
    elements: str
    default: []
  processes:
    description:
      - Patterns of program names such as V(602sql*). The sockets on which these programs listen are returned as well,
        whatever their ports.
      - Used only together with O(ports).
    type: list
    elements: str
    default: []
  listeners:
    description:
      - Listeners that the host must have. If one is missing, because its server has only just been started, the sockets
        are looked at again until O(timeout) seconds have passed since the beginning. Sockets are then returned as they
        are.
    type: list
    elements: dict
    default: []
    suboptions:
      protocol:
        description: The protocol of the listener.
        type: str
        required: true
        choices: [tcp, udp]
      ports:
        description: Its port, which should be among O(ports), or the ports and ranges in one of which it listens.
        type: str
        required: true
      processes:
        description: Patterns of the names of its process, which count in a range of ports.
        type: list
        elements: str
        required: true
  ruleset:
    description:
      - The options of M(dbports.firewall.ruleset) that the host should follow. Without them the ruleset is not read.
      - C(sent) may hold further rules, of what the host sends without filtering it. Only foreign rules are looked at
        for them.
    type: dict
  probes:
    description: The probes to send, as in the option C(probes) of M(dbports.firewall.probe).
    type: list
    elements: dict
    default: []
  timeout:
    description: Seconds that each probe may take, and that is waited for O(listeners). From 0.05 to 60.
    type: float
    default: 2
extends_documentation_fragment: [dbports.firewall.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
seealso:
  - module: dbports.firewall.netstat_facts
  - module: dbports.firewall.probe
  - module: dbports.firewall.ruleset
  - module: dbports.firewall.verify
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: See who listens on the ports of a default instance, and whether a neighbour answers
  dbports.firewall.observation_info:
    ports: ["1433", "1434"]
    probes:
      - id: neighbour
        kind: tds
        address: 192.0.2.11
        ports: "1433"
  register: shown
"""

RETURN = r"""
observation:
  description: What was collected.
  returned: success
  type: dict
  contains:
    sockets:
      description:
        - The sockets, each as in RV(dbports.firewall.netstat_facts#module:ansible_facts.dbports_netstat.sockets).
      type: list
      elements: dict
      returned: when O(ports) is not empty
    instances:
      description:
        - The instances of SQL Server that the host has, with C(engine), C(instance), C(service), C(state), C(pid),
          C(enabled) and, as its registry has them, C(ports), C(dynamic) and C(unreadable).
      type: list
      elements: dict
      returned: on Windows, when O(ports) is not empty
    ruleset:
      description: Whether the ruleset is the wanted one, and which foreign rules may drop a flow.
      type: dict
      returned: when O(ruleset) is set
      contains:
        in_sync:
          description: Whether nothing would have to be changed.
          type: bool
          returned: when it could be read
        foreign:
          description:
            - As M(dbports.firewall.ruleset) returns it, with the list C(peers) of the addresses that are meant.
          type: list
          elements: dict
          returned: when it could be read
        carried:
          description: The rules in force as C(rules), the C(owner) of them, and what is C(unexpected) among them.
          type: dict
          returned: when they are not the wanted ones
        not_forwarding:
          description: The settings of the kernel that are off, such as V(net.ipv4.ip_forward).
          type: list
          elements: str
          returned: on Linux, when rules are for what the host forwards and it forwards nothing
        in_force:
          description: False where rules were read that have no effect, for which RV(observation.ruleset.error) is why.
          type: bool
          returned: on Windows, where they have none
        error:
          description: Why it could not be read.
          type: str
          returned: when it could not be read
        permitted:
          description: False where that is because the task was not run as root.
          type: bool
          returned: when it could not be read
    probes:
      description: The results, each as M(dbports.firewall.probe) returns it.
      type: list
      elements: dict
      returned: when O(probes) is not empty
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, reported
from ansible_collections.dbports.firewall.plugins.module_utils._observe import observe

ARGUMENT_SPEC = {
    "ports": {"type": "list", "elements": "str", "default": []},
    "processes": {"type": "list", "elements": "str", "default": []},
    "listeners": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "protocol": {"type": "str", "required": True, "choices": ["tcp", "udp"]},
            "ports": {"type": "str", "required": True},
            "processes": {"type": "list", "elements": "str", "required": True},
        },
    },
    "ruleset": {"type": "dict"},
    "probes": {"type": "list", "elements": "dict", "default": []},
    "timeout": {"type": "float", "default": 2},
}


def main() -> None:
    """Collect what the task asks for."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        observation = observe(**module.params)
    except (DbportsError, MemoryError) as error:
        module.fail_json(msg=str(reported(error)))
    module.exit_json(changed=False, observation=observation)


if __name__ == "__main__":
    main()
