# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run with nothing to change is answered by the host itself, and only such a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Lab, LabHost

ADDRESS, CLIENT, OTHER = "192.0.2.10", "192.0.2.21", "192.0.2.22"
APPLY = "- import_playbook: dbports.firewall.apply\n"
WITH_ENVIRONMENT = """
- hosts: all
  gather_facts: false
  environment: {HINT: a b}
  roles: [dbports.firewall.apply]
"""
PLACE = "/run/dbports-firewall"
COUNT = "/run/times-asked"


class Site:
    """One server, and the controller's runs on it.

    :ivar warnings: what the last run warned of.
    :ivar result: what its task returned.
    """

    def __init__(self, host: LabHost, run: Any) -> None:
        self.host = host
        self._run = run

    def apply(
        self, *more: str, sends_code: bool = True, client: str = CLIENT, playbook: str = APPLY, **variables: Any
    ) -> bool:
        """Run apply and return whether it changed the host.

        :param sends_code: whether the host can run a module; without, it can only be asked.
        """
        server = {"engine": "mssql", "clients": [client]}
        settings = {
            "ansible_host": ADDRESS,
            "ansible_connection": "netns",
            "ansible_python_interpreter": sys.executable if sends_code else "/bin/false",
            "dbports_servers": [server],
            "dbports_confirm_timeout": 0,
            **variables,
        }
        done = self._run(playbook, {"all": {"hosts": {"erp-db": settings}}}, *more)
        assert done.rc == 0, done.text
        results = [item["result"] for item in done.tasks if "guarded" in item["result"]]
        self.warnings = done.text.count("not kept for the next boot")
        assert len(results) == 1
        self.result = results[0]
        return bool(results[0]["changed"])

    def count(self) -> None:
        """Let the host count from now on how often what it keeps is run."""
        self.host.run(["sed", "-i", f"1i echo >>{COUNT}", f"{PLACE}/repeat"])

    def asked(self) -> int:
        """Return how often that was, and begin anew."""
        return int(self.host.run(["sh", "-c", f"cat {COUNT} 2>&- | wc -l; rm -f {COUNT}"]).stdout)

    def kept(self) -> list[str]:
        """Return what lies in /run of what is kept."""
        return self.host.run(["sh", "-c", "cd /run && ls -d *dbports* || :"]).stdout.split()


@pytest.fixture
def site(run_playbook: Any) -> Iterator[Site]:
    """A host that has its rules."""
    with Lab() as lab:
        host = lab.host("erp-db", [f"{ADDRESS}/24"])
        run_playbook.environment.update(lab.environ)
        site = Site(host, run_playbook)
        assert site.apply()
        site.count()
        yield site


def test_the_host_answers_itself(site: Site) -> None:
    """It needs no code for that, says what the module says, also in check mode, and nobody else may look at it."""
    assert site.warnings == 1
    assert site.host.run(["stat", "-c", "%a %u", PLACE]).stdout == "700 0\n"
    for more in ([], ["--check"], ["--diff"]):
        assert not site.apply(*more, sends_code=False)
        assert (site.warnings, site.asked()) == (1, 1)
        answer = site.result
        site.host.run(["mv", PLACE, "/run/away"])
        assert not site.apply(*more)
        assert answer == site.result
        site.host.run(["sh", "-c", f"rm -rf {PLACE} && mv /run/away {PLACE}"])


@pytest.mark.parametrize(
    "drift",
    [
        "nft flush chain inet dbports dbports-in",
        "nft add rule inet dbports dbports-in tcp dport 1433 accept",
        "nft delete table inet dbports",
    ],
)
def test_drift_is_mended(site: Site, drift: str) -> None:
    site.host.run(["sh", "-c", drift.replace("dbports-in", own_chain(site.host))])
    assert site.apply()
    assert site.asked() == 1
    assert not site.apply(sends_code=False)


def own_chain(host: LabHost) -> str:
    """Return the name of the own inbound chain."""
    listed = host.run(["nft", "list", "table", "inet", "dbports"]).stdout
    return next(line.split()[1] for line in listed.splitlines() if line.split()[:1] == ["chain"])


def test_other_rules_are_not_asked_for(site: Site) -> None:
    assert site.apply(client=OTHER)
    assert site.asked() == 0
    assert not site.apply(client=OTHER, sends_code=False)


def test_another_controller_may_have_been_there_since(site: Site) -> None:
    """The host keeps one call only, and compares."""
    path = f"{PLACE}/call.json"
    site.host.run(["sed", "-i", 's/"id": "[0-9a-f]*"/"id": "0"/', path])
    assert not site.apply()
    assert site.asked() == 1


@pytest.mark.parametrize(
    "damage",
    [
        f"rm -r {PLACE}",
        f"rm -r {PLACE}/sent.zip",
        f"mkdir {PLACE}/code",
        f"echo >{PLACE}/call.json",
        f"echo exit 0 >{PLACE}/repeat",
        f"sed -i 's|^exec [^ ]*|exec /gone/python3|' {PLACE}/repeat",
        f"chown 65534 {PLACE}",
        f"""echo 'echo "{{\\\"changed\\\": false}}"' >{PLACE}/repeat""",
        "mkdir -m 700 /var/lib/dbports-firewall",
    ],
)
def test_where_it_cannot_answer_the_module_is_called(site: Site, damage: str) -> None:
    """It puts right what was damaged."""
    site.host.run(["sh", "-c", damage])
    assert not site.apply()
    assert site.host.run(["ls", "/var/lib"]).stdout.count("dbports") == 0
    assert site.kept() == ["dbports-firewall"]
    assert not site.apply(sends_code=False)


def test_nothing_stays(site: Site) -> None:
    """Not where the rules are taken away, and not where there are none; what a killed run left goes as well."""
    site.host.run(["mkdir", f"{PLACE}-x1y2z3"])
    assert site.apply("--check", dbports_state="absent")
    assert site.kept()
    assert site.apply(dbports_state="absent")
    assert site.kept() == []
    assert site.apply()
    assert site.kept() == ["dbports-firewall"]


def test_the_environment_of_the_task_counts(site: Site) -> None:
    """Programs are found as a module finds them."""
    site.host.run(["sed", "-i", "1i echo $HINT >/run/hint", f"{PLACE}/repeat"])
    assert not site.apply(playbook=WITH_ENVIRONMENT)
    assert site.host.run(["cat", "/run/hint"]).stdout == "a b\n"
