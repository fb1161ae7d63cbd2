# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated: stands where the real module runs PowerShell, and asks tests/support/simulated_windows.py instead."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Run the module: the host's state is a JSON file that the connection names."""
    options = {
        "script": {"type": "str", "required": True},
        "parameters": {"type": "dict", "required": True},
        "error_action": {"type": "str", "default": "continue"},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    sys.path.insert(0, os.environ["DBPORTS_SIMULATED_CODE"])
    from simulated_windows import SimulatedWindows

    path = Path(os.environ["DBPORTS_SIMULATED_STATE"])
    host = SimulatedWindows(json.loads(path.read_text(encoding="utf-8")) if path.exists() else None)
    result = host.call("ansible.windows.win_powershell", module.params)
    path.write_text(json.dumps(host.state), encoding="utf-8")
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
