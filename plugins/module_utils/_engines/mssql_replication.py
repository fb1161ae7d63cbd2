# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL Server Replication, log shipping and Service Broker: which agent runs where, and what it connects to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
    NETBIOS_DATAGRAMS,
    where,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import Protocol

_PORTS = f"{FIREWALL}: replication"
_AGENTS = "Replication agents overview"
_CONNECTIONS = "Replication agent security model"
_LINK = "Secure the distributor: repl_distributor"
_FOLDER = "Secure the distributor: snapshot folder security"
_FTP = "Transfer snapshots through FTP"
_WEB = "Security architecture for web synchronization"
_REDIRECTED = "Configure replication with Always On availability groups, step 5"
_UPDATES = "Updatable subscriptions for transactional replication"
_SHIPPING = "About log shipping"

SHARED_OPTIONS = (
    Option(
        "broker_port",
        "port",
        "The port of the Service Broker endpoint, opened to broker_peers. There is no default; 4022 is usual, see "
        "sys.tcp_endpoints.",
    ),
    Option(
        "broker_peers",
        "clients",
        "The hosts of the other Service Broker instances, inventory hosts or addresses. Each side connects to the "
        "other.",
    ),
    Option(
        "replication_subscribers",
        "clients",
        "Replication: the hosts of the subscribers, inventory hosts or addresses. Opens the ports that their kind of "
        "subscription needs. Declare them as servers as well if they have clients of their own.",
    ),
    Option(
        "replication_type",
        "str",
        "The kind of replication; snapshot replication counts as transactional. If omitted, merge with "
        "replication_web_sync, otherwise transactional.",
        choices=("transactional", "merge"),
    ),
    Option(
        "replication_subscription",
        "str",
        "Where the agents of subscriptions run. With push, at the distributor, which connects to the subscribers; with "
        "pull, at the subscribers, which connect to the distributor, and for merge replication to the publisher too.",
        "push",
        choices=("push", "pull"),
    ),
    Option(
        "replication_updates",
        "str",
        "Updatable subscriptions. With immediate, the subscribers connect to the publisher (declare msdtc_partners as "
        "well); with queued, the distributor connects to the subscribers. Leave it out if subscribers only read.",
        choices=("immediate", "queued"),
    ),
    Option(
        "replication_distributor",
        "clients",
        "The distributor's host, if it is not this server: an inventory host or address. It and the publisher connect "
        "to each other.",
        elsewhere=True,
    ),
    Option("replication_subscriber_port", "ports", "The subscribers' port.", "1433"),
    Option("replication_distributor_port", "ports", "The remote distributor's port.", "1433"),
    Option(
        "replication_snapshot",
        "str",
        "How agents that do not run at the distributor fetch the snapshot: smb (a share, TCP 445) or ftp (TCP 21). If "
        "omitted, they do not.",
        choices=("smb", "ftp"),
    ),
    Option(
        "replication_snapshot_hosts",
        "clients",
        "The addresses of that share or FTP server, no inventory hosts. If omitted, this server; with "
        "replication_distributor it must be written, as the address of the distributor if that has the snapshots.",
    ),
    Option(
        "replication_web_sync",
        "clients",
        "Web synchronization of merge replication: the hosts of IIS, inventory hosts or addresses, which connect to "
        "publisher, distributor and snapshots in the subscribers' place. An inventory host is closed to everyone else "
        "on replication_web_sync_port: write its address if it has other visitors.",
    ),
    Option(
        "replication_web_subscribers",
        "clients",
        "The subscribers that synchronize through IIS, inventory hosts or addresses; they reach nothing else. If "
        "omitted with replication_web_sync, all replication_subscribers do.",
    ),
    Option("replication_web_sync_port", "ports", "The port of IIS for web synchronization.", "443"),
    Option(
        "log_shipping_secondaries",
        "clients",
        "Log shipping: the hosts of the secondary servers, inventory hosts or addresses. Opens the share with the "
        "backups (TCP 445) to them.",
    ),
    Option(
        "log_shipping_share",
        "clients",
        "Log shipping: the address of the file server with the backups, no inventory host. If omitted, this server.",
    ),
    Option(
        "log_shipping_monitor",
        "clients",
        "Log shipping: the host of the monitor server, an inventory host or address. Opens log_shipping_monitor_port "
        "there to this server and the secondaries. Leave it out if there is none.",
    ),
    Option("log_shipping_monitor_port", "ports", "The monitor server's port.", "1433"),
)


