# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan on disk: canonical files that people review, and the digests that prove what was reviewed."""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path
from typing import Any, Union
from urllib.parse import quote

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.text_store import TextStore
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan, PortSet, RuleKey, RulePeer
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import plan_markdown

VERSION = "0.1.0"
"""The collection's version: another release may mean other ports, so it is part of what is hashed."""

INDEX_SCHEMA = "dbports.plan-index/1"
HOST_SCHEMA = "dbports.plan-host/1"
GATEWAY_SCHEMA = "dbports.plan-gateway/1"
INDEX = "index.json"
MARKDOWN = "plan.md"
LIMIT = "hosts.limit"
"""The plan's hosts, one a line, for ``ansible-playbook --limit @hosts.limit``."""

HOSTS = "hosts"
GATEWAYS = "gateways"
_FOLDERS = (HOSTS, GATEWAYS)


Source = Union[Path, TextStore]
"""Where a plan is read from: a directory that people review, or what a run keeps."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, check_circular=False)


def canonical(data: Any) -> str:
    """Return JSON in one line, keys sorted, ASCII alone: the same data is always the same text."""
    return _CANONICAL.encode(data)


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def host_file(name: str) -> str:
    """Return the path of a host's file below the plan's directory; a name cannot lead out of it."""
    quoted = quote(name, safe="", errors="surrogatepass")
    return f"{HOSTS}/{'%2E' + quoted[1:] if quoted.startswith('.') else quoted}.json"


def gateway_file(name: str) -> str:
    """Return the path of a gateway's file below the plan's directory; gateways have plain names."""
    return f"{GATEWAYS}/{quote(name, safe='')}.json"


def render_gateway(plan: GatewayPlan) -> str:
    """Return a gateway's file: what it is, and one line a statement."""
    return _document(
        [
            ("schema", canonical(GATEWAY_SCHEMA)),
            *((key, canonical(value)) for key, value in plan.heading().items()),
            ("statements", _lines(canonical(item.as_dict()) for item in plan.statements)),
            ("warnings", _lines(canonical(text) for text in plan.warnings)),
        ]
    )


def render_host(host: PortSet) -> str:
    """Return a host's file: one line a peer, so that a review shows one changed line a changed flow."""
    rules = []
    for head, peers in host.ordered():
        lines = [_peer_line(ref) for _name, ref in sorted(peers.items())]
        listed = "[\n  " + ",\n  ".join(lines) + "\n ]" if lines else "[]"
        rules.append(f'{_head_line(head)[:-1]},"peers":{listed}}}')
    forbidden = [canonical({**item._asdict(), "probe": _probe(item.probe)}) for item in sorted(set(host.forbidden))]
    return _document(
        [
            ("schema", canonical(HOST_SCHEMA)),
            ("host", canonical(host.host)),
            ("addresses", canonical(list(host.addresses))),
            ("settings", canonical(host.settings._asdict())),
            ("endpoints", _lines(canonical(item._asdict()) for item in sorted(host.endpoints))),
            ("rules", _lines(rules)),
            ("forbidden", _lines(forbidden)),
            ("warnings", _lines(canonical(text) for text in host.warnings)),
        ]
    )


@lru_cache(maxsize=4096)
def _head_line(head: RuleKey) -> str:
    """Return what all peers of a rule share; the rules of many clients are the same."""
    return canonical({**head._asdict(), "probe": _probe(head.probe)})


def _peer_line(ref: RulePeer) -> str:
    """Return a peer as canonical JSON, put together here because most of a plan is this."""
    addresses = ",".join(map(_quoted, ref.addresses))
    return (
        f'{{"addresses":[{addresses}],"declared":{_quoted(ref.declared)},'
        f'"name":{_quoted(ref.name)},"source_ports":{_quoted(ref.source_ports)}}}'
    )


def _probe(probe: tuple[str, str | None] | None) -> dict[str, Any] | None:
    return {"kind": probe[0], "instance": probe[1]} if probe else None


def _lines(items: Any) -> str:
    listed = list(items)
    return "[\n " + ",\n ".join(listed) + "\n]" if listed else "[]"


