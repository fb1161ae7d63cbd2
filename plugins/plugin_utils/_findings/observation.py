# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host shows, read once from the result of the module dbports.firewall.observation_info."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import state
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    Accept,
    Direction,
    Forward,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.module_utils._probe import base
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import kind_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import MisfitError, codec


class ForeignRule(NamedTuple):
    """A foreign rule that drops, or may drop, what a rule of the plan accepts.

    :param text: a sentence that says where it is.
    :param peers: the addresses and networks whose packets are meant.
    :param fix: what its owner has to add, or an empty string.
    :param targets: where what is forwarded goes to.
    """

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]
    verdict: state.Verdict
    text: str
    peers: tuple[AddressRange, ...]
    fix: str = ""
    targets: tuple[AddressRange, ...] = ()


class CarriedRule(NamedTuple):
    """A rule that is in force: an accept, or without ``accept`` a refusal of everyone else."""

    accept: bool
    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]
    peers: tuple[AddressRange, ...] = ()
    comment: str = ""
    forward: Forward | None = None


class Carried(NamedTuple):
    """The own rules that are in force on a host, where they are not the planned ones.

    :param unexpected: what stands in their place and was not written by this collection.
    """

    rules: tuple[CarriedRule, ...] = ()
    unexpected: tuple[str, ...] = ()
    owner: str = ""

    def ruleset(self) -> Ruleset:
        """Return them as the neutral ruleset."""
        accepts = [Accept(*item[1:6], forward=item.forward) for item in self.rules if item.accept]
        guards = [Guard(*item[1:4], item.forward) for item in self.rules if not item.accept]
        return Ruleset(tuple(accepts), tuple(guards), self.unexpected, self.owner)


class RulesetState(NamedTuple):
    """Whether a host carries the planned ruleset.

    :param error: why the ruleset could not be read, or an empty string.
    :param permitted: False where that is because the task was not run as root.
    :param in_force: False where it was read and has no effect, for which ``error`` is the reason.
    :param carried: the rules in force; None where they are the planned ones or could not be read.
    :param not_forwarding: the kernel's settings that are off, of a host that is to forward.
    """

    in_sync: bool
    foreign: tuple[ForeignRule, ...] = ()
    error: str = ""
    permitted: bool = True
    in_force: bool = True
    carried: Carried | None = None
    not_forwarding: tuple[str, ...] = ()


class ProbeResult(NamedTuple):
    """What one probe met.

    :param kind: the name of its kind, which exists.
    :param id: that of the probe.
    :param reached: a connection was accepted or a program answered, whatever the verdict.
    """

    kind: str
    id: str
    address: str
    verdict: base.Verdict
    detail: str
    reached: bool = False

    def __str__(self) -> str:
        return f"{self.verdict}: {self.detail}" if self.detail else self.verdict


class Installed(NamedTuple):
    """An instance of a server as the host itself has it configured.

    :param service: its name on the host.
    :param state: that of the service, such as ``running``.
    :param pid: its process, 0 where it does not run.
    :param flows: the engine's flows whose ports the configuration has.
    :param enabled: whether it has TCP at all.
    :param ports: its fixed ports.
    :param dynamic: whether it also, or only, has one that the operating system chooses.
    :param unreadable: a port that is none, or an empty string.
    """

    engine: str
    instance: str
    service: str
    state: str
    pid: int
    flows: tuple[str, ...]
    enabled: bool
    ports: tuple[PortRange, ...] = ()
    dynamic: bool = False
    unreadable: str = ""


class Observation(NamedTuple):
    """What one host shows; None stands for what nobody looked at.

    :param instances: what the host knows of its servers' instances; empty where that is nothing (Linux).
    """

    sockets: tuple[Socket, ...] | None = None
    ruleset: RulesetState | None = None
    probes: tuple[ProbeResult, ...] = ()
    instances: tuple[Installed, ...] = ()


def read_observation(value: Any) -> Observation:
    """Read what the module returned under ``observation``.

    :raises DbportsError: when it is not what the module returns, or names a kind of probe that does not exist.
    """
    try:
        if "error" in (value.get("ruleset") or {}):
            value = {**value, "ruleset": {"in_sync": False, **value["ruleset"]}}
        found: Observation = codec(Observation).read(value)
    except (AttributeError, ValueError, TypeError) as error:
        place = error if isinstance(error, MisfitError) else MisfitError("", value)
        raise DbportsError(
            "the host's answer cannot be read",
            code="unreadable",
            path=f"observation{place.path}",
            value=place.value,
            fix="Check that the host runs dbports.firewall.observation_info of this release",
        ) from None
    for probe in found.probes:
        kind_of(probe.kind)
    return found
