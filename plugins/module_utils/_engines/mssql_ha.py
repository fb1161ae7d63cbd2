# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL Server high availability: availability groups, mirroring, failover clusters on Windows and Pacemaker."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    EngineWarning,
    FlowSpec,
    GatewayBehaviour,
    Need,
    Option,
    Values,
    check_group,
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

_LISTENER = "What is an availability group listener?"
_DNN = "Configure a DNN listener for an availability group: its port is unique and listens on all addresses"
_CONTAINED = "What is a contained availability group?"
_ROUTING = "Configure read-only routing for an Always On availability group"
_ENDPOINT = f"{FIREWALL}: database mirroring and Always On"
_SEEDING = "Automatic seeding for secondary replicas"
_ADDRESS = "Specify a server network address (database mirroring)"
_DISTRIBUTED = (
    "Configure an Always On distributed availability group: LISTENER_URL is the listener with the endpoint's port"
)
_LINK = "Prepare your environment for a link: network ports between the environments"
_PROBE = "Configure a load balancer and availability group listener (SQL Server on Azure VMs): health probes"
_HEARTBEAT = (
    "IaaS with SQL AlwaysOn: tuning failover cluster network thresholds, cluster.log (local and remote port 3343)"
)
_NODE_RPC = "Plan host networking for Azure Stack HCI: failover clustering ports (RPC dynamic ports)"
_SHARE = "Configure a file share witness for failover clustering"
_CLOUD = "Deploy a cloud witness for a failover cluster"
_COROSYNC = "corosync.conf(5): mcastport; corosync, exec/totemknet.c, totemudp.c and totemudpu.c: source ports"

SHARED_OPTIONS = (
    Option(
        "endpoint_port",
        "port",
        "The port of the database mirroring endpoint, which availability groups, distributed ones and the Managed "
        "Instance link also use. SQL Server has no default for it, see sys.tcp_endpoints. It opens nothing by itself.",
        5022,
    ),
    Option(
        "ag_replicas",
        "clients",
        "Always On: the hosts of all availability replicas, inventory hosts or addresses. Opens endpoint_port between "
        "all of them, automatic seeding included. Each of them should declare the server, so set it in a variable of "
        "their group.",
    ),
    Option(
        "ag_listener_addresses",
        "addresses",
        "The addresses of the availability group's listener, one for each subnet. Opens ag_listener_port there.",
    ),
    Option(
        "ag_listener_port",
        "ports",
        "The port of the listener, or the ports of several. With any other port than 1433, clients write host,port.",
        "1433",
    ),
    Option(
        "ag_dnn_port",
        "port",
        "The port of a distributed network name (DNN) listener, which no other listener or instance may have. Opens it "
        "on all addresses of the replicas.",
    ),
    Option(
        "ag_listener_clients",
        "clients",
        "Who connects to the listener, inventory hosts or addresses. If omitted, the clients. Write it with clients: "
        "[] if the listener is the only way in, as for a contained availability group.",
    ),
    Option(
        "ag_read_only_routing",
        "bool",
        "READ_ONLY_ROUTING_URL is set. Opens the readable secondaries' own ports to the clients of the listener.",
        False,
    ),
    Option(
        "ag_distributed_replicas",
        "clients",
        "Distributed availability group: the hosts of the other group's replicas, inventory hosts or addresses. Opens "
        "endpoint_port on this group's listener to them.",
    ),
    Option(
        "ag_distributed_listeners",
        "clients",
        "Distributed availability group: the addresses of the other group's listener. Opens ag_distributed_port there "
        "to this server. Leave it out if the other group's servers are declared in this inventory.",
    ),
    Option("ag_distributed_port", "port", "The port of the other group's endpoint.", 5022),
    Option(
        "mi_link_subnets",
        "clients",
        "Link to Azure SQL Managed Instance: the managed instance's whole subnet, as a network. Opens endpoint_port to "
        "it, and 5022 and 11000-11999 there to this server.",
    ),
    Option(
        "mirroring_partners",
        "clients",
        "Database mirroring: the other partner's host, an inventory host or address. Opens endpoint_port both ways.",
    ),
    Option(
        "mirroring_witness",
        "clients",
        "Database mirroring: the witness's host, an inventory host or address. Opens endpoint_port both ways between "
        "it and the partners.",
    ),
    Option(
        "fci_addresses",
        "addresses",
        "Failover cluster instance: the addresses of its network name, one for each subnet, the only ones on which it "
        "listens. Leave it out if clients use a distributed network name (DNN): they connect to the nodes' addresses.",
    ),
)

