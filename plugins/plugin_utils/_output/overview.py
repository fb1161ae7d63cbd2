# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole plan beside its findings: what the page and the files for other programs are written from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.clusters import Party, parties_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.flows import (
    Flow,
    Rule,
    engines_of,
    flows_of,
    rules_of,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import Report
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.states import States


class Overview(NamedTuple):
    """What a plan and its findings say of each host and flow.

    :param port_sets: those of all hosts of the plan, by name.
    :param lost: what does not pass each gateway, by its name.
    :param engines: the engine of each server, by its host and name.
    """

    report: Report
    port_sets: Mapping[str, PortSet]
    gateways: Sequence[GatewayPlan]
    lost: Mapping[str, Sequence[PlanWarning]]
    engines: Mapping[tuple[str, str], str]
    flows: Sequence[Flow]
    rules: Sequence[Rule]
    parties: Sequence[Party]
    states: States


def overview_of(
    report: Report,
    port_sets: Collection[PortSet],
    gateways: Sequence[GatewayPlan] = (),
    groups: Mapping[str, Collection[str]] | None = None,
) -> Overview:
    """Put a plan and its findings together.

    :param groups: the hosts of each inventory group, where an inventory is there.
    """
    flows = flows_of(port_sets, gateways)
    lost: dict[str, list[PlanWarning]] = {}
    for warning in report.index.warnings:
        if warning.code in ("lost_on_gateway", "not_published"):
            lost.setdefault(warning.gateway, []).append(warning)
    return Overview(
        report,
        {item.host: item for item in port_sets},
        gateways,
        lost,
        engines_of(port_sets),
        flows,
        rules_of(port_sets),
        parties_of(port_sets, flows, groups or {}, [item.name for item in gateways]),
        States(report.findings, report.verified, {item.name: item.host for item in gateways if item.host}),
    )
