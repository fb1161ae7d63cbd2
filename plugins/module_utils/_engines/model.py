# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine is made of: options that users write and flows that follow from them. Data only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    AddressSet,
    parse_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol

Need = Literal["required", "optional"]
"""``required``: what the user asked for, by ``clients`` or by an option, fails without the flow; ``optional``: it works
without the flow. It decides between the verdicts fail and warn (docs/declaring.md)."""

Guard = Literal["always", "linux", "never"]
"""On which responders everyone else is refused; ``linux``: Windows itself serves others there (RPC, file shares)."""

OPTION_TYPES = ("bool", "str", "int", "port", "ports", "clients", "address", "addresses", "listen")
"""``port``: one port; ``ports``: ports, ranges or one of the option's ``words``; ``clients``: hosts, groups, networks;
``address``: one IPv4 or IPv6 address; ``addresses``: a list of them; ``listen``: a list of ``{address, tcp_port}``.

Their values are ``AddressRange``s, ``PortRange``s and tuples of them; those of ``listen`` are dictionaries with
``address`` and ``ports``."""

EngineWarningCode = Literal[
    "dynamic_port",
    "dynamic_port_beside_fixed",
    "tcp_disabled",
    "local_only",
    "one_instance_on_linux",
    "browser_unused",
    "no_browser_on_linux",
    "broadcast_answers",
    "browser_of_cluster",
    "ftp_data",
    "listener_shares_port",
    "nfs_ports",
    "ipsec_protocols",
    "polybase_needs_msdtc",
    "windows_system_ports",
    "msdtc_forwarding",
    "redirect_without_clusters",
    "search_without_announcements",
    "search_beyond_broadcast",
    "search_only_by_broadcast",
    "announced_anywhere",
]


@dataclass(frozen=True)
class Option:
    """One thing a user may say of a server or an instance.

    :param choices: the only values allowed, for ``str`` and ``int``; empty for any.
    :param words: the words that may stand in place of a port, such as ``dynamic``.
    :param maximum: the largest port that makes sense, with ``why`` as the reason.
    :param multicast: the address is that of a multicast group, and of no host.
    :param elsewhere: for ``clients``: the server itself is none of them.
    :param needs: a condition, as in ``when`` of a flow, without which the option means nothing, with ``needs_reason``
        for the error; one of a server that its instances may have too is met where it is for one of them.
    :param port_each: for ``clients``: an address may have a ``port``, where it receives the flow that goes both ways.
    """

    name: str
    type: str
    description: str
    default: Any = None
    choices: tuple[Any, ...] = ()
    words: tuple[str, ...] = ()
    maximum: int = 65535
    why: str = ""
    port_each: bool = False
    multicast: bool = False
    elsewhere: bool = False
    needs: str = ""
    needs_reason: str = ""


@dataclass(frozen=True)
class GatewayBehaviour:
    """What becomes of a flow on its way through gateways; the default is what most flows do.

    :param answered: the responder answers from the port that was asked, so that a filter without connection tracking
        needs a rule for the reply.
    :param socks: the client can ask a SOCKS 4 host to connect in its place: why only one of them can stand between
        it and the server; empty where it cannot.
    :param http: a tunnel that looks like HTTP, so that people put HTTP proxies in front of it: why it fails at those
        that understand HTTP; empty for all other flows.
    :param untranslated: why it fails where addresses are translated; empty where it works.
    :param on_link: it stays in its network, because it answers a broadcast: filters need no rule for it.
    :param same_port: conditions, as in ``when``, under which the port that is published for it has to be the port
        behind it, with ``same_port_reason`` and ``same_port_fix`` for the error; None for never.
    :param counted_from: a port expression, as in ``port``: what clients register and compute this flow's port from,
        so that the published ports keep their distance; empty where clients name the port itself.
    """

    answered: bool = True
    socks: str = ""
    http: str = ""
    untranslated: str = ""
    on_link: bool = False
    same_port: tuple[str, ...] | None = None
    same_port_reason: str = ""
    same_port_fix: str = ""
    counted_from: str = ""


@dataclass(frozen=True)
class FlowSpec:
    """One flow that a server or an instance may need.

    :param name: its short name, unique in the engine.
    :param protocol: tcp, udp or icmp.
    :param port: where the responder receives: a number, a range, an option's name, either with ``+n``, or
        ``dynamic`` for the dynamic range of the server's operating system (RPC); empty for icmp.
    :param source_port: where the initiator sends from, if the protocol determines it (IKE, corosync): one port or
        range, written like ``port``; empty where the operating system chooses.
    :param initiator: ``server``, the option of type ``clients`` whose hosts send first, or ``nobody``: the server
        listens there, the port is guarded, and nobody is admitted.
    :param responder: ``server``, or such an option.
    :param except_for: an option of type ``clients`` whose hosts are neither, although ``initiator`` or ``responder``
        names them; empty for none.
    :param when: conditions that must all hold: ``option``, ``!option`` or ``option=value``. An empty list of clients
        is a value: what it belongs to is there, for nobody.
    :param each: ``server``: once; ``instance``: for every instance.
    :param need: whether what the user asked for fails without it, see ``Need``.
    :param process: patterns (fnmatch, without .exe) of the program that listens; empty where it is the kernel.
    :param probe: the kind of probe that proves it, or None where nothing may be sent.
    :param shared: several servers of a host are served by this one socket.
    :param unsolicited: connection tracking does not know it for an answer: it needs rules of its own.
    :param confirmed: False where the source is memory or one unread page.
    :param mesh: every one of the initiators, and the server itself, with every other, both ways; initiator and
        responder are the same option then.
    :param address: an option with the one address of the server that this flow goes to; empty for all.
    :param group: an option with the multicast address that the initiator sends to in place of the responder's own.
    :param both_ways: the server also initiates the same flow to each initiator, at the port that this one declares
        itself, else at the server's.
    :param spread: a value with a tuple of dictionaries: one flow for each of them, which sees it beside the other
        values; its ``address``, where ``address`` says so, is part of the endpoint's id.
    :param responder_os: ``linux`` or ``windows``: peers that are known to run another system do not respond to this.
    :param broadcast: the initiator also sends to 255.255.255.255.
    :param listens: False where the responder has a socket only at times, so that its absence proves nothing.
    :param foreign: the responders serve many others: their ports are not guarded, so they are addresses or networks and
        no inventory hosts.
    :param to_servers: the responders are servers of this engine: where they are declared, one of them receives this.
    :param guard: where the responder refuses everyone else; elsewhere it only lets the initiators in.
    :param through: what becomes of it on its way through gateways.
    """

    name: str
    protocol: Protocol
    port: str
    purpose: str
    citation: str
    source_port: str = ""
    initiator: str = "clients"
    responder: str = "server"
    except_for: str = ""
    when: tuple[str, ...] = ()
    each: str = "server"
    need: Need = "required"
    process: tuple[str, ...] = ()
    probe: str | None = None
    shared: bool = False
    unsolicited: bool = False
    confirmed: bool = True
    listens: bool = True
    broadcast: bool = False
    mesh: bool = False
    address: str = ""
    group: str = ""
    both_ways: bool = False
    spread: str = ""
    responder_os: str = ""
    foreign: bool = False
    to_servers: bool = False
    guard: Guard = "always"
    through: GatewayBehaviour = field(default_factory=GatewayBehaviour)


