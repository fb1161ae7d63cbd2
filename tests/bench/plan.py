# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the plan of a large inventory, part by part, and its peers: aerleon for terms, netaddr for address sets.

    python tests/bench/plan.py [--hosts 10000] [--rounds 3] [--parts inventory,plan,terms,addresses]

``inventory`` reads an inventory with Ansible, which is the floor, once written in YAML as people write it and once in
JSON as programs do, which Ansible reads several times faster; then it plans it as a run does. Their ratio is in
processor time, which other work on the machine does not change. ``plan`` plans the same declarations out of a
dictionary, at a tenth, at all and at ten times of the hosts, to see that it grows linearly.
``terms`` compiles the same terms to nftables with aerleon; ``addresses`` reads and merges networks with netaddr.
Ratios hold from machine to machine, seconds do not.

``BASE=/path/to/checkout`` measures another commit's tree too: both make and write the text of the same plan in turns,
each turn in a process of its own, and the ratio of their medians is printed, in processor time.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import importlib
import ipaddress
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CORE = "ansible_collections.dbports.firewall.plugins.module_utils"
UTILS = "ansible_collections.dbports.firewall.plugins.plugin_utils"
SERVERS = 20
"""One host in so many is a server."""

CLIENTS = 100
"""About so many clients has a server, in a group of its own: five flows a client, no two clients in the same groups."""