def _document(fields: list[tuple[str, str]]) -> str:
    return "{\n" + ",\n".join(f'"{key}":{value}' for key, value in fields) + "\n}\n"


@dataclass(frozen=True)
class Artifact:
    """A plan as text: every file by its path below the plan's directory, and its digests."""

    files: Mapping[str, str]
    plan_id: str
    inputs_id: str
    counts: Mapping[str, int]


def inputs_digest(inputs: Mapping[str, Any]) -> str:
    """Return the digest of all that a plan was made from, and of the version that made it."""
    return digest(canonical({"collection": VERSION, **inputs}))


def render_plan(plan: Plan) -> Artifact:
    """Write a plan as text, with its index, its digests and the Markdown for readers."""
    names = {name: host_file(name) for name in sorted(plan.hosts)}
    files = {file: render_host(plan.hosts[name]) for name, file in names.items()}
    files.update((gateway_file(item.gateway.name), render_gateway(item)) for item in plan.gateways)
    inputs_id, counts = inputs_digest(plan.inputs), plan.counts()
    index = _document(
        [
            ("schema", canonical(INDEX_SCHEMA)),
            ("collection", canonical(f"dbports.firewall {VERSION}")),
            ("inputs_id", canonical(inputs_id)),
            ("counts", canonical(counts)),
            (
                "hosts",
                _lines(
                    canonical({"host": name, "file": file, "sha256": digest(files[file])})
                    for name, file in names.items()
                ),
            ),
            ("gateways", _lines(_gateway_entry(item.gateway.name, files) for item in plan.gateways)),
            ("conflicts", _lines(canonical(text) for text in plan.conflicts)),
            ("warnings", _lines(canonical(text) for text in plan.warnings)),
        ]
    )
    files[INDEX] = index
    plan_id = digest(index)
    files[LIMIT] = "".join(f"{_host_pattern(name)}\n" for name in names)
    files[MARKDOWN] = plan_markdown(plan, plan_id, inputs_id)
    return Artifact(files, plan_id, inputs_id, counts)


def _gateway_entry(name: str, files: Mapping[str, str]) -> str:
    file = gateway_file(name)
    return canonical({"gateway": name, "file": file, "sha256": digest(files[file])})


def _host_pattern(name: str) -> str:
    """Return a host pattern of one line; ``?`` stands for what means something else in a pattern."""
    return re.sub(r"[^\w.-]", "?", name)


def diff_artifact(artifact: Artifact, directory: Path) -> list[dict[str, str]]:
    """Return what writing would change, as Ansible's diffs: one for each file, nothing for equal ones."""
    names = sorted(set(artifact.files) | set(_present(directory)))
    diffs = []
    for name in names:
        path = directory / name
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        after = artifact.files.get(name, "")
        if before != after:
            diffs.append({"before": before, "after": after, "before_header": name, "after_header": name})
    return diffs


def _present(directory: Path) -> Iterator[str]:
    """Yield the plan's files that are there now; findings and reports are not the plan's."""
    for name in (INDEX, LIMIT, MARKDOWN):
        if (directory / name).is_file():
            yield name
    for folder in _FOLDERS:
        yield from (f"{folder}/{path.name}" for path in (directory / folder).glob("*.json"))


def write_artifact(artifact: Artifact, directory: Path) -> None:
    """Write the plan's files and remove those of hosts that are no longer in it.

    The index comes last and every file is renamed into place: a reader sees the old plan, or the new one, or an
    index whose digests tell that something is missing.

    :raises DbportsError: when the directory cannot be written.
    """
    try:
        for folder in {HOSTS, *(name.partition("/")[0] for name in artifact.files if "/" in name)}:
            (directory / folder).mkdir(parents=True, exist_ok=True)
        present = set(_present(directory))
        for name, text in artifact.files.items():
            if name != INDEX:
                _write_changed(directory, name, text, name in present)
        _write_changed(directory, INDEX, artifact.files[INDEX], True)
        for name in present - set(artifact.files):
            (directory / name).unlink(missing_ok=True)  # another host of the play may write the same plan
    except OSError as error:
        raise DbportsError(
            f"the plan cannot be written: {error.strerror}", path="plan_dir", value=str(directory)
        ) from error


