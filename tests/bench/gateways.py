# SPDX-License-Identifier: GPL-3.0-or-later
"""Time how a gateway's statements become a device's rules, against aerleon, which compiles the same flows to text.

    python tests/bench/gateways.py [--statements 10000] [--rounds 3]

Every kind gets the same statements: one network, one host, one port each, TCP. Ours starts with the value that a plan's
file is read into and ends with the data of the vendor's module; ``file`` is reading that value from the text of the
file. aerleon starts with its policy and network objects and ends with the text of the platform. Processor time,
medians; the ratio holds from machine to machine, seconds do not.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
UTILS = "ansible_collections.dbports.firewall.plugins.plugin_utils"
TARGETS = {
    "ios": "cisco acl extended",
    "nxos": "cisconx acl extended",
    "iosxr": "ciscoxr acl extended",
    "asa": "ciscoasa acl",
    "eos": "arista acl extended",
    "junos": "juniper acl inet",
    "panos": "paloalto from-zone a to-zone b",
    "fortios": "fortigate from-zone a to-zone b",
}
"""What aerleon calls the platforms, and what its header says; one that it does not have is left out."""

PLACES = {"panos": {"zones": {"office": "a", "dc": "b"}}, "fortios": {"interfaces": {"office": "a", "dc": "b"}}}


def seconds(call: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Return the median of the processor time of a call, and what it returned last."""
    taken = []
    for _round in range(rounds):
        started = time.process_time()
        found = call()
        taken.append(time.process_time() - started)
    return statistics.median(taken), found


def flows(count: int) -> list[tuple[str, str, int]]:
    """Return so many flows: a network, a host and a port."""
    return [(f"10.{n >> 8}.{n & 255}.0/28", f"198.51.{n % 100}.{n // 100 % 250 + 1}", 1024 + n) for n in range(count)]


def plan_of(platform: str, count: int) -> Any:
    """Return the plan of a filter with these flows."""
    addresses = importlib.import_module("ansible_collections.dbports.firewall.plugins.module_utils._addresses")
    ports = importlib.import_module("ansible_collections.dbports.firewall.plugins.module_utils._ports")
    model = importlib.import_module(f"{UTILS}._model.statements")
    stateful = importlib.import_module(f"{UTILS}._gateway.platforms").FILTERS[platform].tracks is not False
    read, port = addresses.AddressRange.parse, ports.PortRange
    statements = tuple(
        model.Statement(
            *(
                "fw",
                "office",
                "dc",
                "request",
                "ipv4",
                "tcp",
                (read(source),),
                (),
                (read(host),),
                (port(number, number),),
            ),
            *(False, None, None, None, f"db-{number}", "mssql/MSSQLSERVER/tds", "required", "Clients connect", "bench"),
        )
        for source, host, number in flows(count)
    )
    return model.GatewayPlan("fw", "filter", platform, "", "", ("office", "dc"), stateful, (), "", statements, ())


def aerleons(platform: str, count: int) -> Callable[[], str]:
    """Return a call that compiles the same flows with aerleon."""
    from aerleon import api
    from aerleon.lib import naming

    names = naming.Naming()
    listed = flows(count)
    networks = {f"N{n}": {"values": [{"address": source}]} for n, (source, _host, _port) in enumerate(listed)}
    networks.update(
        {f"H{n}": {"values": [{"address": f"{host}/32"}]} for n, (_source, host, _port) in enumerate(listed)}
    )
    services = {f"P{n}": [{"protocol": "tcp", "port": str(port)}] for n, (_source, _host, port) in enumerate(listed)}
    names.ParseDefinitionsObject({"networks": networks, "services": services}, "bench")
    target, _space, words = TARGETS[platform].partition(" ")
    terms = [
        {
            "name": f"t{n}",
            "source-address": f"N{n}",
            "destination-address": f"H{n}",
            "destination-port": f"P{n}",
            "protocol": "tcp",
            "action": "accept",
        }
        for n in range(count)
    ]
    policy = {"filename": "bench", "filters": [{"header": {"targets": {target: words}}, "terms": terms}]}
    return lambda: "".join(api.Generate([policy], names).values())


def main() -> None:
    """Measure every kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--statements", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    importlib.import_module("conftest")  # makes the checkout importable as the collection
    absl_logging = importlib.import_module("absl.logging")
    absl_logging.set_verbosity(absl_logging.FATAL)
    logging.disable(logging.CRITICAL)
    registry = importlib.import_module(f"{UTILS}._output.devices.registry")
    codec = importlib.import_module(f"{UTILS}._model.codec").codec
    read = importlib.import_module(f"{UTILS}._artifact.read").read_gateway_data
    schema = importlib.import_module(f"{UTILS}._artifact.files").GATEWAY_SCHEMA
    for item in registry.TRANSLATORS:
        if item.platform not in TARGETS:
            continue
        plan = plan_of(item.platform, wanted.statements)
        options = PLACES.get(item.platform) or {"name": "acl"}
        mine, found = seconds(
            lambda item=item, plan=plan, options=options: item.function(plan, **options), wanted.rounds
        )
        assert str(found).count("198.51.") >= wanted.statements, "something is missing"
        text = codec(type(plan)).write(plan)
        whole, _plan = seconds(lambda text=text: read({"schema": schema, **json.loads(text)}), wanted.rounds)
        theirs, other = seconds(aerleons(item.platform, wanted.statements), 1)
        assert other.count("198.51.") + other.count("N1") > 0, "aerleon compiled nothing"
        print(
            f"{item.platform}: {wanted.statements:,} statements in {mine:.2f} s (file {whole:.2f} s), "
            f"aerleon {theirs:.2f} s: ratio {mine / theirs:.2f}, with the file {(mine + whole) / theirs:.2f}",
            flush=True,
        )


main()
