# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's variables: which names are its own, which only look like them, and where they have to be set."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import (
    GLOBAL_VARIABLES,
    HOST_VARIABLES,
)

PREFIX = "dbports_"
PLAN_VARIABLES = tuple(name for name in (*HOST_VARIABLES, *GLOBAL_VARIABLES) if name.startswith(PREFIX))
"""What a plan is made of. Connection variables may differ from task to task."""

RUN_VARIABLES = (
    "dbports_accept_conflicts",
    "dbports_allow_empty_plan",
    "dbports_allow_shrink",
    "dbports_ask_hosts",
    "dbports_backend",
    "dbports_confirm_timeout",
    "dbports_cut_live",
    "dbports_explain_host",
    "dbports_explain_peer",
    "dbports_explain_port",
    "dbports_former_name",
    "dbports_gateways_dir",
    "dbports_gateways_rules",
    "dbports_hosts",
    "dbports_learn_dir",
    "dbports_chains",
    "dbports_persist",
    "dbports_plan",
    "dbports_plan_dir",
    "dbports_plan_id",
    "dbports_platform",
    "dbports_probe_timeout",
    "dbports_restart",
    "dbports_restart_timeout",
    "dbports_fail_on",
    "dbports_socks_take_over",
    "dbports_socks_user",
    "dbports_state",
)
"""What playbooks and roles read, and the custom statistic of plan; no plan depends on it, so it may be set anywhere."""

IN_INVENTORY = "Put it in the inventory: host_vars, group_vars or the inventory file"
"""What to do with a plan's variable that is set elsewhere."""

OR_GUARD = "; a role that brings its own variables guards a single host with the role dbports.firewall.guard"
"""The other way for servers."""

_KNOWN = frozenset(PLAN_VARIABLES + RUN_VARIABLES)
_NEAR = 0.88
"""How alike a name has to be; ``db_port`` and ``dbport_host`` are other people's."""


@lru_cache(maxsize=4096)
def meant(name: str) -> str | None:
    """Return the variable that a name is a misspelling of, or None."""
    lower = name.lower()
    if name in _KNOWN or lower[:1] != "d" or "port" not in lower:
        return None
    near = difflib.get_close_matches(lower, sorted(_KNOWN - {"dbports_hosts"}), 1, _NEAR)
    return near[0] if near else None


@lru_cache(maxsize=4096)
def is_stray(name: str) -> bool:
    """Tell whether a variable of the inventory has a name of ours, or nearly so, that nobody reads."""
    return name not in _KNOWN and (name.startswith(PREFIX) or meant(name) is not None)


def strays(where: str, values: Mapping[str, Any]) -> Iterator[tuple[str, DbportsError]]:
    """Yield every variable that nobody reads where it stands, with its error.

    :param where: a host, ``all``, or ``group NAME``.
    """
    for name in filter(is_stray, values):
        yield name, misspelt(where, name)
    for name in GLOBAL_VARIABLES if where != "all" else ():
        if name in values:
            yield (
                name,
                DbportsError(
                    "this variable is the whole inventory's and not read here",
                    code="not_in_inventory",
                    host=where,
                    path=name,
                    fix="Set it for the group all",
                ),
            )


def misspelt(where: str, name: str) -> DbportsError:
    """Return the error for a name that nobody reads."""
    near = meant(name)
    return DbportsError(
        "no variable of this collection has this name, so it is not read",
        code="unknown_key",
        host=where,
        path=name,
        fix=f"Did you mean {near}?"
        if near
        else f"Known are {_listed(_KNOWN)}; give a variable of your own another name",
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
