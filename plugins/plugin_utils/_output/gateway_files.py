# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in which those who run gateways find their part of a plan."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import counted
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_text
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.platforms import APPLIED
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import for_platform
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import escape
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.requests import (
    Changes,
    Request,
    changes_between,
    changes_csv,
    changes_markdown,
    csv_of,
    markdown_of,
    read_csv,
    requests_of,
)

PATH = "gateways_dir"
REQUESTS, CHANGES, RULES = "requests", "changes", "rules"
"""The folders of all requests, of how they differ from those before, and of rules in the words of a platform."""

Arguments = Mapping[str, Any]
_KEYS = ("gateway", "platform", "filter", "rules")
"""Of a file of rules."""

_NONE = Changes((), (), ())
_MAX_BYTES = 64 * 1024 * 1024
"""More than any file of requests has; what is larger is none of ours."""


Task = Literal["apply", "render", "request"]
"""What becomes of a gateway's part: applied to the host that it is, rendered for its own tools, or asked for."""


class GatewayFiles(NamedTuple):
    """What there is to do for one gateway.

    :param statements: how many statements the plan has for it.
    :param changes: how the requests differ from the last ones; empty where there are none.
    :param texts: what each file is to hold, by its name below the directory; None for one that has to go.
    """

    name: str
    platform: str
    host: str
    task: Task
    statements: int
    changes: Changes
    texts: Mapping[str, str | None]

    def line(self, directory: str) -> str:
        """Return what a run says of it.

        :param directory: the directory of the files, as its user wrote it.
        """
        start = f"gateway {self.name}: {counted(self.statements, 'statement')}"
        if self.task == "apply":
            return f"{start}, applied to {self.host} ({self.platform})"
        if None in self.texts.values():
            return f"gateway {self.name}: its rules are no longer rendered"
        if self.task == "render":
            return f"{start}, rendered ({self.platform}), see {directory}/{RULES}/{self.name}.json"
        if not self.changes:
            return f"{start}, requested before"
        counts = ", ".join(f"{number} {what}" for what, number in self.changes.counts.items() if number)
        return f"{start}, requests: {counts}, see {directory}/{CHANGES}/{self.name}.md"


def files_of(
    gateways: Sequence[GatewayPlan], rules: Mapping[str, Sequence[Arguments]], directory: Path
) -> list[GatewayFiles]:
    """Return what there is to do for the gateways of a plan, and for those that are no longer in it.

    :param rules: the arguments of each list of rules to render, by the name of the gateway.
    :raises DbportsError: when the files in the directory are not ours, or rules cannot be rendered.
    """
    found = [_files(plan, rules.get(plan.name, ()), directory) for plan in gateways]
    return [*found, *_withdrawn(found, directory)]


def _files(plan: GatewayPlan, rules: Sequence[Arguments], directory: Path) -> GatewayFiles:
    item = GatewayFiles(plan.name, plan.platform, plan.host, "apply", len(plan.statements), _NONE, {})
    if rules:
        return item._replace(task="render", texts={_rules(plan.name): _rendered(plan, rules)})
    if plan.platform in APPLIED:
        return item
    requests = requests_of(plan)
    changes = changes_between(_last(plan.name, directory), requests)
    texts = {_list(plan.name): csv_of(requests), f"{REQUESTS}/{plan.name}.md": markdown_of(plan, requests)}
    return item._replace(task="request", changes=changes, texts={**texts, **_changed(plan.name, changes)})


def _rendered(plan: GatewayPlan, rules: Sequence[Arguments]) -> str:
    """Return a gateway's rules as JSON, a list for each set of arguments."""
    found = for_platform(plan.platform)
    path = f"rules.{plan.name}"
    if found is None:
        reason, fix = "rules are only rendered for a platform with a filter", "Declare such a platform, or remove this"
        raise DbportsError(reason, code="contradiction", path=path, value=plan.platform, fix=fix)
    data = []
    for number, item in enumerate(rules):
        here = f"{path}[{number}]"
        try:
            inspect.signature(found.function).bind(plan, **item)
        except TypeError as error:
            fix = f"See the filter dbports.firewall.{found.name} for its arguments"
            raise DbportsError(str(error), code="unknown_key", path=here, value=dict(item), fix=fix) from None
        try:
            data.append({"arguments": dict(item), "result": found.function(plan, **item)})
        except DbportsError as error:
            inner = f"{here}.{error.path}" if error.path else here
            raise DbportsError(error.reason, code=error.code, path=inner, value=error.value, fix=error.fix) from None
    name = f"dbports.firewall.{found.name}"
    return json.dumps(dict(zip(_KEYS, (plan.name, plan.platform, name, data))), indent=1) + "\n"


