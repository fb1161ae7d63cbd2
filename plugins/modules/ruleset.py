#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: bring a host's guarded ports to given rules."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ruleset
short_description: Guard a host's database ports with its own firewall
version_added: 0.1.0
author: dbports.firewall contributors (@dbports)
description:
  - Brings the host's own firewall to exactly the given rules in one transaction, or leaves it as it was.
  - On a guarded port the given peers are accepted and everyone else is refused. All other ports, tables, chains
    and rules of the host stay as they are.
  - What it writes is its own and recognisable. In nftables it is the table C(inet dbports), in iptables the chains
    C(DBPORTS_*), to which the first rules of C(INPUT) and C(OUTPUT) lead.
  - An established connection of a peer that is no longer given is cut at once. On a guarded range of 64 or more ports,
    which may hold the source ports of connections that the host itself opens, the answers to those pass.
  - M(dbports.firewall.apply) computes the rules from the inventory and calls this module; use it by hand for rules
    that come from elsewhere.
options:
  state:
    description:
      - V(present) brings the firewall to the rules. Without any rules there is no table.
      - V(absent) removes every trace.
    type: str
    choices: [present, absent]
    default: present
  rules:
    description: What is accepted. Rules with the same direction, protocol and ports become one with all their peers.
    type: list
    elements: dict
    default: []
    suboptions:
      direction:
        description:
          - Whether the peers reach this host (V(in)) or this host reaches the peers (V(out)).
          - With V(forward) the peers reach others through this host, which is a router or publishes the ports of
            containers. nftables, iptables and ufw carry all such rules, and firewalld those of a router that tracks
            connections.
        type: str
        choices: [in, out, forward]
        default: in
      protocol:
        description: The protocol; V(icmp) is the echo request of IPv4 and IPv6.
        type: str
        choices: [tcp, udp, icmp]
        required: true
      ports:
        description: Destination ports and ranges of ports such as V(1433) and V(49152-65535). None for V(icmp).
        type: list
        elements: str
        default: []
      targets:
        description:
          - Addresses and networks that packets are forwarded to, for direction V(forward).
          - A router sees them after destination NAT and the peers before source NAT.
        type: list
        elements: str
        default: []
      source_ports:
        description: Ports that packets which are forwarded come from. Any, if empty.
        type: list
        elements: str
        default: []
      stateful:
        description:
          - Whether the connection tracking of a router may tell answers from requests.
          - If V(false), the ports tell them, and on guarded ports answers only pass to the peers. Use it where only one
            half of the connections passes this router.
        type: bool
        default: true
      answered:
        description: Whether packets that are forwarded have answers.
        type: bool
        default: true
      published:
        description:
          - Whether a rule with direction V(forward) is for ports that this host itself translates to others, such as
            the published ports of containers.
          - O(rules[].ports) are then the published ports. Where they lead is not asked.
        type: bool
        default: false
      peers:
        description:
          - Addresses and networks, IPv4 and IPv6.
          - A rule without peers accepts no host, but its ports are guarded.
        type: list
        elements: str
        default: []
      purpose:
        description:
          - What the rule is for, in one line of printable characters of up to 120 bytes in UTF-8.
          - It is the comment in the firewall as it is, with one exception. Where a language cannot hold a character,
            the comment has a backslash and another one, C(\') for a double quote in nftables and firewalld, and
            C(\/) for a vertical bar in Windows Defender Firewall.
          - Rules for the same ports share a comment, of which the words that fit are left.
        type: str
        default: ""
      need:
        description: Whether a foreign rule that drops this flow is worth a warning.
        type: str
        choices: [required, optional]
        default: required
      guarded:
        description:
          - Whether everyone else is refused on the ports.
          - If V(false), the peers are only let in, because others use the ports as well.
        type: bool
        default: true
  policy:
    description:
      - V(guard) refuses everyone else on the ports of the rules.
      - V(open) only accepts. Use it on hosts on which something else refuses by default.
    type: str
    choices: [guard, open]
    default: guard
  filter_outbound:
    description: Whether rules with direction V(out) count. When V(false) they are ignored.
    type: bool
    default: false
  persist:
    description:
      - Whether the rules come back after a reboot.
      - Where systemd runs, nftables rules are stored in C(/etc/dbports/ruleset.nft) and loaded by the unit
        C(dbports-firewall.service), those of iptables in C(/etc/dbports/iptables.sh) and loaded by
        C(dbports-iptables.service). Elsewhere nftables rules become the file C(dbports.nft) in the directory that the
        distribution's nftables configuration includes. Where there is neither, RV(persistent) is V(false) and a
        warning says why.
      - With nftables and systemd, a drop-in makes C(nftables.service) load the rules together with the host's own
        ruleset.
    type: bool
    default: true
  allow_shrink:
    description:
      - Whether the host may lose a guarded port altogether, or more than half of the peer addresses on a port.
      - Otherwise that is refused, because a plan made from half an inventory looks just like it.
      - A port that moved is not lost. It moved if a new port serves the same peers.
    type: bool
    default: false
  confirm_timeout:
    description:
      - Seconds after which the host restores its old rules by itself, unless the change is confirmed. V(0) asks for no
        confirmation.
      - To confirm, call the module again with the same rules and RV(confirm) as O(confirm), over a new connection. The
        host restores its old rules also when it is restarted before that.
      - M(dbports.firewall.apply) does both calls, and resets the connection between them.
    type: int
    default: 0
  confirm:
    description:
      - Confirms the change that returned this as RV(confirm), and changes nothing.
      - Fails if the host has restored its old rules already.
    type: str
    default: ""
  call_id:
    description:
      - What the caller knows this call by. With it, the host keeps the call and the code of this collection in
        C(/run/dbports-firewall) until the next boot. There C(sh /run/dbports-firewall/repeat CALL_ID) repeats the call,
        without code to be sent and compiled.
      - The command prints a line of JSON if nothing has to be changed, with the return values by the ID. It fails if
        anything has to be changed, if an earlier change is not finished, and if the host keeps another call; then call
        the module.
      - Nothing is kept without rules, and no other call than the last one.
      - M(dbports.firewall.apply) uses it.
    type: str
    default: ""
  cut_live:
    description:
      - What to do when the new rules would cut established connections, which RV(cut) lists, also in check mode.
      - With V(warn) a warning names them, with V(refuse) nothing is loaded, with V(allow) they are only listed.
      - Sessions of peers that the rules exclude are ended on the host once the rules are in force, where the kernel can
        (C(CONFIG_INET_DIAG_DESTROY)); otherwise a warning names the command. Those of peers that reach others through
        this host are forgotten by its connection tracking.
      - All other connections go on, whoever opened them and whoever speaks next, with one exception. Connections that
        the host itself opened from a guarded port outside a range of 64 or more ports are cut, and listed.
      - On Windows a change of rules is applied to established connections at their next packet. Connections that the
        host itself opened go on.
    type: str
    choices: [allow, warn, refuse]
    default: warn
  owner:
    description:
      - The name of this host in the inventory, which the task sets by itself. The rules carry it as a comment.
      - Rules that carry another name are not changed, because two names of one machine would undo each other's work.
    type: str
    default: ""
  former_name:
    description: Another name whose rules this host takes over, after it was renamed or cloned.
    type: str
    default: ""
  backend:
    description:
      - The firewall that carries the rules.
      - With V(auto) it is the one that already carries rules of this collection. Otherwise it is a running firewalld,
        an active ufw, nftables if C(nft) is installed, or iptables, in this order.
      - Any other firewall than the one that governs the host is refused, because it would be a second one beside it. So
        is one other than the one that already carries rules of this collection. To move to another one, remove the
        rules with O(state=absent) first.
      - Rules of this collection in two firewalls at once are an error that says how to remove one of them.
    type: str
    choices: [auto, firewalld, ufw, nftables, iptables]
    default: auto
  chains:
    description:
      - Base chains of a table of the host's owner, each as C(nft) names it, such as V(inet filter input). The rules are
        then chains and sets C(dbports_*) in that table, called by the first rule of these chains. So an accept lets the
        declared clients in although the owner's chain drops by policy.
      - Rules for what goes out need a chain with the hook output of the same table as well, and rules for what the host
        forwards one with the hook forward. The table must be of the family inet; all else in it stays as it is.
      - By default the rules are in a table of their own, C(inet dbports). Setting or removing this moves them.
    type: list
    elements: str
    default: []
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action]
attributes:
  check_mode:
    support: full
    details: Also makes the firewall's own dry run.
  diff_mode:
    support: full
  platform:
    platforms: linux, windows
