# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings as sentences: what each code says, and what to do."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Code, Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import listed


class CodeText(NamedTuple):
    """What is told of a code.

    :param says: the sentence, with words in braces for what a finding names.
    :param fix: what to do, or an empty string where there is nothing to do.
    :param means: what the code stands for, for the page that explains it.
    """

    says: str
    fix: str
    means: str


def finding_sentence(finding: Finding) -> str:
    """Return what a finding says and what to do, without a full stop."""
    return ": ".join(part for part in finding_parts(finding) if part)


def finding_parts(finding: Finding) -> tuple[str, str]:
    """Return what a finding says, and what to do, which is empty where there is nothing to do."""
    text = TEXTS[finding.code]
    words = _words(finding)
    said = text.says.format_map(words) + (" (new since the last apply)" if finding.drift else "")
    return said, text.fix.format_map(words)


def _words(finding: Finding) -> defaultdict[str, str]:
    """Return the words of a sentence; those that a finding does not have are empty."""
    words = defaultdict(str, finding.data)
    who = listed(finding.peers) if finding.peers else "the clients"
    words.update(
        host=finding.host,
        server=finding.server,
        port=finding.named("at") or finding.port,
        who=who,
        dst=f"'[{who}]'" if ":" in who else who,
        listener=_listener(finding),
        seen="listening and " if finding.listening else "",
        unseen="" if finding.listening else ", or does not run",
    )
    if words["relay_reached"]:
        words["detail"] += _RELAYED[words["relay_reached"] in ("answers", "partly")].format_map(words)
    for word, pattern in _OPTIONAL.items():
        words[word] = pattern.format_map(words) if words[word] else ""
    if words["count"]:
        words["count"] = {"0": "no peer is", "1": "1 peer is"}.get(words["count"], f"{words['count']} peers are")
    return words


_RELAYED = {
    True: "; {server} itself reaches {relay_server}, so that the SOCKS host refuses: run the role socks there",
    False: "; {server} itself does not reach {relay_server} ({relay_detail}), so that it is not the SOCKS host's rules",
}
"""Who refused what a client asked a SOCKS host for, by whether that host itself reaches the server."""

_OPTIONAL = {"also": " (this port also serves {also})", "line": " ({line})", "service": " ({service})"}
"""Words that bring text of their own into a sentence."""


def _listener(finding: Finding) -> str:
    """Return how the server listens, as a part of another sentence."""
    words = defaultdict(str, finding.data, port=finding.named("at") or finding.port)
    words["service"] = _OPTIONAL["service"].format_map(words) if words["service"] else ""
    return _LISTENERS.get(finding.listening, "").format_map(words)


_LISTENERS = {
    "": "its sockets were not looked at",
    "listens": "{program} listens",
    "hidden": "a process whose name is not visible listens",
    "nothing": "nothing listens on {port}{service}",
    "moved": "{program} listens on {now} instead of {port}",
    "local": "{program} listens only on {bound}",
    "other": "{program} listens on {port} instead of {expected}",
}

_APPLY = "run apply"
_APPLY_THERE = "run apply on {server}"

