# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for what a host forwards as values, in the order of their chain: what a firewall writes and reads.

Backends translate a :class:`Line`, and no more; which lines a ruleset consists of is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Forward, Guard, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import (
    ANSWERS,
    REFUSAL,
    STATELESS,
    PeerSet,
    everyone,
    wide_ports,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol, merge_ports

_Ranges = tuple[AddressRange, ...]
_Ports = tuple[PortRange, ...]


class Line(NamedTuple):
    """One rule of the chain; no addresses and no ports stand for any.

    :param family: 4 or 6; 0 for both.
    :param told: what tells answers from requests: the flags of TCP or the connection tracking.
    :param published: ``ports`` are those that the connection came to before its destination was translated.
    """

    verdict: Literal["accept", "drop"]
    comment: str
    family: int
    protocol: Protocol
    source: _Ranges = ()
    target: _Ranges = ()
    source_ports: _Ports = ()
    ports: _Ports = ()
    told: Literal["", "flags", "direction"] = ""
    published: bool = False

    @property
    def sets(self) -> list[PeerSet]:
        """The sets of addresses that it names."""
        return [(self.family, ranges) for ranges in (self.source, self.target) if ranges]

    @property
    def of_others(self) -> bool:
        """Whether it lets answers to connections pass that no rule declares: those that a target itself opened.

        Where an accept ends the way through the rules of the host's owner as well, these are still to be asked.
        """
        return bool(self.told) and not self.source_ports


def lines_of(ruleset: Ruleset) -> list[Line]:
    """Return the rules of the chain, below its head: accepts with their answers, answers into wide ranges, refusals."""
    found = [line for item in ruleset.accepts if item.forward for line in _accepting(item, item.forward)]
    guards = [(guard, guard.forward) for guard in ruleset.guards if guard.forward]
    found += [line for guard, forward in guards for line in _wide(guard, forward)]
    return found + [line for guard, forward in guards for line in _refusing(guard, forward)]


def _family(ranges: Sequence[AddressRange]) -> int:
    return ranges[0].family if ranges else 0


def _told(protocol: Protocol, *, stateless: bool) -> Literal["", "flags", "direction"]:
    if protocol == "tcp":
        return "flags"
    return "" if stateless else "direction"


def _named(ranges: _Ranges) -> _Ranges:
    """Return addresses as a rule names them: all of a family need no name."""
    return () if ranges and ranges == (everyone(ranges[0].family),) else ranges


def _wide(guard: Guard, forward: Forward) -> Iterator[Line]:
    told, ports = _told(guard.protocol, stateless=forward.stateless), wide_ports(guard)
    if told and ports and forward.targets:
        yield Line(
            "accept",
            ANSWERS,
            _family(forward.targets),
            guard.protocol,
            target=_named(forward.targets),
            ports=ports,
            told=told,
        )


def _accepting(accept: Accept, forward: Forward) -> Iterator[Line]:
    peers, targets, family = _named(accept.peers), _named(forward.targets), _family(accept.peers)
    request = Line("accept", accept.comment, family, accept.protocol, peers, targets)
    if not forward.targets:
        yield request._replace(ports=accept.ports, published=True)
        return
    yield request._replace(source_ports=forward.source_ports, ports=accept.ports)
    if accept.ports and not forward.unanswered:
        yield Line(
            "accept",
            ANSWERS + STATELESS if forward.stateless else ANSWERS,
            family,
            accept.protocol,
            targets,
            peers,
            accept.ports,
            forward.source_ports,
            _told(accept.protocol, stateless=forward.stateless),
        )


def _refusing(guard: Guard, forward: Forward) -> Iterator[Line]:
    comment = REFUSAL + STATELESS if forward.stateless else REFUSAL
    family, targets = _family(forward.targets), _named(forward.targets)
    refusal = Line("drop", comment, family, guard.protocol)
    if not forward.targets:
        for port in guard.ports:
            yield refusal._replace(ports=(port,), published=True)
        return
    yield refusal._replace(target=targets, ports=guard.ports)
    narrow = tuple(port for port in guard.ports if port not in wide_ports(guard))
    if forward.stateless and narrow:
        told = _told(guard.protocol, stateless=True)
        yield refusal._replace(source=targets, source_ports=narrow, told=told)


def rules_of(lines: Sequence[Line]) -> Optional[tuple[list[Accept], list[Guard]]]:
    """Return what rules of the chain mean; None where one belongs to no accept.

    The result may be written as other lines, so compare with :func:`lines_of`.
    """
    guards = _read_guards(lines)
    wide = {line for guard in guards if guard.forward for line in _wide(guard, guard.forward)}
    accepts: list[Accept] = []
    left = [line for line in lines if line.verdict == "accept" and line not in wide]
    while left:
        request = left.pop(0)
        for accept in _candidates(request):
            written = list(_accepting(accept, accept.forward or Forward()))
            if [request, *left[: len(written) - 1]] == written:
                accepts.append(accept)
                left = left[len(written) - 1 :]
                break
        else:
            return None
    return accepts, guards


def _candidates(request: Line) -> Iterator[Accept]:
    """Yield the accepts that may begin with a rule, those with answers first."""
    peers = request.source or (everyone(request.family),)
    targets = () if request.published else request.target or (everyone(request.family),)
    answered = bool(targets) and bool(request.ports)
    for stateless, unanswered in ((False, False), (True, False), (False, True)) if answered else ((False, False),):
        forward = Forward(targets, request.source_ports, stateless, unanswered)
        yield Accept("forward", request.protocol, request.ports, peers, request.comment, forward=forward)


def _read_guards(lines: Sequence[Line]) -> list[Guard]:
    found: list[Guard] = []
    published: dict[Protocol, list[PortRange]] = {}
    for line in lines:
        if line.verdict == "drop" and line.published:
            published.setdefault(line.protocol, []).extend(line.ports)
        elif line.verdict == "drop" and not line.source_ports:
            forward = Forward(line.target or (everyone(line.family),), stateless=line.comment.endswith(STATELESS))
            found.append(Guard("forward", line.protocol, line.ports, forward))
    found += [Guard("forward", protocol, merge_ports(ports), Forward()) for protocol, ports in published.items()]
    return sorted(found)
