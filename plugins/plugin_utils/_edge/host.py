# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What actions do on one host: give it a ruleset, and compare it with its port set."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import AUTO, CHOICES
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import CUT_LIVE
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.confirmation import change_and_confirm
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.known_call import KnownCall
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.platform import (
    OBSERVATION_MODULE,
    call_module,
    is_windows,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.ruleset import (
    RULESET_MODULE,
    cut_connection,
    observed_ruleset,
    ruleset_arguments,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import note, noted
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import failing
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.instances import Instances
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.outside import watched_processes
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import probes_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import (
    at_seen_ports,
    awaited_listeners,
    dynamic_ports,
    seen_ports,
    watched_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.cut import Asked, CutConnection, cut_lines
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import returned
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import problem_lines

RULES_OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "allow_shrink": {"type": "bool", "default": False},
    "cut_live": {"type": "str", "choices": list(CUT_LIVE), "default": "warn"},
    "former_name": {"type": "str"},
    "accept_conflicts": {"type": "list", "elements": "str", "default": []},
    "persist": {"type": "bool", "default": True},
    "confirm_timeout": {"type": "int", "default": 30},
    "backend": {"type": "str", "choices": list(CHOICES), "default": AUTO},
    "chains": {"type": "list", "elements": "str", "default": []},
}
"""What the actions that write a host's rules take."""


class Verdicts(NamedTuple):
    """A host's findings, or in ``failed`` the result of the call that could not collect them.

    :param ports: where programs with dynamic ports were seen to listen, by endpoint.
    """

    findings: tuple[Finding, ...]
    failed: dict[str, Any]
    ports: Mapping[str, Sequence[int]] = MappingProxyType({})

    def returned(self, fail_on: Sequence[str]) -> dict[str, Any]:
        """Return them as a task does.

        :param fail_on: see :func:`failing`.
        """
        bad = failing(self.findings, fail_on)
        return {
            "changed": False,
            "counts": dict(Counter(finding.verdict for finding in self.findings)),
            "passed": not bad,
            "failures": problem_lines(bad),
            "findings": returned(self.findings),
        }


class HostAction(DbportsAction):
    """An action that calls the modules of one host."""

    def apply_port_set(
        self, port_set: PortSet, args: dict[str, Any], task_vars: dict[str, Any], *, owner: str
    ) -> dict[str, Any]:
        """Give the host the ruleset of its port set, as ``RULES_OPTIONS`` say.

        :param owner: whose rules they are.
        """
        more = {key: args[key] for key in ("allow_shrink", "cut_live", "persist", "chains")}
        return self._call_ruleset({**ruleset_arguments(port_set), **_common(args, owner), **more}, task_vars)

    def remove_rules(self, args: dict[str, Any], task_vars: dict[str, Any], *, owner: str) -> dict[str, Any]:
        """Remove what was written to the host for an owner."""
        return self._call_ruleset({**_common(args, owner), "state": "absent"}, task_vars)

    def _call_ruleset(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Call the module that writes rulesets; a change is kept only if the host answers over a new connection.

        Where this controller has made the same call before, the host is first asked to repeat it.
        """
        known = KnownCall(arguments)
        answer = known.repeated(self._ask_host) if not is_windows(self._connection, task_vars) else None
        if answer is not None:
            return answer

        def call(more: dict[str, Any]) -> dict[str, Any]:
            result = call_module(self, RULESET_MODULE, {**arguments, **known.asked, **more}, task_vars)
            # All the rules once more: every process that the result passes through would read and write them.
            result.pop("invocation", None)
            return result

        def run(argv: list[str]) -> bool:
            return bool(self._low_level_execute_command(shlex.join(argv))["rc"] == 0)

        result = change_and_confirm(call, run, self._connection, arguments["confirm_timeout"])
        if not (result.get("failed") or self._task.check_mode):
            known.remember()
        return result

    def _ask_host(self, argv: list[str]) -> str:
        """Return what a command prints on the host, in the environment of a module; nothing if it fails."""
        command = f"{self._compute_environment_string()} {shlex.join(argv)}".strip()
        done = self._low_level_execute_command(command)
        return str(done["stdout"]) if done["rc"] == 0 else ""

    def ask(self, port_set: PortSet, more: dict[str, Any], task_vars: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the established connections of the host that its part of the plan would cut, and change nothing.

        The last host of a batch prints those of all hosts in one table. A host that cannot be asked is named there and
        does not fail: a plan is made without hosts.

        :param more: further arguments of the ruleset module.
        """
        asked = {**ruleset_arguments(port_set), **more, "allow_shrink": True, "cut_live": "allow"}
        with self._checking():
            try:
                found = call_module(self, RULESET_MODULE, asked, task_vars)
            except AnsibleConnectionFailure as error:
                found = {"failed": True, "msg": str(error)}
        cut: list[dict[str, Any]] = list(found.get("cut") or ())
        failed = str(found.get("msg") or "it gave no reason") if found.get("failed") else ""
        note(f"cut-{port_set.host}", {"cut": [cut_connection(one) for one in cut], "failed": failed})
        if self.speaks_for_batch(task_vars):
            notes = {name: noted(f"cut-{name}") for name in task_vars["ansible_play_batch"]}
            everyone = {
                name: Asked(tuple(CutConnection(*one) for one in data["cut"]), data["failed"])
                for name, data in notes.items()
                if data
            }
            self.show("cut", cut_lines(everyone))
        return cut

    @contextmanager
    def _checking(self) -> Iterator[None]:
        """Call modules in check mode, whatever the mode of the run."""
        check, self._task.check_mode = self._task.check_mode, True
        try:
            yield
        finally:
            self._task.check_mode = check

    def note_ports(self, port_set: PortSet, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Note for the other hosts of this run where instances with dynamic ports listen; most hosts have none."""
        ports = dynamic_ports(port_set)
        if not ports:
            return {"changed": False}
        result = self._collect({"ports": ports}, task_vars)
        if result.get("failed"):
            return result
        seen = read_observation(result.get("observation"))
        note(f"ports-{port_set.host}", seen_ports(port_set, seen.sockets or (), Instances(seen.instances)))
        return {"changed": False}

    def verdicts(
        self,
        port_set: PortSet,
        timeout: float,
        task_vars: dict[str, Any],
        *,
        backend: str,
        owner: str | None = None,
        applied: str = "",
    ) -> Verdicts:
        """Collect what the host shows, in one call, and judge it.

        :param timeout: of each probe, and of the wait for servers that have just been started, in seconds.
        :param backend: the firewall that is to carry the rules, or ``auto``.
        :param owner: whose rules they are, where that is not the host's name in the inventory.
        :param applied: the digest of the ruleset that was applied last, if that is known.
        """
        port_set = at_seen_ports(port_set, lambda host: noted(f"ports-{host}"))
        ruleset = observed_ruleset(port_set)
        arguments = {
            "ports": watched_ports(port_set),
            "processes": watched_processes(port_set),
            "listeners": awaited_listeners(port_set),
            "ruleset": {**ruleset, "owner": owner or ruleset["owner"], "backend": backend},
            "probes": probes_of(port_set),
            "timeout": timeout,
        }
        result = self._collect(arguments, task_vars)
        if result.get("failed"):
            return Verdicts((), result)
        seen = read_observation(result.get("observation"))
        found = judge(port_set, seen, owner=owner or "", applied=applied)
        ports = seen_ports(port_set, seen.sockets or (), Instances(seen.instances))
        return Verdicts(tuple(found), {}, ports)

    def _collect(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return call_module(self, OBSERVATION_MODULE, arguments, task_vars)


def _common(args: dict[str, Any], owner: str) -> dict[str, Any]:
    """Return the arguments of the ruleset module that writing and removing rules have in common."""
    return {
        "owner": owner,
        "former_name": args["former_name"] or "",
        "backend": args["backend"],
        "confirm_timeout": args["confirm_timeout"],
    }
