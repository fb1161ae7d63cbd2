# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to a device's access lists."""

from __future__ import annotations

DOCUMENTATION = r"""
name: acl_changes
short_description: Compare the access lists of a gateway with what a device shows
version_added: 0.2.0
description:
  - Compares what P(dbports.firewall.ios_aces#filter) and the like return with what the vendor's module gathered from
    the device or parsed from its configuration. Ports are compared by number, also where the device shows a name,
    networks and single ports whatever their form is.
  - All entries of a block permit, so that their order does not matter. Entries that are there stay where they are, new
    ones get free numbers, and of the block only what stands under a remark that begins with C(dbports) is removed. An
    entry of the list's owner in the block is an error.
  - On ASA, lines are places. New entries come right below those that are there, an entry of the owner that permits the
    same is not written again, and an entry between a remark that begins with C(dbports) and its own entry is an error.
  - On Junos, a term is known by its name, which begins with C(dbports). A term that was edited or deactivated is made
    anew, and one that stands below the term that P(dbports.firewall.junos_terms#filter) was given as C(before) is
    moved.
  - A whole list is replaced where it differs. One of a family for which nothing is planned any more keeps only its end.
    Where the end is not written, as in a list of IPv6 on Cisco devices, it is an error, because an empty list lets
    everything pass.
  - The additions can be made before the removals, so that no connection is cut in between.
positional: current, platform, name, ipv6_name, mode, first, step
options:
  _input:
    description: What the filter of the platform returned, a list, or for V(asa) a dictionary.
    type: raw
    required: true
  current:
    description:
      - What the acls module of the platform returned as C(gathered) or C(parsed). Other lists are ignored.
      - For V(junos), the output of C(show configuration firewall | display set), as a text or a list of lines. What
        junos_acls gathers says nothing of C(tcp-established).
    type: raw
    required: true
  platform:
    description:
      - The platform.
      - V(asa) uses neither O(ipv6_name) nor O(first) and O(step), V(junos) neither O(first) nor O(step).
    type: str
    required: true
    choices: [ios, nxos, iosxr, eos, asa, junos]
extends_documentation_fragment:
  - dbports.firewall.acl.list
  - dbports.firewall.acl.ipv6
  - dbports.firewall.acl.sequences
seealso:
  - plugin: dbports.firewall.ios_aces
    plugin_type: filter
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show what has to be done to the list of the office
  ansible.builtin.debug:
    msg: "{{ config | dbports.firewall.acl_changes(gathered, 'ios', 'office-in') }}"
  vars:
    config:
      - afi: ipv4
        acls:
          - name: office-in
            acl_type: extended
            aces:
              - sequence: 50000
                remarks: [dbports erp-db tds]
                grant: permit
                protocol: tcp
                source: {host: 192.0.2.21}
                destination: {host: 198.51.100.10, port_protocol: {range: {start: 1433, end: 1433}}}
    gathered:
      - afi: ipv4
        acls:
          - name: office-in
            acl_type: extended
            aces:
              - sequence: 10
                grant: permit
                protocol: icmp
                source: {any: true}
                destination: {any: true}
              - sequence: 50000
                remarks: [dbports old-db tds]
                grant: permit
                protocol: tcp
                source: {host: 192.0.2.21}
                destination: {host: 198.51.100.9, port_protocol: {eq: ms-sql-s}}
# => {"changed": true, "kept": 0, "replace": [],
#     "add": [{"afi": "ipv4", "acls": [{"name": "office-in", "acl_type": "extended", "aces": [{"sequence": 50010,
#     "remarks": ["dbports erp-db tds"], "grant": "permit", "protocol": "tcp", "source": {"host": "192.0.2.21"},
#     "destination": {"host": "198.51.100.10", "port_protocol": {"range": {"start": 1433, "end": 1433}}}}]}]}],
#     "remove": [{"parents": "ip access-list extended office-in", "lines": ["no 50000"]}]}
"""

RETURN = r"""
_value:
  description: What has to be done.
  type: dict
  contains:
    changed:
      description: Whether anything has to be done.
      type: bool
    kept:
      description: How many entries are there already.
      type: int
    add:
      description:
        - The C(config) of the acls module for C(state=merged), a list, or for V(asa) a dictionary.
        - For V(junos), the C(lines) of junos_config.
      type: raw
    remove:
      description:
        - The C(parents) and C(lines) of the config module of the platform, one for each list. V(asa) has no C(parents).
        - For V(junos), the C(lines) of junos_config, to be committed with those of C(add).
      type: list
      elements: raw
    replace:
      description:
        - The C(config) of the acls module for C(state=replaced), of whole lists that differ.
        - For V(junos), the C(lines) of junos_config.
      type: raw
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import acl_changes

FilterModule = filter_module("acl_changes", acl_changes)
