# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firebird: clients and the second connection that events need."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option, Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports

_DOC = "Firebird Release Notes, Configuring the Port Service on Client and Server"
_EVENTS = "Firebird FAQ 53, How to configure events to work with a firewall; firebird.conf, RemoteAuxPort"
_SERVER = ("firebird", "fbserver", "fb_smp_server", "fb_inet_server")

OPTIONS = (
    Option("port", "port", "RemoteServicePort.", 3050),
    Option("events", "bool", "Clients wait for events, which the server sends on a second connection.", False),
    Option(
        "aux_port",
        "ports",
        "RemoteAuxPort, the port of that second connection; absent or dynamic: it is random (RemoteAuxPort = 0).",
        "dynamic",
        words=("dynamic",),
    ),
)

FLOWS = (
    FlowSpec("sql", "tcp", "port", "Clients connect to Firebird", _DOC, process=_SERVER, probe="tcp"),
    FlowSpec(
        "events",
        "tcp",
        "aux_port",
        "Clients open a second connection to hear of events",
        _EVENTS,
        when=("events",),
        need="optional",
        listens=False,
    ),
)


def derive(server: Values, instances: list[Values]) -> list[str]:
    """Warn of a random port and refuse one that is not used; see :class:`Engine`."""
    if server["aux_port"] != "dynamic" and not server["events"]:
        raise DbportsError(
            "the auxiliary port serves events alone, which are off",
            path="aux_port",
            value=format_ports(server["aux_port"]),
            fix="Set events: true, or remove aux_port",
        )
    if server["events"] and server["aux_port"] == "dynamic":
        return [
            "events have a random port: the whole dynamic range of the server is open to its clients and closed to "
            "everyone else; set RemoteAuxPort in firebird.conf, restart the server and declare that number as aux_port"
        ]
    return []


ENGINE = Engine(
    name="firebird",
    title="Firebird",
    source=_DOC,
    options=OPTIONS,
    flows=FLOWS,
    derive=derive,
    notes=(
        "A client of events connects to the address that the server names, which fails through address translation.",
    ),
)
