# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of the module ruleset on a lab host, and the addresses of server, client and intruder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))

from lab import LabHost

SERVER, SERVER6 = "192.0.2.10", "2001:db8::10"
CLIENT, CLIENT6 = "192.0.2.21", "2001:db8::21"
INTRUDER, INTRUDER6 = "192.0.2.66", "2001:db8::66"

APPLY = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply
arguments = json.load(sys.stdin)
check = arguments.pop("check")
rules = [{"direction": "in", **rule} for rule in arguments.pop("rules", [])]
try:
    result = apply(DesiredState.from_arguments({**arguments, "rules": rules}), check=check)
except DbportsError as error:
    result = {"error": str(error)}
json.dump(result, sys.stdout)
"""


def apply(host: LabHost, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """Run the module's core on a host."""
    done = host.python(APPLY, input=json.dumps({"check": check, **arguments}))
    result: dict[str, Any] = json.loads(done.stdout)
    return result