class EngineWarning(NamedTuple):
    """Something that an engine has to say of a server's declaration.

    :param code: what it is about, for programs and tests.
    :param text: a sentence without a full stop.
    :param path: the option that it follows from, relative to the server; empty for the server itself.
    """

    code: EngineWarningCode
    text: str
    path: str


Values = dict[str, Any]
"""The validated options of a server or an instance, by name; every option is there.

A server's also have ``name``, ``clients`` and ``host_os``: its ``os``, or ``dbports_os``, or the engine's default.
"""


def written(value: Any) -> Any:
    """Return a value as a user writes it, for an error: clients by their names, addresses and ranges as text."""
    if isinstance(value, PortRange) and value.first == value.last:
        return value.first
    if isinstance(value, (PortRange, AddressRange)):
        return str(value)
    if isinstance(value, tuple):
        return [written(getattr(item, "name", item)) for item in value]
    return value


_MULTICAST = AddressSet(parse_addresses(["224.0.0.0/4", "ff00::/8"]))


def check_group(values: Values, name: str) -> None:
    """Refuse an option's address that is no multicast group.

    :raises DbportsError: with the option's path.
    """
    if values[name] and not _MULTICAST.overlaps(values[name]):
        raise DbportsError(
            "not a multicast address",
            code="not_an_address",
            path=name,
            value=str(values[name]),
            fix="Write the address of the multicast group, such as 239.192.0.11",
        )


@dataclass(frozen=True)
class Setting:
    """Where a server's own configuration on Linux says what an option is, for the playbook learn.

    :param option: the option, whose value is a port.
    :param files: patterns of paths.
    :param key: the name of the value; upper and lower case are the same, and so are ``-`` and ``_``.
    :param sections: the sections that count, in lower case; empty for all.
    :param usual: the port that it usually is, for an option that has no default.
    :param implies: an option that is true when this value is there; empty for none.
    """

    option: str
    files: tuple[str, ...] = ()
    key: str = ""
    sections: tuple[str, ...] = ()
    usual: int | None = None
    implies: str = ""


@dataclass(frozen=True)
class Engine:
    """One kind of database server software.

    :param instance_options: what may be said of each instance; empty where the engine has none.
    :param default_instance: the name of the instance that is there when none is declared.
    :param default_os: the operating system whose dynamic range counts while nobody says which one it is.
    :param one_socket: options of ports that may be equal, because one socket then serves both.
    :param outbound: the server is no inventory host: the hosts that connect to it declare it, and it has no clients.
    :param ipv4_only: neither server nor clients use IPv6.
    :param settings: where its configuration names the ports, first the one that clients connect to.
    :param normalized: what ``normalize`` adds to the values and flows then refer to, each with its type.
    :param normalize: given the server's values and those of its instances, fills in what follows from them and
        returns warnings; raises DbportsError (path relative to the server) for what cannot be.
    """

    name: str
    title: str
    source: str
    options: tuple[Option, ...]
    flows: tuple[FlowSpec, ...]
    instance_options: tuple[Option, ...] = ()
    default_instance: str = ""
    default_os: str | None = None
    normalize: Callable[[Values, list[Values]], list[EngineWarning]] = field(default=lambda server, instances: [])
    notes: tuple[str, ...] = ()
    normalized: Mapping[str, str] = field(default_factory=dict)
    one_socket: tuple[str, ...] = ()
    outbound: bool = False
    ipv4_only: bool = False
    settings: tuple[Setting, ...] = ()


@lru_cache(maxsize=4096)
def _condition(text: str) -> tuple[str, str | None, bool]:
    """Read a condition: a name, the value it has to have or None, and whether the opposite is meant."""
    name, equals, wanted = text.partition("=")
    return name.lstrip("!"), wanted if equals else None, text.startswith("!")


def holds(conditions: tuple[str, ...], values: Mapping[str, Any]) -> bool:
    """Tell whether all conditions of a flow hold for the given values."""
    for name, wanted, negated in map(_condition, conditions):
        value = values.get(name)
        met = bool(value) or value == () if wanted is None else str(value) == wanted
        if met == negated:
            return False
    return True
