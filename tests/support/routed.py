# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab hosts behind a lab host that forwards for them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))

from lab import LabHost


def behind(router: LabHost, host: LabHost, gate: str, address: str, prefix: int = 24) -> None:
    """Take a host from the common segment, and join it to a router, or to the host that it is a container of."""
    link = f"to-{host.name}"
    host.run(["ip", "link", "delete", "eth0"])
    host.run(["ip", "link", "add", link, "type", "veth", "peer", "name", link, "netns", str(router.pid)])
    host.run(["ip", "-batch", "-"], input=_link(link, f"{address}/{prefix}") + f"route add default via {gate}\n")
    router.run(["ip", "-batch", "-"], input=_link(link, f"{gate}/{prefix}"))
    for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        router.run(["sh", "-c", f"echo 1 >/proc/sys/net/{setting}"])


def _link(name: str, address: str) -> str:
    return f"address add {address} dev {name}{' nodad' if ':' in address else ''}\nlink set {name} up\n"