seealso:
  - module: dbports.firewall.apply
  - module: dbports.firewall.guard
  - plugin: dbports.firewall.required_ports
    plugin_type: filter
requirements:
  - nftables with JSON support, or iptables with ip6tables, on the host
  - root
"""

EXAMPLES = r"""
- name: Let only two application servers reach SQL Server
  dbports.firewall.ruleset:
    rules:
      - direction: in
        protocol: tcp
        ports: ["1433"]
        peers: [192.0.2.21, 192.0.2.22, 2001:db8::21]
        purpose: SQL Server default instance

- name: Remove every trace
  dbports.firewall.ruleset:
    state: absent

- name: Let the host restore its old rules unless it can still be reached after 30 seconds
  vars:
    rules:
      - {protocol: tcp, ports: ["1433"], peers: [192.0.2.21]}
  block:
    - name: Change the rules
      dbports.firewall.ruleset:
        rules: "{{ rules }}"
        confirm_timeout: 30
      register: changed_rules

    - name: Come back over a new connection
      ansible.builtin.meta: reset_connection

    - name: Confirm
      dbports.firewall.ruleset:
        rules: "{{ rules }}"
        confirm: "{{ changed_rules.confirm }}"
      when: changed_rules.confirm | length > 0
"""

RETURN = r"""
state:
  description: The requested state.
  type: str
  returned: success
  sample: present
