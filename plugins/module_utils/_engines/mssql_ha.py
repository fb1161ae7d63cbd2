# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL Server high availability: availability groups, mirroring, failover clusters on Windows and Pacemaker."""

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
    LINUX_HA,
    RPC,
    RPC_MAPPER,
    SERVICE_PORTS,
    SMB,
    on_linux,
    refuse,
    where,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol

_LISTENER = "SQLCAT blog 2014/02/03, availability group listeners and port numbers"
_CONNECT = "Connect to an Always On availability group listener"
_ROUTING = "Configure read-only routing for an Always On availability group"
_MIRROR = f"{FIREWALL}: database mirroring and Always On"
_PROBE = "Azure Load Balancer health probes"

SHARED_OPTIONS = (
    Option(
        "endpoint_port",
        "port",
        "The port of the database mirroring endpoint, which availability groups also use. SQL Server has no default "
        "for it, see sys.tcp_endpoints.",
        5022,
    ),
    Option(
        "ag_replicas",
        "clients",
        "Always On: the hosts of all availability replicas. Each of them should declare the server, so set it in a "
        "variable of their group.",
    ),
    Option("ag_listener_addresses", "addresses", "The addresses of the availability group's listener."),
    Option(
        "ag_listener_port", "port", "The listener's port. With any other port than 1433, clients write host,port.", 1433
    ),
    Option(
        "ag_read_only_routing",
        "bool",
        "The listener sends read-only clients to the readable secondaries, at their own ports.",
        False,
    ),
    Option("mirroring_partners", "clients", "Database mirroring: the other partner's host."),
    Option("mirroring_witness", "clients", "Database mirroring: the witness's host."),
    Option(
        "fci_addresses",
        "addresses",
        "Failover cluster instance: the addresses of its network name, the only ones on which it listens.",
    ),
)

SERVER_OPTIONS = (
    Option(
        "cluster",
        "str",
        "The underlying cluster: wsfc (Windows Server failover cluster) or pacemaker (Linux).",
        choices=("wsfc", "pacemaker"),
    ),
    Option("cluster_nodes", "clients", "All nodes of the cluster."),
    Option("cluster_witness_share", "clients", "The address of the file server with the file share witness."),
    Option("corosync_multicast", "bool", "Corosync uses multicast.", False),
    Option("corosync_qdevice", "clients", "The host of the quorum device (corosync-qnetd)."),
    Option("dlm", "bool", "The cluster uses the distributed lock manager (clvm, GFS2).", False),
    Option("pacemaker_remote_nodes", "clients", "Pacemaker Remote nodes, which the cluster's nodes connect to."),
    Option(
        "fci_storage",
        "str",
        "How a failover cluster instance on Linux reaches its storage.",
        choices=("iscsi", "nfs", "smb"),
    ),
    Option("fci_storage_hosts", "clients", "The addresses of that storage."),
    Option(
        "health_probe_port",
        "port",
        "The port on which a load balancer in front of a listener or cluster asks which node is active, for example "
        "59999.",
    ),
    Option("health_probe_from", "clients", "The addresses from which the load balancer asks; in Azure, 168.63.129.16."),
)


def _partners(name: str, members: str, purpose: str) -> FlowSpec:
    return FlowSpec(
        name,
        "tcp",
        "endpoint_port",
        purpose,
        _MIRROR,
        initiator=members,
        responder=members,
        mesh=True,
        when=(members,),
        each="instance",
        process=("sqlservr",),
        probe="tcp",
    )


def _wsfc(
    name: str, protocol: Protocol, port: str, purpose: str, need: Need = "required", confirmed: bool = True
) -> FlowSpec:
    return FlowSpec(
        name,
        protocol,
        port,
        f"{purpose} (failover cluster)",
        SERVICE_PORTS if port != "rpc" else f"{SERVICE_PORTS}; {RPC}",
        initiator="cluster_nodes",
        responder="cluster_nodes",
        mesh=True,
        when=("cluster=wsfc",),
        need=need,
        shared=True,
        confirmed=confirmed,
        probe="icmp_echo" if protocol == "icmp" else None,
    )


def _pacemaker(name: str, protocol: Protocol, port: str, purpose: str, *when: str) -> FlowSpec:
    return FlowSpec(
        name,
        protocol,
        port,
        purpose,
        LINUX_HA,
        initiator="cluster_nodes",
        responder="cluster_nodes",
        mesh=True,
        when=("cluster=pacemaker", *when),
        shared=True,
        process=("corosync",) if name.startswith("corosync") else (),
        probe="tcp" if protocol == "tcp" else None,
    )


