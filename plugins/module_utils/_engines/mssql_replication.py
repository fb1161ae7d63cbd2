# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL Server Replication and Service Broker: which agent goes where."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    EngineWarning,
    FlowSpec,
    Need,
    Option,
    Values,
    written,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.mssql_common import (
    FIREWALL,
    NETBIOS_NAMES,
    where,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import Protocol

_SOURCE = f"{FIREWALL}: replication"

SHARED_OPTIONS = (
    Option(
        "broker_port",
        "port",
        "The port of the Service Broker endpoint. There is no default; 4022 is usual, see sys.tcp_endpoints.",
    ),
    Option(
        "broker_peers", "clients", "The hosts of the other Service Broker instances. Each side connects to the other."
    ),
    Option(
        "replication_subscribers",
        "clients",
        "Replication: the hosts of the subscribers. Declare them as servers as well if they have clients of their own.",
    ),
    Option(
        "replication_subscription",
        "str",
        "With push, the distributor connects to the subscribers; with pull, they connect to it.",
        "push",
        choices=("push", "pull"),
    ),
    Option("replication_distributor", "clients", "The distributor's host, if it is not this server."),
    Option("replication_subscriber_port", "ports", "The subscribers' port.", "1433"),
    Option("replication_distributor_port", "ports", "The remote distributor's port.", "1433"),
    Option(
        "replication_snapshot",
        "str",
        "How subscribers fetch the snapshot: smb (a share) or ftp. If omitted, they do not.",
        choices=("smb", "ftp"),
    ),
    Option(
        "replication_snapshot_hosts", "clients", "The addresses of that share or FTP server. If omitted, this server."
    ),
    Option("replication_web_sync", "clients", "Web synchronization of merge replication: the addresses of IIS."),
    Option("replication_web_sync_port", "ports", "The port of IIS for web synchronization.", "443"),
)


def _engine(name: str, initiator: str, purpose: str, *when: str, need: Need = "required") -> FlowSpec:
    """Return the flow of an agent to this instance's own port."""
    return FlowSpec(
        name,
        "tcp",
        "tcp_port",
        purpose,
        _SOURCE,
        initiator=initiator,
        when=when,
        each="instance",
        need=need,
        process=("sqlservr",),
        probe="tds",
        spread="reached_at",
        address="address",
    )


_FOREIGN = ("replication_snapshot_hosts", "replication_web_sync")
"""Their ports serve others as well, so that they are never guarded there."""


def _away(
    name: str,
    initiator: str,
    responder: str,
    port: str,
    purpose: str,
    *when: str,
    protocol: Protocol = "tcp",
    need: Need = "required",
) -> FlowSpec:
    """Return a flow to another host than this server."""
    return FlowSpec(
        name,
        protocol,
        port,
        purpose,
        _SOURCE,
        initiator=initiator,
        responder=responder,
        when=when,
        each="instance",
        need=need,
        foreign=responder in _FOREIGN,
    )


def _files(
    name: str, port: str, kind: str, purpose: str, *when: str, protocol: Protocol = "tcp", need: Need = "required"
) -> tuple[FlowSpec, ...]:
    """Return the flow of those who read snapshots, to this server where no other host has them."""
    condition = ("snapshot_readers", f"replication_snapshot={kind}", *when)
    return (
        FlowSpec(
            name,
            protocol,
            port,
            purpose,
            _SOURCE,
            initiator="snapshot_readers",
            each="instance",
            need=need,
            when=(*condition, "!replication_snapshot_hosts"),
            shared=True,
        ),
        _away(
            f"{name}_host",
            "snapshot_readers",
            "replication_snapshot_hosts",
            port,
            purpose,
            *condition,
            "replication_snapshot_hosts",
            protocol=protocol,
            need=need,
        ),
    )


_PUSH = ("replication_subscribers", "replication_subscription=push")
_PULL = ("replication_subscribers", "replication_subscription=pull")
_REMOTE, _LOCAL = "replication_distributor", "!replication_distributor"

FLOWS = (
    FlowSpec(
        "service_broker",
        "tcp",
        "broker_port",
        "Service Broker instances connect to each other, {name} among them",
        f"{FIREWALL}: Service Broker",
        initiator="broker_peers",
        when=("broker_port",),
        each="instance",
        both_ways=True,
        process=("sqlservr",),
        probe="tcp",
    ),
    _engine("replication_log_reader", _REMOTE, "The distributor's agents read the publications of {name}", _REMOTE),
    _away(
        "replication_push",
        "server",
        "replication_subscribers",
        "replication_subscriber_port",
        "The distributor {name} pushes to the subscribers",
        *_PUSH,
        _LOCAL,
    ),
    _away(
        "replication_push_distributor",
        _REMOTE,
        "replication_subscribers",
        "replication_subscriber_port",
        "The remote distributor of {name} pushes to the subscribers",
        *_PUSH,
        _REMOTE,
    ),
    _engine(
        "replication_pull", "replication_subscribers", "Subscribers pull from the distributor {name}", *_PULL, _LOCAL
    ),
    _away(
        "replication_pull_distributor",
        "replication_subscribers",
        _REMOTE,
        "replication_distributor_port",
        "Subscribers pull from the remote distributor of {name}",
        *_PULL,
        _REMOTE,
    ),
    _engine(
        "replication_merge_pull",
        "replication_subscribers",
        "Merge agents of pull subscriptions also connect to the publisher {name}",
        *_PULL,
        _REMOTE,
        need="optional",
    ),
    *_files("replication_snapshot", "smb_ports", "smb", "Subscribers read the snapshots of {name} from a share"),
    *_files(
        "replication_snapshot_names",
        NETBIOS_NAMES,
        "smb",
        "Subscribers find the share by NetBIOS",
        "netbios",
        protocol="udp",
        need="optional",
    ),
    *_files("replication_ftp", "21", "ftp", "Subscribers read the snapshots of {name} by FTP"),
    _away(
        "replication_snapshot_agent",
        "server",
        "replication_snapshot_hosts",
        "smb_ports",
        "The snapshot agent of {name} writes to the share",
        "replication_snapshot=smb",
        "replication_snapshot_hosts",
        _LOCAL,
    ),
    _away(
        "replication_snapshot_writer",
        _REMOTE,
        "replication_snapshot_hosts",
        "smb_ports",
        "The snapshot agent of the remote distributor writes to the share",
        "replication_snapshot=smb",
        "replication_snapshot_hosts",
        _REMOTE,
    ),
    _away(
        "replication_web_sync",
        "replication_subscribers",
        "replication_web_sync",
        "replication_web_sync_port",
        "Subscribers synchronize through IIS",
        "replication_web_sync",
    ),
    _engine(
        "replication_web_sync_publisher",
        "replication_web_sync",
        "IIS synchronizes with the publisher {name}",
        "replication_web_sync",
    ),
)

NORMALIZED = {"snapshot_readers": "clients", "smb_ports": "ports"}


def _missing_host(instance: Values) -> bool:
    return bool(instance["replication_distributor"]) and not instance["replication_snapshot_hosts"]


def normalize_instance(server: Values, instance: Values, index: int) -> list[EngineWarning]:
    """Settle who reads snapshots where; return warnings.

    :raises DbportsError: for what cannot be.
    """
    for given, missing in (
        ("broker_port", "broker_peers"),
        ("broker_peers", "broker_port"),
        ("replication_snapshot", "replication_subscribers"),
        ("replication_web_sync", "replication_subscribers"),
        ("replication_snapshot_hosts", "replication_snapshot"),
    ):
        if instance[given] and not instance[missing]:
            raise DbportsError(
                f"{given} needs {missing}",
                code="missing",
                path=where(instance, index, given),
                value=written(instance[given]),
                fix=f"Set {missing}, or remove {given}",
            )
    if instance["replication_snapshot"] and _missing_host(instance):
        raise DbportsError(
            "the snapshots are on the distributor, which is another host",
            code="contradiction",
            path=where(instance, index, "replication_snapshot"),
            value=instance["replication_snapshot"],
            fix="Set replication_snapshot_hosts, to the address of the distributor if it has them",
        )
    pulls = instance["replication_subscription"] == "pull"
    by_web = instance["replication_web_sync"] and instance["replication_snapshot"] == "ftp"
    readers = instance["replication_web_sync"] if by_web else instance["replication_subscribers"]
    # A push agent runs where the share is, unless that is on another host: then its agent is the one that reads.
    instance["snapshot_readers"] = readers if pulls or by_web else None
    instance["smb_ports"] = "139,445" if server["netbios"] else "445"
    if instance["replication_snapshot"] == "ftp" and instance["snapshot_readers"]:
        return [
            EngineWarning(
                "ftp_data",
                f"FTP of instance {instance['name']}: data connections need a connection tracking helper, or the "
                "passive ports of the FTP server have to be opened as well",
                where(instance, index, "replication_snapshot"),
            )
        ]
    return []
