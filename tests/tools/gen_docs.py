# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what is generated: argument specs and READMEs of the roles, a page an engine, from the engines' own data.

``gen_docs.py`` writes, ``gen_docs.py --check`` names what is out of date and fails.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import engine_docs
import yaml

ROOT = Path(__file__).resolve().parents[2]

OPTION_TYPES = {
    "bool": "bool",
    "str": "str",
    "int": "int",
    "port": "int",
    "ports": "raw",
    "clients": "list",
    "address": "str",
    "addresses": "list",
    "listen": "list",
}
CLIENTS = (
    "Inventory hosts, groups, addresses and networks, IPv4 or IPv6; or dictionaries with C(name) and C(allow_empty) "
    "(this group may be empty) or C(os) (what is behind an address)."
)
PLAN_DIR = {
    "type": "path",
    "default": "dbports-plan",
    "description": "The directory of the plan on the controller; a relative path is below the current directory.",
}
PLAN_ID = {
    "type": "str",
    "default": "",
    "description": "The plan_id that was approved; empty to plan from the inventory.",
}


def option_spec(option: Any) -> dict[str, Any]:
    """Return an engine's option as an entry of an argument spec."""
    spec: dict[str, Any] = {"type": OPTION_TYPES[option.type], "description": option.description}
    if option.default is not None:
        spec["default"] = option.default
    if option.choices:
        spec["choices"] = list(option.choices)
    if option.type == "clients":
        spec["elements"] = "raw"
    elif option.type == "addresses":
        spec["elements"] = "str"
    elif option.type == "listen":
        spec["elements"] = "dict"
        spec["options"] = {
            "address": {"type": "str", "required": True, "description": "One address of the server."},
            "tcp_port": {"type": "raw", "required": True, "description": "Its port or ports."},
        }
    return spec


def server_spec(engines: dict[str, Any]) -> dict[str, Any]:
    """Return the options of one entry of dbports_servers: what all engines share, and each engine's own."""
    names = ", ".join(f"V({name})" for name in sorted(engines))
    spec: dict[str, Any] = {
        "engine": {
            "type": "str",
            "required": True,
            "description": f"The kind of server, one of {names} or of those in dbports_engines.",
        },
        "name": {"type": "str", "description": "The server's name on its host; absent, the engine's."},
        "clients": {"type": "list", "elements": "raw", "description": f"Who may connect. {CLIENTS}"},
        "forbidden_clients": {
            "type": "list",
            "elements": "raw",
            "description": "Inventory hosts and groups that have to show, in verify, that they get no answer.",
        },
        "options": {
            "type": "dict",
            "description": "The engine's own options, which can stand beside engine as well; those of an engine in "
            "dbports_engines have to stand here where Ansible validates the role's arguments.",
        },
    }
    spec.update(merged_options(engines))
    for name, engine in sorted(engines.items()):
        if engine.instance_options:
            spec["instances"] = {
                "type": "list",
                "elements": "dict",
                "description": f"({name}) The instances; absent, {engine.default_instance} alone.",
                "options": {option.name: option_spec(option) for option in engine.instance_options},
            }
    return spec


def merged_options(engines: dict[str, Any]) -> dict[str, Any]:
    """Return the options of all engines by name; where several have one, each says what it means by it."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, engine in sorted(engines.items()):
        for option in engine.options:
            found.setdefault(option.name, []).append((name, option_spec(option)))
    return {option: merged(entries) for option, entries in found.items()}


def merged(entries: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return one entry of an argument spec for an option that several engines have."""
    specs = [entry for _engine, entry in entries]
    spec = {key: specs[0][key] for key in specs[0] if all(entry.get(key) == specs[0][key] for entry in specs)}
    if len({entry["type"] for entry in specs}) > 1:
        spec = {"type": "raw"}
    texts = []
    for engine, entry in entries:
        default = entry.get("default")
        own = f" Default {str(default).lower()}." if default is not None and "default" not in spec else ""
        texts.append(f"({engine}) {entry['description']}{own}")
    return {**spec, "description": " ".join(texts)}


