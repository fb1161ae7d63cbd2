# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds of probe there are: the one table that runner, verdicts, engines and the module's arguments read.

A new kind is a file with a ``KIND``, named here: Ansible sends targets only those files that are imported by name.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import (
    http_tunnel,
    icmp_echo,
    socks,
    sql602_connect,
    sql602_search,
    ssrp,
    ssrp_dac,
    tcp,
    tds,
)
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import ProbeKind

_FILES = (tcp, tds, sql602_connect, icmp_echo, ssrp, ssrp_dac, sql602_search, http_tunnel, socks)

KINDS: dict[str, ProbeKind] = {file.KIND.name: file.KIND for file in _FILES}


def kind_of(name: Any) -> ProbeKind:
    """Return the kind of this name.

    :raises DbportsError: when there is none.
    """
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise DbportsError(
            "not a kind of probe", code="not_a_choice", path="kind", value=name, fix=f"Use one of {', '.join(KINDS)}"
        )
    return kind


def kinds_for(protocol: str) -> tuple[str, ...]:
    """Return the names of the kinds that prove flows of a protocol: tcp, udp or icmp."""
    return tuple(kind.name for kind in KINDS.values() if protocol in kind.protocols)
