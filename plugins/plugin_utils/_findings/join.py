# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client met, together with what its server shows: only both say why a flow does not work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import combined
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Configured, Finding, facts

Shown = Callable[[str], Sequence[Finding]]
"""Given a server, the findings of that host in the same run; none where it was not verified."""


def join(findings: Iterable[Finding], shown: Shown) -> Iterator[Finding]:
    """Yield a host's findings; those of its probes with what the server shows."""
    for finding in findings:
        if finding.reached and finding.host != finding.server:
            there = shown(finding.server)
            yield _joined(_with_relay(finding, there), there)
        else:
            yield finding


def _with_relay(finding: Finding, relay: Sequence[Finding]) -> Finding:
    """Return a finding of a SOCKS host's refusal with what that host's own probe of the same server met.

    SOCKS 4 has one answer for what the SOCKS host refuses and what the server refuses.
    """
    address, _colon, port = finding.named("relayed_to").rpartition(":")
    own = next(
        (one for one in relay if one.reached and one.named("address") == address and one.port == f"tcp {port}"), None
    )
    if not address or own is None:
        return finding
    met = facts(relay_reached=own.reached, relay_detail=own.named("detail"), relay_server=own.server)
    return finding._replace(data=facts(**{**dict(finding.data), **dict(met)}))


def _joined(finding: Finding, server: Sequence[Finding]) -> Finding:
    about = [one for one in server if one.endpoint == finding.endpoint and one.intended and not one.reached]
    about = [one for one in about if one.port == finding.port] or about
    ways = [one for one in about if one.intended == "accept"]
    (host,) = finding.peers
    mine = next((one for one in ways if host in one.peers), None)
    way = mine or next((one for one in ways if not one.peers or finding.intended == "refuse"), None)
    if way is None:
        return finding
    configured = finding.configured or way.configured
    if finding.intended == "refuse":
        edited = any(one.code == "rules_edited" and one.named("line") for one in server)
        configured = "maybe" if edited and way.configured == "maybe" else _for_a_stranger(finding, way, about)
    known = dict(finding.data)
    more = tuple((word, text) for word, text in way.data if word not in known)
    return combined(finding, configured, way.listening, data=more)


def _for_a_stranger(finding: Finding, way: Finding, about: Sequence[Finding]) -> Configured:
    """Return what the rules do with a host that is none of the endpoint's peers."""
    own = [AddressRange.parse(text) for text in finding.named("source").split(", ") if text]
    for one in about:
        if one.code == "accepts_too_many" and any(
            AddressRange.parse(text).overlaps(item) for text in one.peers for item in own
        ):
            return "accepts"
    if way.configured in ("open", "unknown", ""):
        return way.configured
    return "refuses"
