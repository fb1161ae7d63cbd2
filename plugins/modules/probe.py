#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: try endpoints of database servers from this host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Try endpoints of database servers from this host
version_added: 0.1.0
description:
  - Sends real requests to database servers and reports what came back. It needs only Python's standard library.
  - Each probe ends with a verdict. V(answers) means that the endpoint was reached and spoke as it should, V(refused)
    that a TCP reset or an ICMP port unreachable came back or that the server itself rejected this client,
    V(filtered) that nothing came back to a TCP connection or that an ICMP message reported the traffic as blocked,
    V(silent) that nothing came back where this has several causes (UDP, ICMP echo) or that a connection was accepted
    and nothing was said on it, V(unknown) anything else; RV(probes[].detail) has the reason.
  - A refused or filtered endpoint is a result, not a failure of the module.
  - It needs no account on the server and does not log in.
  - On Windows, a PowerShell script that M(ansible.windows.win_powershell) runs sends the bytes and returns the answers,
    which are judged on the controller. All probes run at the same time there.
options:
  probes:
    description: What to try. At most 32 probes run at the same time.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: A name for the result.
        type: str
        required: true
      kind:
        description:
          - V(tcp) connects.
          - V(tds) connects and exchanges PRELOGIN, the first message of SQL Server. With a range of ports it first asks
            the SQL Server Browser on UDP 1434 for the port of O(probes[].instance).
          - V(sql602_connect) connects and waits for the connect result, the first ten bytes of a 602SQL server.
          - V(icmp_echo) sends an ICMP echo request.
          - V(ssrp) asks the SQL Server Browser for O(probes[].instance), or for all instances.
          - V(ssrp_dac) asks the SQL Server Browser for the port of the dedicated administrator connection of
            O(probes[].instance).
          - V(sql602_search) searches for a 602SQL server by UDP and waits for its announcement on UDP 5002, or on
            another port when a client on this host uses UDP 5002. It supports only IPv4, as the product does.
          - V(http_tunnel) asks the HTTP tunnel of a 602SQL server in a POST request. A port on which only the web
            interface of 602SQL listens does not answer it.
          - V(socks) asks a SOCKS 4 host for a connection to the server that O(probes[].instance) names. If it refuses,
            SOCKS 4 does not tell whether the SOCKS host or the server did.
        type: str
        required: true
        choices: [tcp, tds, sql602_connect, icmp_echo, ssrp, ssrp_dac, sql602_search, http_tunnel, socks]
      address:
        description: The IPv4 or IPv6 address to try. Host names are not accepted, because nothing is resolved.
        type: str
        required: true
      ports:
        description:
          - The destination port. Kinds that connect accept up to 32 ports, separated by commas; the result is then that
            of the first port that does not answer.
          - A range such as V(49152-65535) is only for V(tds) and an instance with a dynamic port.
          - Not used by V(icmp_echo), required by all others.
        type: str
        default: ''
      instance:
        description: The name of a SQL Server instance, for V(tds), V(ssrp) and V(ssrp_dac). For V(socks), the IPv4
          address and port of the server, such as C(198.51.100.10:5002).
        type: str
      patient:
        description:
          - Try again until O(timeout) while the probe is refused, because a server that has only just been started
            opens its ports later. Not for V(sql602_search).
        type: bool
        default: false
  timeout:
    description:
      - The timeout of each probe in seconds, from 0.05 to 60.
      - On Windows, TCP probes take at least 3 seconds, because Windows tries a port that refuses several times.
    type: float
    default: 2
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action]
attributes:
  check_mode:
    support: full
    details:
      - It changes nothing, so it sends its requests in check mode as well.
  diff_mode:
    support: none
    details:
      - It changes nothing.
  platform:
    platforms: linux, windows
seealso:
  - module: dbports.firewall.mssql_browser_info
  - module: dbports.firewall.sql602_server_info
  - module: dbports.firewall.netstat_facts
  - module: dbports.firewall.observation_info
  - module: dbports.firewall.verify
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Is the default instance reachable from this host
  dbports.firewall.probe:
    probes:
      - id: erp
        kind: tds
        address: 192.0.2.10
        ports: "1433"

- name: Try an instance with a dynamic port and a 602SQL server
  dbports.firewall.probe:
    timeout: 3
    probes:
      - id: sales
        kind: tds
        address: 192.0.2.10
        ports: 49152-65535
        instance: SALES
      - id: search
        kind: sql602_search
        address: 192.0.2.11
        ports: "5001"
      - id: connect
        kind: sql602_connect
        address: 192.0.2.11
        ports: "5002"
"""

RETURN = r"""
probes:
  description: One result for each probe, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The name of the probe.
      type: str
      sample: erp
    kind:
      description: The kind of the probe.
      type: str
      sample: tds
    address:
      description: The address that was tried.
      type: str
      sample: 192.0.2.10
    port:
      description: The port that was tried; null where there is none, as for V(icmp_echo).
      type: int
      sample: 1433
    verdict:
      description: One of V(answers), V(refused), V(filtered), V(silent) and V(unknown).
      type: str
      sample: answers
    reached:
      description:
        - Whether a connection was accepted or a program answered, whatever the verdict.
        - A host that must not get in has got in then, also where what answered is not the expected program.
      type: bool
      sample: true
    detail:
      description: The reason for the verdict.
      type: str
      sample: SQL Server 16.0.4150 answered
    milliseconds:
      description: How long the probe took.
      type: int
      sample: 3
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import KINDS
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes

ARGUMENT_SPEC = {
    "probes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "id": {"type": "str", "required": True},
            "kind": {"type": "str", "required": True, "choices": list(KINDS)},
            "address": {"type": "str", "required": True},
            "ports": {"type": "str", "default": ""},
            "instance": {"type": "str"},
            "patient": {"type": "bool", "default": False},
        },
    },
    "timeout": {"type": "float", "default": 2},
}


def main() -> None:
    """Run the probes that the task names."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        probes = run_probes(module.params["probes"], module.params["timeout"])
    except DbportsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, probes=probes)


if __name__ == "__main__":
    main()