def _engine(name: str, initiator: str, purpose: str, citation: str, *when: str) -> FlowSpec:
    """Return the flow of an agent to this instance's own port."""
    return FlowSpec(
        name,
        "tcp",
        "tcp_port",
        purpose,
        f"{_PORTS}; {citation}",
        initiator=initiator,
        when=(initiator, *when),
        each="instance",
        process=("sqlservr",),
        probe="tds",
        spread="reached_at",
        address="address",
    )


_FOREIGN = ("replication_snapshot_hosts", "log_shipping_share")
"""Their ports serve others as well, so that they are never guarded there."""

_OF_SERVERS = ("replication_subscriber_port", "replication_distributor_port", "log_shipping_monitor_port")
"""Where SQL Server listens on other hosts."""


def _away(name: str, initiator: str, responder: str, port: str, purpose: str, citation: str, *when: str) -> FlowSpec:
    """Return a flow to another host than this server."""
    sides = tuple(side for side in (initiator, responder) if side != "server")
    return FlowSpec(
        name,
        "tcp",
        port,
        purpose,
        citation,
        initiator=initiator,
        responder=responder,
        when=(*sides, *when),
        each="instance",
        foreign=responder in _FOREIGN,
        to_servers=port in _OF_SERVERS,
    )


_FTP_PORT = "21"


