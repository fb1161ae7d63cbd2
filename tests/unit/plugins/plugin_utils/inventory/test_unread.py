# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of group_vars and host_vars that have nobody's name: what they declare would be left out without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.unread import unread_files

HOSTS, GROUPS = ("erp-db", "db1.example.net"), ("all", "database")
SERVERS = "---\ndbports_servers:\n  - {engine: mssql, clients: []}\n"


def unread(base: Path) -> list[str]:
    """Return what is said of the files below a directory."""
    return list(unread_files([base], HOSTS, GROUPS))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("group_vars/databases.yml", "no group of the inventory has this name; did you mean database?"),
        ("group_vars/databases/main.yml", "no group of the inventory has this name; did you mean database?"),
        ("group_vars/printers", "no group of the inventory has this name"),
        ("host_vars/erp_db.yaml", "no host of the inventory has this name; did you mean erp-db?"),
        ("host_vars/erp-db.example.net.yml", "no host of the inventory has this name; did you mean erp-db?"),
    ],
)
def test_a_file_that_nothing_reads(tmp_path: Path, name: str, hint: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(SERVERS, encoding="utf-8")
    top = tmp_path.joinpath(*Path(name).parts[:2])
    assert unread(tmp_path) == [f"{top} sets dbports_servers, and nothing reads it: {hint}"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("group_vars/all.yml", SERVERS),
        ("group_vars/database/servers.yml", SERVERS),
        ("host_vars/erp-db", SERVERS),
        ("host_vars/db1.example.net", SERVERS),
        ("host_vars/db1.example.net.yml", SERVERS),
        ("host_vars/erp-db.yml~", SERVERS),
        ("host_vars/.erp-bd.yml.swp", SERVERS),
        ("group_vars/staging.yml", "ntp_servers: [192.0.2.1]\n# dbports_servers: []\n"),
    ],
)
def test_what_is_read_or_not_ours(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert unread(tmp_path) == []


def test_a_directory_without_such_folders(tmp_path: Path) -> None:
    assert unread(tmp_path) == []
    (tmp_path / "group_vars").write_text("a file", encoding="utf-8")
    assert unread(tmp_path) == []
