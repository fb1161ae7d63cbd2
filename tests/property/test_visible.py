# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever inventories and hosts call themselves: each writer for people shows it, and nothing of it does anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import CombinedError, DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import is_seen, visible, visible_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import explain
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.question import PlanView
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import LIMIT
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.explanation import answer_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import Verified
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import plan_markdown, plan_summary
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.overview import overview_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import Report
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report_files import FORMATS
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pages import HOSTILE, MARKUP, RUN, planned, sample_findings

chars = st.one_of(
    st.sampled_from([*HOSTILE, *MARKUP, *"ab-1\n\r\t\u202a\u2067\u2069\u2029\ufe0f\u3164\u115f\ud800\ufffe"]),
    st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Zs", "Cs", "Co", "Cn"]),
)
names = st.text(chars, min_size=1, max_size=12)


def unseen(text: str) -> set[str]:
    """Return what would not be seen, or do something, in a text of several lines."""
    return {char for char in text.replace("\r\n", "\n") if char != "\n" and not is_seen(char)}


@given(st.text(chars))
def test_nothing_is_dropped(text: str) -> None:
    shown = visible(text)
    assert not unseen(shown) and "\n" not in shown
    rest = shown
    for char in text:
        part = char if is_seen(char) else f"<U+{ord(char):04X}>"
        assert rest.startswith(part)
        rest = rest[len(part) :]
    assert not rest


@given(st.recursive(st.text(chars), lambda inner: st.lists(inner) | st.dictionaries(st.text(chars), inner)))
def test_results_of_tasks_are_shown(data: Any) -> None:
    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for key, item in value.items():
                yield key
                yield from texts(item)
        else:
            for item in value:
                yield from texts(item)

    for text in texts(visible_data(data)):
        assert not unseen(text.replace("\t", ""))


@given(names, names, names, names, st.booleans())
def test_errors_are_shown(reason: str, host: str, path: str, value: str, nested: bool) -> None:
    error = DbportsError(reason, host=host, path=path, value=[value] if nested else value, fix=reason, file=value)
    both = CombinedError([error, DbportsError(value, host=path)])
    for text in (str(error), error.short(), error.without(host), str(both), both.short(), both.without(host)):
        assert not unseen(text)
    assert "\n" not in str(error)


@settings(max_examples=30)  # a plan and five files each
@given(st.lists(names, min_size=6, max_size=6, unique=True))
def test_every_writer_shows_every_name(found: list[str]) -> None:
    server, client, stranger, group, gone, program = found
    hosts: dict[str, Any] = {
        server: {
            "ansible_host": "192.0.2.10",
            "dbports_servers": [{"engine": "sql602", "clients": [client, group], "forbidden_clients": [stranger]}],
        },
        client: {"ansible_host": "192.0.2.21", "dbports_filter_outbound": True},
        stranger: {"ansible_host": "2001:db8::66"},
    }
    data = {"hosts": hosts, "groups": {group: [client]}}
    inventory = PlainInventory(data)
    try:
        plan, index = planned(data)
    except DbportsError as error:
        assert not unseen(str(error))
        assume(False)
        return
    verified = sample_findings(data, note=program)
    verified.pop(client)
    report = Report(index, Verified(verified, {client: gone}), RUN)
    overview = overview_of(report, list(plan.hosts.values()), plan.gateways, data["groups"])
    artifact = render_plan(plan)
    answers = [
        answer_data(explain(PlanView(plan.hosts.get, inventory), host, "5002/tcp", peer))
        for host in hosts
        for peer in (None, client, stranger, gone)
    ]
    written = [
        *(write(overview) for write in FORMATS.values()),
        plan_markdown(plan, artifact.plan_id, artifact.inputs_id),
        *artifact.files.values(),
        *plan_summary(plan, artifact.plan_id),
        *report.lines(),
        *(line for answer in answers for line in answer["lines"]),
    ]
    for text in written:
        assert not unseen(text)
        text.encode("utf-8")
    page = FORMATS["report.html"](overview)
    for tag in ("<img", "<script"):
        assert page.count(tag) == (tag == "<script")
    assert artifact.files[LIMIT].count("\n") == len(hosts)
