# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendors' own classes, without a device and without a connection: data to lines, and lines back to data.

``make vendors`` puts their collections below .build; nothing of the collection itself needs them.
"""

from __future__ import annotations

import copy
import functools
import importlib
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

import jinja2

VENDORS = Path(__file__).resolve().parents[2] / ".build" / "vendors"
NAMESPACES = {"ios": "cisco", "nxos": "cisco", "iosxr": "cisco", "asa": "cisco", "eos": "arista"}

if str(VENDORS) not in sys.path:
    sys.path.append(str(VENDORS))


class FakeModule:
    """What the classes ask of an AnsibleModule while they neither read a device nor write one."""

    check_mode = False
    _connection: Any = None

    def __init__(self, **params: Any) -> None:
        self.params = params

    def fail_json(self, **result: Any) -> NoReturn:
        """Raise what a run would stop with."""
        raise AssertionError(result)

    def warn(self, text: str) -> NoReturn:
        """Raise what a run would warn of."""
        raise AssertionError(text)


class _Environment(jinja2.Environment):
    """Templates that are compiled once: the classes compile some forty for each line that they read."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._made: dict[str, jinja2.Template] = {}

    def from_string(self, source: Any, *args: Any, **options: Any) -> jinja2.Template:
        """Return a template."""
        if source not in self._made:
            self._made[source] = super().from_string(source, *args, **options)
        return self._made[source]


@functools.cache
def _compile_once() -> None:
    """Let the classes share an environment."""
    utils = importlib.import_module("ansible_collections.ansible.netcommon.plugins.module_utils.network.common.utils")
    utils.Environment = functools.cache(_Environment)


def _class(platform: str) -> Any:
    _compile_once()
    namespace = NAMESPACES[platform]
    path = f"ansible_collections.{namespace}.{platform}.plugins.module_utils.network.{platform}.config.acls.acls"
    return importlib.import_module(path).Acls


def argument_spec(platform: str) -> Any:
    """Return what the module takes as its options."""
    namespace = NAMESPACES[platform]
    path = f"ansible_collections.{namespace}.{platform}.plugins.module_utils.network.{platform}.argspec.acls.acls"
    return importlib.import_module(path).AclsArgs.argument_spec


def fortios_spec(name: str) -> Any:
    """Return what a module of FortiOS takes for one object; it makes it of its schema."""
    base = "ansible_collections.fortinet.fortios.plugins"
    schema = importlib.import_module(f"{base}.modules.{name}").versioned_schema
    return importlib.import_module(f"{base}.module_utils.fortios.fortios").schema_to_module_spec(schema)["options"]


def rendered(platform: str, config: Any) -> list[str]:
    """Return the lines that the vendor's module would send."""
    module = FakeModule(config=copy.deepcopy(config), state="rendered", running_config=None)
    found: list[str] = _class(platform)(module).execute_module()["rendered"]
    return found


def parsed(platform: str, text: str) -> Any:
    """Return what the vendor's module makes of what a device shows."""
    module = FakeModule(config=None, state="parsed", running_config=text)
    return _class(platform)(module).execute_module()["parsed"]


def gathered(platform: str, device: Any) -> Any:
    """Return what the vendor's module gathers from a simulated device."""
    module = FakeModule(config=None, state="gathered", running_config=None)
    module._connection = device
    return _class(platform)(module).execute_module()["gathered"]


def commands(platform: str, device: Any, config: Any, state: str) -> list[str]:
    """Return what the vendor's module would send to a simulated device, in check mode."""
    module = FakeModule(config=copy.deepcopy(config), state=state, running_config=None)
    module._connection, module.check_mode = device, True
    found: list[str] = _class(platform)(module).execute_module()["commands"]
    return found


_HOST = re.compile(r"host (\S+)")


def _prefix(host: re.Match[str]) -> str:
    return f"{host[1]}/{128 if ':' in host[1] else 32}"


def shown(platform: str, lines: list[str]) -> str:
    """Return lines as a device that took them shows them.

    IOS puts the sequence of a line of IPv6 first (ios_acls documents both forms), NX-OS shows one host as a prefix, ASA
    begins with a heading.
    """
    if platform == "asa":
        return "\n".join([f"access-list {lines[0].split()[1]}; 1 elements; name hash: 0x0", *lines])
    if platform == "nxos":
        return "\n".join(line if " remark " in line else _HOST.sub(_prefix, line) for line in lines)
    found, ipv6 = [], False
    for line in lines:
        if line.startswith("ip"):
            ipv6 = line.startswith("ipv6")
        if platform == "ios" and ipv6 and " sequence " in line:
            words, _sequence, number = line.rpartition(" sequence ")
            found.append(f" sequence {number.strip()} {words}")
        elif platform == "ios" and ipv6 and " remark " in line:
            number, _remark, text = line.partition(" remark ")
            found.append(f" sequence {number} remark {text}")
        else:
            found.append(line)
    return "\n".join(found)


def lists(lines: list[str]) -> list[list[str]]:
    """Return lines as lists of lines, sorted: modules put the families in an order of their own."""
    found: list[list[str]] = []
    for line in lines:
        if line.startswith(("ip", "access-list")) or not found:
            found.append([])
        found[-1].append(line.strip())
    return sorted(found)
