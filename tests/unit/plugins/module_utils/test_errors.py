# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How errors are printed: one line each, once for all hosts that have it, and nothing that is secret."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import CombinedError, DbportsError, ErrorList

WRONG = DbportsError("no such engine", path="dbports_servers[0].engine", value="mssqll", fix="Use mssql")


def on(*hosts: str) -> CombinedError:
    """Return the same error on several hosts."""
    return CombinedError(WRONG.at(host=host) for host in hosts)


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more host"),
        ([f"n{number}" for number in range(100)], "n0, n1, n2 and 97 more hosts"),
    ],
)
def test_an_error_of_many_hosts_is_one_line(hosts: list[str], shown: str) -> None:
    assert str(on(*hosts)) == f"{shown}: dbports_servers[0].engine: no such engine (got 'mssqll'). Use mssql."


def test_other_errors_are_other_lines() -> None:
    other = DbportsError("no servers", host="b", path="dbports_servers")
    both = CombinedError([*on("a", "b").errors, other, CombinedError([other.at()])])
    assert len(both.errors) == 4
    assert str(both).splitlines() == [f"a, b: {WRONG}", "b, b: dbports_servers: no servers."]


def test_the_file_stands_beside_the_host() -> None:
    error = WRONG.at(host="all", file="group_vars/all.yml")
    assert str(error).startswith("all (group_vars/all.yml): dbports_servers[0].engine: no such engine")


def test_every_error_is_one_visible_line() -> None:
    error = DbportsError("bad\nname \x1b[31m", host="a", path="dbports_networks.a\u2028b", value="x\ny")
    assert str(error) == "a: dbports_networks.a<U+2028>b: bad<U+000A>name <U+001B>[31m (got 'x\\ny')."


def test_what_is_secret_is_shown_nowhere() -> None:
    secret = "198.51.100" + ".300"
    error = DbportsError(f"no host {secret}", host="a", path=f"x.{secret}", value=[secret], fix=f"Correct {secret}")
    for hidden in (error.hiding([secret]), CombinedError([error]).hiding([secret])):
        assert secret not in str(hidden)
        assert "(a vault value)" in str(hidden)
    assert str(error.hiding(["other"])) == str(error)


def test_a_list_raises_what_it_has() -> None:
    errors = ErrorList()
    errors.raise_all()
    errors.keep(WRONG)
    errors.keep(WRONG)
    with pytest.raises(DbportsError) as caught:
        errors.raise_all()
    assert caught.value is WRONG
    errors.keep(on("a", "b"))
    with pytest.raises(CombinedError) as several:
        errors.raise_all()
    assert [error.host for error in several.value.errors] == [None, "a", "b"]
