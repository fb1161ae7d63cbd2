# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that SQL Server Browser tells: its instances, one of them, or the port of an administrator connection.

Anyone on the way can answer over UDP: what is told informs people, and no port is opened for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._probe import ssrp, ssrp_dac
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import Deadline, Target, printable
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import check_timeout
from ansible_collections.dbports.firewall.plugins.module_utils._visible import counted

QUIET = 0.25
"""Seconds after an answer in which another one may follow: a Browser gives one."""
MAX_ANSWERS = 16
"""So many different answers are looked at."""


class _Told(NamedTuple):
    """The instances of an answer, and the port of an administrator connection."""

    instances: tuple[ssrp.Instance, ...] = ()
    dac_port: int | None = None


def ask_browser(address: str, port: int, instance: str | None, dac: bool, timeout: float) -> dict[str, Any]:
    """Ask SQL Server Browser, and return what it told as plain data.

    :param instance: the instance to ask for; None for all of them.
    :param dac: ask for the port of this instance's administrator connection instead.
    :returns: address, port, verdict and detail as a probe has them, consistent, instances and dac_port.
    :raises DbportsError: when the question makes no sense; then nothing was sent.
    """
    where = str(AddressRange.address(address))
    target = Target(where, PortRange(port, port), instance)
    check_timeout(timeout)
    request, read = _question(instance, dac)
    told: list[_Told] = []

    def question() -> str:
        for answer in ssrp.answers(where, port, request, read, Deadline(timeout), QUIET):
            if answer not in told:
                told.append(answer)
            if len(told) == MAX_ANSWERS:
                break
        return _detail(told)

    outcome = ssrp.put_question(
        target, question, ": a firewall drops the packets, or it does not know what was asked for"
    )
    first = told[0] if told else _Told()
    return {
        "address": where,
        "port": port,
        "verdict": outcome.verdict,
        "detail": outcome.detail,
        "consistent": _is_consistent(told),
        "instances": [_plain(item) for item in first.instances],
        "dac_port": first.dac_port,
    }


def _question(instance: str | None, dac: bool) -> tuple[bytes, Callable[[bytes], _Told]]:
    """Return the request and what reads its answers.

    :raises DbportsError: when there is no such question.
    """
    if dac:
        if not instance:
            raise DbportsError("an administrator connection is that of an instance", code="missing", path="instance")
        return ssrp_dac.encode_dac_request(instance), lambda data: _Told(dac_port=ssrp_dac.parse_dac_response(data))
    if not instance:
        return ssrp.encode_list_request(), lambda data: _Told(ssrp.parse_response(data))
    wanted = instance.lower()

    def read(data: bytes) -> _Told:
        found = tuple(item for item in ssrp.parse_response(data) if item.name.lower() == wanted)
        if not found:
            raise malformed(f"SQL Server Browser answered about another instance than {instance}")
        return _Told(found)

    return ssrp.encode_instance_request(instance), read


def _is_consistent(told: list[_Told]) -> bool:
    """Tell whether there is one answer, and it says one thing of each instance."""
    names = [item.name.lower() for answer in told for item in answer.instances]
    return len(told) <= 1 and len(names) == len(set(names))


def _detail(told: list[_Told]) -> str:
    first = told[0]
    if first.dac_port is not None:
        text = f"the administrator connection is on tcp port {first.dac_port}"
    else:
        text = counted(len(first.instances), "instance")
    if len(told) > 1:
        text += f"; {len(told)} different answers came, and only one can be that of SQL Server Browser"
    elif not _is_consistent(told):
        text += "; an instance is named twice"
    return text


def _plain(item: ssrp.Instance) -> dict[str, Any]:
    """Return an instance as plain data that is fit for a terminal."""
    return {
        "name": printable(item.name),
        "server": printable(item.server),
        "version": printable(item.version),
        "tcp_port": item.tcp_port,
        "protocols": {printable(name): printable(value, 260) for name, value in item.protocols.items()},
    }
