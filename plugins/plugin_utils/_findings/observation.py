# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host shows, read once from the result of the module dbports.firewall.observation_info."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, TypeVar, get_args

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import state
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import DIRECTIONS, Direction
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    Family,
    Socket,
    SocketProtocol,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PROTOCOLS, PortRange, Protocol, parse_ports
from ansible_collections.dbports.firewall.plugins.module_utils._probe import base
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import kind_of


class ForeignRule(NamedTuple):
    """A foreign rule that drops, or may drop, what a rule of the plan accepts.

    :param text: a sentence that says where it is.
    """

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]
    verdict: state.Verdict
    text: str


class RulesetState(NamedTuple):
    """Whether a host carries the planned ruleset.

    :param error: why the ruleset could not be read, or an empty string.
    """

    in_sync: bool
    foreign: tuple[ForeignRule, ...] = ()
    error: str = ""


class ProbeResult(NamedTuple):
    """What one probe met; ``id`` is that of the probe."""

    id: str
    kind: base.ProbeKind
    address: str
    verdict: base.Verdict
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict}: {self.detail}" if self.detail else self.verdict


@dataclass(frozen=True)
class Observation:
    """What one host shows; None stands for what nobody looked at."""

    sockets: Optional[tuple[Socket, ...]] = None
    ruleset: Optional[RulesetState] = None
    probes: tuple[ProbeResult, ...] = ()


def read_observation(value: Any) -> Observation:
    """Read what the module returned under ``observation``.

    :raises DbportsError: when it is not what the module returns, or names a kind of probe that does not exist.
    """
    data = _Reader(value, "observation")
    sockets = data.items("sockets")
    ruleset = data.child("ruleset")
    return Observation(
        None if sockets is None else tuple(_socket(item) for item in sockets),
        None if ruleset is None else _ruleset(ruleset),
        tuple(_probe(item) for item in data.items("probes") or ()),
    )


T = TypeVar("T")

_DROPS: tuple[state.Verdict, ...] = get_args(state.Verdict)
_FAMILIES: tuple[Family, ...] = get_args(Family)
_PROBED: tuple[base.Verdict, ...] = get_args(base.Verdict)
_SOCKET_PROTOCOLS: tuple[SocketProtocol, ...] = get_args(SocketProtocol)
_STATES: tuple[Optional[State], ...] = (None, *get_args(State))


class _Reader:
    """A dictionary from a host, whose values are read only as what they have to be."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise _unreadable(path, value)
        self._data: Mapping[str, Any] = value
        self._path = path

    def get(self, key: str, read: Callable[[Any], T]) -> T:
        """Return a value read by a function that raises ValueError (as DbportsError is) or TypeError for others."""
        value = self._data.get(key)
        try:
            return read(value)
        except (ValueError, TypeError):
            raise _unreadable(f"{self._path}.{key}", value) from None

    def choice(self, key: str, choices: tuple[T, ...]) -> T:
        """Return the choice that a value is."""
        return self.get(key, lambda value: choices[choices.index(value)])

    def text(self, key: str) -> str:
        """Return a text."""
        return self.get(key, lambda value: _typed(value, str))

    def child(self, key: str) -> _Reader | None:
        """Return a dictionary, or None where there is none."""
        value = self._data.get(key)
        return None if value is None else _Reader(value, f"{self._path}.{key}")

    def items(self, key: str) -> list[_Reader] | None:
        """Return a list of dictionaries, or None where there is none."""
        values = self.get(key, lambda value: value if value is None else _typed(value, list))
        path = f"{self._path}.{key}"
        return None if values is None else [_Reader(item, f"{path}[{at}]") for at, item in enumerate(values)]


def _unreadable(path: str, value: Any) -> DbportsError:
    return DbportsError(
        "the host's answer cannot be read",
        code="unreadable",
        path=path,
        value=value,
        fix="Check that the host runs dbports.firewall.observation_info of this release",
    )


def _typed(value: Any, kind: type[T]) -> T:
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise TypeError


def _address(value: Any) -> str:
    return str(AddressRange.of_socket(_typed(value, str)))


def _optional(read: Callable[[Any], T]) -> Callable[[Any], Optional[T]]:
    return lambda value: None if value is None else read(value)


def _port(value: Any) -> int:
    return PortRange.parse(_typed(value, int)).first


def _socket(data: _Reader) -> Socket:
    return Socket(
        data.choice("family", _FAMILIES),
        data.choice("protocol", _SOCKET_PROTOCOLS),
        data.choice("state", _STATES),
        data.get("local_address", _address),
        data.get("local_port", _optional(_port)),
        data.get("remote_address", _optional(_address)),
        data.get("remote_port", _optional(_port)),
        data.get("pid", _optional(lambda value: _typed(value, int))),
        data.get("process", _optional(lambda value: _typed(value, str))),
    )


def _ruleset(data: _Reader) -> RulesetState:
    error = data.get("error", _optional(lambda value: _typed(value, str)))
    if error:
        return RulesetState(False, (), error)
    in_sync = data.get("in_sync", lambda value: _typed(value, bool))
    return RulesetState(in_sync, tuple(_foreign(item) for item in data.items("foreign") or ()))


def _foreign(data: _Reader) -> ForeignRule:
    return ForeignRule(
        data.choice("direction", DIRECTIONS),
        data.choice("protocol", PROTOCOLS),
        data.get("ports", lambda value: parse_ports(_typed(value, str)) if value else ()),
        data.choice("verdict", _DROPS),
        data.text("text"),
    )


def _probe(data: _Reader) -> ProbeResult:
    kind = kind_of(data.text("kind"))
    return ProbeResult(
        data.text("id"), kind, data.text("address"), data.choice("verdict", _PROBED), data.text("detail")
    )
