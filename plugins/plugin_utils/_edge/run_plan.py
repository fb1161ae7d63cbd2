# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of this run, computed once whoever asks, and the plan that was approved."""

from __future__ import annotations

import fcntl
import gc
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.dbports.firewall.plugins.module_utils._errors import CombinedError, DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import canonical, digest
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import (
    Index,
    Source,
    read_host,
    read_index,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import PAGE
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.text_store import TextStore
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_other_inventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.ansible_inventory import (
    AnsibleInventory,
    inventory_hosts,
    inventory_state,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.changes import plan_changes
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import plan_markdown, plan_summary
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import listed
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

_MARK = 8
"""How many bytes stand for a host."""


@dataclass(frozen=True)
class CurrentPlan:
    """A plan on disk: where it is read from, its index and digests, and the lines that a run prints of it.

    :param approved: it was named by its plan_id, so a host that is missing in it is an error.
    """

    source: Source
    index: Index
    summary: tuple[str, ...]
    approved: bool

    @property
    def plan_id(self) -> str:
        """The digest of the plan."""
        return self.index.plan_id

    @property
    def inputs_id(self) -> str:
        """The digest of all that the plan was made from."""
        return self.index.inputs_id

    def has(self, name: str) -> bool:
        """Tell whether the plan says anything of a host."""
        return self.index.digest_of(name) is not None

    def host(self, name: str) -> PortSet:
        """Return a host's port set.

        :raises DbportsError: when the plan was approved without this host, or its file was changed.
        """
        if not self.approved and not self.has(name):
            return PortSet(name, (), Settings("guard", False))
        return read_host(self.source, self.index, name)


def current_plan(hostvars: Any) -> CurrentPlan:
    """Return the plan of the running play's inventory; the first fork that asks computes it, the others read it.

    It lives in the folder of temporary files that Ansible makes for each run and removes at its end.

    :raises DbportsError: when the declarations are wrong. All errors are printed once in a run, and neither for every
        host nor in every host's failure.
    """
    place = Path(constants.DEFAULT_LOCAL_TMP) / f"dbports-{inventory_state(hostvars)}"
    pack, summary = TextStore(place.with_suffix(".plan")), TextStore(place.with_suffix(".summary"))
    failed = TextStore(place.with_suffix(".failed"))
    with locked(), _collector_paused():
        if not failed.exists() and not summary.exists():
            inventory = AnsibleInventory(hostvars)
            try:
                plan = build_plan(inventory)
            except CombinedError as error:
                Display().display(str(error.hiding(inventory.secrets)), color=constants.COLOR_ERROR)
                failed.write({"short": error.short()})
            else:
                for text in inventory.unread():
                    Display().warning(visible(text))
                artifact = render_plan(plan)
                page = plan_markdown(plan, artifact.plan_id, artifact.inputs_id)
                pack.write({**artifact.files, PAGE: page})
                summary.write({"lines": "\n".join(plan_summary(plan, artifact.plan_id))})
    if failed.exists():
        raise DbportsError(f"the declarations cannot be planned: {failed.read('short')}", code="not_planned")
    lines = tuple(summary.read("lines").split("\n"))
    return CurrentPlan(pack, read_index(pack, None), lines, approved=False)


def approved_plan(directory: Path, plan_id: str, hostvars: Any) -> CurrentPlan:
    """Return the plan that was approved, after looking whether it is stale.

    Where the inventory is only a part of the plan's hosts (a controller's job slice), nobody can tell, and the plan_id
    alone counts.

    :raises DbportsError: when the directory holds another plan, or the declarations have changed since.
    """
    index = read_index(directory, plan_id)
    if not refuse_other_inventory(index, inventory_hosts(hostvars), plan_id):
        now = current_plan(hostvars)
        if now.inputs_id != index.inputs_id:
            found = plan_changes((directory, index), (now.source, now.index))
            raise DbportsError(
                f"the approved plan is stale: the declarations have changed since (inputs_id is {now.inputs_id[:12]} "
                f"now, {index.inputs_id[:12]} in the plan): {listed(found) or 'no port set differs'}",
                code="stale_plan",
                path="plan_id",
                value=plan_id,
                fix="Plan and review again",
            )
    summary = (f"Plan {plan_id} was approved: no new plan is computed",)
    return CurrentPlan(directory, index, summary, approved=True)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking through Ansible's whole heap while a plan grows: a third of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@contextmanager
def locked() -> Iterator[None]:
    """Keep the other forks of this run waiting."""
    with (Path(constants.DEFAULT_LOCAL_TMP) / "dbports.lock").open("w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def run_id() -> str:
    """Return what this run of ansible-playbook is known by: the same on all of its hosts, and in no other run."""
    return digest(str(constants.DEFAULT_LOCAL_TMP))[:16]


def once(name: str, key: str) -> bool:
    """Tell whether this is the first time in this run that something is done."""
    mark = Path(constants.DEFAULT_LOCAL_TMP) / f"dbports-once-{digest(canonical([name, key]))[:16]}"
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def last_of_batch(name: str, host: str, batch: Collection[str]) -> bool:
    """Note that a host came to some task, and tell whether all hosts of its batch have now; then counting starts anew.

    :param batch: the hosts that are still in the play; those that failed meanwhile are waited for no longer.
    """
    marks = Path(constants.DEFAULT_LOCAL_TMP) / f"dbports-batch-{name}"
    with locked():
        with marks.open("ab") as stream:
            stream.write(_mark(host))
            count = stream.tell() // _MARK
        if count < len(batch):  # the usual case costs no look at the hosts
            return False
        data = marks.read_bytes()
        seen = {data[position : position + _MARK] for position in range(0, len(data), _MARK)}
        if any(_mark(item) not in seen for item in batch):
            return False
        marks.unlink()
        return True


def _mark(host: str) -> bytes:
    return hashlib.sha256(host.encode("utf-8", "surrogatepass")).digest()[:_MARK]


def note(name: str, data: Mapping[str, Any]) -> None:
    """Keep data for the other hosts of this run."""
    TextStore(_place_of(name)).write({"data": json.dumps(data)})


def noted(name: str) -> Any:
    """Return what a host of this run kept under a name; an empty dictionary where there is nothing."""
    store = TextStore(_place_of(name))
    return json.loads(store.read("data")) if store.exists() else {}


def _place_of(name: str) -> Path:
    return Path(constants.DEFAULT_LOCAL_TMP) / f"dbports-note-{_mark(name).hex()}"
