# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's PostgreSQL with a standby and Firebird with events, each on its side of a router that tracks nothing.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_stateless_servers.py``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from select import select
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.ruleset import ruleset_arguments
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

from guarded import apply
from lab import Lab, LabHost
from real_servers import POSTGRES, Firebird, Postgres, as_postgres, directory
from routed import behind

TESTS = Path(__file__).resolve().parent.parent
SWEEP = TESTS / "lab" / "sweep.py"
OFFICE = {"app-01": "192.0.2.21", "app-02": "192.0.2.22", "app-66": "192.0.2.66"}
PG, STANDBY, BIRD = "198.51.100.11", "203.0.113.12", "198.51.100.140"
GATES = {"pg": "198.51.100.1", "standby": "203.0.113.1", "bird": "198.51.100.129"}
FIXED, AUX, RANDOM = 3050, 3051, 3060
"""Where one Firebird listens, and for events; and another one, whose port for events is random."""


def inventory(clients: list[str]) -> dict[str, Any]:
    """Return an inventory of three networks with a router between them, and who is a client of every server."""
    addresses = {"fw-1": "192.0.2.1", "pg": PG, "standby": STANDBY, "bird": BIRD, **OFFICE}
    hosts: dict[str, Any] = {name: {"ansible_host": address} for name, address in addresses.items()}
    hosts["pg"]["dbports_servers"] = [{"engine": "postgresql", "clients": clients, "replicas": ["standby"]}]
    firebird = {"engine": "firebird", "events": True, "clients": clients}
    hosts["bird"]["dbports_servers"] = [
        {**firebird, "name": "fixed", "port": FIXED, "aux_port": AUX},
        {**firebird, "name": "random", "port": RANDOM},
    ]
    router = {"name": "fw-1", "kind": "filter", "platform": "linux", "host": "fw-1", "stateful": False}
    networks = {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"], "second": ["203.0.113.0/24"]}
    common = {"dbports_os": "linux", "dbports_persist": False, "dbports_networks": networks}
    return {"hosts": hosts, "vars": {**common, "dbports_gateways": [{**router, "between": list(networks)}]}}


class Site:
    """Servers on three links of a router, with clients and a stranger on the fourth."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self.hosts = lab.hosts
        router = lab.host("fw-1", ["192.0.2.1/24"])
        for name, address in OFFICE.items():
            lab.host(name, [f"{address}/24"]).run(["ip", "route", "replace", "default", "via", "192.0.2.1"])
        for name, address in (("pg", PG), ("standby", STANDBY), ("bird", BIRD)):
            behind(router, lab.host(name, [f"{address}/25"]), GATES[name], address, 25)
        self.pg, self.standby = (Postgres(lab.hosts[name], directory(place / name)) for name in ("pg", "standby"))
        self.fixed, self.random = (Firebird(lab.hosts["bird"], directory(place / name)) for name in ("fixed", "random"))
        self.fixed.aux_port = AUX

    def start(self) -> None:
        """Make and start the servers; the standby copies its primary and follows it, through the router."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.prepare(), (self.pg, self.fixed, self.random)))
            jobs = [(self.pg, PG, 5432), (self.fixed, BIRD, FIXED), (self.random, BIRD, RANDOM)]
            list(pool.map(lambda job: job[0].start(*job[1:]), jobs))
        leader = ["-h", PG, "-U", "postgres", "-D", str(self.standby.place / "data"), "-R", "--checkpoint=fast"]
        self.standby.host.run([*as_postgres(), str(POSTGRES / "pg_basebackup"), *leader], cwd="/")
        self.standby.start(STANDBY, 5432)

    def plan(self, clients: list[str]) -> dict[str, Any]:
        """Bring the router to the plan with these clients."""
        plan = build_plan(PlainInventory(inventory(clients)))
        return apply(self.hosts["fw-1"], persist=False, **ruleset_arguments(plan.hosts["fw-1"]))

    def rules(self) -> str:
        """Return all that the router's firewall has."""
        return self.hosts["fw-1"].run(["nft", "list", "ruleset"]).stdout

    def arrives(self, value: int) -> None:
        """Wait until the standby shows what was written on the primary.

        :raises TimeoutExpired: if it never does.
        """
        until = 'until psql "$1" -Atc \'select n from seen\' | grep -qx "$2"; do sleep 0.1; done'
        where = f"host={STANDBY} user=postgres connect_timeout=5"
        self.hosts["standby"].run(["sh", "-c", until, "sh", where, str(value)], timeout=120)


@pytest.fixture
def site() -> Iterator[Site]:
    place = Path(tempfile.mkdtemp(prefix="dbports-routed-"))
    place.chmod(0o755)
    with Lab() as lab:
        yield Site(lab, place)
    shutil.rmtree(place, ignore_errors=True)


class Talker:
    """A client program that is held open and answers a line with a line."""

    def __init__(self, host: LabHost, command: list[str]) -> None:
        self._process = host.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, text: str) -> None:
        """Send it a line."""
        assert self._process.stdin
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """Return its next line; none in two minutes is an empty one."""
        assert self._process.stdout
        ready = select([self._process.stdout], [], [], 120)[0]
        return self._process.stdout.readline().strip() if ready else ""

    def ask(self, text: str) -> str:
        """Send it a line and return its answer."""
        self.say(text)
        return self.line()


