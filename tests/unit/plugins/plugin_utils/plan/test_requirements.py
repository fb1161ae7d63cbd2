# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller without the collection's requirements is told what to install."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare import networks
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan


def test_without_netaddr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "HAS_NETADDR", False)
    with pytest.raises(DbportsError, match="netaddr is missing") as caught:
        build_plan(PlainInventory({"hosts": {}}))
    assert caught.value.code == "program_missing"
    assert "requirements.txt" in (caught.value.fix or "")
