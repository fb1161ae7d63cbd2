# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a reload leaves a zone as it is: what is in force of it is what its file says (firewalld.zone(5)); pure.

Only what most files consist of is understood. Of any other file nothing is said, and the zone is set again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional
from xml.etree import ElementTree

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.others import ZONE_FLAGS, ZONE_LISTS

_LISTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "interface": ("interfaces", ("name",)),
    "service": ("services", ("name",)),
    "port": ("ports", ("port", "protocol")),
    "source-port": ("source_ports", ("port", "protocol")),
    "protocol": ("protocols", ("value",)),
}
"""The elements of a zone's file of which there can be many, each with its setting and its attributes."""

_FLAGS = {"masquerade": "masquerade", "forward": "forward", "icmp-block-inversion": "icmp_block_inversion"}
_TEXTS = {"short", "description"}


def stays(in_force: Mapping[str, Any], text: str) -> bool:
    """Tell whether a reload leaves a zone as it is, as far as it could be set again.

    :param in_force: its settings, in the JSON of busctl.
    :param text: its file.
    """
    kept = _read(text)
    if kept is None:
        return False
    seen = {key: item["data"] for key, item in in_force.items()}
    lists = all(sorted(seen.get(key, [])) == sorted(kept.get(key, [])) for key in ZONE_LISTS)
    return lists and all(bool(seen.get(key)) == (key in kept) for key in ZONE_FLAGS)


def _read(text: str) -> Optional[dict[str, list[Any]]]:
    """Return what a file sets, with an empty list for each flag; None where anything is not understood."""
    try:
        root = ElementTree.XML(text)
    except (ElementTree.ParseError, ValueError):
        return None
    found: dict[str, list[Any]] = {}
    for node in root:
        key, attributes = _LISTS.get(node.tag, (_FLAGS.get(node.tag, ""), ()))
        if node.tag in _TEXTS:
            continue
        if not key or len(node) or set(node.attrib) != set(attributes):
            return None
        values = [node.attrib[name] for name in attributes]
        found.setdefault(key, []).extend([values[0] if len(values) == 1 else values] if values else [])
    return found if root.tag == "zone" else None