def gateway_spec() -> dict[str, Any]:
    """Return the options of one entry of dbports_gateways: what all kinds share, and each kind's own."""
    gateways = importlib.import_module("ansible_collections.dbports.firewall.plugins.plugin_utils._declare.gateways")
    spec: dict[str, Any] = {
        "name": {"type": "str", "required": True, "description": "Its name, which stands in rules in place of peers."},
        "kind": {"type": "str", "required": True, "choices": list(gateways.OPTIONS), "description": "What it is."},
        "between": {
            "type": "list",
            "elements": "str",
            "required": True,
            "description": "The networks it stands between, in the order in which packets meet them.",
        },
        "engines": {
            "type": "list",
            "elements": "str",
            "description": "The engines whose flows go through it; absent, all.",
        },
        "addresses": {
            "type": "dict",
            "description": "(socks, nat, http_proxy) Its own addresses, by the network they lie in.",
        },
        "mappings": {
            "type": "list",
            "elements": "dict",
            "description": "(nat) What it publishes of the inside network.",
            "options": {
                "host": {"type": "str", "description": "The inventory host it leads to."},
                "address": {"type": "str", "description": "The inside address it leads to, where that is no host's."},
                "protocol": {
                    "type": "str",
                    "required": True,
                    "choices": ["tcp", "udp"],
                    "description": "Its protocol.",
                },
                "port": {"type": "str", "required": True, "description": "The port inside, or a range."},
                "public_port": {"type": "str", "description": "The port outside; absent, the same."},
                "public_address": {"type": "str", "description": "The outside address; absent, the first."},
            },
        },
    }
    kinds: dict[str, list[str]] = {}
    for kind, options in gateways.OPTIONS.items():
        for option in options:
            kinds.setdefault(option.name, []).append(kind)
            spec[option.name] = option_spec(option)
            spec[option.name]["description"] = f"({', '.join(kinds[option.name])}) {option.description}"
            if len(kinds[option.name]) > 1:
                spec[option.name].pop("default", None)  # it differs by kind
    return spec


def host_variables(engines: dict[str, Any], ranges: dict[str, Any], policies: tuple[str, ...]) -> dict[str, Any]:
    """Return the variables that users set in the inventory."""
    return {
        "dbports_servers": {
            "type": "list",
            "elements": "dict",
            "description": "The database servers of a host.",
            "options": server_spec(engines),
        },
        "dbports_addresses": {
            "type": "list",
            "elements": "str",
            "description": "The addresses under which others reach a host; absent, ansible_host when it is an address, "
            "else the default addresses in its facts. Names are never resolved.",
        },
        "dbports_os": {
            "type": "str",
            "choices": list(ranges),
            "description": "The host's operating system, which decides its dynamic ports. linux is kernel 4.2 or "
            "newer, windows is Vista or Server 2008 or newer. Absent, 1024-65535.",
        },
        "dbports_ephemeral_ports": {
            "type": "str",
            "description": "The host's dynamic ports, where they are not those of its system, such as 32768-60999.",
        },
        "dbports_policy": {
            "type": "str",
            "default": "guard",
            "choices": list(policies),
            "description": "guard refuses everyone but the declared peers on the guarded ports; open only accepts, "
            "for hosts whose own rules refuse the rest.",
        },
        "dbports_filter_outbound": {
            "type": "bool",
            "default": False,
            "description": "Guard the planned destination ports of the host's own traffic as well.",
        },
        "dbports_engines": {
            "type": "dict",
            "description": "Engines of your own by name, set for all: each has source, flows and, if need be, title, "
            "options and default_os. docs/own_engines.md has an example and every key.",
        },
        "dbports_networks": {
            "type": "dict",
            "description": "Networks by name, set for all: lists of networks in CIDR form, such as C(office: "
            "[192.0.2.0/24]). An address belongs to the network with the longest prefix.",
        },
        "dbports_gateways": {
            "type": "list",
            "elements": "dict",
            "description": "What stands between these networks, set for all: filters, SOCKS hosts, address translators "
            "and HTTP proxies. docs/gateways.md has every key.",
            "options": gateway_spec(),
        },
        "dbports_expected_hosts": {
            "type": "int",
            "description": "How many hosts the inventory has at least, set for all; with fewer nothing is planned.",
        },
    }


