# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what collect.ps1 showed of a real Windows host: every rule, switch and socket, or say which is not understood.

python tests/tools/read_windows.py shown.json
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(name: str) -> None:
    """Read a file, and print what it holds."""
    with tempfile.TemporaryDirectory() as base:
        place = Path(base) / "ansible_collections" / "dbports"
        place.mkdir(parents=True)
        (place / "firewall").symlink_to(ROOT, target_is_directory=True)
        sys.path.insert(0, base)
        from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.backend import read_policy
        from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import observed_of
        from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.sockets import sockets_of

        shown = json.loads(Path(name).read_text(encoding="utf-8-sig"))
        policy = read_policy(observed_of(shown))
        sockets = list(sockets_of(shown))
    rules = [rule for rules in policy.rules.values() for rule in rules]
    assert rules
    assert sockets
    print(f"{len(rules)} rules, {len(sockets)} sockets, active profiles: {', '.join(policy.active)}")
    print("conditions:", *sorted({item.partition("=")[0] for rule in rules for item in rule.conditions}))


if __name__ == "__main__":
    main(sys.argv[1])
