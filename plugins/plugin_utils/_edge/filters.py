# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of the filters: Ansible's data in, plain data out, a DbportsError as Ansible's error."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_data import plain

_KINDS: dict[str, tuple[type, str]] = {
    "str": (str, "text"),
    "Iterable[str]": (list, "a list"),
    "Mapping[str, Any]": (dict, "a dictionary"),
}
"""By annotation: the type of plain data, and what a sentence calls it."""


def as_filter(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function as a filter.

    Ansible's values are subclasses that carry tags, and lazy containers: the function gets plain data.

    :param name: the filter's name, which leads its errors.
    """

    def filtered(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise AnsibleFilterError(visible(f"dbports.firewall.{name}: {error}")) from error
        try:
            for key, value in given.arguments.items():
                given.arguments[key] = plain(value, "", key)
                _check_kind(key, given.arguments[key], str(signature.parameters[key].annotation))
            return call(*given.args, **given.kwargs)
        except DbportsError as error:
            raise AnsibleFilterError(f"dbports.firewall.{name}: {error}") from error

    signature = inspect.signature(call)
    filtered.__doc__ = call.__doc__
    return filtered


def _check_kind(key: str, value: Any, annotation: str) -> None:
    """Refuse what is not of the kind that the annotation of a parameter says; other annotations take anything.

    :raises DbportsError: which names the argument.
    """
    kind, _or, null = annotation.partition(" | ")
    if kind in _KINDS and not (null and value is None) and not isinstance(value, _KINDS[kind][0]):
        raise DbportsError(f"expected {_KINDS[kind][1]}", code="wrong_type", path=key, value=value)


def filter_module(name: str, call: Callable[..., Any]) -> type:
    """Return the class that Ansible looks for in the file of a filter; see :func:`as_filter`."""
    filtered = as_filter(name, call)

    class FilterModule:
        """The filter of this file."""

        def filters(self) -> dict[str, Callable[..., Any]]:
            """Return it by its name."""
            return {name: filtered}

    return FilterModule
