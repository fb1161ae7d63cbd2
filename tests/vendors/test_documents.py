# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every play of docs/devices.md that needs no device is run, with the vendors' modules."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from acl_texts import READERS
from drawn_statements import boxes
from gateway_plans import file_data, gateway_plan
from intervals import disagree
from vendor_classes import rendered

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
PLAYS = [play for block in re.findall(r"```yaml\+jinja\n(.*?)```", TEXT, re.DOTALL) for play in yaml.safe_load(block)]
REVIEWS = [play for play in PLAYS if play["name"].startswith("Review ")]
CHANGES = [play for play in PLAYS if play not in REVIEWS]
SHOWN = {
    "ios": """ip access-list extended office-in
 10 permit icmp any any
 50000 remark dbports old-db tds
 50000 permit tcp host 192.0.2.21 host 198.51.100.9 eq 1433
""",
    "junos": """set firewall family inet filter office-in term dbports-old-1a then accept
set firewall family inet filter office-in term refuse-rest then discard
""",
}
"""What the devices show before a change."""

SYSTEMS = {"ios": "cisco.ios.ios", "nxos": "cisco.nxos.nxos", "iosxr": "cisco.iosxr.iosxr"}
SYSTEMS.update(eos="arista.eos.eos", asa="cisco.asa.asa")
COLLECTIONS = [ROOT / ".build" / "collections", ROOT / ".build" / "vendors"]


def inventory(platform: str) -> dict[str, Any]:
    """Return an inventory with one device that answers nobody."""
    host = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "nobody", "ansible_password": "none"}
    if platform in SYSTEMS:
        host.update(ansible_connection="ansible.netcommon.network_cli", ansible_network_os=SYSTEMS[platform])
    else:
        host.update(ansible_connection="local", ansible_python_interpreter=sys.executable)
    return {platform: {"hosts": {"edge-1": host}}}


def written_down(debug: dict[str, str]) -> dict[str, Any]:
    """Return a task that writes to a file what a debug task shows."""
    shown = debug["msg"].strip("{} ") if "msg" in debug else debug["var"]
    content = f"{{{{ ({shown}) | to_json }}}}"
    return {
        "name": "Write it down",
        "ansible.builtin.copy": {"content": content, "dest": "{{ playbook_dir }}/shown.json", "mode": "0600"},
        "delegate_to": "localhost",
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
    }


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that runs a play and returns what its last task shows."""

    def run(play: dict[str, Any]) -> Any:
        place = tmp_path_factory.mktemp(play["hosts"])
        gateways = place / "dbports-plan" / "gateways"
        gateways.mkdir(parents=True)
        platform = play["hosts"]
        (gateways / "edge-1.json").write_text(json.dumps(file_data(gateway_plan(platform))), encoding="utf-8")
        (place / "shown").mkdir()
        (place / "shown" / "edge-1.txt").write_text(SHOWN.get(platform, ""), encoding="utf-8")
        (place / "inventory.yml").write_text(json.dumps({"all": {"children": inventory(platform)}}), encoding="utf-8")
        written = {**play, "tasks": [*play["tasks"], written_down(play["tasks"][-1]["ansible.builtin.debug"])]}
        (place / "site.yml").write_text(yaml.safe_dump([written]), encoding="utf-8")
        environment = {
            **os.environ,
            "ANSIBLE_HOME": str(place / "home"),
            "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, COLLECTIONS)),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        command = ["ansible-playbook", "-i", "inventory.yml", "site.yml"]
        found = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return json.loads((place / "shown.json").read_text(encoding="utf-8"))

    return run


@pytest.mark.parametrize("play", [pytest.param(play, id=play["hosts"]) for play in REVIEWS if play["hosts"] in SYSTEMS])
def test_lists_are_rendered_by_the_vendors_module(shown: Any, play: dict[str, Any]) -> None:
    platform = play["hosts"]
    aces = READERS[platform](shown(play))
    permitted = [
        box for ace in aces if ace.permits for box in ace.boxes if box.sport not in (((135, 135),), ((136, 136),))
    ]
    assert not disagree(permitted, boxes(gateway_plan(platform), **{"from": "office"}))


@pytest.mark.parametrize(
    "play", [pytest.param(play, id=play["hosts"]) for play in REVIEWS if play["hosts"] not in SYSTEMS]
)
def test_other_data_are_shown(shown: Any, play: dict[str, Any]) -> None:
    found = shown(play)
    assert found
    if play["hosts"] == "junos":
        assert not disagree(
            [box for ace in READERS["junos"](found) for box in ace.boxes],
            boxes(gateway_plan("junos"), **{"from": "office"}),
        )


@pytest.mark.parametrize("play", [pytest.param(play, id=play["hosts"]) for play in CHANGES])
def test_what_would_change_is_shown(shown: Any, play: dict[str, Any]) -> None:
    """What is missing would permit what the plan does, and only the old entry would go."""
    found = shown(play)
    assert found["changed"]
    if play["hosts"] == "ios":
        assert found["remove"] == [{"parents": "ip access-list extended office-in", "lines": ["no 50000"]}]
        lines = rendered("ios", found["add"])
    else:
        assert found["remove"] == ["delete firewall family inet filter office-in term dbports-old-1a"]
        lines = found["add"]
    permitted = [box for ace in READERS[play["hosts"]](lines) for box in ace.boxes]
    assert not disagree(permitted, boxes(gateway_plan(play["hosts"]), **{"from": "office"}))


def test_every_platform_has_its_play() -> None:
    assert {play["hosts"] for play in CHANGES} == set(SHOWN)
    assert {play["hosts"] for play in REVIEWS} == {*SYSTEMS, "junos", "panos", "fortios"}