SERVER_OPTIONS = (
    Option(
        "cluster",
        "str",
        "The underlying cluster: wsfc (Windows Server failover cluster) or pacemaker (Linux). Opens its ports between "
        "cluster_nodes.",
        choices=("wsfc", "pacemaker"),
    ),
    Option("cluster_nodes", "clients", "All nodes of the cluster, inventory hosts or addresses."),
    Option(
        "cluster_witness_share",
        "clients",
        "The address of the file server with the file share witness, no inventory host. Opens TCP 445 there to the "
        "nodes.",
    ),
    Option(
        "cluster_cloud_witness",
        "clients",
        "The addresses under which the nodes reach Azure Blob Storage for a cloud witness, or of their proxy. Opens "
        "TCP 443 there to the nodes.",
    ),
    Option(
        "corosync_transport",
        "str",
        "How Corosync sends, see transport in corosync.conf; it determines its source ports. If omitted, knet "
        "(Corosync 3). Leave it out with udp, which is corosync_multicast.",
        choices=("knet", "udpu"),
    ),
    Option(
        "corosync_multicast",
        "address",
        "mcastaddr of the transport udp, the multicast group, such as 239.255.1.1. Opens the port below corosync_ports "
        "as well. Leave it out with other transports.",
        multicast=True,
    ),
    Option(
        "corosync_ports",
        "ports",
        "The ports of Corosync (mcastport). With knet, every further link has the next port: 5405-5406 for two links.",
        "5405",
    ),
    Option(
        "corosync_qdevice",
        "clients",
        "The host of the quorum device (corosync-qnetd), an inventory host or address. Opens TCP 5403 there to the "
        "nodes.",
    ),
    Option(
        "dlm",
        "bool",
        "The cluster uses the distributed lock manager (clvm, GFS2). Opens TCP 21064 between the nodes.",
        False,
    ),
    Option(
        "pacemaker_remote_nodes",
        "clients",
        "Pacemaker Remote nodes, inventory hosts or addresses. Opens TCP 3121 there to the cluster's nodes.",
    ),
    Option(
        "fci_storage",
        "str",
        "How a failover cluster instance on Linux reaches its storage.",
        choices=("iscsi", "nfs", "smb"),
        needs="fci_storage_hosts",
        needs_reason="the storage has no address",
    ),
    Option(
        "fci_storage_hosts",
        "clients",
        "The addresses of that storage, no inventory hosts.",
        needs="fci_storage",
        needs_reason="how the storage is reached is not known",
    ),
    Option(
        "health_probe_port",
        "ports",
        "The ports on which a load balancer in front of listeners and cluster asks which node is active, for example "
        "59999, and 58888 for the cluster itself. Opens them to health_probe_from.",
        needs="health_probe_from",
        needs_reason="nobody is named who asks there",
    ),
    Option(
        "health_probe_from",
        "clients",
        "The addresses from which the load balancer asks; in Azure, 168.63.129.16.",
        needs="health_probe_port",
        needs_reason="there is no port on which it could ask",
    ),
)