TEXTS: dict[Code, CodeText] = {
    "reachable": CodeText("{detail}", "", "A declared client gets an answer."),
    "partly_reachable": CodeText(
        "answers at {address}, but {others}",
        "make {server} answer on all of its addresses, or declare only those that work (dbports_addresses)",
        "A declared client gets an answer at one address of the server and none at another.",
    ),
    "reachable_unguarded": CodeText(
        "{who} and everyone else get an answer, because no rule on {server} guards {port}",
        _APPLY_THERE,
        "The flow works, and the port is open to everyone.",
    ),
    "reachable_against_rules": CodeText(
        "an answer to {who}, although the rules keep them out ({rule})",
        "look for address translation or a proxy between {who} and {server}, and declare it as a gateway",
        "The flow works in another way than the rules on the server see.",
    ),
    "answered_by_another": CodeText(
        "an answer from {address}, but on {server} {listener}",
        "look which machine or program answers there",
        "Something answers in the place of the declared server.",
    ),
    "dropped_between": CodeText(
        "{seen}configured, but not reachable ({detail})",
        "something between {who} and {server} drops it; look at the firewalls and routes on the way",
        "Server and rules are right, and the client's packets or the answers get lost on the way.",
    ),
    "rejected_between": CodeText(
        "{seen}configured, but refused ({detail})",
        "something between {who} and {server} rejects it, or the server itself rejects this client{unseen}",
        "Server and rules are right, and a refusal comes back.",
    ),
    "blocked": CodeText(
        "{rule}",
        "change that rule on {server}, which is not of this collection",
        "A foreign rule on the server drops what the own rules accept.",
    ),
    "maybe_blocked": CodeText(
        "no answer ({detail}), and {rule}",
        "look at that rule on {server}",
        "A foreign rule on the server may drop the flow; it depends on what rules do not tell.",
    ),
    "closed": CodeText(
        "the rules in force on {server} keep {who} out ({rule})",
        _APPLY_THERE,
        "The plan lets the client in, and the rules in force do not.",
    ),
    "outbound_closed": CodeText(
        "the rules in force on {host} do not let it out to {server} ({rule})",
        "run apply on {host}, or change that rule where it is not of this collection",
        "The client's own firewall keeps the request in.",
    ),
    "stopped": CodeText(
        "nothing listens on {port}{service}", "start the server", "The server is not running, or not there."
    ),
    "moved": CodeText(
        "{program} moved from {port} to {now}, but the rules open {port}",
        "move it back, or declare the port that it has now",
        "The server runs, on a port that the plan does not have.",
    ),
    "local_only": CodeText(
        "{program} listens only on {bound}, where no client can reach it",
        "make it listen on an address of {server}",
        "The server is bound to loopback, or to an address that is not the host's.",
    ),
    "other_program": CodeText(
        "{program} listens on {port} instead of {expected}",
        "stop {program} or give it another port",
        "Another program has the server's port.",
    ),
    "closed_and_not_listening": CodeText(
        "{listener}, and the rules in force on {server} keep {who} out ({rule})",
        "start the server there, then run apply",
        "Neither the server nor the rules are as planned.",
    ),
    "unreachable_unseen": CodeText(
        "no answer ({detail}), and {server} was not verified in this run",
        "verify {server} as well, to see the cause",
        "A flow does not work, and only the client's side of it is known.",
    ),
    "unreachable_unread": CodeText(
        "no answer ({detail}), and the rules on {server} could not be read",
        "verify {server} with become, to see the cause",
        "A flow does not work, and the rules of the server are not known.",
    ),
    "probe_unclear": CodeText(
        "the probe cannot tell whether {server} answers ({detail})",
        "look at what answers there",
        "Something came back that is neither an answer of this protocol nor a refusal.",
    ),
    "no_common_family": CodeText(
        "not probed, because {who} and {server} have no address family in common",
        "give one of them an address of the other's family (dbports_addresses)",
        "One side has only IPv4 addresses and the other only IPv6 addresses.",
    ),
    "answer_port_taken": CodeText(
        "{taken} on this host is taken by {program}, so that the probe cannot hear an answer there",
        "verify again when that program has ended",
        "Silence says nothing of a firewall here.",
    ),
    "not_probed": CodeText(
        "the probe has no result",
        "verify again",
        "The host did not say what this probe met, for example because it was interrupted.",
    ),
    "ready": CodeText(
        "{program} (pid {pid}) listens on {bound} port {now}, {count} let in ({rule})",
        "",
        "The server listens, and the rules in force let in exactly the peers that the plan lets in.",
    ),
    "configured": CodeText(
        "{count} let in ({rule})", "", "The rules in force are right; there is no socket of a program to look at."
    ),
    "listening": CodeText("{listener}", "", "The server listens; the rules were not looked at."),
    "unguarded": CodeText(
        "no rule guards {port}, so that everyone gets in",
        _APPLY,
        "The server listens, and the rules in force refuse no one.",
    ),
    "rules_unknown": CodeText(
        "{listener}, and which peers the rules let in is not known",
        "verify with become",
        "The server's socket was seen, and its rules could not be read.",
    ),
    "listener_hidden": CodeText(
        "a process listens on {port}, but its name is not visible",
        "verify with become",
        "Whether the right program listens can only be seen by root.",
    ),
    "refused": CodeText("does not get in ({detail})", "", "A host that must not reach the server gets no answer."),
    "refused_elsewhere": CodeText(
        "does not get in ({detail}), but the rules in force on {server} would let it in",
        _APPLY_THERE,
        "Something else keeps the host out, by chance or for now.",
    ),
    "refused_no_family": CodeText(
        "cannot get in: no address family in common", "", "A host without a way to the server needs no refusal."
    ),
    "refusal_unproven": CodeText(
        "gets no answer, which proves nothing, because {listener}",
        "verify again when the server runs",
        "Where nothing listens, everyone is refused.",
    ),
    "refusal_unclear": CodeText(
        "whether it gets in is not known ({detail})",
        "verify again, together with {server}",
        "The probe came to no result, for example because the port of a dynamic instance is not known.",
    ),
    "admitted": CodeText(
        "reached {address}: {detail}",
        "verify {server} as well, and run apply there",
        "A host that must not reach the server gets in, and the cause is not known.",
    ),
    "admitted_by_rule": CodeText(
        "reached {address}: {detail}; a rule in force on {server} lets it in that is not in the plan",
        _APPLY_THERE,
        "A host that must not reach the server gets in, because the rules on the server name it.",
    ),
    "admitted_unguarded": CodeText(
        "reached {address}: {detail}; no rule on {server} guards {port}",
        _APPLY_THERE,
        "A host that must not reach the server gets in, as everyone does.",
    ),
    "admitted_against_rules": CodeText(
        "reached {address}: {detail}, although the rules in force on {server} refuse it",
        "look for address translation or a proxy that hides its address from {server}",
        "A host that must not reach the server gets in by another way than the rules on the server see.",
    ),
    "accepts_too_many": CodeText(
        "the rules in force also let in {who}",
        _APPLY,
        "The rules on the server let in addresses that the plan does not.",
    ),
    "stranger": CodeText(
        "{who} {source} is connected, and the plan does not allow it{also}",
        "end the connection, or declare the client",
        "A host is connected to a server although the plan does not let it in.",
    ),
    "dead_session": CodeText(
        "the session of {who} {source} is dead: the rules in force drop its packets{also}",
        "end it on {server}: ss --kill --tcp dst {dst} sport = {sport}",
        "A client was taken out of the plan. Its server still holds the session, over which nothing passes any more.",
    ),
    "outside": CodeText(
        "{program} listens on {now}, outside the plan",
        "declare this server, stop it, or bind it to loopback",
        "A program of a declared engine has a port that nothing guards.",
    ),
    "outside_guarded": CodeText(
        "{program} listens on {now}, which the plan has for {planned}",
        "give it a port of its own, and declare it",
        "A program of a declared engine has a port that is guarded for another server's clients.",
    ),
    "port_moved": CodeText(
        "the dynamic port moved from {before} to {now}",
        "give the instance a fixed port where connection strings or gateways name it",
        "A dynamic instance was restarted and has another port now.",
    ),
    "configured_otherwise": CodeText(
        "{program} is configured for {now}, and the plan has {planned}",
        "declare what it is configured for, or change its configuration (role mssql_static_port) and restart it",
        "The server's own configuration and the plan disagree: it listens there when it starts the next time.",
    ),
    "rules_missing": CodeText(
        "the host has none of the planned rules", _APPLY, "The rules were never applied, or removed since."
    ),
    "rules_edited": CodeText(
        "the rules in force were edited by hand{line}", _APPLY, "The rules are not those that were applied."
    ),
    "rules_outdated": CodeText(
        "the rules in force are those of an earlier plan", _APPLY, "The plan has changed since the last apply."
    ),
    "rules_differ": CodeText(
        "the rules in force are not the planned ones",
        _APPLY,
        "The plan or the rules have changed; which of them is not known, because plan_dir does not tell of an apply.",
    ),
    "rules_of_another": CodeText(
        "the rules on this machine belong to {owner}",
        "declare the servers of a machine in one place and under one name",
        "Two inventory names of one machine, or a plan and the role guard.",
    ),
    "rules_unread": CodeText(
        "the rules could not be read: {error}",
        "mend that and verify again",
        "The firewall did not say what is in force.",
    ),
    "rules_not_in_force": CodeText(
        "the rules have no effect: {error}",
        "turn the firewall on, or let the owner of the Group Policy allow local rules",
        "Windows has the rules and does not enforce them, so that others may get in.",
    ),
    "not_forwarding": CodeText(
        "the host is a gateway of the plan and forwards nothing: {settings} is off",
        "turn it on, now and in /etc/sysctl.d for the next boot",
        "A Linux router whose kernel does not forward: whatever its rules let pass, no packet comes through.",
    ),
    "rules_not_permitted": CodeText(
        "the rules are not known, needs become: {error}",
        "verify with become",
        "Only root may read the rules.",
    ),
}
"""All codes, in the order of the page that explains them."""
