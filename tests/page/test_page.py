# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report in a real browser: it shows everything, asks for nothing, and no name in it does anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.html_page import page_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.overview import Overview

from browser import ENTER, ESCAPE, TAB, Browser
from pages import HOSTILE, MARKUP, THREE, fleet, overview, sample_findings

SHOWN = "return [...document.querySelectorAll('[data-row]')].filter(row => !row.hidden).map(row => row.textContent)"
FOCUSED = """
const at = document.activeElement;
return {tag: at.tagName, id: at.id, outline: getComputedStyle(at).outlineStyle,
        name: (at.getAttribute('aria-label') || at.labels?.[0]?.textContent || at.textContent).trim()};
"""
CONTRAST = """
const parts = text => text.match(/[\\d.]+/g).map(Number);
const light = text => parts(text).slice(0, 3).map(v => v / 255)
  .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    if (at.matches('a') && at.closest('svg')) return getComputedStyle(at.querySelector('.box')).fill;
    const colour = getComputedStyle(at).backgroundColor;
    if (parts(colour)[3] !== 0) return colour;
  }
}
const worst = {};
for (const element of document.querySelectorAll('body *')) {
  if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
  if (['SCRIPT', 'STYLE', 'title', 'desc'].includes(element.tagName)) continue;
  const style = getComputedStyle(element);
  const [a, b] = [light(element.closest('svg') ? style.fill : style.color), light(behind(element))];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < 4.5) worst[element.tagName + '.' + element.className + ' ' + element.textContent.slice(0, 20)] = ratio;
}
return worst;
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


def shown(browser: Browser, folder: Path, found: Overview) -> None:
    """Open the page of a report."""
    page = folder / "report.html"
    page.write_text(page_of(found), encoding="utf-8")
    browser.media()
    browser.open(page)


@pytest.fixture(scope="module")
def large() -> Overview:
    """Return the report of 3,000 hosts."""
    data = fleet()
    return overview(data, sample_findings(data))


@pytest.fixture()
def small(browser: Browser, tmp_path: Path) -> Browser:
    """Open the report of three hosts."""
    shown(browser, tmp_path, overview(THREE, sample_findings(THREE)))
    return browser


def filtered(browser: Browser, words: str) -> list[str]:
    """Type into the filter as a user does, and return the rows that are left."""
    browser.keys(ESCAPE)
    browser.run("document.activeElement.blur()")
    browser.keys(f"/{words}")
    browser.settle()
    rows: list[str] = browser.run(SHOWN)
    return rows


def test_it_asks_for_nothing_and_complains_of_nothing(small: Browser) -> None:
    assert small.run("return document.readyState") == "complete"
    small.run("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    small.settle()
    assert [url.rpartition("/")[2] for url in small.requests()] == ["report.html"]
    assert small.console() == []


def test_the_policy_lets_no_other_script_run_and_nothing_out(small: Browser) -> None:
    small.run(
        """const script = document.createElement('script'); script.textContent = 'window.ran = 1';
        document.body.append(script); document.body.insertAdjacentHTML('beforeend',
        '<img src="http://192.0.2.1/x.png" onerror="window.ran = 1"><style>body { display: none }</style>')"""
    )
    small.settle()
    assert small.run("return [window.ran, getComputedStyle(document.body).display]") == [None, "block"]
    blocked = small.console()
    assert len([line for line in blocked if "Content Security Policy" in line]) == 4, blocked


def test_the_filter_shows_rows_with_all_words(small: Browser) -> None:
    everything = small.run(SHOWN)
    rows = filtered(small, "APP-01 tcp")
    assert rows
    assert all("app-01" in row and "tcp" in row.lower() for row in rows)
    assert len(rows) < len(everything)
    assert small.run("return document.querySelector('.filter output').textContent") == (
        f"{len(rows)} of {len(everything)} rows"
    )
    assert filtered(small, "app-01")
    dimmed = small.run("return [...document.querySelectorAll('a.dim .name')].map(box => box.textContent)")
    assert dimmed == ["guest-01"], "app-01 and what it uses are left"
    assert filtered(small, "nowhere to be found") == []
    small.keys(ESCAPE)
    small.settle()
    assert small.run(SHOWN) == everything
    assert small.run("return document.querySelectorAll('.dim').length") == 0


@pytest.mark.parametrize("scale", [0.02, 1.0])
def test_every_host_is_in_the_picture_or_in_the_list_that_it_leads_to(
    browser: Browser, tmp_path: Path, large: Overview, scale: float
) -> None:
    data = fleet(scale)
    found = large if scale == 1.0 else overview(data, sample_findings(data))
    shown(browser, tmp_path, found)
    lists: dict[str, list[str]] = browser.run(
        """const found = {};
        for (const box of document.querySelectorAll('svg a[data-box]')) {
          const list = document.getElementById(box.dataset.box);
          const hosts = [list, ...list.querySelectorAll('[data-host]')].map(item => item.dataset.host);
          found[box.querySelector('.name').textContent] = hosts.filter(Boolean);
        }
        return found;"""
    )
    assert sorted(name for names in lists.values() for name in names) == sorted(found.port_sets)
    assert 5 < len(lists) <= 48
    assert browser.console() == []


def test_a_filter_finds_one_host_among_thousands_and_unfolds_its_list(
    browser: Browser, tmp_path: Path, large: Overview
) -> None:
    shown(browser, tmp_path, large)
    rows = filtered(browser, "billing-desks-017")
    assert 1 < len(rows) < 20
    seen = browser.run(
        "return [...document.querySelectorAll('tr[data-host]')].filter(row => row.checkVisibility())"
        ".map(row => row.dataset.host)"
    )
    assert seen == ["billing-desks-017"]


def test_hostile_names_stay_text(browser: Browser, tmp_path: Path) -> None:
    name = f"db{MARKUP}{HOSTILE}"
    hosts: dict[str, Any] = {
        name: {
            "ansible_host": "192.0.2.10",
            "dbports_servers": [{"engine": "mssql", "clients": [f"app{MARKUP}"], "forbidden_clients": [f"no{MARKUP}"]}],
        },
        f"app{MARKUP}": {"ansible_host": "192.0.2.21"},
        f"no{MARKUP}": {"ansible_host": "192.0.2.66"},
    }
    data = {"hosts": hosts, "groups": {f"group{MARKUP}{HOSTILE}": list(hosts)}}
    shown(browser, tmp_path, overview(data, sample_findings(data, note=f"evil{MARKUP}{HOSTILE}")))
    text = browser.run("return document.body.textContent")
    for char in HOSTILE:
        assert char not in text
        assert f"<U+{ord(char):04X}>" in text
    assert f"db{MARKUP}" in text
    assert f"evil{MARKUP}" in text
    assert "49" not in browser.run("return document.querySelector('svg').textContent"), "no template in a template"
    assert browser.run("return document.querySelectorAll('img, script:not(:last-child)').length") == 0
    assert filtered(browser, "onerror=alert(1)")
    assert browser.console() == []


def test_reached_is_said_of_flows_and_not_of_hosts(small: Browser) -> None:
    hosts = small.run("return [...document.querySelectorAll('tr[data-host]')].map(row => row.cells[1].textContent)")
    assert [text.split(maxsplit=1)[1] for text in hosts] == ["as planned"] * 3
    labels = small.run("return [...document.querySelectorAll('svg a')].map(box => box.getAttribute('aria-label'))")
    assert not any("reached" in label for label in labels)


def test_all_of_it_is_reached_with_the_keyboard(small: Browser) -> None:
    stops = []
    for _step in range(60):
        small.keys(TAB)
        stop = small.run(FOCUSED)
        if stop["tag"] == "BODY":
            break
        stops.append(stop)
    assert stops[0]["name"] == "Skip to the findings"
    assert all(stop["name"] and stop["outline"] != "none" for stop in stops), stops
    names = [stop["name"] for stop in stops]
    for part in ("Filter", "Matrix of clients and endpoints", "Rules", "Hosts, networks and gateways"):
        assert part in names
    boxes = [name for name in names if name.startswith("erp-db, mssql server")]
    assert len(boxes) == 1
    small.run("document.querySelector('svg a').focus()")
    small.keys(ENTER)
    small.settle()
    assert small.run("return location.hash.slice(0, 2)") == "#c"


def test_a_screen_reader_is_told_of_tables_headings_and_states(small: Browser) -> None:
    tree = small.cdp("Accessibility.getFullAXTree")["nodes"]
    found: dict[str, list[str]] = {}
    for node in tree:
        if not node.get("ignored"):
            found.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert found["heading"][:3] == ["Database ports", "Findings", "Topology"]
    assert {"banner", "main", "navigation", "search", "contentinfo"} <= set(found)
    assert "refused" in found["cell"], "a cell of the matrix says its state in words"
    assert {"columnheader", "rowheader", "table"} <= set(found)
    assert all(found["link"])
    assert all(found["table"]) or len([name for name in found["table"] if not name]) <= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(small: Browser, scheme: str) -> None:
    small.media(scheme=scheme)
    assert small.run(CONTRAST) == {}
    light = small.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")


def test_print_is_light_and_whole(browser: Browser, tmp_path: Path, large: Overview) -> None:
    shown(browser, tmp_path, overview(fleet(0.1), {}))
    closed = "return [...document.querySelectorAll('details')].filter(fold => !fold.open).length"
    before = browser.run(closed)
    assert before > 3
    browser.media("print", "dark")
    browser.cdp("Emulation.setDeviceMetricsOverride", width=760, height=1000, deviceScaleFactor=1, mobile=False)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run(closed) == 0
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("return getComputedStyle(document.querySelector('.bar')).display") == "none"
    cut = browser.run(
        "return [...document.querySelectorAll('.scroll')].filter(at => at.scrollWidth > at.clientWidth)"
        ".map(at => at.ariaLabel)"
    )
    assert not cut
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run(closed) == before
    browser.cdp("Emulation.clearDeviceMetricsOverride")
    assert len(browser.cdp("Page.printToPDF")["data"]) > 10_000