def _storage(name: str, protocol: Protocol, port: str, kind: str, need: Need = "required") -> FlowSpec:
    return FlowSpec(
        name,
        protocol,
        port,
        f"Nodes reach the storage of the failover cluster instance ({kind.upper()})",
        LINUX_HA,
        initiator="server",
        responder="fci_storage_hosts",
        foreign=True,
        when=(f"fci_storage={kind}",),
        need=need,
    )


FLOWS = (
    _partners(
        "ag_endpoint", "ag_replicas", "Availability replicas of {name} send each other the log and seed databases"
    ),
    _partners(
        "mirroring_endpoint",
        "mirroring_members",
        "Mirroring partners and witness of {name} communicate with each other",
    ),
    FlowSpec(
        "listener",
        "tcp",
        "ag_listener_port",
        "Clients connect to the availability group of {name} through its listener",
        f"{_LISTENER}; {_CONNECT}",
        when=("ag_listeners",),
        each="instance",
        spread="ag_listeners",
        address="address",
        process=("sqlservr",),
        probe="tds",
        listens=False,
    ),
    FlowSpec(
        "read_only_routing",
        "tcp",
        "tcp_port",
        "Read-only clients are sent to the readable secondary {name} itself",
        _ROUTING,
        when=("ag_read_only_routing",),
        each="instance",
        process=("sqlservr",),
        probe="tds",
    ),
    _wsfc("wsfc", "udp", "3343", "Nodes watch each other"),
    _wsfc("wsfc_join", "tcp", "3343", "A node joins"),
    _wsfc("wsfc_mapper", "tcp", RPC_MAPPER, "Nodes ask for RPC ports"),
    _wsfc("wsfc_rpc_udp", "udp", "rpc", "Random high UDP ports"),
    _wsfc("wsfc_rpc", "tcp", "rpc", "RPC between nodes, on the ports that TCP 135 hands out", confirmed=False),
    _wsfc("wsfc_netbios", "udp", "137", "Cluster administration by NetBIOS names", "optional"),
    _wsfc("wsfc_smb", "tcp", SMB, "Validation of the cluster", "optional"),
    _wsfc("wsfc_ping", "icmp", "", "Validation of the cluster", "optional"),
    FlowSpec(
        "witness_share",
        "tcp",
        SMB,
        "Nodes reach the file share witness",
        SERVICE_PORTS,
        initiator="server",
        responder="cluster_witness_share",
        foreign=True,
        when=("cluster=wsfc", "cluster_witness_share"),
    ),
    _pacemaker("pcsd", "tcp", "2224", "Nodes are administered with pcs"),
    _pacemaker("corosync", "udp", "5405", "Corosync joins the nodes"),
    _pacemaker("corosync_multicast", "udp", "5404", "Corosync joins the nodes by multicast", "corosync_multicast"),
    _pacemaker("dlm", "tcp", "21064", "Nodes share locks (DLM)", "dlm"),
    FlowSpec(
        "pacemaker_remote",
        "tcp",
        "3121",
        "Nodes manage Pacemaker Remote nodes",
        LINUX_HA,
        initiator="server",
        responder="pacemaker_remote_nodes",
        when=("cluster=pacemaker", "pacemaker_remote_nodes"),
    ),
    FlowSpec(
        "qdevice",
        "tcp",
        "5403",
        "Nodes ask the quorum device",
        LINUX_HA,
        initiator="server",
        responder="corosync_qdevice",
        when=("cluster=pacemaker", "corosync_qdevice"),
    ),
    _storage("fci_iscsi", "tcp", "3260", "iscsi"),
    _storage("fci_nfs", "tcp", "111,2049", "nfs"),
    _storage("fci_nfs_udp", "udp", "111,2049", "nfs", "optional"),
    _storage("fci_smb", "tcp", "135,139,445", "smb"),
    _storage("fci_smb_names", "udp", "137-138", "smb", "optional"),
    FlowSpec(
        "health_probe",
        "tcp",
        "health_probe_port",
        "A load balancer asks which node is active",
        _PROBE,
        initiator="health_probe_from",
        when=("health_probe_port",),
        listens=False,
    ),
)

NORMALIZED = {"ag_listeners": "listen", "mirroring_members": "clients"}

_NODES_FIX = "List all nodes in cluster_nodes"
_PACEMAKER = ("corosync_multicast", "corosync_qdevice", "dlm", "pacemaker_remote_nodes")


