# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld shows over D-Bus of files in its permanent configuration, as seen with 1.3.3 and 2.3.1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.dom import minidom

ELEMENTS = ("source", "destination", "port", "icmp-type")


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
        root = minidom.parseString(text.encode("utf-8")).documentElement
        assert root is not None
        settings["policies" if root.tagName == "policy" else "ipsets"][name] = (
            policy(root) if root.tagName == "policy" else ipset(root)
        )
    return settings


def policy(root: Any) -> dict[str, Any]:
    """Return the settings of a policy; firewalld makes a space of every line end in a description."""
    found: dict[str, Any] = {
        "short": ("s", content(root, "short")[0]),
        "description": ("s", content(root, "description")[0].replace("\n", " ")),
        "target": ("s", root.getAttribute("target")),
        "masquerade": ("b", False),
        "rich_rules": ("as", [rich_rule(rule) for rule in root.getElementsByTagName("rule")]),
        "priority": ("i", int(root.getAttribute("priority"))),
        "ingress_zones": ("as", [zone.getAttribute("name") for zone in root.getElementsByTagName("ingress-zone")]),
        "egress_zones": ("as", [zone.getAttribute("name") for zone in root.getElementsByTagName("egress-zone")]),
    }
    return {key: {"type": kind, "data": data} for key, (kind, data) in found.items()}


def ipset(root: Any) -> list[Any]:
    """Return the settings of an ipset."""
    options = {item.getAttribute("name"): item.getAttribute("value") for item in root.getElementsByTagName("option")}
    return ["", content(root, "short")[0], "", root.getAttribute("type"), options, content(root, "entry")]


def rich_rule(rule: Any) -> str:
    """Return a rich rule as firewalld prints it."""
    words = ["rule", f'priority="{rule.getAttribute("priority")}"']
    words += [f'family="{rule.getAttribute("family")}"'] if rule.hasAttribute("family") else []
    for node in (node for node in rule.childNodes if node.nodeType == node.ELEMENT_NODE):
        words.append(node.tagName)
        words += [f'{key}="{value}"' for key, value in node.attributes.items()] if node.tagName in ELEMENTS else []
    return " ".join(words)


def content(root: Any, name: str) -> list[str]:
    """Return the texts of the elements of a name."""
    nodes = root.getElementsByTagName(name)
    return ["".join(child.data for child in node.childNodes) for node in nodes] or ([""] if name != "entry" else [])
