# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firebird: clients and the second connection that events need."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    GatewayBehaviour,
    Option,
    Setting,
    Values,
    written,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_DOC = "Firebird Release Notes, Configuring the Port Service on Client and Server"
_EVENTS = "Firebird FAQ 53, How to configure events to work with a firewall; firebird.conf, RemoteAuxPort"
_NAT = "Firebird source, remote/inet.cpp, aux_connect: the address of the main connection, the port the server reports"
_SERVER = ("firebird", "fbserver", "fb_smp_server", "fb_inet_server")

OPTIONS = (
    Option("port", "port", "The port that Firebird listens on (RemoteServicePort), opened for clients.", 3050),
    Option(
        "events",
        "bool",
        "Clients wait for events, for which they open a second connection: opens aux_port. Leave it out if no client "
        "registers for events.",
        False,
    ),
    Option(
        "aux_port",
        "ports",
        "RemoteAuxPort, the port of that second connection. If omitted or dynamic, it is random (RemoteAuxPort = 0), "
        "which opens the whole dynamic range to clients.",
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
        "Clients open a second connection to receive events",
        f"{_EVENTS}; {_NAT}",
        when=("events",),
        listens=False,
        through=GatewayBehaviour(
            same_port=("events",),
            same_port_reason="the server tells clients the port behind the gateway",
            same_port_fix="Publish it as itself, or set RemoteAuxPort and aux_port to the published port",
        ),
    ),
)


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Warn of a random port and refuse one that is not used; see :class:`Engine`."""
    if server["aux_port"] != "dynamic" and not server["events"]:
        raise DbportsError(
            "the auxiliary port is only used for events, which are off",
            code="contradiction",
            path="aux_port",
            value=written(server["aux_port"]),
            fix="Set events: true, or remove aux_port",
        )
    if server["events"] and server["aux_port"] == "dynamic":
        return [
            EngineWarning(
                "dynamic_port",
                "events use a random port: the whole dynamic range of the server is open to its clients and closed to "
                "everyone else; set RemoteAuxPort in firebird.conf, restart the server and declare that port as "
                "aux_port",
                "aux_port",
            )
        ]
    return []


_FILES = ("/etc/firebird/*/firebird.conf", "/etc/firebird/firebird.conf", "/opt/firebird/firebird.conf")
SETTINGS = (
    Setting("port", _FILES, "RemoteServicePort"),
    Setting("aux_port", _FILES, "RemoteAuxPort", implies="events"),
)

ENGINE = Engine(
    name="firebird",
    title="Firebird",
    source=_DOC,
    options=OPTIONS,
    flows=FLOWS,
    settings=SETTINGS,
    normalize=normalize,
    notes=(
        "Events work through address translation with a fixed port (RemoteAuxPort) that is published as itself: a "
        "client takes the port from the server, and the address from its main connection.",
    ),
)