def role_specs() -> dict[str, dict[str, Any]]:
    """Return each role's variables, with its sentence."""
    registry = importlib.import_module("ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry")
    peers = importlib.import_module("ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers")
    ephemeral = importlib.import_module("ansible_collections.dbports.firewall.plugins.module_utils._ephemeral")
    declared = host_variables(registry.builtin_engines(), ephemeral.DYNAMIC_RANGES, peers.POLICIES)
    return {
        "plan": {
            "short_description": "Plan which ports every host needs",
            "description": "Computes the plan from the whole inventory and writes it for review.",
            "options": {**declared, "dbports_plan_dir": PLAN_DIR},
        },
        "apply": {
            "short_description": "Give the hosts the rulesets of the plan",
            "description": "Makes each host's own firewall follow its part of the plan, in one transaction.",
            "options": {
                "dbports_plan_dir": PLAN_DIR,
                "dbports_plan_id": PLAN_ID,
                "dbports_state": {
                    "type": "str",
                    "default": "present",
                    "choices": ["present", "absent"],
                    "description": "absent takes everything away that this collection wrote on the hosts.",
                },
                "dbports_allow_shrink": {
                    "type": "bool",
                    "default": False,
                    "description": "Allow that a host loses guarded ports, or most of the addresses allowed on one.",
                },
                "dbports_persist": {
                    "type": "bool",
                    "default": True,
                    "description": "Make the rulesets survive a reboot.",
                },
            },
        },
        "verify": {
            "short_description": "Compare the hosts with the plan and fail when they differ",
            "description": "Looks at rulesets and sockets, sends real probes from the clients, prints a table and "
            "fails when a required flow fails or a forbidden one succeeds.",
            "options": {
                "dbports_plan_dir": PLAN_DIR,
                "dbports_plan_id": PLAN_ID,
                "dbports_probe_timeout": {
                    "type": "float",
                    "default": 2.0,
                    "description": "Seconds that each probe may take.",
                },
            },
        },
        "explain": {
            "short_description": "Tell why a port of a host is open, for whom, and why somebody is kept out",
            "description": "Answers from the plan, and prints rules, sources, declarations and reasons.",
            "options": {
                "dbports_explain_host": {
                    "type": "str",
                    "required": True,
                    "description": "The host whose port is asked about.",
                },
                "dbports_explain_port": {
                    "type": "str",
                    "required": True,
                    "description": "The port with its protocol, such as 1434/udp; or icmp for echo requests.",
                },
                "dbports_explain_peer": {
                    "type": "str",
                    "default": "",
                    "description": "Who wants to reach it: a host, an address or a network; empty for nobody.",
                },
                "dbports_plan_dir": PLAN_DIR,
                "dbports_plan_id": PLAN_ID,
            },
        },
        "report": {
            "short_description": "Write the report of a plan and its findings",
            "description": "Prints the table of endpoints and writes report.md and report.json next to the plan.",
            "options": {"dbports_plan_dir": PLAN_DIR, "dbports_plan_id": PLAN_ID},
        },
    }


def readme(name: str, spec: dict[str, Any]) -> str:
    """Return a role's README."""
    lines = [
        f"# dbports.firewall.{name}",
        "",
        f"{spec['description']}",
        "",
        f"`ansible-doc -t role dbports.firewall.{name}` lists every option with its type and default.",
        "",
        "| variable | default | what it says |",
        "|---|---|---|",
    ]
    for option, entry in spec["options"].items():
        default = entry.get("default", "")
        shown = f"`{str(default).lower() if isinstance(default, bool) else default}`" if default != "" else ""
        lines.append(f"| `{option}` | {shown} | {entry['description']} |")
    lines += [
        "",
        "```yaml",
        f"- name: {spec['short_description']}",
        "  hosts: all",
        "  gather_facts: false",
        "  roles:",
        f"    - dbports.firewall.{name}",
        "```",
        "",
    ]
    return "\n".join(lines)


def generated() -> dict[str, str]:
    """Return every generated file by its path below the checkout."""
    files = {}
    for name, spec in role_specs().items():
        text = yaml.safe_dump({"argument_specs": {"main": spec}}, sort_keys=False, width=110, allow_unicode=True)
        files[f"roles/{name}/meta/argument_specs.yml"] = "---\n# Generated by tests/tools/gen_docs.py\n" + text
        files[f"roles/{name}/README.md"] = readme(name, spec)
    engines = importlib.import_module("ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry")
    builtin = engines.builtin_engines()
    files["docs/engines/README.md"] = engine_docs.index(builtin)
    for name, engine in builtin.items():
        where = f"plugins/module_utils/_engines/{name}.py"
        files[f"docs/engines/{name}.md"] = engine_docs.page(engine, where)
    return files


def main() -> int:
    """Write, or with --check compare; returns the exit status."""
    stale = []
    for name, text in generated().items():
        path = ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print("\n".join(f"{'out of date' if '--check' in sys.argv[1:] else 'written'}: {name}" for name in stale))
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    importlib.import_module("conftest")
    sys.exit(main())
