# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld shows over D-Bus of files in its permanent configuration, as seen with 1.3.3 and 2.3.1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree


def in_force(files: Iterable[tuple[str, int, str]]) -> dict[str, Any]:
    """Return the settings that firewalld has after a reload with these files, in the JSON of busctl."""
    settings: dict[str, Any] = {
        "zones": {},
        "policies": {},
        "ipsets": {},
        "direct": {"Chains": [], "Rules": [], "Passthroughs": []},
    }
    for path, _mode, text in files:
        name = path.rsplit("/", 1)[1][: -len(".xml")]
        parser = ElementTree.XMLPullParser(("start",))
        parser.feed(text.encode("utf-8"))
        parser.close()
        _event, root = next(iter(parser.read_events()))
        if root.tag == "policy":
            settings["policies"][name] = policy(root)
        else:
            settings["ipsets"][name] = ipset(root)
    return settings


def theirs(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what of these settings is not ours."""
    found: dict[str, Any] = {
        kind: {name: item for name, item in items.items() if not name.startswith("dbports-")}
        for kind, items in settings.items()
    }
    return {**found, "same": []}


def policy(root: Any) -> dict[str, Any]:
    """Return the settings of a policy; firewalld makes a space of every line end in a description."""
    found: dict[str, Any] = {
        "short": ("s", root.findtext("short")),
        "description": ("s", root.findtext("description").replace("\n", " ")),
        "target": ("s", root.get("target")),
        "masquerade": ("b", False),
        "rich_rules": ("as", [rich_rule(rule) for rule in root.iter("rule")]),
        "priority": ("i", int(root.get("priority"))),
        "ingress_zones": ("as", [zone.get("name") for zone in root.iter("ingress-zone")]),
        "egress_zones": ("as", [zone.get("name") for zone in root.iter("egress-zone")]),
    }
    return {key: {"type": kind, "data": data} for key, (kind, data) in found.items()}


def ipset(root: Any) -> list[Any]:
    """Return the settings of an ipset."""
    options = {item.get("name"): item.get("value") for item in root.iter("option")}
    return ["", root.findtext("short"), "", root.get("type"), options, [item.text for item in root.iter("entry")]]


def rich_rule(rule: Any) -> str:
    """Return a rich rule as firewalld prints it."""
    words = ["rule", *(f'{key}="{value}"' for key, value in rule.items())]
    for node in rule:
        words += [node.tag, *(f'{key}="{value}"' for key, value in node.items())]
    return " ".join(words)
