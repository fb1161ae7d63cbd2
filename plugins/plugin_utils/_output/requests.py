# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall requests: what a gateway has to permit, for the people who change it by hand, and what is new of it."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    format_addresses,
    merge_addresses,
    parse_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges, as_networks, without
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import (
    GatewayPlan,
    Statement,
    StatementKind,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.exports import cell
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import escape, gateway_about, table

_ID = re.compile(r"r[0-9a-f]{12}")
"""A letter first: a spreadsheet takes 12e345678901 for a number."""

_TO_CLIENTS: frozenset[StatementKind] = frozenset({"reply", "icmp_error", "unrelated"})
"""Kinds of statements whose destinations are the clients."""


class Request(NamedTuple):
    """One change request, as the texts of its line; lists are parted by blanks, sentences by semicolons.

    :param id: stays the same as long as only the ``clients`` change, of whom there is one end: the source, or the
        destination of answers.
    :param flags: ``established`` for TCP packets with ACK or RST.
    """

    id: str
    gateway: str
    owner: str
    action: str
    origin: str
    target: str
    kind: str
    protocol: str
    source: str
    source_ports: str
    destination: str
    destination_ports: str
    flags: str
    published: str
    need: str
    requested_for: str
    purpose: str
    citation: str

    @property
    def clients(self) -> str:
        """The end that may change without a new request."""
        return self.destination if self.kind in _TO_CLIENTS else self.source


HEADER = tuple({"origin": "from", "target": "to"}.get(name, name) for name in Request._fields)


class Changes(NamedTuple):
    """How two lists of requests differ.

    :param changed: requests whose clients differ, as they are now, with the addresses that are new and gone.
    """

    added: tuple[Request, ...]
    removed: tuple[Request, ...]
    changed: tuple[tuple[Request, Ranges, Ranges], ...]

    def __bool__(self) -> bool:
        return any(self)

    @property
    def counts(self) -> dict[str, int]:
        """How many requests are new, changed and no longer needed."""
        return {"new": len(self.added), "changed": len(self.changed), "gone": len(self.removed)}


def requests_of(plan: GatewayPlan) -> tuple[Request, ...]:
    """Return what a gateway has to permit, one request for each thing that may be opened for several clients."""
    groups: dict[tuple[Any, ...], list[Statement]] = {}
    for item in plan.statements:
        groups.setdefault(_subject(item), []).append(item)
    return tuple(_request(plan, subject, items) for subject, items in groups.items())


def _subject(item: Statement) -> tuple[Any, ...]:
    """Return all that a request is about but its clients."""
    from_server = item.kind in _TO_CLIENTS
    what = (item.origin, item.target, item.kind, item.family, item.protocol, item.source if from_server else ())
    ends = (item.source_ports, () if from_server else item.destination, item.destination_ports, item.established)
    return (*what, *ends, item.icmp_type, item.icmp_code, item.published)


def _request(plan: GatewayPlan, subject: tuple[Any, ...], items: Sequence[Statement]) -> Request:
    item = items[0]
    there = item.published
    return Request(
        f"r{hashlib.sha256(repr((plan.name, subject)).encode()).hexdigest()[:12]}",
        plan.name,
        plan.owner,
        "permit",
        item.origin,
        item.target,
        item.kind,
        _protocol(item),
        _joined(address for one in items for address in one.source),
        format_ports(item.source_ports),
        _joined(address for one in items for address in one.destination),
        format_ports(item.destination_ports),
        "established" if item.established else "",
        f"{_joined(there.addresses)} port {format_ports(there.ports)}" if there else "",
        min((one.need for one in items), key=("required", "optional").index),
        _once(f"{one.host} {one.endpoint}".strip() for one in items),
        _once(one.reason for one in items),
        _once(one.citation for one in items),
    )


def _protocol(item: Statement) -> str:
    if item.protocol != "icmp":
        return item.protocol
    code = "" if item.icmp_code is None else f" code {item.icmp_code}"
    return f"{'icmpv6' if item.family == 'ipv6' else 'icmp'} type {item.icmp_type}{code}"


def _joined(addresses: Iterable[AddressRange]) -> str:
    return " ".join(format_addresses(as_networks(merge_addresses(addresses))))


def _once(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def csv_of(requests: Iterable[Request]) -> str:
    """Return requests as CSV, a line each."""
    return _written(HEADER, requests)


def changes_csv(changes: Changes) -> str:
    """Return a difference as CSV: the requests with what to do, and the addresses to add and to remove."""
    rows = [("add", "", "", *item) for item in changes.added]
    rows += [("change", _joined(new), _joined(gone), *item) for item, new, gone in changes.changed]
    rows += [("remove", "", "", *item) for item in changes.removed]
    return _written(("change", "new_addresses", "gone_addresses", *HEADER), rows)


def _written(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(map(cell, row) for row in rows)
    return stream.getvalue()


def read_csv(text: str) -> tuple[Request, ...]:
    """Read requests back from :func:`csv_of`.

    :raises DbportsError: for anything else; the caller adds the path.
    """
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
        if not rows or tuple(rows[0]) != HEADER:
            raise ValueError
        found = tuple(Request(*row) for row in rows[1:])
        if len({item.id for item in found}) != len(found) or not all(_ID.fullmatch(item.id) for item in found):
            raise ValueError
        for item in found:
            parse_addresses(item.clients.split())
    except (ValueError, TypeError, csv.Error):
        fix = "Restore the file, or remove it to request everything again"
        raise DbportsError("not a file of requests", code="unreadable", fix=fix) from None
    return found


def changes_between(before: Iterable[Request], after: Iterable[Request]) -> Changes:
    """Return how requests differ from the last ones."""
    old = {item.id: item for item in before}
    new = {item.id: item for item in after}
    return Changes(
        tuple(item for item in new.values() if item.id not in old),
        tuple(item for item in old.values() if item.id not in new),
        tuple(_moved(old, new)),
    )


def _moved(old: Mapping[str, Request], new: Mapping[str, Request]) -> Iterable[tuple[Request, Ranges, Ranges]]:
    for item in new.values():
        if item.id in old and old[item.id].clients != item.clients:
            then, now = (parse_addresses(one.clients.split()) for one in (old[item.id], item))
            yield item, without(now, then), without(then, now)


_COLUMNS = ("request", "from", "to", "protocol", "source", "destination", "for", "purpose", "citation")


def markdown_of(plan: GatewayPlan, requests: Sequence[Request]) -> str:
    """Return all requests of a gateway as Markdown."""
    lines = [f"# Firewall requests for {escape(plan.name)}", "", escape(gateway_about(plan)), ""]
    lines += [f"Owner: {escape(plan.owner)}", ""] if plan.owner else []
    lines += table(_COLUMNS, map(_cells, requests)) if requests else ["Nothing has to be permitted."]
    return "\n".join((*lines, ""))


def changes_markdown(name: str, changes: Changes) -> str:
    """Return a difference as Markdown: what to add, what to change and what to remove."""
    lines = [f"# Changes of the firewall requests for {escape(name)}", ""]
    for title, items in (("Permit", changes.added), ("No longer needed", changes.removed)):
        if items:
            lines += [f"## {title}", "", *table(_COLUMNS, map(_cells, items)), ""]
    if changes.changed:
        rows = ((*_cells(item), _joined(new), _joined(gone)) for item, new, gone in changes.changed)
        lines += ["## Other addresses", "", *table((*_COLUMNS, "new", "gone"), rows), ""]
    return "\n".join(lines)


def _cells(item: Request) -> tuple[str, ...]:
    source, destination = (
        f"{addresses} port {ports}" if ports else addresses
        for addresses, ports in ((item.source, item.source_ports), (item.destination, item.destination_ports))
    )
    protocol = f"{item.protocol} {item.flags}".strip()
    published = f"{destination} (published as {item.published})" if item.published else destination
    ends = (item.id, item.origin, item.target, protocol, source, published)
    return (*ends, item.requested_for, item.purpose, item.citation)
