# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The range from which an operating system takes its dynamic (ephemeral) ports."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange


@dataclass(frozen=True)
class DynamicRange:
    """The dynamic ports of one operating system, and where that is written."""

    ports: PortRange
    citation: str


UNKNOWN = DynamicRange(PortRange(1024, 65535), "KB 287932: any port greater than 1024")
"""Used where the operating system is not known, and for everything behind address translation."""

DYNAMIC_RANGES: dict[str, DynamicRange] = {
    "linux": DynamicRange(PortRange(32768, 60999), "Linux kernel, ip-sysctl: ip_local_port_range"),
    "linux_3": DynamicRange(PortRange(32768, 61000), "Linux kernel before 4.2, ip-sysctl"),
    "windows": DynamicRange(PortRange(49152, 65535), "KB 929851"),
    "windows_2003": DynamicRange(PortRange(1025, 5000), "KB 929851, KB 287932"),
    "freebsd": DynamicRange(PortRange(10000, 65535), "FreeBSD ip(4), net.inet.ip.portrange (not re-read)"),
    "macos": DynamicRange(PortRange(49152, 65535), "macOS net.inet.ip.portrange (not re-read)"),
    "solaris": DynamicRange(PortRange(32768, 65535), "Solaris tcp smallest_anon_port (not re-read)"),
    "aix": DynamicRange(PortRange(32768, 65535), "AIX tcp_ephemeral_low (not re-read)"),
    "hpux": DynamicRange(PortRange(49152, 65535), "HP-UX tcp_smallest_anon_port (not re-read)"),
}
"""By the value of ``dbports_os``: linux is kernel 4.2 or newer, windows is Vista or Server 2008 or newer."""


def dynamic_range(os: str | None) -> DynamicRange:
    """Return the dynamic range of an operating system, a key of ``DYNAMIC_RANGES``, or of an unknown one."""
    return DYNAMIC_RANGES.get(os or "", UNKNOWN)
