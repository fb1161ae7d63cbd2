# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine's data as a page of documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option

KINDS = {
    "bool": "true or false",
    "str": "text",
    "int": "number",
    "port": "port",
    "ports": "ports",
    "clients": "hosts, groups, addresses, networks",
    "address": "address",
    "addresses": "addresses",
    "listen": "list of `address` and `tcp_port`",
}


SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
EXAMPLES = {
    "azure_sql": "Azure SQL Database behind a private endpoint, with redirect",
    "db2": "Db2 HADR with another port on each side",
    "etcd": "etcd on hosts of its own, all three declared by one line",
    "firebird": "Firebird with events on a fixed port",
    "mysql": "A Galera cluster of two nodes and an arbitrator",
    "oracle": "Oracle Real Application Clusters with SCAN and virtual addresses",
    "pgbouncer": "PgBouncer on a host of its own",
    "postgresql": "A Patroni cluster with etcd on its nodes, a load balancer in front",
}
"""The scenario that an engine's page shows: the deployment that people ask about, not the smallest."""


class _Plain(yaml.SafeDumper):
    """Writes what is used twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Use no anchors, which newcomers to YAML do not know."""
        return True


def example(name: str) -> list[str]:
    """Return a scenario as an inventory, and its flows."""
    scenarios = [item for path in sorted(SCENARIOS.glob("*.yml")) for item in yaml.safe_load(path.read_text("utf-8"))]
    found = next(item for item in scenarios if item["title"] == EXAMPLES[name])
    plain = found["inventory"]
    groups = {group: {"hosts": dict.fromkeys(hosts)} for group, hosts in plain.get("groups", {}).items()}
    inventory = {"all": {"hosts": plain["hosts"], **({"children": groups} if groups else {})}}
    text = yaml.dump(inventory, Dumper=_Plain, sort_keys=False, width=110).replace(": null\n", ":\n")
    return [
        "## Example",
        "",
        f"{found['title']}:",
        "",
        "```yaml",
        *text.splitlines(),
        "```",
        "",
        "These flows follow from it:",
        "",
        "```text",
        *found["flows"],
        "```",
        "",
    ]


def cell(text: object) -> str:
    """Return text as a cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return [*lines, *(f"| {' | '.join(map(cell, row))} |" for row in rows), ""]


def options_table(options: Iterable[Option], engine: Engine) -> list[str]:
    """Return what can be said of a server or an instance."""
    foreign = {flow.responder for flow in engine.flows if flow.foreign}
    rows = []
    for option in options:
        default = "" if option.default is None else f"`{str(option.default).lower()}`"
        if option.type in ("str", "ports") and option.default is not None:
            default = f"`{option.default}`"
        kind = ", ".join(f"`{item}`" for item in option.choices) or KINDS[option.type]
        if option.name in foreign:
            kind = "addresses, networks"
        if option.words:
            kind += " or " + ", ".join(f"`{word}`" for word in option.words)
        text = option.description
        if option.maximum < 65535:
            text += f" At most {option.maximum}: {option.why}."
        rows.append((f"`{option.name}`", kind, default, text))
    return table(("option", "value", "default", "description"), rows)


def direction(flow: FlowSpec) -> str:
    """Return who sends first to whom."""
    if flow.mesh:
        return f"`{flow.initiator}` and the server, each to each"
    arrow = "↔" if flow.both_ways else "→"
    ends = [end if end in ("server", "clients") else f"`{end}`" for end in (flow.initiator, flow.responder)]
    return f"{ends[0]} {arrow} {ends[1]}"


def ports(flow: FlowSpec) -> str:
    """Return a flow's port expression."""
    if not flow.port:
        return ""
    there = "dynamic range of the responder" if flow.port == "dynamic" else f"`{flow.port}`"
    return f"{there} from `{flow.source_port}`" if flow.source_port else there