def normalize_instance(server: Values, instance: Values, index: int, others: list[Values]) -> None:
    """Settle the availability group and mirroring of an instance.

    :param others: the server's other instances.
    :raises DbportsError: for what cannot be.
    """
    partners = instance["mirroring_partners"]
    instance["mirroring_members"] = None if partners is None else partners + (instance["mirroring_witness"] or ())
    instance["ag_listeners"] = tuple({"address": item} for item in instance["ag_listener_addresses"] or ())

    def wrong(option: str, reason: str, fix: str) -> DbportsError:
        return DbportsError(
            reason, code="contradiction", path=where(instance, index, option), value=written(instance[option]), fix=fix
        )

    if instance["ag_replicas"] and server["version"] and server["version"] < 2012:
        raise wrong("ag_replicas", "availability groups need SQL Server 2012 or later", "Correct version")
    if instance["mirroring_witness"] and not instance["mirroring_partners"]:
        raise wrong("mirroring_witness", "a witness needs mirroring partners", "Set mirroring_partners")
    if instance["ag_listeners"] and not instance["ag_replicas"]:
        raise wrong("ag_listener_addresses", "a listener needs an availability group", "Set ag_replicas")
    if instance["ag_read_only_routing"]:
        if not instance["ag_listeners"]:
            raise wrong("ag_read_only_routing", "read-only routing needs a listener", "Set ag_listener_addresses")
        if instance["dynamic_port"]:
            raise wrong(
                "ag_read_only_routing",
                f"READ_ONLY_ROUTING_URL contains a port, and the port of {instance['name']} changes",
                "Give the instance a fixed tcp_port",
            )
    if (instance["ag_replicas"] or instance["mirroring_members"]) and _listens(instance, instance["endpoint_port"]):
        raise wrong(
            "endpoint_port",
            f"instance {instance['name']} already uses this port for its clients",
            "Give the endpoint a port of its own",
        )
    for other in others:
        if instance["ag_listeners"] and not other["fci_addresses"] and _listens(other, instance["ag_listener_port"]):
            raise wrong(
                "ag_listener_port",
                f"instance {other['name']} already uses this port, in another process than the listener's",
                "Give the listener or that instance another port",
            )


def _listens(instance: Values, port: PortRange) -> bool:
    """Tell whether an instance listens for its clients on this port, on all addresses."""
    ports = instance["tcp_port"]
    if instance["listen"] or not isinstance(ports, tuple):
        return False
    return any(port.overlaps(item) for item in ports)


def normalize_server(server: Values) -> list[EngineWarning]:
    """Check the cluster; return warnings.

    :raises DbportsError: for what cannot be.
    """
    kind = server["cluster"]
    if kind and not server["cluster_nodes"]:
        raise DbportsError("cluster needs cluster_nodes", code="missing", path="cluster", value=kind, fix=_NODES_FIX)
    if server["cluster_nodes"] and not kind:
        raise DbportsError(
            "cluster_nodes needs cluster, the kind of cluster",
            code="missing",
            path="cluster_nodes",
            value=written(server["cluster_nodes"]),
            fix="Set cluster: wsfc or cluster: pacemaker",
        )
    if kind and (kind == "pacemaker") != on_linux(server):
        raise DbportsError(
            "Pacemaker runs on Linux, a Windows Server failover cluster on Windows",
            code="contradiction",
            path="cluster",
            value=kind,
            fix="Correct cluster, or dbports_os of the host, or os",
        )
    if kind != "pacemaker":
        refuse(server, _PACEMAKER, "only a Pacemaker cluster has this", "Set cluster: pacemaker, or remove it")
    if kind != "wsfc":
        refuse(
            server,
            ("cluster_witness_share",),
            "only a Windows Server failover cluster has this",
            "Set cluster: wsfc, or remove it",
        )
    for one, other in (("fci_storage", "fci_storage_hosts"), ("health_probe_port", "health_probe_from")):
        for given, missing in ((one, other), (other, one)):
            if server[given] and not server[missing]:
                raise DbportsError(
                    f"{given} needs {missing}",
                    code="missing",
                    path=given,
                    value=written(server[given]),
                    fix=f"Set {missing}, or remove {given}",
                )
    if server["fci_storage"] == "nfs":
        return [
            EngineWarning(
                "nfs_ports",
                "NFS before version 4 also needs the ports of lockd, mountd and statd, which the NFS server chooses",
                "fci_storage",
            )
        ]
    return []