_TO_GROUP = GatewayBehaviour(answered=False, untranslated="a multicast group has no address to translate")
_ONE_ENDPOINT = GatewayBehaviour(
    same_port=(),
    same_port_reason=f"ENDPOINT_URL is one address and port for all partners, inside and outside ({_ADDRESS})",
    same_port_fix="Publish the endpoint's own port, for each replica at a public_address of its own",
)
_ONE_URL = GatewayBehaviour(
    same_port=(),
    same_port_reason=f"READ_ONLY_ROUTING_URL is one address and port for all clients, inside and outside ({_ROUTING})",
    same_port_fix="Publish the instance's own port, for each replica at a public_address of its own, or turn "
    "ag_read_only_routing off",
)


def _partners(name: str, members: str, purpose: str, citation: str) -> FlowSpec:
    return FlowSpec(
        name,
        "tcp",
        "endpoint_port",
        purpose,
        citation,
        initiator=members,
        responder=members,
        mesh=True,
        when=(members,),
        each="instance",
        spread="reached_at",
        address="address",
        process=("sqlservr",),
        probe="tcp",
        through=_ONE_ENDPOINT,
    )


_HEARTBEAT_PORT = "3343"
"""The cluster service's own; all other ports of a cluster are those of Windows itself."""


def _wsfc(
    name: str,
    protocol: Protocol,
    port: str,
    purpose: str,
    need: Need = "required",
    citation: str = SERVICE_PORTS,
    source_port: str = "",
) -> FlowSpec:
    return FlowSpec(
        name,
        protocol,
        port,
        f"{purpose} (failover cluster)",
        citation,
        source_port=source_port,
        initiator="cluster_nodes",
        responder="cluster_nodes",
        mesh=True,
        when=("cluster=wsfc",),
        need=need,
        shared=True,
        guard="always" if port == _HEARTBEAT_PORT else "linux",
        probe="icmp_echo" if protocol == "icmp" else None,
    )


def _pacemaker(
    name: str,
    protocol: Protocol,
    port: str,
    purpose: str,
    *when: str,
    citation: str = LINUX_HA,
    source_port: str = "",
    group: str = "",
) -> FlowSpec:
    return FlowSpec(
        name,
        protocol,
        port,
        purpose,
        citation,
        source_port=source_port,
        initiator="cluster_nodes",
        responder="cluster_nodes",
        mesh=True,
        when=("cluster=pacemaker", *when),
        shared=True,
        process=("corosync",) if name.startswith("corosync") else (),
        group=group,
        through=_TO_GROUP if group else GatewayBehaviour(),
        probe="tcp" if protocol == "tcp" else None,
    )


_RESERVED = ("665-65535", f"{LINUX_HA}; nfs(5): resvport; Linux kernel, sunrpc: min_resvport")
"""An NFS client sends from a reserved port, and from any other with the option noresvport."""
_NETBIOS = ("137-65535", f"{LINUX_HA}; RFC 1002, 4.2.1 and 4.4.1")
"""Name and datagram service are sent from their own ports, queries by hand from any."""


def _storage(
    name: str,
    protocol: Protocol,
    port: str,
    kind: str,
    need: Need = "required",
    source: tuple[str, str] = ("", LINUX_HA),
) -> FlowSpec:
    return FlowSpec(
        name,
        protocol,
        port,
        f"Nodes reach the storage of the failover cluster instance ({kind.upper()})",
        source[1],
        source_port=source[0],
        initiator="server",
        responder="fci_storage_hosts",
        foreign=True,
        when=(f"fci_storage={kind}",),
        need=need,
    )


