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
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.platforms import FILTERS
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family, GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices import (
    asa,
    asa_changes,
    aws_network_acl,
    aws_security_group,
    azure,
    fortios,
    gcp,
    junos,
    junos_changes,
    kubernetes,
    openstack,
    panos,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import (
    FIRST,
    MODES,
    STEP,
    Data,
    Form,
    acl_filter,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.changes import Dialect, changes
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.cisco import IOS, IOSXR, NXOS
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.eos import EOS
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits, check_choice


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
    Translator("panos", "panos_rules", panos.rules, panos.LIMITS),
    Translator("fortios", "fortios_policies", fortios.policies, fortios.LIMITS),
    Translator("aws_security_group", "aws_security_group", aws_security_group.rules, aws_security_group.LIMITS),
    Translator("aws_network_acl", "aws_network_acl", aws_network_acl.lists, aws_network_acl.LIMITS),
    Translator("azure", "azure_rules", azure.rules, azure.LIMITS),
    Translator("gcp", "gcp_rules", gcp.parameters, gcp.LIMITS),
    Translator("openstack", "openstack_rules", openstack.parameters, openstack.LIMITS),
    Translator("kubernetes", "kubernetes_policies", kubernetes.policies, kubernetes.LIMITS),
)
_IP: dict[Family, str] = {"ipv4": "ip access-list", "ipv6": "ipv6 access-list"}
DIALECTS: dict[str, Dialect] = {
    "ios": Dialect(IOS, {**_IP, "ipv4": "ip access-list extended"}, {"ipv4": "no", "ipv6": "no sequence"}),
    "nxos": Dialect(NXOS, _IP, {"ipv4": "no", "ipv6": "no"}),
    "iosxr": Dialect(IOSXR, {**_IP, "ipv4": "ipv4 access-list"}, {"ipv4": "no", "ipv6": "no"}),
    "eos": Dialect(EOS, _IP, {"ipv4": "no", "ipv6": "no"}),
}
"""How entries are taken away where they have numbers that stay."""

_PUBLISHED: dict[str, str] = {
    "panos": "PAN-OS decides by the addresses before any translation",
    "fortios": "a policy of FortiOS names the virtual IP of what is published",
}
"""Where a rule for the address behind the translation would match nothing: PAN-OS Networking Administrator's Guide, NAT
Policy Rules; FortiOS Administration Guide, Static virtual IPs. Everywhere else rules name the inside address."""

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
        gateway = read_gateway_data(plan)
        try:
            return item.function(accept(item.platform, gateway), *args, **kwargs)
        except DbportsError as error:
            raise error.at(host=gateway.name) from None

    return translate


def acl_changes(
    config: Any,
    current: Any,
    platform: str,
    name: str,
    ipv6_name: str | None = None,
    mode: str = "entries",
    first: int = FIRST,
    step: int = STEP,
) -> Data:
    """Return what has to be done to a gateway's lists on a platform; see :func:`changes`.

    :raises DbportsError: for a platform without lists.
    """
    check_choice(mode, "mode", MODES)
    if platform == "asa":
        return asa_changes.changes(config, current, name, mode)
    if platform == "junos":
        return junos_changes.changes(config, current, name, ipv6_name, mode)
    if platform not in DIALECTS:
        raise DbportsError(
            "not one of the choices",
            code="not_a_choice",
            path="platform",
            value=platform,
            fix=f"Use {', '.join((*DIALECTS, 'asa', 'junos'))}",
        )
    return changes(DIALECTS[platform], config, current, name, ipv6_name, mode, first, step)


def accept(platform: str, plan: GatewayPlan) -> GatewayPlan:
    """Return a gateway's plan that can be written for a platform.

    :raises DbportsError: for a gateway that runs on something else, is no packet filter, or was planned with connection
        tracking where the platform has none, or the other way round: then its answers would be missing. Also for
        published servers where rules do not name the inside address.
    """
    tracks = FILTERS[platform].tracks
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
    published = next((item for item in plan.statements if item.published), None)
    if published and platform in _PUBLISHED:
        raise DbportsError(
            f"{plan.name} publishes {published.endpoint}, and {_PUBLISHED[platform]}",
            code="cannot_encode",
            path="mappings",
            value=published.host,
            fix="Write these rules by hand, or declare a filter of its own on the clients' side of the translator",
        )
    return plan
