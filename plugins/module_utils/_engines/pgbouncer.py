# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer on a host of its own, in front of PostgreSQL servers elsewhere."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option

_DOC = "PgBouncer documentation, config: listen_port"

OPTIONS = (Option("port", "port", "The port that PgBouncer listens on (listen_port), opened for clients.", 6432),)

FLOWS = (FlowSpec("sql", "tcp", "port", "Clients connect to PgBouncer", _DOC, process=("pgbouncer",), probe="tcp"),)

ENGINE = Engine(
    name="pgbouncer",
    title="PgBouncer",
    source=_DOC,
    options=OPTIONS,
    flows=FLOWS,
    notes=("Declare its host as a client of the PostgreSQL servers behind it.",),
)
