# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes network policies of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_policies
short_description: Return the NetworkPolicy objects of a gateway
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as objects of C(networking.k8s.io/v1), for example for
    C(kubernetes.core.k8s). There is one for each direction that has rules.
  - Policies add up, and none of them refuses anything. But a pod that a policy selects for a direction gets only what
    some policy permits there. A policy for egress therefore stops name resolution, unless another one permits it.
  - The node of a pod always reaches it. C(ipBlock) may see another address than that of the client, where a service
    or an ingress replaces it. Without a network plugin that implements policies, they have no effect.
  - A policy has no ICMP, so that ping is an error here.
positional: name, namespace, protects, pod_selector, members
options:
  name:
    description:
      - How the names of the policies begin. The direction follows.
    type: str
    required: true
  namespace:
    description:
      - The namespace of the pods.
    type: str
    required: true
  pod_selector:
    description:
      - The labels of the members, as C(podSelector). An empty dictionary selects all pods of the namespace.
    type: dict
    required: true
seealso:
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
  - dbports.firewall.cloud
  - dbports.firewall.cloud.members
"""

EXAMPLES = r"""
- name: Show what erp-db needs
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.kubernetes_policies('erp-db', 'prod', 'dc', {'matchLabels': pods}) }}"
  vars:
    pods:
      app: erp-db
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => [{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "erp-db-ingress",
#    "namespace": "prod", "labels": {"app.kubernetes.io/managed-by": "dbports"}}, "spec": {"podSelector":
#    {"matchLabels": {"app": "erp-db"}}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"ipBlock": {"cidr":
#    "192.0.2.21/32"}}], "ports": [{"protocol": "TCP", "port": 1433}]}]}}]
"""

RETURN = r"""
_value:
  description:
    - The objects.
  type: list
  elements: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("kubernetes_policies", from_data(translator("kubernetes_policies")))