def declarations(hosts: int) -> dict[str, Any]:
    """Return an inventory as a dictionary; the same one every time."""
    clients = [f"c{number:06d}" for number in range(hosts - hosts // SERVERS)]
    found: dict[str, Any] = {
        name: {"ansible_host": str(ipaddress.ip_address(0x0A000001 + number)), "dbports_os": "linux"}
        for number, name in enumerate(clients)
    }
    groups = {}
    for number in range(hosts // SERVERS):
        chosen = (zlib.crc32(f"{number} {step}".encode()) % len(clients) for step in range(CLIENTS))
        groups[f"g{number}"] = list(dict.fromkeys(clients[position] for position in chosen))
        found[f"s{number:05d}"] = {
            "ansible_host": str(ipaddress.ip_address(0x0B000001 + number)),
            "dbports_servers": [{"engine": "mssql", "clients": [f"g{number}"]}],
        }
    return {"hosts": found, "groups": groups}


def ansible_inventory(data: dict[str, Any]) -> dict[str, Any]:
    """Return the same inventory in the form of an Ansible inventory file."""
    groups = {name: {"hosts": dict.fromkeys(members)} for name, members in data["groups"].items()}
    return {"all": {"hosts": data["hosts"], "children": groups}}


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Measure as a run does its work: while a plan grows, nothing of it is garbage."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def seconds(work: Callable[[], Any], rounds: int, clock: Callable[[], float] = time.perf_counter) -> tuple[float, Any]:
    """Return the median time of some work, and what it returned last."""
    times, found = [], None
    for _round in range(rounds):
        del found
        with collector_paused():
            start = clock()
            found = work()
            times.append(clock() - start)
    return statistics.median(times), found


def found_in(name: str, *modules: str) -> Any:
    """Return what a tree calls so, in the first of these modules that it has; rooms move from commit to commit."""
    for module in modules:
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(f"{UTILS}.{module}"), name)
    raise LookupError(f"{name} is in none of {', '.join(modules)}")


def planner() -> tuple[Any, Any]:
    """Return the class of plain inventories and the function that plans one."""
    inventory = found_in("PlainInventory", "_inventory.plain_inventory", "_inventory.protocol", "_inventory")
    return inventory, found_in("build_plan", "_plan.builder", "_plan")


def renderer() -> Callable[[Any], Any]:
    """Return what writes a plan as text, the page for readers included."""
    render = found_in("render_plan", "_artifact.write", "_artifact.artifact", "_artifact")
    page = found_in("plan_markdown", "_output.markdown", "_markdown")

    def whole(plan: Any) -> Any:
        artifact = render(plan)
        if "plan.md" in artifact.files:
            return artifact
        text = page(plan, artifact.plan_id, artifact.inputs_id)
        return dataclasses.replace(artifact, files={**artifact.files, "plan.md": text})

    return whole


def plan_parts(read: Callable[[], Any], rounds: int) -> tuple[dict[str, float], Any]:
    """Time what a run does with its inventory: flows, files as text, files on disk, and one host's file read back."""
    store = importlib.import_module(f"{UTILS}._artifact.store")
    reader = importlib.import_module(f"{UTILS}._artifact.read")
    _inventory, build = planner()
    render = renderer()
    times = {}
    times["plan"], plan = seconds(lambda: build(read()), rounds)
    times["render"], artifact = seconds(lambda: render(plan), rounds)
    folders = [Path(tempfile.mkdtemp(prefix="dbports-bench-")) for _round in range(rounds)]
    left = iter(folders)
    times["write"], _none = seconds(lambda: store.write_artifact(artifact, next(left)), rounds)
    times["rewrite"], _none = seconds(lambda: store.write_artifact(artifact, folders[0]), rounds)
    name = max(plan.hosts)

    def one_host() -> Any:
        return reader.read_host(folders[0], reader.read_index(folders[0], None), name)

    times["one host"], _host = seconds(one_host, rounds)
    for folder in folders:
        shutil.rmtree(folder)
    return times, plan


def show(title: str, times: dict[str, float], plan: Any) -> None:
    """Print one line: what is written once counts, reading back and writing again are shown beside it."""
    total = sum(times[part] for part in ("plan", "render", "write"))
    parts = "  ".join(f"{part} {value:.3f}" for part, value in times.items())
    counts = plan.counts()
    print(
        f"{title}: {counts['hosts']:,} hosts, {counts['flows']:,} flows: {total:.3f} s, "
        f"{1e6 * total / counts['flows']:.1f} us a flow  ({parts})"
    )


def bench_plan(hosts: int, rounds: int) -> None:
    """Plan a tenth, all and ten times of the hosts."""
    plain, _build = planner()
    for size, times in ((hosts // 10, rounds), (hosts, rounds), (hosts * 10, 1)):
        data = declarations(size)
        show("plan", *plan_parts(lambda data=data: plain(data), times))
    if os.environ.get("BASE"):
        compare(Path(os.environ["BASE"]), hosts, rounds)


def turn(hosts: int) -> dict[str, float]:
    """Plan once and return the seconds of processor time of planning and of writing the text."""
    plain, build = planner()
    render = renderer()
    data = declarations(hosts)
    render(build(plain(declarations(100))))  # what is made once in a process does not count
    with collector_paused():
        start = time.process_time()
        plan = build(plain(data))
        planned = time.process_time()
        render(plan)
        return {"plan": planned - start, "render": time.process_time() - planned}


def compare(base: Path, hosts: int, rounds: int) -> None:
    """Measure this tree and another one in turns."""
    taken: dict[Path, list[dict[str, float]]] = {ROOT: [], base: []}
    for _round in range(max(rounds, 3)):
        for root, turns in taken.items():
            command = [sys.executable, __file__, "--turn", str(root), "--hosts", str(hosts)]
            done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
            turns.append(json.loads(done.stdout))
    mine, theirs = (
        {part: statistics.median(item[part] for item in turns) for part in ("plan", "render")}
        for turns in taken.values()
    )
    parts = "  ".join(f"{part} {mine[part]:.3f} and {theirs[part]:.3f}" for part in mine)
    ratio = sum(mine.values()) / sum(theirs.values())
    print(f"plan: {hosts:,} hosts here and in {base}: ratio {ratio:.2f}  ({parts})")


def bench_inventory(hosts: int, rounds: int) -> None:
    """Load an inventory with Ansible, and plan it as the action plugins do."""
    import yaml
    from ansible import constants
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.vars.hostvars import HostVars
    from ansible.vars.manager import VariableManager

    current = importlib.import_module(f"{UTILS}._edge.run_plan")
    reader = importlib.import_module(f"{UTILS}._inventory.ansible_inventory").AnsibleInventory
    place = Path(tempfile.mkdtemp(prefix="dbports-bench-"))
    data = ansible_inventory(declarations(hosts))
    (place / "inventory.json").write_text(json.dumps(data), encoding="utf-8")
    (place / "inventory.yml").write_text(yaml.dump(data, Dumper=yaml.CSafeDumper), encoding="utf-8")

    def load(name: str) -> Any:
        loader = DataLoader()
        loader.set_basedir(str(place))
        manager = InventoryManager(loader=loader, sources=[str(place / name)])
        return HostVars(manager, VariableManager(loader=loader, inventory=manager), loader)

    in_yaml, _hostvars = seconds(lambda: load("inventory.yml"), 1, time.process_time)
    in_json, hostvars = seconds(lambda: load("inventory.json"), rounds, time.process_time)
    times, plan = plan_parts(lambda: reader(hostvars), rounds)
    show("inventory", times, plan)

    def whole() -> Any:
        constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(dir=place)
        return current.current_plan(hostvars)

    together, _plan = seconds(whole, rounds, time.process_time)
    cached, _plan = seconds(lambda: current.current_plan(hostvars), rounds, time.process_time)
    print(
        f"inventory: processor time: Ansible loads it in {in_yaml:.3f} s from YAML and {in_json:.3f} s from JSON; "
        f"current_plan takes {together:.3f} s more ({together / in_yaml:.2f} and {together / in_json:.2f} of that), "
        f"and {cached:.3f} s in a fork that finds it made"
    )
    shutil.rmtree(place)


def bench_terms(hosts: int, rounds: int) -> None:
    """Compile terms of ten addresses and one port: ours from declarations to nftables, aerleon from its own policy."""
    from absl import logging as absl_logging
    from aerleon import api
    from aerleon.lib import naming

    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.disable(logging.WARNING)
    wish = importlib.import_module(f"{CORE}._firewall.decide").DesiredState
    encode = importlib.import_module(f"{CORE}._firewall.nftables.encode").encode
    plain, build = planner()
    count = max(hosts // 10, 10)
    peers = [[f"10.{number >> 8}.{number & 255}.{2 * last + 1}" for last in range(10)] for number in range(count)]
    ports = [1024 + number for number in range(count)]
    own = {
        "hosts": {
            "db": {
                "dbports_addresses": ["192.0.2.10"],
                "dbports_servers": [
                    {"engine": "postgresql", "name": f"t{number}", "clients": peers[number], "port": ports[number]}
                    for number in range(count)
                ],
            }
        }
    }

    def ours() -> str:
        plan = build(plain(own))
        rules = [
            {
                "direction": key.direction,
                "protocol": key.protocol,
                "ports": [str(item) for item in key.ports],
                "peers": [str(address) for peer in found.values() for address in peer.addresses],
                "purpose": key.purpose,
            }
            for key, found in plan.hosts["db"].rules.items()
        ]
        return str(encode(wish.from_arguments({"rules": rules, "persist": False}).ruleset))

    services = {f"P{number}": [{"protocol": "tcp", "port": port}] for number, port in enumerate(ports)}
    networks = {
        f"N{number}": {"values": [{"address": f"{text}/32"} for text in listed]} for number, listed in enumerate(peers)
    }
    names = naming.Naming()
    names.ParseDefinitionsObject({"networks": networks, "services": services}, "bench")
    policy = {
        "filename": "bench",
        "filters": [
            {
                "header": {"targets": {"nftables": "inet input"}, "comment": "bench"},
                "terms": [
                    {
                        "name": f"t{number}",
                        "source-address": f"N{number}",
                        "destination-port": f"P{number}",
                        "protocol": "tcp",
                        "action": "accept",
                    }
                    for number in range(count)
                ],
            }
        ],
    }
    mine, text = seconds(ours, rounds)
    theirs, made = seconds(lambda: api.Generate([policy], names), 1)
    rules = sum(str(content).count(" accept") for content in made.values())
    assert text.count("accept") >= 1 and rules >= count, "somebody compiled nothing"
    print(
        f"terms: {count:,} of ten addresses: {1e6 * mine / count:.0f} us a term from declarations to nftables, "
        f"aerleon {1e6 * theirs / count:.0f} us: ratio {mine / theirs:.2f}"
    )


def bench_addresses(hosts: int, rounds: int) -> None:
    """Read and merge so many networks."""
    import netaddr

    addresses = importlib.import_module(f"{CORE}._addresses")
    texts = [f"{ipaddress.ip_address(0x0A000000 + 16 * (number * 7919 % 65536))}/28" for number in range(hosts)]

    def ours() -> Any:
        addresses._parse.cache_clear()
        return addresses.parse_addresses(texts)

    mine, merged = seconds(ours, rounds)
    theirs, other = seconds(lambda: netaddr.IPSet(texts), rounds)
    assert sum(item.last - item.first + 1 for item in merged) == other.size, "they disagree"
    known, _merged = seconds(lambda: addresses.parse_addresses(texts), rounds)
    print(
        f"addresses: {hosts:,} networks read and merged in {mine:.3f} s, netaddr {theirs:.3f} s: ratio "
        f"{mine / theirs:.2f}; {known:.3f} s for texts that were met before"
    )


PARTS = {"inventory": bench_inventory, "plan": bench_plan, "terms": bench_terms, "addresses": bench_addresses}


def main() -> None:
    """Measure the wanted parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--turn", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    sys.path.insert(0, str((wanted.turn or ROOT) / "tests"))
    importlib.import_module("conftest")  # makes the checkout importable as the collection
    if wanted.turn:
        print(json.dumps(turn(wanted.hosts)))
        return
    for part in wanted.parts.split(","):
        PARTS[part](wanted.hosts, wanted.rounds)


if __name__ == "__main__":
    main()
