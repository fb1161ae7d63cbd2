# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data as YAML has it: text, numbers, booleans, lists and dictionaries, without what Ansible adds to them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_NOT_PLAIN: tuple[tuple[type, str], ...] = ((datetime.date, "a date"), (bytes, "binary data"))


def plain(value: Any, host: str, path: str) -> Any:
    """Return data without Ansible's tags and wrappers.

    :raises DbportsError: for what is neither text, number, boolean, list nor dictionary.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item, host, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, host, f"{path}[{index}]") for index, item in enumerate(value)]
    what = next((name for kind, name in _NOT_PLAIN if isinstance(value, kind)), type(value).__name__)
    raise DbportsError(
        f"expected text, a number, true or false, a list or a dictionary, not {what}",
        code="wrong_type",
        host=host,
        path=path,
        value=str(value),
        fix="Write it in quotes, so that it is text",
    )


def has_template(value: Any) -> bool:
    """Tell whether Ansible has to settle a value: it holds Jinja anywhere, or what is no plain data (vault)."""
    if isinstance(value, str):
        return any(start in value for start in ("{{", "{%", "{#"))
    if isinstance(value, Mapping):
        return any(has_template(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(has_template(item) for item in value)
    return value is not None and not isinstance(value, (bool, int, float))