def _files(
    name: str,
    readers: str,
    elsewhere: str,
    port: str,
    purpose: str,
    citation: str,
    *when: str,
    protocol: Protocol = "tcp",
    need: Need = "required",
    source_port: str = "",
) -> tuple[FlowSpec, FlowSpec]:
    """Return the flow of those who read files, to this server where no other host has them."""
    here = FlowSpec(
        name,
        protocol,
        port,
        purpose,
        citation,
        source_port=source_port,
        initiator=readers,
        each="instance",
        need=need,
        when=(readers, *when, f"!{elsewhere}"),
        shared=True,
        guard="always" if port == _FTP_PORT else "linux",
    )
    there = replace(
        here,
        name=f"{name}_host",
        responder=elsewhere,
        when=(readers, *when, elsewhere),
        shared=False,
        foreign=True,
    )
    return here, there


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
        spread="reached_at",
        address="address",
        both_ways=True,
        process=("sqlservr",),
        probe="tcp",
    ),
    _engine(
        "replication_log_reader",
        _REMOTE,
        "The snapshot, log reader and merge agents at the distributor connect to the publisher {name}",
        f"{_AGENTS}; {_CONNECTIONS}",
    ),
    _away(
        "replication_distributor_link",
        "server",
        _REMOTE,
        "replication_distributor_port",
        "The publisher {name} connects to its remote distributor",
        _LINK,
    ),
    FlowSpec(
        "replication_listener",
        "tcp",
        "ag_listener_port",
        "Agents find the publisher {name} at the listener of its availability group",
        _REDIRECTED,
        initiator="publisher_agents",
        when=("publisher_agents", "ag_listeners"),
        each="instance",
        spread="ag_listeners",
        address="address",
        process=("sqlservr",),
        probe="tds",
        listens=False,
    ),
    _away(
        "replication_push",
        "server",
        "pushed_subscribers",
        "replication_subscriber_port",
        "Agents at the distributor {name} connect to the subscribers",
        f"{_PORTS}; {_AGENTS}",
        _LOCAL,
    ),
    _away(
        "replication_push_distributor",
        _REMOTE,
        "pushed_subscribers",
        "replication_subscriber_port",
        "Agents at the remote distributor of {name} connect to the subscribers",
        f"{_PORTS}; {_AGENTS}",
    ),
    _engine(
        "replication_pull",
        "pulling_subscribers",
        "Agents at the subscribers pull from the distributor {name}",
        f"{_AGENTS}; {_CONNECTIONS}",
        _LOCAL,
    ),
    _away(
        "replication_pull_distributor",
        "pulling_subscribers",
        _REMOTE,
        "replication_distributor_port",
        "Agents at the subscribers pull from the remote distributor of {name}",
        f"{_AGENTS}; {_CONNECTIONS}",
    ),
    _engine(
        "replication_publisher",
        "publishers_subscribers",
        "Subscribers connect to the publisher {name} itself, to merge or to update immediately",
        f"{_CONNECTIONS}; {_UPDATES}",
    ),
    *_files(
        "replication_snapshot",
        "snapshot_readers",
        "replication_snapshot_hosts",
        "smb_ports",
        "The snapshots of {name} are read from a share",
        f"{_PORTS}; {_FOLDER}",
        "replication_snapshot=smb",
    ),
    *(
        flow
        for name, port in NETBIOS_DATAGRAMS.items()
        for flow in _files(
            f"replication_snapshot_{name}",
            "snapshot_readers",
            "replication_snapshot_hosts",
            port,
            "The share with the snapshots of {name} is found by NetBIOS",
            f"{_PORTS}; RFC 1002, 4.2.1 and 4.4.1",
            "replication_snapshot=smb",
            "netbios",
            protocol="udp",
            need="optional",
            source_port=port,
        )
    ),
    *_files(
        "replication_ftp",
        "snapshot_readers",
        "replication_snapshot_hosts",
        _FTP_PORT,
        "The snapshots of {name} are read by FTP",
        f"{_PORTS}; {_FTP}",
        "replication_snapshot=ftp",
    ),
    _away(
        "replication_snapshot_agent",
        "server",
        "replication_snapshot_hosts",
        "smb_ports",
        "The agents of {name} write snapshots to the share, and read them for push subscriptions",
        _FOLDER,
        "replication_snapshot=smb",
        _LOCAL,
    ),
    _away(
        "replication_snapshot_writer",
        _REMOTE,
        "replication_snapshot_hosts",
        "smb_ports",
        "The agents of the remote distributor write snapshots to the share, and read them for push subscriptions",
        _FOLDER,
        "replication_snapshot=smb",
    ),
    _away(
        "replication_web_sync",
        "web_subscribers",
        "replication_web_sync",
        "replication_web_sync_port",
        "Subscribers synchronize through IIS",
        f"{_PORTS}; {_WEB}, section D",
    ),
    _engine(
        "replication_web_sync_publisher",
        "replication_web_sync",
        "The reconciler on IIS connects to the publisher {name}",
        f"{_WEB}, section E",
    ),
    _away(
        "replication_web_sync_distributor",
        "replication_web_sync",
        _REMOTE,
        "replication_distributor_port",
        "The reconciler on IIS connects to the remote distributor of {name}",
        f"{_WEB}, section F",
    ),
    *_files(
        "log_shipping",
        "log_shipping_secondaries",
        "log_shipping_share",
        "smb_ports",
        "Secondary servers copy the log backups of {name}",
        _SHIPPING,
    ),
    _away(
        "log_shipping_backup",
        "server",
        "log_shipping_share",
        "smb_ports",
        "{name} writes log backups to the share",
        _SHIPPING,
    ),
    _away(
        "log_shipping_monitor",
        "server",
        "log_shipping_monitor",
        "log_shipping_monitor_port",
        "The primary server {name} reports to the monitor server",
        _SHIPPING,
    ),
    _away(
        "log_shipping_monitor_secondary",
        "log_shipping_secondaries",
        "log_shipping_monitor",
        "log_shipping_monitor_port",
        "The secondary servers of {name} report to the monitor server",
        _SHIPPING,
    ),
)

