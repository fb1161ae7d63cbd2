# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host should be and what it shows to findings: verdicts with their reasons.

A port set has the shape of its file in the plan. An observation is what one host shows:
``{"sockets": [...], "ruleset": {...}, "probes": [...]}``, see the module dbports.firewall.observation_info.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    AddressSet,
    parse_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import kind_of

OK, WARN, FAIL, UNKNOWN = "ok", "warn", "fail", "unknown"
CONFIGURED, LISTENING, CONNECTED, REACHABLE, FORBIDDEN = (
    "configured",
    "listening",
    "connected",
    "reachable",
    "forbidden",
)
STAGES = (CONFIGURED, LISTENING, CONNECTED, REACHABLE, FORBIDDEN)
"""configured: the ruleset; listening: the server's socket; connected: who is connected; reachable: a declared client
gets an answer; forbidden: another host gets none."""

BROADCAST = "255.255.255.255"


@dataclass(frozen=True)
class Finding:
    """One verdict on one endpoint.

    :param host: the host that was looked at or that probed.
    :param server: the host of the endpoint.
    :param verdict: ok, warn, fail or unknown.
    :param port: protocol and ports, such as ``tcp 1433``.
    :param declared: the declaration that it follows from, or an empty string.
    """

    stage: str
    verdict: str
    host: str
    server: str
    endpoint: str
    port: str
    reason: str
    declared: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it as plain data."""
        return asdict(self)


def _port(item: Mapping[str, Any]) -> str:
    return f"{item['protocol']} {item['ports']}".strip()


def _ranges(ports: str) -> tuple[PortRange, ...]:
    return parse_ports(ports) if ports else ()


def watched_ports(port_set: Mapping[str, Any]) -> list[str]:
    """Return the ports whose sockets matter: those of the host's own endpoints."""
    return sorted({part for item in port_set["endpoints"] for part in item["ports"].split(",") if part})