def _withdrawn(gateways: Iterable[GatewayFiles], directory: Path) -> Iterator[GatewayFiles]:
    """Yield what is left of gateways, or of ways to change them, that the plan no longer has."""
    requested, rendered = ({item.name for item in gateways if item.task == task} for task in ("request", "render"))
    for path in sorted((directory / RULES).glob("*.json")):
        if path.stem not in rendered and _is_ours(_read(path)):
            yield GatewayFiles(path.stem, "", "", "request", 0, _NONE, {_rules(path.stem): None})
    for path in sorted((directory / REQUESTS).glob("*.csv")):
        name = path.stem
        last = () if name in requested else _last(name, directory)
        if last:
            changes, title = changes_between(last, ()), f"# {escape(name)}"
            gone = f"{title}\n\nNothing is requested for this gateway any more.\n"
            texts = {_list(name): csv_of(()), f"{REQUESTS}/{name}.md": gone, **_changed(name, changes)}
            yield GatewayFiles(name, "", "", "request", 0, changes, texts)


def _list(name: str) -> str:
    return f"{REQUESTS}/{name}.csv"


def _rules(name: str) -> str:
    return f"{RULES}/{name}.json"


def _is_ours(text: str) -> bool:
    """Tell whether a file of rules is one that a run wrote."""
    try:
        return list(json.loads(text)) == list(_KEYS)
    except (ValueError, TypeError, RecursionError):
        return False


def _changed(name: str, changes: Changes) -> dict[str, str]:
    if not changes:
        return {}
    return {f"{CHANGES}/{name}.csv": changes_csv(changes), f"{CHANGES}/{name}.md": changes_markdown(name, changes)}


def _last(name: str, directory: Path) -> tuple[Request, ...]:
    """Return the requests of the last run."""
    path = directory / _list(name)
    if not path.exists():
        return ()
    try:
        return read_csv(_read(path))
    except DbportsError as error:
        reason = f"{path} is {error.reason}"
        raise DbportsError(reason, code=error.code, path=PATH, value=str(directory), fix=error.fix) from None


def _read(path: Path) -> str:
    """Return what a file holds; what is no text of ours is an empty one."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return ""
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
        raise DbportsError(reason, code="unreadable", path=PATH, value=str(path)) from error


def differing(texts: Mapping[str, str | None], directory: Path) -> list[dict[str, str]]:
    """Return Ansible's diff of each file that does not hold its text yet; an empty text is that of no file.

    :raises DbportsError: for a symbolic link, which would lead out of the directory.
    """
    found = []
    for name, after in sorted(texts.items()):
        path = directory / name
        for place in (directory, path.parent, path):
            if place.is_symlink():
                fix = "Replace it by a real file or directory, or name another directory in gateways_dir"
                reason = "a symbolic link is not followed"
                raise DbportsError(reason, code="not_ours", path=PATH, value=str(place), fix=fix)
        before = _read(path) if path.exists() else None
        if before != after:
            found.append({"before": before or "", "after": after or "", "before_header": name, "after_header": name})
    return found


def write_files(diff: Iterable[Mapping[str, str]], directory: Path) -> None:
    """Write the files of a diff. The lists that the next run compares with come last.

    :raises DbportsError: when the directory cannot be written.
    """
    try:
        for item in sorted(diff, key=lambda one: one["after_header"].startswith(f"{REQUESTS}/")):
            path = directory / item["after_header"]
            path.parent.mkdir(parents=True, exist_ok=True)
            if item["after"]:
                write_text(path, item["after"])
            else:
                path.unlink()
    except OSError as error:
        reason = f"the files cannot be written: {error.strerror}"
        raise DbportsError(reason, code="not_written", path=PATH, value=str(directory)) from error
