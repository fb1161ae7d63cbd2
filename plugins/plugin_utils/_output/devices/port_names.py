# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What devices call ports: some show a name in place of a number, and which ones varies with platform and release."""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import Protocol

_BOTH = {
    "echo": 7, "discard": 9, "time": 37, "tacacs": 49, "domain": 53, "www": 80, "http": 80, "sunrpc": 111,
    "pim-auto-rp": 496, "talk": 517, "ms-sql-s": 1433, "ms-sql-m": 1434, "nfs": 2049, "sip": 5060, "ssh": 22,
    "ntp": 123, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "netbios-ss": 139, "snmp": 161, "https": 443,
    "rpc": 111, "kerberos": 750, "ctiqbe": 2748, "cifs": 3020, "vxlan": 4789, "aol": 5190, "secureid-udp": 5510,
    "pcanywhere-data": 5631, "pcanywhere-status": 5632,
}  # fmt: skip
CISCO: dict[str, dict[str, int]] = {
    "tcp": {
        **_BOTH,
        "daytime": 13, "chargen": 19, "ftp-data": 20, "ftp": 21, "telnet": 23, "smtp": 25, "whois": 43, "gopher": 70,
        "finger": 79, "hostname": 101, "pop2": 109, "pop3": 110, "ident": 113, "nntp": 119, "msrpc": 135, "imap4": 143,
        "bgp": 179, "irc": 194, "ldap": 389, "exec": 512, "login": 513, "cmd": 514, "rsh": 514, "lpd": 515, "uucp": 540,
        "klogin": 543, "kshell": 544, "rtsp": 554, "ldaps": 636, "lotusnotes": 1352, "citrix-ica": 1494, "sqlnet": 1521,
        "h323": 1720, "pptp": 1723, "drip": 3949, "onep-plain": 15001, "onep-tls": 15002,
    },
    "udp": {
        **_BOTH,
        "nameserver": 42, "bootps": 67, "bootpc": 68, "tftp": 69, "snmptrap": 162, "xdmcp": 177, "dnsix": 195,
        "mobile-ip": 434, "isakmp": 500, "biff": 512, "who": 513, "syslog": 514, "rip": 520, "radius": 1645,
        "radius-acct": 1646, "non500-isakmp": 4500,
    },
}  # fmt: skip
"""Names of ports by protocol, of IOS, NX-OS, IOS XR, EOS (their command references, access-list) and ASA (ASA General
Operations CLI Configuration Guide, Addresses, Protocols, and Ports). No name means two ports."""

_JUNOS = {
    "afs": 1483, "bgp": 179, "biff": 512, "bootpc": 68, "bootps": 67, "cmd": 514, "cvspserver": 2401, "dhcp": 67,
    "domain": 53, "eklogin": 2105, "ekshell": 2106, "exec": 512, "finger": 79, "ftp": 21, "ftp-data": 20, "http": 80,
    "https": 443, "ident": 113, "imap": 143, "kerberos-sec": 88, "klogin": 543, "kpasswd": 761, "krb-prop": 754,
    "krbupdate": 760, "kshell": 544, "ldap": 389, "ldp": 646, "login": 513, "mobileip-agent": 434, "mobilip-mn": 435,
    "msdp": 639, "netbios-dgm": 138, "netbios-ns": 137, "netbios-ssn": 139, "nfsd": 2049, "nntp": 119, "ntalk": 518,
    "ntp": 123, "pop3": 110, "pptp": 1723, "printer": 515, "radacct": 1813, "radius": 1812, "rip": 520, "rkinit": 2108,
    "smtp": 25, "snmp": 161, "snmptrap": 162, "snpp": 444, "socks": 1080, "ssh": 22, "sunrpc": 111, "syslog": 514,
    "tacacs": 49, "tacacs-ds": 65, "talk": 517, "telnet": 23, "tftp": 69, "timed": 525, "who": 513, "xdmcp": 177,
    "zephyr-clt": 2103, "zephyr-hm": 2104,
}  # fmt: skip
JUNOS: dict[str, dict[str, int]] = {"tcp": _JUNOS, "udp": _JUNOS}
"""Names of ports of Junos (Routing Policies, Firewall Filters, and Traffic Policers User Guide, match conditions)."""


def port_number(word: Any, protocol: Protocol, names: dict[str, dict[str, int]] | None = None) -> int:
    """Return the port that a word means.

    :param names: of ports, by protocol; those of Cisco and Arista if it is not given.
    :raises DbportsError: for a name that is not known.
    """
    text = str(word).lower().replace("_", "-")
    if text.isascii() and text.isdigit():
        return int(text)
    known = (CISCO if names is None else names).get(protocol, {})
    if text not in known:
        raise DbportsError(
            f"the device shows a name of a {protocol.upper()} port that is not known here",
            code="unknown_name",
            path="current",
            value=text,
            fix="Remove the entry on the device, and report the name",
        )
    return known[text]
