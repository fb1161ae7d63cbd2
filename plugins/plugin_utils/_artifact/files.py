# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a plan's files are, and the one way in which data is written and hashed."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

VERSION = "0.2.0"
"""The collection's version: another release may mean other ports, so it is part of what is hashed."""

INDEX_SCHEMA = "dbports.plan-index/2"
HOST_SCHEMA = "dbports.plan-host/3"
GATEWAY_SCHEMA = "dbports.plan-gateway/3"
INDEX = "index.json"
LIMIT = "hosts.limit"
"""The plan's hosts, one a line, for ``ansible-playbook --limit @hosts.limit``."""

HOSTS = "hosts"
GATEWAYS = "gateways"
FINDINGS = "findings"
APPLIED = "applied"

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, check_circular=False)


def canonical(data: Any) -> str:
    """Return JSON in one line, keys sorted, only ASCII: the same data is always the same text."""
    return _CANONICAL.encode(data)


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def host_file(name: str) -> str:
    """Return the path of a host's file below the plan's directory; a name cannot lead out of it."""
    quoted = quote(name, safe="", errors="surrogatepass")
    return f"{HOSTS}/{'%2E' + quoted[1:] if quoted.startswith('.') else quoted}.json"


def gateway_file(name: str) -> str:
    """Return the path of a gateway's file below the plan's directory; gateways have plain names."""
    return f"{GATEWAYS}/{quote(name, safe='')}.json"
