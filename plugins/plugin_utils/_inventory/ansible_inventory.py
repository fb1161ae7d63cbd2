# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's inventory as the plan reads it: only the inventory's own variables, and only those that matter.

Play, role and task variables and facts that a task sets are left out on purpose: the plan is the same whoever asks.
All private names of Ansible that the collection uses are in this file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.inventory.helpers import get_group_vars, sort_groups
from ansible.plugins.loader import vars_loader
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path
from ansible_collections.dbports.firewall.plugins.module_utils._errors import HIDDEN, DbportsError, ErrorList
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_data import has_template, plain
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import (
    ALL,
    GLOBAL_VARIABLES,
    HOST_VARIABLES,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.unread import unread_files
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.variables import (
    IN_INVENTORY,
    OR_GUARD,
    PLAN_VARIABLES,
    is_stray,
    meant,
    misspelt,
    strays,
)

try:
    from ansible._internal._datatag._tags import Origin
    from ansible.parsing.vault import VaultHelper
except ImportError:  # ansible-core 2.18 keeps what it knows of a value in the value
    Origin = VaultHelper = None

_READ = frozenset(HOST_VARIABLES + GLOBAL_VARIABLES)
_OF_ONE_HOST = frozenset(("dbports_addresses", "dbports_servers"))
_TEMPLATE_FIX = (
    "Correct it; a plan knows only variables of the inventory and facts, not those of plays, roles and tasks"
)
_FACT_KEYS = ("ansible_default_ipv4", "default_ipv4"), ("ansible_default_ipv6", "default_ipv6")


def is_vaulted(value: Any) -> bool:
    """Tell whether text comes out of a vault, decrypted or not."""
    if VaultHelper is None:
        return hasattr(value, "_ciphertext")
    return VaultHelper.get_ciphertext(value, with_tags=False) is not None


def file_of(value: Any) -> str:
    """Return the file in which a value is written, empty where that is not known."""
    if Origin is None:
        return str((getattr(value, "ansible_pos", None) or [""])[0])
    origin = Origin.get_tag(value)
    return str(origin.path or origin.description or "") if origin else ""


def vaulted(value: Any) -> Iterator[Any]:
    """Yield all text in a value that comes out of a vault."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from vaulted(item)
    elif is_vaulted(value):
        yield value


def inventory_hosts(hostvars: Any) -> Iterable[str]:
    """Return the names of the hosts of the running play's inventory, the implicit localhost not among them."""
    hosts: Iterable[str] = hostvars._inventory.hosts
    return hosts


def inventory_groups(hostvars: Any) -> dict[str, list[str]]:
    """Return the names of the hosts of each group of the inventory but those that Ansible itself makes."""
    return {
        str(name): [host.name for host in group.get_hosts()]
        for name, group in hostvars._inventory.groups.items()
        if name not in ("all", "ungrouped")
    }


def inventory_state(hostvars: Any) -> str:
    """Return what tells one state of the inventory from a later one of the same run.

    ``add_host`` and ``group_by`` may change variables and memberships of hosts that were there before. Ansible keeps a
    list of all that they did, which only grows; its length costs nothing, while looking at the hosts' variables would
    cost every action on every host a walk through all hosts. ``refresh_inventory`` makes new objects.
    """
    manager = hostvars._inventory
    state = [
        id(manager._inventory),
        hostvars._loader.get_basedir(),  # group_vars and host_vars beside the playbook
        len(manager._cached_dynamic_hosts),
        len(manager._cached_dynamic_grouping),
        len(manager.hosts),
        sorted((name, id(group), len(group.hosts)) for name, group in manager.groups.items()),
    ]
    return hashlib.sha256(json.dumps(state).encode("utf-8")).hexdigest()[:16]


def _combined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Put variables together as Ansible is configured to (``hash_behaviour``), the last part first in rank."""
    values: dict[str, Any] = {}
    for part in parts:
        if part:  # as Ansible does, and most hosts have few of them
            values = combine_vars(values, part) if values else dict(part)
    return values


def _with_value(error: DbportsError, value: Any) -> DbportsError:
    """Complete an error with a variable's value, unless a vault hides it, and with the file that it is in."""
    error.value = HIDDEN if any(True for _text in vaulted(value)) else value
    return error.at(file=file_of(value))


class AnsibleInventory:
    """The inventory of the running play; see :class:`Inventory` for what the methods return.

    It follows VariableManager.get_vars, but computes a set of groups once for all of its hosts and looks for files
    only of those hosts that have some: a tenth of the time of ``hostvars``.
    """

    def __init__(self, hostvars: Any) -> None:
        self._hostvars = hostvars
        self._manager = hostvars._inventory
        self._loader = hostvars._loader
        self._variables = hostvars._variable_manager
        self._extra = self._relevant(self._variables.extra_vars)
        self._by_groups: dict[tuple[str, ...], dict[str, Any]] = {}
        self._hosts: dict[str, dict[str, Any]] = {}
        self._files: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._odd: dict[str, dict[str, Any]] = {}
        self.secrets: set[str] = set()
        """Text out of a vault that was read: it belongs into no error."""

    def declaring(self) -> Iterable[str]:
        """See :class:`Inventory`."""
        hosts = self._manager.hosts
        if "dbports_servers" in self._extra:
            return list(hosts)
        found = {
            host.name
            for group in self._manager.groups.values()
            if "dbports_servers" in self._group_part([group])
            for host in group.get_hosts()
        }
        found.update(name for name, host in hosts.items() if "dbports_servers" in host.vars)
        found.update(
            name
            for name in self._with_files()
            if name not in found and any("dbports_servers" in part for part in self._host_files(name))
        )
        return found

    def host(self, name: str) -> dict[str, Any] | None:
        """See :class:`Inventory`."""
        values = self._hosts.get(name)
        if values is None:
            if name not in self._manager.hosts:
                return None
            has_files = self._names_with_files is None or name in self._names_with_files
            values = self._raw(name, has_files=has_files)
            for key in GLOBAL_VARIABLES:
                values.pop(key, None)
            values = self._hosts[name] = self._settle_all(name, {key: values[key] for key in sorted(values)})
        return values

    def _raw(self, name: str, *, has_files: bool) -> dict[str, Any]:
        """Return a host's variables before templates are filled in."""
        host = self._manager.hosts[name]
        return _combined(
            self._group_part(self._telling(host.get_groups())),
            self._relevant(host.vars),
            *(map(self._relevant, self._host_files(name)) if has_files else ()),
            self._extra,
        )

    def group(self, name: str) -> tuple[str, ...] | None:
        """See :class:`Inventory`."""
        group = self._manager.groups.get(name)
        return None if group is None else tuple(str(host.name) for host in group.get_hosts())

    def names(self) -> Iterable[str]:
        """See :class:`Inventory`."""
        return [*self._manager.hosts, *self._manager.groups]

    def fact_addresses(self, name: str) -> list[str]:
        """See :class:`Inventory`."""
        try:
            facts = self._variables._fact_cache.get(name) or {}
        except KeyError:
            return []
        found = []
        for keys in _FACT_KEYS:
            address = next((facts[key].get("address") for key in keys if isinstance(facts.get(key), Mapping)), None)
            if address:
                found.append(str(address))
        return found

    def settings(self) -> dict[str, Any]:
        """See :class:`Inventory`."""
        values = self._of_all()
        return self._settle_all(ALL, {key: values[key] for key in GLOBAL_VARIABLES if key in values})

    def origin(self, name: str) -> str:
        """See :class:`Inventory`."""
        return file_of(self._of_all().get(name))

    def strays(self) -> Iterator[DbportsError]:
        """See :class:`Inventory`; what tasks set for any host so far is among them."""
        for where, values in self._variable_sets():
            for name, error in strays(where, values):
                yield _with_value(error, values[name])
        if len(self._manager.hosts) > 1:
            for name in _OF_ONE_HOST & self._extra.keys():
                error = DbportsError(
                    "an extra variable applies to every host",
                    code="not_in_inventory",
                    host=ALL,
                    path=name,
                    fix=IN_INVENTORY,
                )
                yield _with_value(error, self._extra[name])
        for name in {**self._variables._vars_cache, **self._variables._nonpersistent_fact_cache}:
            if name in self._manager.hosts:
                yield from self.hidden(name, self._set_by_tasks(name))

    def hidden(self, name: str, seen: Mapping[str, Any]) -> Iterator[DbportsError]:
        """Yield an error for every variable of the plan that a host has otherwise than by the inventory.

        :param seen: the host's variables as a task sees them; a host outside the inventory has those of group all.
        """
        found = [key for key in PLAN_VARIABLES if key in seen]
        known = self._of_all() if found else {}
        if found and name in self._manager.hosts:
            settings = {key: known[key] for key in GLOBAL_VARIABLES if key in known}
            known = {**self._raw(name, has_files=True), **settings}
        for key in found:
            if key not in known or not self._same(name, key, seen[key], known[key]):
                error = DbportsError(
                    f"set {self._setter(name, key)}, and a plan only reads the inventory",
                    code="not_in_inventory",
                    host=name,
                    path=key,
                    fix=f"{IN_INVENTORY}{OR_GUARD if key == 'dbports_servers' else ''}",
                )
                yield _with_value(error, seen[key])
        for key in filter(meant, seen):
            yield _with_value(misspelt(name, key), seen[key])

    def _same(self, host: str, key: str, seen: Any, known: Any) -> bool:
        """Tell whether a task's value is the inventory's, as it is written or with its templates filled in."""
        if seen == known:
            return True
        settled = self.settings() if key in GLOBAL_VARIABLES else self.host(host) or {}
        return bool(seen == settled.get(key))

    def _setter(self, host: str, key: str) -> str:
        """Say what gave a host a variable, as far as that can be known."""
        if key in self._variables._nonpersistent_fact_cache.get(host, {}):
            return "by set_fact or register"
        if key in self._variables._vars_cache.get(host, {}):
            return "by include_vars"
        return "in a play, role or task"

    def _set_by_tasks(self, host: str) -> dict[str, Any]:
        caches = (self._variables._vars_cache, self._variables._nonpersistent_fact_cache)
        return {key: value for cache in caches for key, value in cache.get(host, {}).items()}

    def _variable_sets(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield whose variables and which, of everything that belongs to the inventory."""
        for name, group in self._manager.groups.items():
            self._group_part([group])
            yield (ALL if name == ALL else f"group {name}"), self._odd.get(name, {})
        for name, host in self._manager.hosts.items():
            yield str(name), host.vars
        for name in self._with_files():
            for part in self._host_files(name):
                yield name, part
        yield ALL, self._variables.extra_vars

    def size(self) -> int:
        """See :class:`Inventory`."""
        return len(self._manager.hosts)

    def _of_all(self) -> dict[str, Any]:
        return _combined(self._group_part([self._manager.groups["all"]]), self._extra)

    @staticmethod
    def _relevant(values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: values[key] for key in _READ if key in values}

    def _telling(self, groups: list[Any]) -> list[Any]:
        """Return the groups that say anything that is read: hosts that differ only by their other groups are alike."""
        return [group for group in groups if group.name in self._names_telling]

    @cached_property
    def _names_telling(self) -> frozenset[str]:
        groups = self._manager.groups.items()
        return frozenset(name for name, group in groups if name == ALL or self._group_part([group]))

    def _group_part(self, groups: list[Any]) -> dict[str, Any]:
        """Return what a set of groups says, in the order of precedence that Ansible is configured for."""
        key = tuple(sorted(group.name for group in groups))
        part = self._by_groups.get(key)
        if part is None:
            everyone = [self._manager.groups["all"]]
            others = sort_groups([group for group in groups if group.name != "all"])
            levels = []
            for entry in constants.VARIABLE_PRECEDENCE:
                wanted = everyone if entry.startswith("all_") else others
                if wanted is everyone and key and "all" not in key:
                    continue
                level = self._level(entry, wanted)
                levels.append(self._relevant(level))
                if len(key) == 1:
                    odd = {name: level[name] for name in level if is_stray(name) or name in GLOBAL_VARIABLES}
                    self._odd.setdefault(key[0], {}).update(odd)
            part = self._by_groups[key] = _combined(*levels)
        return part

    def _level(self, entry: str, groups: list[Any]) -> dict[str, Any]:
        if entry.endswith("_plugins_inventory"):
            return dict(get_vars_from_inventory_sources(self._loader, self._manager._sources, groups, "task"))
        if entry.endswith("_plugins_play"):
            return dict(get_vars_from_path(self._loader, self._loader.get_basedir(), groups, "task"))
        if entry.endswith("_inventory"):
            return dict(get_group_vars(groups))
        raise AnsibleError(f"dbports.firewall does not know the variable precedence entry {entry}")

    def _host_files(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a host's files beside the inventory say, and those beside the playbook."""
        found = self._files.get(name)
        if found is None:
            host = [self._manager.hosts[name]]
            found = self._files[name] = (
                get_vars_from_inventory_sources(self._loader, self._manager._sources, host, "task"),
                get_vars_from_path(self._loader, self._loader.get_basedir(), host, "task"),
            )
        return found

    def _with_files(self) -> Iterable[str]:
        if self._names_with_files is None:
            return list(self._manager.hosts)
        return self._names_with_files & set(self._manager.hosts)

    @cached_property
    def _names_with_files(self) -> frozenset[str] | None:
        """Return the names that have files in a host_vars folder, or None where another vars plugin may know more."""
        get_vars_from_path(self._loader, self._loader.get_basedir(), [], "task")  # fills the plugins' cache
        plugins = list(vars_loader._plugin_instance_cache)
        if any(name.rsplit(".", 1)[-1] != "host_group_vars" for name in plugins):
            return None
        names: set[str] = set()
        for base in self._bases():
            folder = base / "host_vars"
            for path in folder.iterdir() if folder.is_dir() else ():
                names.update((path.name, path.stem))
        return frozenset(names)

    def _bases(self) -> set[Path]:
        """Return the directories in which Ansible looks for the folders host_vars and group_vars."""
        bases = {Path(self._loader.get_basedir())}
        for source in self._manager._sources:
            if source and (Path(source).exists() or "," not in source):
                bases.add(Path(source) if Path(source).is_dir() else Path(source).parent)
        return bases

    def unread(self) -> Iterable[str]:
        """Return a sentence for every file of variables of this collection that no host or group reads."""
        return unread_files(self._bases(), self._manager.hosts, self._manager.groups)

    def _settle_all(self, host: str, values: Mapping[str, Any]) -> dict[str, Any]:
        errors = ErrorList()
        found = {key: errors.collecting_errors(host, self._settle, host, key, values[key]) for key in values}
        errors.raise_all()
        return found

    def _settle(self, host: str, key: str, value: Any) -> Any:
        """Return a variable's value as plain data, its templates filled in with the host's own variables."""
        if has_template(value):
            try:
                variables = self._hostvars["localhost" if host == ALL else host]
                settled = variables[key]
            except (AnsibleError, KeyError) as error:
                secret = any(True for _text in vaulted(value))
                raise DbportsError(
                    f"its template cannot be filled in: {error}",
                    code="template",
                    host=host,
                    path=key,
                    value=HIDDEN if secret else value,
                    fix=_TEMPLATE_FIX,
                    file=self.origin(key) if host == ALL else "",
                ) from None
            self.secrets.update(str(text) for text in vaulted(settled))
            value = settled
        return plain(value, host, key)
