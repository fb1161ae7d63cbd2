# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engines there are: every file of module_utils/_engines that has an ``ENGINE``."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine

_PACKAGE = "ansible_collections.dbports.firewall.plugins.module_utils._engines"
_FOLDER = Path(__file__).resolve().parents[2] / "module_utils" / "_engines"

ALIASES = {
    "602": "sql602",
    "602sql": "sql602",
    "azure": "azure_sql",
    "azuresql": "azure_sql",
    "galera": "mysql",
    "mariadb": "mysql",
    "mssqlserver": "mssql",
    "patroni": "postgresql",
    "percona": "mysql",
    "pg": "postgresql",
    "postgres": "postgresql",
    "psql": "postgresql",
    "sqlexpress": "mssql",
    "sqlserver": "mssql",
}
"""What people call the engines, in lowercase letters and digits: answered with the right name, so plans compare."""


@cache
def builtin_engines() -> MappingProxyType[str, Engine]:
    """Return the engines that come with the collection, by name, in the order of their names."""
    modules = (importlib.import_module(f"{_PACKAGE}.{path.stem}") for path in sorted(_FOLDER.glob("*.py")))
    engines = [module.ENGINE for module in modules if hasattr(module, "ENGINE")]
    return MappingProxyType({engine.name: engine for engine in sorted(engines, key=lambda engine: engine.name)})
