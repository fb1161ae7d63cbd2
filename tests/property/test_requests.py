# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall requests say what the statements say, and their difference leads from the last ones to the new ones."""

from __future__ import annotations

import csv
import io
import re

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import is_seen
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.requests import (
    changes_between,
    changes_csv,
    changes_markdown,
    csv_of,
    markdown_of,
    read_csv,
    requests_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn import planned
from filtered import inventories, statements
from intervals import ANY_FLAGS, ESTABLISHED, NO_FLAGS, Box, addresses, differences, ports


def box_of_row(row: dict[str, str]) -> Box:
    """Return a line of the CSV file as the packets that it asks for, read from its texts."""
    ((family, source),) = addresses(row["source"].split()).items()
    ((other, destination),) = addresses(row["destination"].split()).items()
    assert family == other
    icmp = re.fullmatch(r"(icmp|icmpv6) type (\d+)(?: code (\d+))?", row["protocol"])
    if icmp:
        assert (icmp[1] == "icmpv6") == (family == 6)
        kind, code = int(icmp[2]), icmp[3]
        codes = ((int(code), int(code)),) if code else ((0, 255),)
        return Box(family, "icmp", source, ((kind, kind),), destination, codes, NO_FLAGS)
    flags = NO_FLAGS if row["protocol"] == "udp" else ESTABLISHED if row["flags"] == "established" else ANY_FLAGS
    ends = source, ports(row["source_ports"]), destination, ports(row["destination_ports"])
    return Box(family, row["protocol"], *ends, flags)


def boxes(text: str) -> list[Box]:
    """Return what a CSV file asks for."""
    return [box_of_row(row) for row in csv.DictReader(io.StringIO(text))]


@settings(max_examples=40)
@given(inventories())
def test_the_file_asks_for_exactly_the_statements(inventory: dict[str, object]) -> None:
    plan = planned(inventory)
    requests = requests_of(plan.gateways[0])
    text = csv_of(requests)
    every = statements(plan, "request", "reply", "unrelated", "icmp_error")
    assert not list(differences(boxes(text), every))
    assert read_csv(text) == requests
    assert not changes_between(read_csv(text), requests)


@settings(max_examples=40)
@given(inventories(), inventories())
def test_the_difference_leads_from_one_to_the_other(one: dict[str, object], other: dict[str, object]) -> None:
    before, after = (requests_of(planned(item).gateways[0]) for item in (one, other))
    wanted = {item.id: item for item in after}
    here = {item.id: item for item in before}
    for row in csv.DictReader(io.StringIO(changes_csv(changes_between(before, after)))):
        if row["change"] == "add":
            assert row["id"] not in here
            here[row["id"]] = wanted[row["id"]]
        elif row["change"] == "remove":
            del here[row["id"]]
        else:
            then, now = here[row["id"]], wanted[row["id"]]
            old, new = (addresses(item.clients.split()) for item in (then, now))
            assert old != new
            gone, fresh = addresses(row["gone_addresses"].split()), addresses(row["new_addresses"].split())
            (family,) = {*old, *new}
            assert points(old[family], fresh.get(family, ())) - points(gone.get(family, ())) == points(new[family])
            here[row["id"]] = now
    assert here == wanted


def points(*intervals: tuple[tuple[int, int], ...]) -> set[int]:
    """Return addresses one by one, of networks that are small enough; only the borders of others."""
    found: set[int] = set()
    for first, last in (item for items in intervals for item in items):
        found.update(range(first, last + 1) if last - first < 512 else (first, last))
    return found


hostile = st.text(st.sampled_from("\n\r\t|\",;=+-@'`*<>&#\u202e\u061c\ufff9\U000e0041\u2028\x1b\x00a"), max_size=20)


@given(inventories(), hostile, hostile, hostile)
@settings(max_examples=40)
def test_no_text_does_anything(inventory: dict[str, object], owner: str, reason: str, host: str) -> None:
    plan = planned(inventory).gateways[0]
    changed = tuple(item._replace(reason=reason, host=host, citation=owner) for item in plan.statements)
    told: GatewayPlan = plan._replace(owner=owner, statements=changed)
    requests = requests_of(told)
    difference = changes_between((), requests)
    lines = csv_of(requests), changes_csv(difference)
    texts = *lines, markdown_of(told, requests), changes_markdown(told.name, difference)
    assert all(is_seen(char) or char == "\n" for text in texts for char in text)
    for text in lines:
        rows = list(csv.reader(io.StringIO(text)))
        assert len(rows) == len(requests) + 1 == len(text.splitlines())
        assert not [cell for row in rows for cell in row if re.match(r"\s*[=+\-@|%]", cell)]
    table_rows = [line for line in texts[2].splitlines() if re.match(r"\| r[0-9a-f]{12} ", line)]
    assert [line.replace("\\|", "").count("|") for line in table_rows] == [10] * len(requests)


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda data: data.decode("latin-1"))))
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(DbportsError) as caught:
        read_csv(text)
    assert (caught.value.code, "remove it" in (caught.value.fix or "")) == ("unreadable", True)


@settings(max_examples=40)
@given(inventories(), st.data())
def test_a_damaged_file_is_refused_or_read_as_other_requests(inventory: dict[str, object], data: st.DataObject) -> None:
    requests = requests_of(planned(inventory).gateways[0])
    text = csv_of(requests)
    place = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:place] + data.draw(st.sampled_from(["", '"', "\n", ",", "x", "\x00"])) + text[place + 1 :]
    try:
        found = read_csv(damaged)
    except DbportsError as error:
        assert error.code == "unreadable"
    else:
        changes_between(found, requests)