NORMALIZED = {
    "publisher_agents": "clients",
    "pushed_subscribers": "clients",
    "pulling_subscribers": "clients",
    "publishers_subscribers": "clients",
    "web_subscribers": "clients",
    "snapshot_readers": "clients",
    "smb_ports": "ports",
}

_SUBSCRIBERS = ("replication_subscribers", "replication_web_subscribers")
_NEEDS = (
    ("broker_port", ("broker_peers",)),
    ("broker_peers", ("broker_port",)),
    ("replication_snapshot", _SUBSCRIBERS),
    ("replication_web_sync", _SUBSCRIBERS),
    ("replication_web_subscribers", ("replication_web_sync",)),
    ("replication_snapshot_hosts", ("replication_snapshot",)),
    ("log_shipping_share", ("log_shipping_secondaries",)),
    ("log_shipping_monitor", ("log_shipping_secondaries",)),
)
"""Options of an instance that mean nothing without one of some others."""


def normalize_instance(server: Values, instance: Values, index: int) -> list[EngineWarning]:
    """Settle who connects to whom; return warnings.

    :raises DbportsError: for what cannot be.
    """

    def wrong(option: str, reason: str, fix: str) -> DbportsError:
        path = where(instance, index, option)
        return DbportsError(reason, code="contradiction", path=path, value=written(instance[option]), fix=fix)

    for given, needed in _NEEDS:
        if instance[given] is not None and all(instance[name] is None for name in needed):
            raise wrong(given, f"{given} needs {' or '.join(needed)}", f"Set {' or '.join(needed)}, or remove {given}")
    if (
        instance["replication_snapshot"]
        and instance["replication_distributor"]
        and not instance["replication_snapshot_hosts"]
    ):
        raise wrong(
            "replication_snapshot",
            "the snapshots are on the distributor, which is another host",
            "Set replication_snapshot_hosts, to the address of the distributor if it has them",
        )
    merges = instance["replication_type"] == "merge" or (
        instance["replication_type"] is None and instance["replication_web_sync"] is not None
    )
    if instance["replication_web_sync"] and not merges:
        raise wrong("replication_web_sync", f"only merge replication has it ({_WEB})", "Correct replication_type")
    if instance["replication_updates"] and merges:
        raise wrong(
            "replication_updates", f"only transactional replication has them ({_UPDATES})", "Correct replication_type"
        )
    _settle_subscribers(instance, merges)
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


def _settle_subscribers(instance: Values, merges: bool) -> None:
    """Say which subscribers and agents connect to whom: those of web synchronization reach only IIS.

    :param merges: it is merge replication, not transactional.
    """
    iis, distributor = instance["replication_web_sync"], instance["replication_distributor"]
    through_iis, direct = instance["replication_web_subscribers"], instance["replication_subscribers"]
    if iis is not None and through_iis is None:
        through_iis, direct = direct, None
    pull, updates = instance["replication_subscription"] == "pull", instance["replication_updates"]
    at_publisher = direct if (merges and pull) or updates == "immediate" else None
    instance["web_subscribers"] = through_iis
    instance["pushed_subscribers"] = None if pull and updates != "queued" else direct
    instance["pulling_subscribers"] = direct if pull else None
    # A publisher that is its own distributor is already open to those that pull from it.
    instance["publishers_subscribers"] = None if pull and distributor is None else at_publisher
    instance["publisher_agents"] = _all_of(distributor, iis, at_publisher)
    # A push agent runs where the share is, unless that is on another host: then its agent is the one that reads.
    instance["snapshot_readers"] = _all_of(instance["pulling_subscribers"], iis)


def _all_of(*lists: Any) -> Any:
    """Return all clients of several options; None where none of these is set."""
    given = [clients for clients in lists if clients is not None]
    return tuple(ref for clients in given for ref in clients) if given else None
