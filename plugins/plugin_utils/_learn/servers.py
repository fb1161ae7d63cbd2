# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the sockets of database programs to a declaration that plans exactly these: the plan, read backwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, AddressSet
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option, Setting
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import Installed
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.outside import LOOPBACK, is_watched
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import MisfitError, codec


class Value(NamedTuple):
    """One value of a configuration file."""

    file: str
    section: str
    key: str
    value: str


class Seen(NamedTuple):
    """What one host shows, see the module learn_info."""

    sockets: tuple[Socket, ...] = ()
    values: tuple[Value, ...] = ()
    instances: tuple[Installed, ...] = ()


class Learned(NamedTuple):
    """One server.

    :param values: its declaration, an entry of ``dbports_servers``; peers are addresses.
    :param notes: what its user has to look at, sentences without a full stop.
    """

    values: dict[str, Any]
    notes: tuple[str, ...]


def read_seen(value: Any) -> Seen:
    """Read what the module learn_info returned under ``seen``.

    :raises MisfitError: when it is something else.
    """
    try:
        found: Seen = codec(Seen).read(value)
    except (AttributeError, ValueError, TypeError) as error:
        raise error if isinstance(error, MisfitError) else MisfitError("", value) from None
    return found


def processes_of(engines: Mapping[str, Engine]) -> list[str]:
    """Return the patterns of all programs that can be told from others by their names."""
    return sorted({pattern for engine in _local(engines) for pattern in _patterns(engine)})


def settings_of(engines: Mapping[str, Engine]) -> list[dict[str, Any]]:
    """Return the values to look up, as the module learn_info takes them."""
    return [
        {"files": list(item.files), "key": item.key, "sections": list(item.sections)}
        for engine in _local(engines)
        for item in engine.settings
        if item.files
    ]


def learn_servers(seen: Seen, engines: Mapping[str, Engine], own: Iterable[AddressRange]) -> list[Learned]:
    """Return the servers that a host shows.

    A program that listens only on loopback is no server for others. What an engine takes, another does not: PgBouncer
    beside PostgreSQL is an option of it.

    :param own: addresses of the host, beside those that connections show; they are nobody's clients.
    """
    left = [one for one in seen.sockets if one.is_listener and _is_open(one)]
    connected = [one for one in seen.sockets if one.state == "ESTABLISHED"]
    local = [AddressRange.of_socket(one.local_address) for one in connected if one.protocol == "tcp"]
    peers = _Peers(connected, AddressSet([*own, *local]))
    found = []
    for engine in _local(engines):
        for group in _groups(engine, left):
            taken = {(one.protocol, one.local_port) for one in group}
            left = [one for one in left if (one.protocol, one.local_port) not in taken]
            pids = {one.pid for one in group}
            there = next((item for item in seen.instances if item.engine == engine.name and item.pid in pids), None)
            found.append(_Server(engine, group, seen.values, peers, there).learned())
    return found


