# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of Microsoft SQL Server share: names of instances and systems, sources and checks."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Values, written
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import os_family
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

DEFAULT_INSTANCE = "MSSQLSERVER"

FIREWALL = "Configure the Windows Firewall to allow SQL Server access"
KB_287932 = "KB 287932"
BROWSER = "SQL Server Browser service"
DAC = "Diagnostic connection for database administrators"
DAC_PORT = "Server configuration: remote admin connections"
LINUX_HA = "SQL Server availability basics for Linux deployments"
SERVICE_PORTS = "Service overview and network port requirements for Windows"
RPC = "Configure RPC dynamic port allocation to work with firewalls"
HIDE = "Hide an instance of SQL Server Database Engine"
PROTOCOLS = "Default SQL Server network protocol configuration"

RPC_MAPPER = "135"
SMB = "445"
NETBIOS_DATAGRAMS = {"names": "137", "datagrams": "138"}
"""Name and datagram service: each is sent from its own port to the same one (RFC 1002)."""


def is_default(instance: Values) -> bool:
    """Tell whether this is the default instance, which clients reach without a name."""
    return str(instance["name"]).upper() == DEFAULT_INSTANCE


def on_linux(server: Values) -> bool:
    """Tell whether the server runs on Linux."""
    return os_family(server["host_os"]) == "linux"


def where(instance: Values, index: int, option: str) -> str:
    """Return the path of an option that may stand at the instance or, for all of them, at the server."""
    return f"instances[{index}].{option}" if option in instance["declared"] else option


def refuse(values: Values, names: tuple[str, ...], reason: str, fix: str) -> None:
    """Raise for the first of some options that is set; the path is that of a server's option."""
    for name in names:
        if values[name]:
            raise DbportsError(reason, code="contradiction", path=name, value=written(values[name]), fix=fix)
