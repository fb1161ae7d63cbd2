# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of the same name; documented there. From Windows its bytes are sent by a script and judged here."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.modules.probe import ARGUMENT_SPEC
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.module_action import ModuleAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.platform import PROBE_MODULE


class ActionModule(ModuleAction):
    """One call of the module."""

    MODULE = PROBE_MODULE
    ARGUMENTS: ClassVar[dict[str, Any]] = ARGUMENT_SPEC
