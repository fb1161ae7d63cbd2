# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How values stand in files and in what hosts send: one rule for each kind of type, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import SocketAddress, SocketPort
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports, parse_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import NegativeCheck, RulePeer
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Ports, Statement

_NAMES = {Statement: {"origin": "from", "target": "to"}, GatewayPlan: {"name": "gateway"}}
"""The fields that have another name in the files."""

_MANY = (RulePeer, NegativeCheck, Statement)
"""Of these hardly any two are the same: to remember how one is written would cost more than to write it again."""

_ADDED = {Statement: {"action": "permit"}}
"""What is in the files for other readers, and is not read."""


class MisfitError(ValueError):
    """A value is not of the type that it is read as.

    :ivar path: where it is in what is read, such as ``.sockets[0].state``.
    """

    def __init__(self, path: str, value: Any) -> None:
        super().__init__(path)
        self.path = path
        self.value = value


class Codec(NamedTuple):
    """How values of a type are written as canonical JSON, and read from what JSON holds.

    ``read`` raises ValueError or TypeError for what ``write`` does not write; :class:`MisfitError` for parts of it.
    """

    write: Callable[[Any], str]
    read: Callable[[Any], Any]


def exactly(kind: type, value: Any) -> Any:
    """Return a value of this type; ``true`` is no number here."""
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        raise TypeError(kind.__name__)
    return value


def _part(code: Codec, value: Any, path: str) -> Any:
    """Read a part of a value."""
    try:
        return code.read(value)
    except MisfitError as error:
        raise MisfitError(path + error.path, error.value) from None
    except (ValueError, TypeError):
        raise MisfitError(path, value) from None


def _plain(value: Any) -> str:
    """Return what needs no escape: an address, ports, one of a few words."""
    return f'"{value}"'


_SIMPLE: dict[Any, Codec] = {
    str: Codec(_quoted, lambda value: exactly(str, value)),
    int: Codec(str, lambda value: exactly(int, value)),
    bool: Codec(("false", "true").__getitem__, lambda value: exactly(bool, value)),
    AddressRange: Codec(_plain, AddressRange.parse),
    PortRange: Codec(_plain, lambda value: PortRange.parse(exactly(str, value))),
    Ports: Codec(
        lambda value: _plain(format_ports(value)),
        lambda value: () if value == "" else parse_ports(exactly(str, value)),
    ),
    SocketAddress: Codec(_quoted, lambda value: str(AddressRange.of_socket(exactly(str, value)))),
    SocketPort: Codec(str, lambda value: PortRange.parse(exactly(int, value)).first),
}


@cache
def codec(kind: Any) -> Codec:
    """Return how values of a type are written and read.

    :param kind: text, a number, a truth value, an address, ports, a Literal, or a tuple or NamedTuple of such types;
        each may be None instead. A NamedTuple's fields with a default are left out while they are empty, and pairs of
        names and addresses or texts are a dictionary.
    """
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    arguments = get_args(kind)
    if kind in (tuple[tuple[str, Ranges], ...], tuple[tuple[str, str], ...]):
        return _by_name(codec(get_args(arguments[0])[1]))
    if get_origin(kind) is Literal:
        words = {value: _plain(value) for value in arguments}
        return Codec(words.__getitem__, lambda value: arguments[arguments.index(value)])
    if type(None) in arguments:
        some = codec(arguments[0])
        return Codec(
            lru_cache(maxsize=4096)(lambda value: "null" if value is None else some.write(value)),
            lambda value: None if value is None else some.read(value),
        )
    return _sequence(arguments) if get_origin(kind) is tuple else _named(kind)


def _sequence(kinds: tuple[Any, ...]) -> Codec:
    """Return the codec of a tuple, which is a list: of one type, or of as many values as types."""
    first = codec(kinds[0])

    def read(value: Any) -> tuple[Any, ...]:
        found = tuple(_part(first, item, f"[{at}]") for at, item in enumerate(exactly(list, value)))
        if kinds[-1] is not ... and len(found) != len(kinds):
            raise ValueError(len(found))
        return found

    return Codec(lru_cache(maxsize=65536)(lambda value: f"[{','.join(map(first.write, value))}]"), read)


def _by_name(values: Codec) -> Codec:
    """Return the codec of pairs of names and values, which are a dictionary."""

    def write(pairs: Any) -> str:
        return f"{{{','.join(f'{_quoted(name)}:{values.write(value)}' for name, value in sorted(pairs))}}}"

    return Codec(write, lambda data: tuple((name, values.read(value)) for name, value in exactly(dict, data).items()))


def _named(kind: Any) -> Codec:
    """Return the codec of a NamedTuple, which is a dictionary."""
    names, defaults = _NAMES.get(kind, {}), kind._field_defaults
    fields = [
        (names.get(name, name), name, codec(hint)) for name, hint in get_type_hints(kind, include_extras=True).items()
    ]
    required = len(fields) - len(defaults)
    texts = [(f'"{key}":', number, code.write) for number, (key, _name, code) in enumerate(fields)]
    texts += [(f'"{key}":"{text}"', 0, lambda _value: "") for key, text in _ADDED.get(kind, {}).items()]
    texts.sort()
    whole = f"{{{','.join(key + '%s' for key, _number, _write in texts)}}}"

    def write(item: Any) -> str:
        return whole % tuple([write(item[number]) for _key, number, write in texts])

    def write_some(item: Any) -> str:
        parts = [key + write(item[number]) for key, number, write in texts if number < required or item[number]]
        return f"{{{','.join(parts)}}}"

    def read(data: Any) -> Any:
        given, values = exactly(dict, data), {}
        for key, name, code in fields:
            if key in given:
                values[name] = _part(code, given[key], f".{key}")
            elif name not in defaults:
                raise MisfitError(f".{key}", None)
        return kind(**values)

    if kind in _MANY:
        return Codec(write, read)
    return Codec(lru_cache(maxsize=4096)(write_some if defaults else write), read)