FLOWS = (
    _partners(
        "ag_endpoint",
        "ag_replicas",
        "Availability replicas of {name} send each other the log and seed databases",
        f"{_ENDPOINT}; {_SEEDING}",
    ),
    _partners(
        "mirroring_endpoint",
        "mirroring_members",
        "Mirroring partners and witness of {name} communicate with each other",
        _ENDPOINT,
    ),
    FlowSpec(
        "listener",
        "tcp",
        "ag_listener_port",
        "Clients connect to the availability group of {name} through its listener",
        _LISTENER,
        initiator="listener_clients",
        when=("ag_listeners",),
        each="instance",
        spread="ag_listeners",
        address="address",
        process=("sqlservr",),
        probe="tds",
        listens=False,
    ),
    FlowSpec(
        "listener_dnn",
        "tcp",
        "ag_dnn_port",
        "Clients connect to the availability group of {name} through its distributed network name",
        _DNN,
        initiator="listener_clients",
        when=("ag_dnn_port",),
        each="instance",
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
        initiator="listener_clients",
        when=("ag_read_only_routing",),
        each="instance",
        spread="reached_at",
        address="address",
        process=("sqlservr",),
        probe="tds",
        through=_ONE_URL,
    ),
    FlowSpec(
        "ag_distributed",
        "tcp",
        "endpoint_port",
        "The other group of a distributed availability group reaches that of {name} at its listener",
        _DISTRIBUTED,
        initiator="ag_distributed_replicas",
        when=("ag_distributed_replicas",),
        each="instance",
        spread="ag_listeners",
        address="address",
        process=("sqlservr",),
        probe="tcp",
        listens=False,
    ),
    FlowSpec(
        "ag_distributed_listener",
        "tcp",
        "ag_distributed_port",
        "The availability group of {name} reaches the other one of a distributed availability group at its listener",
        _DISTRIBUTED,
        initiator="server",
        responder="ag_distributed_listeners",
        foreign=True,
        when=("ag_distributed_listeners",),
        each="instance",
    ),
    FlowSpec(
        "mi_link",
        "tcp",
        "endpoint_port",
        "The managed instance connects to {name}, which it is linked with",
        _LINK,
        initiator="mi_link_subnets",
        when=("mi_link_subnets",),
        each="instance",
        spread="reached_at",
        address="address",
        process=("sqlservr",),
        probe="tcp",
    ),
    FlowSpec(
        "mi_link_instance",
        "tcp",
        "5022,11000-11999",
        "{name} connects to the managed instance that it is linked with",
        _LINK,
        initiator="server",
        responder="mi_link_subnets",
        foreign=True,
        when=("mi_link_subnets",),
        each="instance",
    ),
    _wsfc(
        "wsfc",
        "udp",
        _HEARTBEAT_PORT,
        "Nodes watch each other",
        citation=f"{SERVICE_PORTS}; {_HEARTBEAT}",
        source_port=_HEARTBEAT_PORT,
    ),
    _wsfc("wsfc_join", "tcp", _HEARTBEAT_PORT, "A node joins"),
    _wsfc("wsfc_mapper", "tcp", RPC_MAPPER, "Nodes ask for RPC ports"),
    _wsfc("wsfc_rpc_udp", "udp", "rpc", "Random high UDP ports", citation=f"{SERVICE_PORTS}; {RPC}"),
    _wsfc(
        "wsfc_rpc",
        "tcp",
        "rpc",
        "RPC between nodes, on the ports that TCP 135 hands out",
        citation=f"{_NODE_RPC}; {RPC}",
    ),
    _wsfc("wsfc_netbios", "udp", "137", "Cluster administration by NetBIOS names", "optional", source_port="137"),
    _wsfc("wsfc_smb", "tcp", SMB, "Validation of the cluster", "optional"),
    _wsfc("wsfc_ping", "icmp", "", "Validation of the cluster", "optional"),
    FlowSpec(
        "witness_share",
        "tcp",
        SMB,
        "Nodes reach the file share witness",
        _SHARE,
        initiator="server",
        responder="cluster_witness_share",
        foreign=True,
        when=("cluster=wsfc", "cluster_witness_share"),
    ),
    FlowSpec(
        "cloud_witness",
        "tcp",
        "443",
        "Nodes reach the cloud witness",
        _CLOUD,
        initiator="server",
        responder="cluster_cloud_witness",
        foreign=True,
        when=("cluster=wsfc", "cluster_cloud_witness"),
    ),
    _pacemaker("pcsd", "tcp", "2224", "Nodes are administered with pcs"),
    _pacemaker(
        "corosync",
        "udp",
        "corosync_ports",
        "Corosync joins the nodes",
        citation=f"{LINUX_HA}; {_COROSYNC}",
        source_port="corosync_source",
    ),
    _pacemaker(
        "corosync_multicast",
        "udp",
        "corosync_source",
        "Corosync joins the nodes by multicast",
        "corosync_multicast",
        citation=f"{LINUX_HA}; {_COROSYNC}",
        source_port="corosync_source",
        group="corosync_multicast",
    ),
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
    _storage("fci_nfs", "tcp", "111,2049", "nfs", source=_RESERVED),
    _storage("fci_nfs_udp", "udp", "111,2049", "nfs", "optional", _RESERVED),
    _storage("fci_smb", "tcp", SMB, "smb"),
    _storage("fci_smb_netbios", "tcp", "135,139", "smb", "optional"),
    _storage("fci_smb_names", "udp", "137-138", "smb", "optional", _NETBIOS),
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

NORMALIZED = {
    "ag_listeners": "listen",
    "listener_clients": "clients",
    "mirroring_members": "clients",
    "corosync_source": "port",
}

_NODES_FIX = "List all nodes in cluster_nodes"
_PACEMAKER = ("corosync_transport", "corosync_multicast", "corosync_qdevice", "dlm", "pacemaker_remote_nodes")
_NEEDS = (
    ("mirroring_witness", ("mirroring_partners",), "a witness needs mirroring partners"),
    ("ag_listener_addresses", ("ag_replicas",), "a listener needs an availability group"),
    ("ag_dnn_port", ("ag_replicas",), "a listener needs an availability group"),
    ("ag_listener_clients", ("ag_listener_addresses", "ag_dnn_port"), "there is no listener to connect to"),
    ("ag_read_only_routing", ("ag_listener_addresses", "ag_dnn_port"), "read-only routing needs a listener"),
    (
        "ag_distributed_replicas",
        ("ag_listener_addresses",),
        f"the other group connects to this one's listener ({_DISTRIBUTED})",
    ),
)
"""Options of an instance that mean nothing without one of some others, and why."""

_SINCE = (
    ("mirroring_partners", 2005, "database mirroring needs"),
    ("ag_replicas", 2012, "availability groups need"),
    ("ag_distributed_replicas", 2016, "distributed availability groups need"),
    ("ag_distributed_listeners", 2016, "distributed availability groups need"),
    ("ag_dnn_port", 2016, "a distributed network name needs"),
    ("mi_link_subnets", 2016, "the link to Managed Instance needs"),
)


def normalize_instance(server: Values, instance: Values, index: int, others: list[Values]) -> list[EngineWarning]:
    """Settle the availability group and mirroring of an instance; return warnings.

    :param others: the server's other instances.
    :raises DbportsError: for what cannot be.
    """
    partners = instance["mirroring_partners"]
    instance["mirroring_members"] = None if partners is None else partners + (instance["mirroring_witness"] or ())
    instance["ag_listeners"] = tuple({"address": item} for item in instance["ag_listener_addresses"] or ())
    own = instance["ag_listener_clients"]
    given = (own, instance["clients"], server["clients"])
    instance["listener_clients"] = next(clients for clients in given if clients is not None)
    for option, year, what in _SINCE:
        if instance[option] and (server["version"] or year) < year:
            raise _wrong(instance, index, option, f"{what} SQL Server {year} or later", "Correct version")
    for option, needed, reason in _NEEDS:
        if instance[option] not in (None, False) and all(instance[name] is None for name in needed):
            raise _wrong(instance, index, option, reason, f"Set {' or '.join(needed)}")
    if instance["ag_read_only_routing"] and instance["dynamic_port"]:
        raise _wrong(
            instance,
            index,
            "ag_read_only_routing",
            f"READ_ONLY_ROUTING_URL contains a port, and the port of {instance['name']} changes",
            "Give the instance a fixed tcp_port",
        )
    _check_ports(instance, index, others)
    if own is None or not (instance["ag_listeners"] and _listens(instance, *instance["ag_listener_port"])):
        return []
    return [
        EngineWarning(
            "listener_shares_port",
            f"the listener of instance {instance['name']} has the instance's own port, and a host's rules do not tell "
            "its addresses apart: ag_listener_clients reach the instance without the listener as well; give the "
            f"listener another port ({_CONTAINED})",
            where(instance, index, "ag_listener_clients"),
        )
    ]


def _wrong(instance: Values, index: int, option: str, reason: str, fix: str) -> DbportsError:
    return DbportsError(
        reason, code="contradiction", path=where(instance, index, option), value=written(instance[option]), fix=fix
    )


def _check_ports(instance: Values, index: int, others: list[Values]) -> None:
    """Refuse ports of endpoints and listeners at which an instance already listens for its clients."""
    groups = ("ag_replicas", "mirroring_members", "mi_link_subnets")
    endpoint = (instance["endpoint_port"],) if any(instance[name] for name in groups) else ()
    dnn = (instance["ag_dnn_port"],) if instance["ag_dnn_port"] else ()
    listener = instance["ag_listener_port"] if instance["ag_listeners"] else ()
    for option, ports in (("endpoint_port", endpoint), ("ag_dnn_port", dnn)):
        if _listens(instance, *ports):
            reason = f"instance {instance['name']} already uses this port for its clients"
            raise _wrong(instance, index, option, reason, "Give it a port of its own")
    for option, ports, taken in (("ag_listener_port", listener, endpoint), ("ag_dnn_port", dnn, endpoint + listener)):
        if any(port.overlaps(item) for port in ports for item in taken):
            reason = f"the endpoint or another listener of instance {instance['name']} has this port"
            raise _wrong(instance, index, option, reason, "Give it a port of its own")
    for other in others if listener or dnn else ():
        for option, ports in (("ag_listener_port", listener), ("ag_dnn_port", dnn)):
            if not other["fci_addresses"] and _listens(other, *ports):
                raise _wrong(
                    instance,
                    index,
                    option,
                    f"instance {other['name']} already uses this port, in another process than the listener's",
                    "Give the listener or that instance another port",
                )


def _listens(instance: Values, *ports: PortRange) -> bool:
    """Tell whether an instance listens for its clients on one of these ports, on all addresses."""
    own = instance["tcp_port"]
    if instance["listen"] or not isinstance(own, tuple):
        return False
    return any(port.overlaps(item) for port in ports for item in own)


def normalize_server(server: Values) -> list[EngineWarning]:
    """Check the cluster and what surrounds it; return warnings.

    :raises DbportsError: for what cannot be.
    """
    _check_cluster(server)
    server["corosync_source"] = _corosync_source(server)
    if server["fci_storage"] == "nfs":
        return [
            EngineWarning(
                "nfs_ports",
                "NFS before version 4 also needs the ports of lockd, mountd and statd, which the NFS server chooses",
                "fci_storage",
            )
        ]
    return []


def _check_cluster(server: Values) -> None:
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
    check_group(server, "corosync_multicast")
    if server["corosync_multicast"]:
        refuse(server, ("corosync_transport",), "corosync_multicast is another transport, udp", "Remove one of them")
    if kind != "wsfc":
        refuse(
            server,
            ("cluster_witness_share", "cluster_cloud_witness"),
            "only a Windows Server failover cluster has this",
            "Set cluster: wsfc, or remove it",
        )


def _corosync_source(server: Values) -> PortRange:
    """Return where Corosync sends from: its own ports, with multicast the one below as well, with udpu any high port.

    Source: corosync, exec/totemknet.c, totemudp.c and totemudpu.c.
    """
    if server["corosync_transport"] == "udpu":
        return PortRange(1024, 65535)
    ports = server["corosync_ports"]
    return PortRange(max(1, ports[0].first - bool(server["corosync_multicast"])), ports[-1].last)
