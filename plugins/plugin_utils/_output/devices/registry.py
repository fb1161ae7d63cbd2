# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which platform is written by which translator: each is a pure function from a gateway's plan to plain data."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_gateway_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.platforms import platforms_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices import (
    asa,
    aws_network_acl,
    aws_security_group,
    azure,
    gcp,
    junos,
    kubernetes,
    openstack,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import Form, acl_filter
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.cisco import IOS, IOSXR, NXOS
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.eos import EOS
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits


class Translator(NamedTuple):
    """How a platform's rules are written.

    :param platform: as in ``dbports_gateways[].platform``.
    :param name: of the filter.
    :param function: from a :class:`GatewayPlan` and what the user says besides, to plain data.
    :param limits: what the platform takes; the function counts before it returns.
    """

    platform: str
    name: str
    function: Callable[..., Any]
    limits: Limits


def _acl(platform: str, name: str, form: Form) -> Translator:
    return Translator(platform, name, acl_filter(form), form.limits)


TRANSLATORS: tuple[Translator, ...] = (
    _acl("ios", "ios_aces", IOS),
    _acl("nxos", "nxos_aces", NXOS),
    _acl("iosxr", "iosxr_aces", IOSXR),
    _acl("eos", "eos_aces", EOS),
    Translator("asa", "asa_aces", asa.aces, asa.LIMITS),
    Translator("junos", "junos_terms", junos.terms, junos.LIMITS),
    Translator("aws_security_group", "aws_security_group", aws_security_group.rules, aws_security_group.LIMITS),
    Translator("aws_network_acl", "aws_network_acl", aws_network_acl.lists, aws_network_acl.LIMITS),
    Translator("azure", "azure_rules", azure.rules, azure.LIMITS),
    Translator("gcp", "gcp_rules", gcp.parameters, gcp.LIMITS),
    Translator("openstack", "openstack_rules", openstack.parameters, openstack.LIMITS),
    Translator("kubernetes", "kubernetes_policies", kubernetes.policies, kubernetes.LIMITS),
)
_BY_NAME = {item.name: item for item in TRANSLATORS}


def translator(name: str) -> Translator:
    """Return the translator of a filter."""
    return _BY_NAME[name]


def for_platform(platform: str) -> Translator | None:
    """Return the translator of a platform, None where it has none."""
    return next((item for item in TRANSLATORS if item.platform == platform), None)


def from_data(item: Translator) -> Callable[..., Any]:
    """Return a translator that takes the data of the gateway's file instead of the value; see :func:`accept`."""

    @functools.wraps(item.function)
    def translate(plan: Any, *args: Any, **kwargs: Any) -> Any:
        return item.function(accept(item.platform, read_gateway_data(plan)), *args, **kwargs)

    return translate


def accept(platform: str, plan: GatewayPlan) -> GatewayPlan:
    """Return a gateway's plan that can be written for a platform.

    :raises DbportsError: for a gateway that runs on something else, is no packet filter, or was planned with connection
        tracking where the platform has none, or the other way round: then its answers would be missing.
    """
    tracks = {item.name: item.tracks for item in platforms_of("filter")}[platform]
    fix = f"Declare it with kind: filter and platform: {platform}, and plan again"
    if plan.platform not in ("", platform):
        raise DbportsError(
            f"{plan.name} runs on {plan.platform}", code="contradiction", path="platform", value=platform, fix=fix
        )
    if plan.kind not in ("filter", "nat"):
        raise DbportsError(
            f"{plan.name} is no packet filter", code="contradiction", path="kind", value=plan.kind, fix=fix
        )
    if tracks not in (None, plan.stateful):
        how = "with" if plan.stateful else "without"
        raise DbportsError(
            f"{plan.name} is planned {how} connection tracking, and {platform} is not so",
            code="contradiction",
            path="stateful",
            value=plan.stateful,
            fix=fix,
        )
    return plan