def _write_changed(directory: Path, name: str, text: str, present: bool) -> None:
    """Write one file of a plan unless it is there already; a new one needs no rename, as no index names it yet."""
    place = directory / name
    if not present:
        with place.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    elif not place.is_file() or place.read_text(encoding="utf-8") != text:
        write_text(place, text)


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place and rename it: nobody ever reads half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".dbports-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def load_artifact(source: Source) -> Artifact:
    """Read a plan's files back, as text.

    :raises DbportsError: when there is no plan.
    """
    index, plan_id = read_index(source, None)
    if isinstance(source, TextStore):
        files = source.read_all()
    else:
        files = {name: (source / name).read_text(encoding="utf-8") for name in _present(source)}
    return Artifact(files, plan_id, index["inputs_id"], index["counts"])


def read_index(source: Source, plan_id: str | None) -> tuple[dict[str, Any], str]:
    """Return a plan's index and its plan_id.

    :param plan_id: what was approved, or None to take what is there.
    :raises DbportsError: when there is no plan, or another one than was approved.
    """
    text = _read(source, INDEX, "there is no plan in this directory")
    found = hashlib.sha256(text.encode("utf-8")).hexdigest()
    if plan_id is not None and found != plan_id:
        raise DbportsError(
            f"this is not the approved plan: its plan_id is {found}",
            path="plan_id",
            value=plan_id,
            fix="Review the plan in plan_dir again, or use the directory that was approved",
        )
    return _load(text, INDEX_SCHEMA, INDEX), found


def find_entry(index: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return a host's entry of an index, or None; the entries are sorted, and each of many hosts asks for its own."""
    entries = index["hosts"]
    position = bisect.bisect_left(entries, name, key=lambda entry: str(entry["host"]))
    found = position < len(entries) and entries[position]["host"] == name
    return dict(entries[position]) if found else None


def read_host(source: Source, index: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a host's port set from the plan, after comparing its file with the index.

    :raises DbportsError: when the host is not in the plan, or its file is missing or was changed.
    """
    entry = find_entry(index, name)
    if entry is None:
        raise DbportsError(
            "this host is not in the plan, which is not the same as having nothing to open",
            host=name,
            path="plan_dir",
            value=str(source),
            fix="Plan again with this host, or leave it out with --limit",
        )
    text = _read(source, host_file(name), "the plan's file of this host is missing", name)
    if hashlib.sha256(text.encode("utf-8")).hexdigest() != entry["sha256"]:
        raise DbportsError(
            "the plan's file of this host was changed after the plan was made",
            host=name,
            path="plan_dir",
            value=f"{source}/{host_file(name)}",
            fix="Plan and review again",
        )
    return _load(text, HOST_SCHEMA, host_file(name))


def read_gateway(source: Source, index: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what a gateway has to permit from the plan, after comparing its file with the index.

    :raises DbportsError: when the gateway is not in the plan, or its file is missing or was changed.
    """
    entry = next((item for item in index["gateways"] if item["gateway"] == name), None)
    if entry is None:
        known = ", ".join(item["gateway"] for item in index["gateways"]) or "none is declared"
        raise DbportsError(
            "this gateway is not in the plan", path="gateway", value=name, fix=f"Name one of its gateways: {known}"
        )
    file = gateway_file(name)
    text = _read(source, file, "the plan's file of this gateway is missing")
    if hashlib.sha256(text.encode("utf-8")).hexdigest() != entry["sha256"]:
        raise DbportsError(
            "the plan's file of this gateway was changed after the plan was made",
            path="plan_dir",
            value=f"{source}/{file}",
            fix="Plan and review again",
        )
    return _load(text, GATEWAY_SCHEMA, file)


def _read(source: Source, name: str, missing: str, host: str | None = None) -> str:
    try:
        return source.read(name) if isinstance(source, TextStore) else (source / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise DbportsError(missing, host=host, path="plan_dir", value=str(source)) from None


def _load(text: str, schema: str, name: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict) or data.get("schema") != schema:
        raise DbportsError(f"{name} is not a file of a plan that this release reads ({schema})", path="plan_dir")
    return data