backend:
  description: The firewall that carries the rules.
  type: str
  returned: success
  sample: nftables
backend_reason:
  description: Why it was chosen.
  type: str
  returned: success
  sample: nft is installed
in_sync:
  description: Whether the rules in force were already the wanted ones before this run.
  type: bool
  returned: success
  sample: true
persistent:
  description: Whether the rules come back after a reboot.
  type: bool
  returned: success
  sample: true
persisted_files:
  description: The files that bring them back.
  type: list
  elements: str
  returned: success
  sample: [/etc/dbports/ruleset.nft, /etc/systemd/system/dbports-firewall.service]
confirm:
  description: What has to be given as O(confirm) to keep this change; empty if nothing has to be confirmed.
  type: str
  returned: success
  sample: 5d1f0c1b2a3e4f60
confirm_command:
  description:
    - The command that does the same on the host, run by the same user. It needs no second call of the module.
    - Empty if nothing has to be confirmed, or if sessions of peers that the rules exclude have to be ended then.
  type: list
  elements: str
  returned: success
  sample: [/usr/bin/python3, -IBS, /var/lib/dbports-firewall/undo.py, confirm, 5d1f0c1b2a3e4f60]
guarded:
  description: The inbound ports of the rules by protocol, V(tcp) and V(udp), as comma separated ranges.
  type: dict
  returned: success
  sample: {tcp: "1433", udp: "1434"}
cut:
  description:
    - The established connections that the rules cut.
    - Empty when the rules in force are not changed.
  type: list
  elements: dict
  returned: success
  contains:
    protocol:
      description: The protocol, V(tcp) or V(udp).
      type: str
      sample: tcp
    local_address:
      description: The address of this host.
      type: str
      sample: 192.0.2.10
    local_port:
      description: The port of this host.
      type: int
      sample: 1433
    peer:
      description: The address of the other side.
      type: str
      sample: 192.0.2.66
    peer_port:
      description: The port of the other side.
      type: int
      sample: 51000
    through:
      description: V(true) if it passes through this host. Then V(local_address) and V(local_port) are the server's.
      type: bool
      returned: for forwarded connections
      sample: true
    opened_by:
      description: Who opened it, V(the peer) or V(this host).
      type: str
      sample: the peer
    process:
      description: The process of this host that holds it, when known.
      type: str
      sample: sqlservr
    pid:
      description: The id of that process, when known.
      type: int
      sample: 71
    services:
      description: The services of that process.
      type: list
      elements: str
      returned: on Windows
      sample: [MSSQLSERVER]
    since:
      description:
        - When it was established, in UTC, when known.
        - Linux tells it only of TCP connections that its connection tracking saw begin, and only with
          C(net.netfilter.nf_conntrack_timestamp=1) at that time.
      type: str
      sample: "2026-01-31T23:59:59Z"