def identity(server: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what makes two declarations the same server: the engine, and the ports to which its clients connect."""
    engine = builtin_engines().get(str(server.get("engine")))
    if engine is None:
        return (repr(server),)
    option = _main_option(engine)
    default = next((item.default for item in engine.options if item.name == option), None)
    inner = server.get("instances")
    holders = [item for item in inner if isinstance(item, Mapping)] if isinstance(inner, list) else [server]
    return (engine.name, *sorted(str(item.get(option, default)) for item in holders))


def _main_option(engine: Engine) -> str:
    """Return the option that has the port to which clients connect.

    That of SQL Server's instances is computed from their options, and the first one that can be looked up is it.
    """
    main = _main(engine)
    name = main.port.partition("+")[0] if main else ""
    options = {item.name for item in (*engine.options, *engine.instance_options)}
    return name if name in options or not engine.settings else engine.settings[0].option


def _local(engines: Mapping[str, Engine]) -> Iterator[Engine]:
    """Yield the engines of servers that run on hosts, those with most flows first: they know what is beside them."""
    local = (engine for engine in engines.values() if not engine.outbound and _main(engine))
    yield from sorted(local, key=lambda engine: -len(engine.flows))


def _main(engine: Engine) -> FlowSpec | None:
    """Return the flow by which clients connect."""
    return next(
        (
            flow
            for flow in engine.flows
            if flow.process and flow.protocol == "tcp" and flow.listens and flow.initiator == "clients"
        ),
        None,
    )


def _patterns(engine: Engine) -> list[str]:
    return [pattern for flow in engine.flows for pattern in flow.process if is_watched(pattern)]


def _is_open(one: Socket) -> bool:
    return one.local_port is not None and not LOOPBACK.overlaps(AddressRange.of_socket(one.local_address))


def _groups(engine: Engine, sockets: Sequence[Socket]) -> Iterator[list[Socket]]:
    """Yield the listeners of each server: those of one process, and of the programs beside it with the first."""
    main = _main(engine)
    mine = [one for one in sockets if one.is_of(_patterns(engine))]
    pids = sorted({one.pid or 0 for one in mine if main and one.is_of(main.process)})
    known: set[tuple[str, int | None]] = set()
    for number, pid in enumerate(pids):
        group = [one for one in mine if (one.pid or 0) == pid or (not number and one.pid not in pids)]
        ports = {(one.protocol, one.local_port) for one in group}
        if not ports <= known:  # forked processes share their listeners
            known |= ports
            yield group


class _Peers:
    """Who is connected to a port."""

    def __init__(self, connected: Iterable[Socket], own: AddressSet) -> None:
        self._connected = list(connected)
        self._own = own

    def at(self, ports: Iterable[int]) -> list[str]:
        """Return the addresses of others, sorted."""
        wanted = set(ports)
        found = {
            AddressRange.of_socket(one.remote_address)
            for one in self._connected
            if one.local_port in wanted and one.remote_address
        }
        return [str(item) for item in sorted(found) if not LOOPBACK.overlaps(item) and not self._own.overlaps(item)]


class _Server:
    """Finds the values of one server's options."""

    def __init__(
        self,
        engine: Engine,
        sockets: list[Socket],
        values: Sequence[Value],
        peers: _Peers,
        installed: Installed | None = None,
    ) -> None:
        self._engine = engine
        self._sockets = sockets
        self._configured = values
        self._peers = peers
        self._installed = installed
        self._options = {item.name: item for item in (*engine.options, *engine.instance_options)}
        self._inner = {item.name for item in engine.instance_options}
        self._found: dict[str, Any] = {}
        self._settled: dict[str, int] = {}
        self._taken: set[tuple[str, int]] = set()

    def learned(self) -> Learned:
        """Return the server."""
        main = _main(self._engine)
        for flow in sorted(self._engine.flows, key=lambda flow: flow is not main):
            if flow.process and flow.listens and flow.initiator != "nobody":
                self._take(flow, is_main=flow is main)
        for setting in self._engine.settings:
            if setting.implies:
                self._imply(setting)
        ports = [one.local_port or 0 for one in self._sockets if main and one.is_of(main.process)]
        values: dict[str, Any] = {"engine": self._engine.name}
        values.update((key, value) for key, value in self._found.items() if key not in self._inner)
        inner = {key: value for key, value in self._found.items() if key in self._inner}
        name = self._installed.instance if self._installed else self._engine.default_instance
        if self._installed and self._installed.dynamic and not self._installed.ports:
            inner[_main_option(self._engine)] = "dynamic"
        if inner:
            values["instances"] = [{"name": name, **inner}]
        known = {address for value in self._found.values() if isinstance(value, list) for address in value}
        values["clients"] = [address for address in self._peers.at(ports) if address not in known]
        return Learned(values, tuple(self._notes(values)))

    def _take(self, flow: FlowSpec, *, is_main: bool) -> None:
        """Find the port of a flow among those that nothing else explains, and note what is not its default."""
        name, _plus, text = flow.port.partition("+")
        name = _main_option(self._engine) if is_main else name
        option, offset = self._options.get(name), int(text or 0)
        if option is None or option.type not in ("port", "ports"):
            return
        free = sorted(
            (one.local_port or 0) - offset
            for one in self._sockets
            if one.protocol == flow.protocol and one.is_of(flow.process)
        )
        if name in self._settled:
            self._taken |= {(flow.protocol, port + offset) for port in free if port == self._settled[name]}
            return
        there = [port for port in free if (flow.protocol, port + offset) not in self._taken and port > 0]
        port = self._choose(option, there, alone=is_main or (flow.mesh and len(there) == 1))
        if port is None:
            return
        self._settled[name] = port
        self._taken.add((flow.protocol, port + offset))
        if port != self._default(option):
            self._found[name] = port
        for condition in flow.when:
            other = self._options.get(condition)
            if other and other.type == "clients":
                self._found.setdefault(condition, self._peers.at([port + offset]))

    def _choose(self, option: Option, there: Sequence[int], *, alone: bool) -> int | None:
        """Return the port that the configuration names, else the usual one.

        :param alone: whether any port will do, because nothing else can be on it.
        """
        usual = next((item.usual for item in self._engine.settings if item.option == option.name), None)
        for port in (*self._values_of(option.name), self._default(option), usual):
            if port in there:
                return port
        return there[0] if there and alone else None

    def _default(self, option: Option) -> int | None:
        """Return the port that an option has when nobody says more."""
        text = str(option.default)
        return int(text) if text.isdecimal() else None

    def _values_of(self, option: str) -> list[int]:
        """Return the ports that configuration files have for an option, the last one first."""
        wanted = [item for item in self._engine.settings if item.option == option]
        found = [
            int(value.value)
            for item in wanted
            for value in self._configured
            if _matches(item, value) and value.value.isdecimal() and len(value.value) < 6
        ]
        return [port for port in reversed(found) if 0 < port <= MAX_PORT]

    def _imply(self, setting: Setting) -> None:
        """Note a port that is used only at times, so that only the configuration tells it."""
        for port in self._values_of(setting.option)[:1]:
            self._found.update({setting.option: port, setting.implies: True})

    def _notes(self, values: Mapping[str, Any]) -> Iterator[str]:
        if not values["clients"]:
            yield "no client was connected: list those that may connect, or run learn again while they are"
        left = sorted({(one.protocol, one.local_port or 0) for one in self._sockets} - self._taken)
        for protocol, port in left:
            if not self._is_constant(protocol, port):
                yield f"it also listens on {protocol} {port}: declare the option that opens it, if others need it"

    def _is_constant(self, protocol: str, port: int) -> bool:
        """Tell whether a flow has this port whatever the options say."""
        return any(
            flow.protocol == protocol and flow.port.isdecimal() and PortRange.parse(flow.port).first == port
            for flow in self._engine.flows
        )


def _matches(setting: Setting, value: Value) -> bool:
    """Tell whether a value is that of a setting: other servers have a port too, in files of their own."""
    mine = any(fnmatchcase(value.file, pattern) for pattern in setting.files)
    return mine and value.key == setting.key and (not setting.sections or value.section in setting.sections)