def condition(flow: FlowSpec) -> str:
    """Return when a flow exists."""
    parts = [f"not `{item[1:]}`" if item.startswith("!") else f"`{item}`" for item in flow.when]
    if flow.each == "instance":
        parts.insert(0, "for every instance")
    return ", ".join(parts) or "always"


def purpose(flow: FlowSpec) -> str:
    """Return what a flow is for, and what is special in it."""
    extra = []
    if flow.unsolicited:
        extra.append("connection tracking does not recognize it as a reply")
    if flow.guard == "never":
        extra.append("accepted, not guarded")
    if flow.guard == "linux":
        extra.append("guarded only on Linux")
    if flow.broadcast:
        extra.append("also to 255.255.255.255")
    if flow.group:
        extra.append(f"to the group in `{flow.group}`, from the same port")
    if flow.address and not flow.spread:
        extra.append(f"at the address in `{flow.address}`, if given")
    text = flow.purpose.replace("{name}", "NAME")
    return f"{text} ({'; '.join(extra)})" if extra else text


def flows_table(flows: Iterable[FlowSpec]) -> list[str]:
    """Return every flow with its reason and source."""
    rows = [
        (
            f"`{flow.name}`",
            direction(flow),
            flow.protocol,
            ports(flow),
            flow.need,
            condition(flow),
            purpose(flow),
            flow.citation if flow.confirmed else f"{flow.citation} (unconfirmed)",
        )
        for flow in flows
    ]
    return table(("flow", "direction", "protocol", "port", "need", "when", "purpose", "source"), rows)


def page(engine: Engine, where: str) -> str:
    """Return the page of one engine.

    :param where: the file that its data is in, for readers.
    """
    lines = [
        f"# {engine.title} (`{engine.name}`)",
        "",
        f"<!-- Generated by tests/tools/gen_docs.py from {where} -->",
        "",
        f"Source: {engine.source}. A source marked as unconfirmed could not be checked again.",
        "",
        "## Options",
        "",
    ]
    if engine.outbound:
        lines += [
            "Declare it in `dbports_servers` of the hosts that connect to it. It is not an inventory host itself.",
            "",
        ]
    else:
        lines += [
            "In addition to `engine`, `name`, `clients`, `forbidden_clients` and `published`, which every server has:",
            "",
        ]
    lines += options_table(engine.options, engine)
    if engine.instance_options:
        names = {option.name for option in engine.options}
        shared = [f"`{option.name}`" for option in engine.instance_options if option.name in names]
        lines += [
            "## Options of an instance",
            "",
            f"`instances` is a list of dictionaries with these keys; if omitted, it holds only "
            f"`{engine.default_instance}`. `[]` means that only other services are installed on the host.",
            f"An instance can also have {', '.join(shared)}, in place of what the server has.",
            "",
            *options_table((option for option in engine.instance_options if option.name not in names), engine),
        ]
    lines += ["## Flows", "", *flows_table(engine.flows)]
    if engine.name in EXAMPLES:
        lines += example(engine.name)
    if engine.notes:
        lines += ["## Notes", "", *(f"- {note}" for note in engine.notes), ""]
    return "\n".join(lines)


def index(engines: Mapping[str, Engine]) -> str:
    """Return the list of the engines."""
    rows = [
        (f"[{engine.title}]({name}.md)", f"`{name}`", str(len(engine.flows)), engine.source)
        for name, engine in sorted(engines.items())
    ]
    lines = [
        "# Engines",
        "",
        "<!-- Generated by tests/tools/gen_docs.py -->",
        "",
        "The ports that each kind of server needs, with purposes and sources. These pages are generated from the data "
        "that plans are made from.",
        "",
        *table(("engine", "name", "flows", "source"), rows),
        "[What declarations mean](../declaring.md) defines `clients`, `need`, and which options open ports. You can "
        "describe any other engine in the inventory, see [engines of your own](../own_engines.md).",
        "",
    ]
    return "\n".join(lines)
