# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated: stands where the real module changes Windows, and asks tests/support/simulated_sql_server.py instead."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Run the module: the host's state is a JSON file that the connection names."""
    options = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str"},
        "start_mode": {"type": "str"},
        "force_dependent_services": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    sys.path.insert(0, os.environ["DBPORTS_SIMULATED_CODE"])
    import simulated_sql_server

    path = Path(os.environ["DBPORTS_SIMULATED_STATE"])
    state = json.loads(path.read_text(encoding="utf-8"))
    result = simulated_sql_server.service(state, module.params, module.check_mode)
    path.write_text(json.dumps(state), encoding="utf-8")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
