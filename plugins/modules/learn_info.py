#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: look at database servers that nobody has declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: learn_info
short_description: Collect what a host shows of its database servers
version_added: 0.2.0
description:
  - Collects in one call what M(dbports.firewall.learn) makes a declaration of. That is the sockets of some programs,
    the addresses that are connected to them, and a few values of their configuration files.
  - Only the values that are asked for are returned, because these files may hold passwords.
  - On Windows no files are read. C(netstat -ano), the services and the registry of SQL Server are read on the
    controller; M(dbports.firewall.learn) does that, and this module does not run there by itself.
options:
  processes:
    description: Patterns of program names such as V(mariadbd).
    type: list
    elements: str
    required: true
  settings:
    description: Values to look up.
    type: list
    elements: dict
    default: []
    suboptions:
      files:
        description: Patterns of the files' paths. Files that cannot be read are passed over.
        type: list
        elements: str
        required: true
      key:
        description: The name of the value. Upper and lower case, and V(-) and V(_), are the same.
        type: str
        required: true
      sections:
        description: The sections that count, in lower case. Without any, all of them count.
        type: list
        elements: str
        default: []
extends_documentation_fragment: [dbports.firewall.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
seealso:
  - module: dbports.firewall.learn
  - module: dbports.firewall.netstat_facts
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: See where MariaDB listens, and who is connected to it
  dbports.firewall.learn_info:
    processes: [mariadbd, mysqld]
    settings:
      - files: [/etc/mysql/my.cnf, /etc/mysql/mariadb.conf.d/*.cnf]
        key: port
        sections: [mysqld, mariadbd, server]
  register: shown
"""

RETURN = r"""
seen:
  description: What was collected.
  returned: success
  type: dict
  contains:
    sockets:
      description:
        - The listeners of the programs, and one connection for each remote address and port of theirs, each as in
          RV(dbports.firewall.netstat_facts#module:ansible_facts.dbports_netstat.sockets).
      type: list
      elements: dict
    instances:
      description: As M(dbports.firewall.observation_info) returns them.
      type: list
      elements: dict
      returned: on Windows
    values:
      description: The values that were found, with C(file), C(section), C(key) and C(value).
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, reported
from ansible_collections.dbports.firewall.plugins.module_utils._learn import look


def main() -> None:
    """Run the module."""
    setting = {
        "files": {"type": "list", "elements": "str", "required": True},
        "key": {"type": "str", "required": True, "no_log": False},
        "sections": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "processes": {"type": "list", "elements": "str", "required": True},
            "settings": {"type": "list", "elements": "dict", "default": [], "options": setting},
        },
        supports_check_mode=True,
    )
    try:
        seen = look(module.params["processes"], module.params["settings"])
    except (DbportsError, MemoryError) as error:
        module.fail_json(msg=str(reported(error)))
    module.exit_json(changed=False, seen=seen)


if __name__ == "__main__":
    main()
