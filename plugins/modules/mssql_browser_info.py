#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: ask SQL Server Browser for instances and their ports."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mssql_browser_info
short_description: Ask SQL Server Browser for instances and their ports
version_added: 0.2.0
description:
  - Asks SQL Server Browser on UDP port 1434 (SSRP, [MC-SQLR]) for all instances, for one of them, or for the port of
    the dedicated administrator connection (DAC) of one.
  - Anyone between the two hosts can forge an answer over UDP. Use what is returned to inform people, or to compare it
    with declarations. This collection never opens a port because of an answer.
  - The Browser is silent about instances that it does not know and about hidden ones, and does not tell the port of the
    default instance.
options:
  address:
    description: The address of the database host, as the target sees it.
    type: str
    required: true
  instance:
    description: The instance to ask for. If omitted, all instances are asked for.
    type: str
  dac:
    description: Ask for the port of the administrator connection of O(instance) instead.
    type: bool
    default: false
  port:
    description: The UDP port of the Browser, which is fixed in the product.
    type: int
    default: 1434
  timeout:
    description: Seconds to wait for an answer. From 0.05 to 60.
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
  - module: dbports.firewall.sql602_server_info
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Ask for all instances of a host
  dbports.firewall.mssql_browser_info:
    address: 192.0.2.10
  register: asked

- name: Show the instances whose port is not the declared one
  ansible.builtin.debug:
    msg: "{{ asked.browser.instances | rejectattr('tcp_port', 'eq', 14330) }}"

- name: Ask for the administrator connection of an instance
  dbports.firewall.mssql_browser_info:
    address: 192.0.2.10
    instance: SALES
    dac: true
"""

RETURN = r"""
browser:
  description: The answer of SQL Server Browser.
  returned: success
  type: dict
  contains:
    address:
      description: The address that was asked.
      type: str
      sample: 192.0.2.10
    port:
      description: The port that was asked.
      type: int
      sample: 1434
    verdict:
      description: V(answers), V(refused), V(filtered), V(silent) or V(unknown), as from M(dbports.firewall.probe).
      type: str
      sample: answers
    detail:
      description: The reason for the verdict.
      type: str
      sample: 2 instances
    consistent:
      description:
        - Whether one answer came and names every instance once. If V(false), another program answers as well, or the
          answer was forged.
      type: bool
      sample: true
    instances:
      description: The instances of the first answer. Names and versions have only printable ASCII characters.
      type: list
      elements: dict
      contains:
        name:
          description: The name of the instance.
          type: str
          sample: SALES
        server:
          description: The name of its host.
          type: str
          sample: ERP-DB
        version:
          description: The version of the instance.
          type: str
          sample: 16.0.4150.0
        tcp_port:
          description: Its TCP port; null where the answer has none.
          type: int
          sample: 14330
        protocols:
          description: What the answer says of each protocol.
          type: dict
          sample: {tcp: "14330"}
    dac_port:
      description: The TCP port of the administrator connection; null where it was not asked for or the answer has none.
      type: int
      sample: 14340
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe.browser_info import ask_browser

ARGUMENT_SPEC = {
    "address": {"type": "str", "required": True},
    "instance": {"type": "str"},
    "dac": {"type": "bool", "default": False},
    "port": {"type": "int", "default": 1434},
    "timeout": {"type": "float", "default": 2},
}


def main() -> None:
    """Ask what the task wants to know."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        browser = ask_browser(**module.params)
    except DbportsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, browser=browser)


if __name__ == "__main__":
    main()
