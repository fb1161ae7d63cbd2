# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn what hosts without a declaration run; documented with the module of the same name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peers
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.platform import LEARN_MODULE, call_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_delegation
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import (
    last_of_batch,
    locked,
    note,
    noted,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.ansible_inventory import (
    AnsibleInventory,
    inventory_hosts,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._learn.files import (
    as_list,
    learned_file,
    merge,
    read_earlier,
    render,
    write,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._learn.names import names_by_address
from ansible_collections.dbports.firewall.plugins.plugin_utils._learn.servers import (
    Learned,
    learn_servers,
    processes_of,
    read_seen,
    settings_of,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import MisfitError

_NAMES = "names-by-address"


class ActionModule(DbportsAction):
    """One call on the host, and a file to review on the controller."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {"learn_dir": {"type": "path", "required": True}}

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        host, directory = task_vars["inventory_hostname"], Path(args["learn_dir"]).absolute()
        result = self._learn(host, directory, task_vars)
        if last_of_batch(self._task._uuid, host, task_vars["ansible_play_batch"]) and not self._task.check_mode:
            self.show("learned", [_outcome(directory)])
        return result

    def _learn(self, host: str, directory: Path, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Look at a host that declares nothing, and keep what it runs; returns the task's result."""
        inventory = AnsibleInventory(task_vars["hostvars"])
        declared = (inventory.host(host) or {}).get("dbports_servers")
        if declared is not None:
            return {"changed": False, "servers": [], "notes": ["the host declares dbports_servers"], "file": ""}
        engines = builtin_engines()
        arguments = {"processes": processes_of(engines), "settings": settings_of(engines)}
        result = call_module(self, LEARN_MODULE, arguments, task_vars)
        if result.get("failed"):
            return result
        try:
            found = learn_servers(read_seen(result.get("seen")), engines, _addresses(inventory, host))
        except MisfitError as error:
            reason = "the host's answer cannot be read"
            raise DbportsError(reason, code="unreadable", path=f"seen{error.path}", value=error.value) from None
        names = _names(inventory, task_vars["hostvars"]) if found else {}
        return self._keep(host, found, names, directory)

    def _keep(self, host: str, found: list[Learned], names: dict[str, str], directory: Path) -> dict[str, Any]:
        """Write what was learned beside what was known, unless there is nothing."""
        path = directory / learned_file(host)
        earlier = read_earlier(path)
        servers = merge(earlier, found, names)
        notes = [f"{item.values['engine']}: {note}" for item in found for note in item.notes]
        changed = False
        if servers and not self._task.check_mode:
            changed = write(path, render(host, servers, notes))
        elif servers:
            changed = servers != earlier
        clients = [", ".join(map(str, as_list(item.get("clients")))) or "no client" for item in servers]
        lines = [f"{host}: {item.get('engine')} for {named}" for item, named in zip(servers, clients)]
        self.show("learn", lines)
        return {"changed": changed, "servers": servers, "notes": notes, "file": str(path) if servers else ""}


def _outcome(directory: Path) -> str:
    """Return what there is to do after a run."""
    count = len(list(directory.glob("*.yml")))
    if count:
        return f"To review, and then to move to host_vars: {count} file{'s' if count > 1 else ''} in {directory}"
    return (
        "Nothing was learned: hosts that declare dbports_servers are left out, and no other runs a database program "
        "that others can reach"
    )


def _addresses(inventory: AnsibleInventory, host: str) -> Ranges:
    """Return the addresses of the host that are known without asking it."""
    try:
        return Peers(inventory).host(host).addresses
    except DbportsError:
        return ()


def _names(inventory: AnsibleInventory, hostvars: Any) -> dict[str, str]:
    """Return which inventory host has which address; the first host of a run that asks looks at all of them."""
    with locked():
        kept = noted(_NAMES)
        if not kept:
            kept = {"hosts": names_by_address(inventory, inventory_hosts(hostvars))}
            note(_NAMES, kept)
    found: dict[str, str] = kept["hosts"]
    return found
