# SPDX-License-Identifier: GPL-3.0-or-later
"""What has changed since the last apply, and since when something is so."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.drift import (
    Baseline,
    after_apply,
    after_verify,
    with_drift,
    with_since,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding, facts
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.baseline import (
    baseline_file,
    read_baseline,
    write_baseline,
)

PLAN, RULES = "a plan", "the rules"
READY = Finding("ready", "ok", "db", "db", "mssql/X/tds", "tcp 1433")
STRANGER = Finding("stranger", "fail", "db", "db", "mssql/X/tds", "tcp 1433", ("192.0.2.66",))
OUTSIDE = Finding("outside", "fail", "db", "db", "mssql", "tcp 1500")
NO_PORTS: dict[str, list[int]] = {}


def drifted(baseline: Baseline, *findings: Finding, plan: str = PLAN) -> list[Finding]:
    return [one for one in with_drift(findings, baseline, plan, NO_PORTS, "db") if one.drift]


def verified(*findings: Finding) -> Baseline:
    """Return what is kept of a host that showed this when it was first verified after an apply."""
    return after_verify(after_apply(None, PLAN, RULES, changed=True), PLAN, findings, NO_PORTS)


def test_the_first_verification_after_an_apply_is_what_later_ones_are_compared_with() -> None:
    fresh = after_apply(None, PLAN, RULES, changed=True)
    assert drifted(fresh, STRANGER, OUTSIDE) == []
    kept = verified(STRANGER)
    assert [one.code for one in drifted(kept, READY, STRANGER, OUTSIDE)] == ["outside"]
    other = STRANGER._replace(peers=("192.0.2.67",))
    assert drifted(kept, STRANGER, other) == [other._replace(drift=True)]
    assert after_verify(kept, PLAN, [OUTSIDE], NO_PORTS) == kept


def test_an_apply_that_changed_nothing_is_no_new_beginning() -> None:
    kept = verified(STRANGER)
    assert after_apply(kept, PLAN, RULES, changed=False) == kept
    assert after_apply(kept, "another", RULES, changed=False) == kept._replace(plan_id="another")
    assert after_apply(kept, PLAN, RULES, changed=True) == Baseline(PLAN, RULES)
    assert after_apply(kept, PLAN, "others", changed=False) == Baseline(PLAN, "others")


def test_another_plan_is_no_drift() -> None:
    assert drifted(verified(), STRANGER, plan="another") == []
    assert not after_verify(after_apply(None, PLAN, RULES, changed=True), "another", [STRANGER], NO_PORTS).verified


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ([49712], [51003], ("49712", "51003")),
        ([49712, 50001], [50001, 51003], ("49712", "51003")),
        ([49712], [49712, 51003], None),
        ([49712], [], None),
        ([], [51003], None),
        ([9999, 10000], [51003], ("9999,10000", "51003")),
    ],
)
def test_a_port_has_moved_where_one_is_gone_and_another_is_new(
    before: list[int], now: list[int], moved: tuple[str, str] | None
) -> None:
    kept = after_verify(after_apply(None, PLAN, RULES, changed=True), PLAN, [], {"mssql/DYN/tds": before})
    found = list(with_drift([], kept, PLAN, {"mssql/DYN/tds": now}, "db"))
    assert [(one.code, one.endpoint, one.data, one.drift) for one in found] == (
        [("port_moved", "mssql/DYN/tds", facts(before=moved[0], now=moved[1]), True)] if moved else []
    )


def test_since_is_the_first_of_a_row() -> None:
    first = list(with_since([STRANGER], [], "monday"))
    second = list(with_since([STRANGER, OUTSIDE], first, "tuesday"))
    assert [one.since for one in second] == ["monday", "tuesday"]
    assert [one.since for one in with_since([OUTSIDE], with_since([READY], second, "wednesday"), "later")] == ["later"]


def test_what_is_mended_for_some_peers_is_no_drift_for_the_others() -> None:
    both, one, all_peers = (STRANGER._replace(code="blocked", peers=peers) for peers in (("a", "b"), ("a",), ()))
    assert drifted(verified(both), one) == drifted(verified(all_peers), both) == []
    assert len(drifted(verified(one), both)) == len(drifted(verified(both), all_peers)) == 1
    first = list(with_since([one], [], "monday"))
    second = list(with_since([both], first, "tuesday"))
    assert [item.since for item in (*second, *with_since([one], second, "friday"))] == ["tuesday", "tuesday"]
    whole = list(with_since([all_peers], [], "monday"))
    assert [item.since for item in with_since([both], whole, "tuesday")] == ["monday"]


class TestOnDisk:
    """One file a host, which nobody has to trust."""

    def test_it_comes_back(self, tmp_path: Path) -> None:
        kept = verified(STRANGER)._replace(ports=(("mssql/DYN/tds", "49712"),))
        assert read_baseline(tmp_path, "db") is None
        write_baseline(tmp_path, "db", kept)
        assert read_baseline(tmp_path, "db") == kept
        assert read_baseline(tmp_path, "other") is None

    def test_the_same_is_not_written_again(self, tmp_path: Path) -> None:
        write_baseline(tmp_path, "db", verified())
        inode = baseline_file(tmp_path, "db").stat().st_ino
        write_baseline(tmp_path, "db", verified())
        assert baseline_file(tmp_path, "db").stat().st_ino == inode

    @pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b'{"schema": "dbports.applied/1"}', b"[" * 99999])
    def test_a_damaged_one_is_none(self, tmp_path: Path, text: bytes) -> None:
        path = baseline_file(tmp_path, "db")
        path.parent.mkdir()
        path.write_bytes(text)
        assert read_baseline(tmp_path, "db") is None

    def test_that_of_another_host_or_a_link_is_none(self, tmp_path: Path) -> None:
        write_baseline(tmp_path, "db", verified())
        baseline_file(tmp_path, "app").write_bytes(baseline_file(tmp_path, "db").read_bytes())
        baseline_file(tmp_path, "link").symlink_to(baseline_file(tmp_path, "db"))
        assert (read_baseline(tmp_path, "app"), read_baseline(tmp_path, "link")) == (None, None)

    def test_a_directory_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "applied").touch()
        with pytest.raises(DbportsError) as caught:
            write_baseline(tmp_path, "db", verified())
        assert caught.value.code == "not_written"