def probes_of(port_set: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the probes that a host has to send, as the module dbports.firewall.probe takes them.

    Addresses of a family that the host itself does not have are left out.
    """
    families = {item.family for item in parse_addresses(port_set["addresses"])}
    probes = []
    for key, item, peer in (*_wanted(port_set), *_unwanted(port_set)):
        for address in peer["addresses"]:
            if address != BROADCAST and AddressRange.parse(address).family in families:
                probes.append(
                    {
                        "id": f"{key}@{address}",
                        "kind": item["probe"]["kind"],
                        "address": address,
                        "ports": item["ports"],
                        "instance": item["probe"]["instance"],
                    }
                )
    return probes


_Probed = tuple[str, Mapping[str, Any], Mapping[str, Any]]


def _wanted(port_set: Mapping[str, Any]) -> Iterator[_Probed]:
    """Yield what must answer: a key for the results, the rule and the peer."""
    for number, rule in enumerate(port_set["rules"]):
        if rule["direction"] == "out" and rule["probe"]:
            for peer in rule["peers"]:
                yield f"reach-{number}-{peer['name']}", rule, peer


def _unwanted(port_set: Mapping[str, Any]) -> Iterator[_Probed]:
    """Yield what must not answer, alike."""
    for number, item in enumerate(port_set["forbidden"]):
        yield f"forbid-{number}-{item['host']}", item, item


def judge(port_set: Mapping[str, Any], observation: Mapping[str, Any]) -> list[Finding]:
    """Compare a host's port set with what the host shows."""
    return [
        *_judge_ruleset(port_set, observation.get("ruleset")),
        *_judge_sockets(port_set, observation.get("sockets")),
        *_judge_probes(port_set, observation.get("probes") or []),
    ]


def _judge_ruleset(port_set: Mapping[str, Any], ruleset: Mapping[str, Any] | None) -> Iterator[Finding]:
    host = port_set["host"]
    for rule in port_set["rules"]:
        outbound = rule["direction"] == "out"
        if ruleset is None or (outbound and not port_set["settings"]["filter_outbound"]):
            continue
        verdict, reason = _configured(rule, ruleset)
        server = ", ".join(sorted(peer["name"] for peer in rule["peers"])) if outbound else host
        yield Finding(CONFIGURED, verdict, host, server, rule["endpoint"], _port(rule), reason)


def _configured(rule: Mapping[str, Any], ruleset: Mapping[str, Any]) -> tuple[str, str]:
    if ruleset.get("error"):
        return FAIL, str(ruleset["error"])
    if not ruleset["in_sync"]:
        return FAIL, "the host's ruleset is not the planned one: run apply"
    bad = WARN if rule["need"] == "optional" else FAIL
    wanted = (rule["direction"], rule["protocol"], _ranges(rule["ports"]))
    for item in ruleset.get("foreign") or ():
        same = (item["direction"], item["protocol"], _ranges(item["ports"])) == wanted
        if same and item["verdict"] == "drops":
            return bad, str(item["text"])
    return OK, f"{len(rule['peers'])} peers" if len(rule["peers"]) != 1 else "1 peer"


def _judge_sockets(port_set: Mapping[str, Any], sockets: Sequence[Mapping[str, Any]] | None) -> Iterator[Finding]:
    if sockets is None:
        return
    allowed = _allowed(port_set)
    for endpoint in port_set["endpoints"]:
        if not endpoint["ports"]:
            continue
        ports = parse_ports(endpoint["ports"])
        mine = [one for one in sockets if one["protocol"] == endpoint["protocol"] and _within(one["local_port"], ports)]
        if endpoint["process"]:
            verdict, reason = _listening(port_set, endpoint, mine)
            yield Finding(
                LISTENING, verdict, port_set["host"], port_set["host"], endpoint["id"], _port(endpoint), reason
            )
        yield from _strangers(port_set, endpoint, mine, allowed.get(endpoint["id"]))


def _within(port: int | None, ports: Iterable[PortRange]) -> bool:
    return port is not None and any(port in item for item in ports)


def _listening(
    port_set: Mapping[str, Any], endpoint: Mapping[str, Any], sockets: list[Mapping[str, Any]]
) -> tuple[str, str]:
    """Say whether the expected program listens where clients reach it."""
    bad = FAIL if endpoint["listening"] == "required" else WARN
    expected = " or ".join(endpoint["process"])
    listeners = [one for one in sockets if _is_listener(one)]
    dynamic = "-" in endpoint["ports"]
    if dynamic:
        listeners = [one for one in listeners if one["process"] is None or _is_expected(one, endpoint)]
    if not listeners:
        return bad, f"no {expected} listens in this range" if dynamic else "nobody listens"
    named = [one for one in listeners if one["process"] is not None]
    if not named:
        return UNKNOWN, "somebody listens, but its process is not visible: run as root"
    right = [one for one in named if _is_expected(one, endpoint)]
    if not right:
        others = ", ".join(sorted({str(one["process"]) for one in named}))
        return bad, f"{others} listens instead of {expected}"
    reachable = [one for one in right if _is_reachable(one["local_address"], port_set["addresses"])]
    if not reachable:
        where = ", ".join(sorted({str(one["local_address"]) for one in right}))
        return bad, f"{right[0]['process']} listens on {where} alone, where no client gets"
    one = reachable[0]
    return OK, f"{one['process']} (pid {one['pid']}) on {one['local_address']} port {one['local_port']}"


def _is_listener(one: Mapping[str, Any]) -> bool:
    return one["state"] == "LISTEN" if one["protocol"] == "tcp" else one["remote_port"] is None


def _is_expected(one: Mapping[str, Any], endpoint: Mapping[str, Any]) -> bool:
    process = str(one["process"]).lower()
    process = process[:-4] if process.endswith(".exe") else process
    return any(fnmatch(process, pattern) for pattern in endpoint["process"])


def _is_reachable(address: str, addresses: Sequence[str]) -> bool:
    if address == "*":
        return True
    bound = AddressRange.of_socket(address)
    return bound.first == 0 or any(bound.overlaps(item) for item in parse_addresses(addresses))


def _allowed(port_set: Mapping[str, Any]) -> dict[str, AddressSet]:
    """Return who may connect to each endpoint of the host."""
    return {
        rule["endpoint"]: AddressSet(
            AddressRange.parse(address) for peer in rule["peers"] for address in peer["addresses"]
        )
        for rule in port_set["rules"]
        if rule["direction"] == "in"
    }


def _strangers(
    port_set: Mapping[str, Any],
    endpoint: Mapping[str, Any],
    sockets: list[Mapping[str, Any]],
    allowed: AddressSet | None,
) -> Iterator[Finding]:
    """Find established connections from addresses that the plan does not allow."""
    if endpoint["protocol"] != "tcp" or allowed is None:
        return
    own = AddressSet(parse_addresses([*port_set["addresses"], "127.0.0.0/8", "::1"]))
    listening = {one["local_port"] for one in sockets if _is_listener(one)}
    for one in sockets:
        # A local port without a listener belongs to a connection that the host itself opened.
        if one["state"] != "ESTABLISHED" or one["local_port"] not in listening:
            continue
        remote = AddressRange.of_socket(one["remote_address"])
        if not own.overlaps(remote) and not allowed.overlaps(remote):
            yield Finding(
                CONNECTED,
                FAIL,
                port_set["host"],
                port_set["host"],
                endpoint["id"],
                _port(endpoint),
                f"{remote} port {one['remote_port']} is connected, and the plan does not allow it",
            )


def _judge_probes(port_set: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    by_key: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        by_key.setdefault(str(result["id"]).rsplit("@", 1)[0], []).append(result)
    for key, rule, peer in _wanted(port_set):
        verdict, reason = _reached(by_key.get(key, []), rule["need"] == "required")
        yield Finding(
            REACHABLE,
            verdict,
            port_set["host"],
            peer["name"],
            rule["endpoint"],
            _port(rule),
            reason,
            peer["declared"],
        )
    for key, item, _peer in _unwanted(port_set):
        verdict, reason = _kept_out(by_key.get(key, []))
        yield Finding(
            FORBIDDEN,
            verdict,
            port_set["host"],
            item["host"],
            item["endpoint"],
            _port(item),
            reason,
            item["declared"],
        )


def _say(result: Mapping[str, Any]) -> str:
    return f"{result['verdict']}: {result['detail']}" if result["detail"] else str(result["verdict"])


def _reached(results: list[Mapping[str, Any]], required: bool) -> tuple[str, str]:
    """One address that answers is enough: a client tries the others of a server in turn."""
    if not results:
        return UNKNOWN, "not probed: client and server have no address family in common"
    answers = [result for result in results if result["verdict"] == "answers"]
    if answers:
        silent = [f"{result['address']} {result['verdict']}" for result in results if result["verdict"] != "answers"]
        return (WARN, f"answers, but {', '.join(silent)}") if silent else (OK, _say(answers[0]))
    if all(result["verdict"] == "unknown" for result in results):
        return UNKNOWN, _say(results[0])
    return (FAIL if required else WARN), _say(results[0])


def _kept_out(results: list[Mapping[str, Any]]) -> tuple[str, str]:
    """A TCP connection that is accepted got through, whether or not anything was said on it."""
    if not results:
        return OK, "no address family in common"
    for result in results:
        silence = kind_of(result["kind"]).silence
        if result["verdict"] == "answers" or (result["verdict"] == "silent" and silence == "reached"):
            return FAIL, f"reached {result['address']}: {_say(result)}"
    if all(result["verdict"] == "unknown" for result in results):
        return UNKNOWN, _say(results[0])
    return OK, _say(results[0])
