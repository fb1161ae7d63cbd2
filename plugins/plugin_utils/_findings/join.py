# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client met, together with what its server shows: only both say why a flow does not work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import combined
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Configured, Finding

Shown = Callable[[str], Sequence[Finding]]
"""Given a server, the findings of that host in the same run; none where it was not verified."""


def join(findings: Iterable[Finding], shown: Shown) -> Iterator[Finding]:
    """Yield a host's findings; those of its probes with what the server shows."""
    for finding in findings:
        yield _joined(finding, shown(finding.server)) if finding.reached and finding.host != finding.server else finding


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
    facts = tuple((word, text) for word, text in way.data if word not in known)
    return combined(finding, configured, way.listening, data=facts)


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