COUNT = "cat /proc/sys/net/netfilter/nf_conntrack_count || echo 0"
"""Where the module was never loaded, nothing is tracked."""

LISTENER = """
import fdb, sys
connection = fdb.connect(dsn=sys.argv[1], user="SYSDBA", password="secret")
with connection.event_conduit(["tick"]) as events:
    print("waits", flush=True)
    for _line in sys.stdin:
        print(events.wait(120)["tick"], flush=True)
        events.flush()
"""
POSTER = """
import fdb, sys
connection = fdb.connect(dsn=sys.argv[1], user="SYSDBA", password="secret")
connection.execute_immediate("execute block as begin post_event 'tick'; end")
connection.commit()
"""


def psql(host: str, *more: str) -> list[str]:
    """Return a client of a PostgreSQL server that answers with bare values."""
    return ["psql", f"host={host} user=postgres tcp_user_timeout=60000", "-AtqX", *more]


class Firebirds:
    """What waits for events of both Firebird servers, and what posts them."""

    def __init__(self, site: Site) -> None:
        places = {FIXED: site.fixed.place, RANDOM: site.random.place}
        self._sources = [f"{BIRD}/{port}:{place}/test.fdb" for port, place in places.items()]
        self._poster = site.hosts["app-02"]
        program = [sys.executable, "-c", LISTENER]
        self._listeners = [Talker(site.hosts["app-01"], [*program, source]) for source in self._sources]
        assert [one.line() for one in self._listeners] == ["waits", "waits"]

    def heard(self) -> list[str]:
        """Post one event on each server, and return how many of them each listener gets."""
        for source, listener in zip(self._sources, self._listeners):
            self._poster.run([sys.executable, "-c", POSTER, source])
            listener.say("")
        return [listener.line() for listener in self._listeners]


def stopped(host: LabHost, address: str, ports: str) -> str:
    """Return which ports of an address stay silent for a host."""
    found: dict[str, str] = json.loads(host.python(SWEEP, "tcp", address, ports).stdout)
    return found["silent"]


def work(site: Site, host: str, seconds: int) -> list[bool]:
    """Tell of PostgreSQL's and Firebird's clients whether they get through; they try at once.

    Firebird's has no timeout of its own, and does not end when it is asked.
    """
    source = f"{BIRD}/{FIXED}:{site.fixed.place}/test.fdb"
    isql = ["isql-fb", "-q", "-user", "SYSDBA", "-password", "secret", source]

    def works(command: list[str]) -> bool:
        bounded = ["timeout", "--signal=KILL", str(seconds), *command]
        text = "select 1 from rdb$database;\n"
        return site.hosts[host].run(bounded, check=False, input=text).returncode == 0

    with ThreadPoolExecutor() as pool:
        return list(pool.map(works, [psql(PG, "-c", "select 1"), isql]))


def test_real_servers_through_a_router_without_tracking(site: Site) -> None:
    """Queries, replication and events pass; who is not declared is stopped; sessions outlive a reload."""
    assert site.plan(["app-01", "app-02"])["changed"]
    site.start()

    session = Talker(site.hosts["app-01"], psql(PG))
    assert session.ask("create table seen (n int); insert into seen values (1) returning n;") == "1"
    site.arrives(1)
    assert session.ask("select repeat('x', 1000000);") == "x" * 1_000_000
    firebirds = Firebirds(site)
    assert firebirds.heard() == ["1", "1"]

    with ThreadPoolExecutor() as pool:
        refused = pool.submit(work, site, "app-66", 6)
        asked = [(PG, "5430-5440"), (BIRD, "3045-3065"), (BIRD, "32760-32775")]
        silent = list(pool.map(lambda one: stopped(site.hosts["app-66"], *one), asked))
    assert refused.result() == [False, False]
    assert silent == ["5432", f"{FIXED}-{AUX},{RANDOM}", "32768-32775"], "the last ones may be a random port"

    streaming = session.ask("select backend_start from pg_stat_replication;")
    before = site.rules()
    assert site.plan(list(OFFICE))["changed"]
    assert site.rules() != before
    assert work(site, "app-66", 60) == [True, True]
    assert session.ask("update seen set n = 2 returning n;") == "2"
    site.arrives(2)
    assert session.ask("select backend_start from pg_stat_replication;") == streaming != ""
    assert firebirds.heard() == ["1", "1"]
    assert " ct " not in site.rules()
    assert site.hosts["fw-1"].run(["sh", "-c", COUNT]).stdout == "0\n", "connections that the router tracks"
