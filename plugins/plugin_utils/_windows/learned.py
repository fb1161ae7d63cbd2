# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module learn_info returns, for a Windows host: sockets of some programs, and instances of SQL Server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._learn import served
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import Installed
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.instances import installed
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.sockets import sockets_of


def look(host: WindowsHost, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Collect in one call and return ``seen``; no configuration files are read on Windows.

    :param arguments: those of the module learn_info.
    :raises DbportsError: when the host's answer cannot be read.
    """
    shown = host.collect(sockets=True)
    sockets = served(sockets_of(shown), arguments.get("processes") or ())
    return {
        "sockets": [one._asdict() for one in sockets],
        "values": [],
        "instances": json.loads(codec(tuple[Installed, ...]).write(tuple(installed(shown)))),
    }