foreign:
  description: Flows of the rules that another table on the host drops, or may drop; nothing there was changed.
  type: list
  elements: dict
  returned: success
  contains:
    family:
      description: The family of the table.
      type: str
      sample: inet
    table:
      description: The table.
      type: str
      sample: filter
    chain:
      description: The base chain.
      type: str
      sample: input
    hook:
      description: Where the chain sits.
      type: str
      sample: input
    priority:
      description: The priority of the chain.
      type: int
      sample: 0
    direction:
      description: The direction of the rule.
      type: str
      sample: in
    protocol:
      description: The protocol of the rule.
      type: str
      sample: tcp
    ports:
      description: The ports of the rule.
      type: str
      sample: "1433"
    targets:
      description: Where a rule with direction V(forward) leads to.
      type: list
      elements: str
      sample: [198.51.100.10]
    peer:
      description: The peer that was taken as a sample.
      type: str
      sample: 192.0.2.21
    purpose:
      description: The purpose of the rule.
      type: str
      sample: SQL Server default instance
    required:
      description: Whether the flow is required.
      type: bool
      sample: true
    verdict:
      description: V(drops), or V(unknown) when that depends on what cannot be told from the rules.
      type: str
      sample: drops
    text:
      description: A sentence that says what drops the flow.
      type: str
      sample: 'inet filter input drops tcp 1433 from 192.0.2.21: policy drop'
    fix:
      description: What the owner of the rule has to add so that the peers of this flow get in; empty if not known.
      type: str
      sample: nft insert rule inet filter input ip saddr 192.0.2.21 tcp dport 1433 accept
"""

from typing import TYPE_CHECKING, Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, reported
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import AUTO, CHOICES
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply, read_timeout
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible

if TYPE_CHECKING:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.way_in import WayIn

RULE = {
    "direction": {"type": "str", "choices": ["in", "out", "forward"], "default": "in"},
    "protocol": {"type": "str", "choices": ["tcp", "udp", "icmp"], "required": True},
    "ports": {"type": "list", "elements": "str", "default": []},
    "targets": {"type": "list", "elements": "str", "default": []},
    "source_ports": {"type": "list", "elements": "str", "default": []},
    "stateful": {"type": "bool", "default": True},
    "answered": {"type": "bool", "default": True},
    "published": {"type": "bool", "default": False},
    "peers": {"type": "list", "elements": "str", "default": []},
    "purpose": {"type": "str", "default": ""},
    "need": {"type": "str", "choices": ["required", "optional"], "default": "required"},
    "guarded": {"type": "bool", "default": True},
}

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "rules": {"type": "list", "elements": "dict", "default": [], "options": RULE},
    "policy": {"type": "str", "choices": ["guard", "open"], "default": "guard"},
    "filter_outbound": {"type": "bool", "default": False},
    "persist": {"type": "bool", "default": True},
    "allow_shrink": {"type": "bool", "default": False},
    "confirm_timeout": {"type": "int", "default": 0},
    "confirm": {"type": "str", "default": ""},
    "call_id": {"type": "str", "default": ""},
    "cut_live": {"type": "str", "choices": ["allow", "warn", "refuse"], "default": "warn"},
    "owner": {"type": "str", "default": ""},
    "former_name": {"type": "str", "default": ""},
    "backend": {"type": "str", "choices": list(CHOICES), "default": AUTO},
    "chains": {"type": "list", "elements": "str", "default": []},
}


def _find_way_in() -> Optional[WayIn]:
    # Only a change asks for it, and most runs change nothing.
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.way_in import find_way_in

    return find_way_in()


def _remember(call: dict[str, Any]) -> None:
    """Keep the call on the host where that was asked for and the host has rules; else nothing is kept there."""
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.repeat import forget, keep

    if call["call_id"] and call["state"] == "present" and call["rules"]:
        keep(call["call_id"], call)
    else:
        forget()


def main() -> None:
    """Read the arguments, make the one call, hand back the result."""
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        supports_check_mode=True,
    )
    try:
        result = apply(
            DesiredState.from_arguments(module.params),
            check=module.check_mode,
            confirm_timeout=read_timeout(module.params["confirm_timeout"]),
            confirm=module.params["confirm"],
            way_in=_find_way_in,
            remember=lambda: _remember(module.params),
        )
    except (DbportsError, MemoryError) as error:
        module.fail_json(msg=str(reported(error)))
    for warning in result.pop("warnings"):
        module.warn(visible(warning))
    if module.params["call_id"]:
        result["invocation"] = {}  # this collection's actions know what they asked for, and it holds all the rules
    module.exit_json(**result)


if __name__ == "__main__":
    main()
