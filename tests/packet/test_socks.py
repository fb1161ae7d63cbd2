# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Dante and real sshd as the plan configures them, asked by clients that speak SOCKS 4.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_socks.py``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from lab import Lab
from socks_scene import INSIDE, Client, Scene, inventory

CONNECT, BIND, ASSOCIATE = 1, 2, 3
GRANTED, DENIED = (90, True), (91, False)
NO_RULE = (2, False)
"""SOCKS 5: connection not allowed by ruleset."""

CONF, KEPT = "/etc/danted.conf", "/etc/dbports/danted.conf.before"
DROP_IN = "/etc/ssh/sshd_config.d/00-dbports-socks.conf"
FOREIGN = """\
logoutput: syslog
internal: 192.0.2.1 port = 1080
external: 198.51.100.1
clientmethod: none
socksmethod: none
user.privileged: proxy
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
"""


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Lab() as lab:
        found = Scene(lab)
        found.echo(5002, 5003, 6002)
        yield found


@pytest.fixture
def dante(scene: Scene) -> Iterator[Scene]:
    """A SOCKS host with Dante as the package brings it, and as the plan wants it."""
    packaged = scene.read(CONF)
    assert scene.apply(inventory("dante"))["changed"]
    yield scene
    assert scene.withdraw()["path"] == CONF
    assert not scene.withdraw()["changed"]
    assert scene.read(CONF) == packaged
    assert not scene.read(KEPT)
    assert not processes(scene)


def processes(scene: Scene) -> list[str]:
    """Return the listeners of the SOCKS host."""
    return [line for line in scene.hosts["bastion"].run(["ss", "-Hlntp"]).stdout.splitlines() if "danted" in line]


def test_dante_relays_what_the_plan_says_and_nothing_else(dante: Scene) -> None:
    app = Client(dante.hosts["app"])
    assert app.ask(5002) == GRANTED
    assert app.ask(5003) == DENIED  # something listens there
    assert app.ask(5002, command=BIND) == DENIED
    assert app.ask(5002, version=5) == NO_RULE  # 602SQL asks with SOCKS 4
    assert app.ask(5002, version=5, command=ASSOCIATE) == NO_RULE
    assert Client(dante.hosts["stranger"]).ask(5002) == (None, False)


def test_a_running_session_outlives_its_rule(dante: Scene) -> None:
    app = Client(dante.hosts["app"])
    assert app.ask(5002) == GRANTED
    moved = inventory("dante", ports=(6001,))
    assert dante.apply(moved, check=True)["changed"]
    assert app.ask(5002) == GRANTED  # check mode changed nothing
    assert dante.apply(moved)["changed"]
    assert not dante.apply(moved)["changed"]
    assert app.still_echoes()
    assert app.ask(5002) == DENIED
    assert app.still_echoes()
    assert app.ask(6002) == GRANTED


def test_nothing_broken_reaches_a_running_server(dante: Scene) -> None:
    """Each is refused before the file is replaced; on a SIGHUP, Dante would end."""
    before = dante.read(CONF)
    listening = processes(dante)
    host = dante.hosts["bastion"]
    for more, code in (
        ({"external": ["203.0.113.1"]}, "no_address"),
        ({"internal": ["203.0.113.1"]}, "no_address"),  # Dante itself only warns
        ({"gateway": "x\nsocks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }"}, "not_a_name"),
        ({"internal": [f"{INSIDE} port = 1"]}, "not_an_address"),
        ({"rules": []}, "would_lose"),
    ):
        assert dante.apply(inventory("dante"), **more)["error"] == code
    packaged = dante.read(KEPT)
    host.run(["tee", KEPT], input=FOREIGN.replace("socksmethod", "nomethod"))
    assert dante.apply(inventory("dante"), state="absent")["error"] == "command_failed"
    host.run(["tee", KEPT], input=packaged)
    assert dante.read(CONF) == before
    assert processes(dante) == listening
    assert Client(dante.hosts["app"]).ask(5002) == GRANTED


def test_a_server_that_does_not_follow_gets_its_old_file_back(dante: Scene) -> None:
    before = dante.read(CONF)
    assert dante.apply(inventory("dante", ports=(6001,)), lost=True)["error"] == "not_loaded"
    assert dante.read(CONF) == before
    app = Client(dante.hosts["app"])
    assert app.ask(5002) == GRANTED
    assert app.ask(6002) == DENIED
    assert not dante.apply(inventory("dante"))["changed"]


def test_the_file_of_somebody_else(scene: Scene) -> None:
    """It is refused, taken over when the user says so, and brought back; the server runs all the time."""
    host = scene.hosts["bastion"]
    packaged = scene.read(CONF)
    host.run(["tee", CONF], input=FOREIGN)
    host.run(["service", "danted", "start"])
    host.wait_for("tcp/1080")
    app = Client(scene.hosts["app"])
    assert app.ask(5003) == GRANTED
    assert scene.apply(inventory("dante"))["error"] == "not_ours"
    assert not scene.apply(inventory("dante"), state="absent")["changed"]
    assert not scene.withdraw()["changed"]
    assert scene.read(CONF) == FOREIGN
    assert scene.apply(inventory("dante"), take_over=True)["changed"]
    assert app.still_echoes()
    assert app.ask(5003) == DENIED
    assert scene.apply(inventory("dante"), state="absent")["changed"]
    assert scene.read(CONF) == FOREIGN
    host.run(["service", "danted", "stop"])
    host.run(["tee", CONF], input=packaged)


SSHD = f"""\
Include /etc/ssh/sshd_config.d/*.conf
ListenAddress {INSIDE}
HostKey /run/key
PidFile /run/sshd.pid
AuthorizedKeysFile /run/keys/%u
StrictModes no
UsePAM no
"""
PREPARE = f"""
rm /etc/ssh && mkdir -p /etc/ssh/sshd_config.d /run/sshd /run/keys
ssh-keygen -q -t ed25519 -N '' -f /run/key
echo 'relay:x:59999:59999::/nonexistent:/bin/sh' >>/etc/passwd
echo 'relay:*:19000::::::' >>/etc/shadow
cat >/etc/ssh/sshd_config <<'END'
{SSHD}END
cat >/run/keys/relay
"""


@pytest.fixture(scope="module")
def ssh(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Return how clients come in by ssh."""
    place = tmp_path_factory.mktemp("ssh")
    key, host = place / "key", scene.hosts["bastion"]
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    host.run(["sh", "-ec", PREPARE], input=key.with_suffix(".pub").read_text(encoding="utf-8"))
    server = host.popen(["/usr/sbin/sshd", "-D", "-E", str(place / "log")])
    host.wait_for("tcp/22")
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR")
    more = ("ExitOnForwardFailure=yes", "IdentitiesOnly=yes", "ControlPath=none")
    yield ["ssh", "-F", "none", "-i", str(key), *(f"-o{item}" for item in (*options, *more)), f"relay@{INSIDE}"]
    server.terminate()
    server.wait(60)


def test_sshd_relays_what_the_plan_says_and_nothing_else(scene: Scene, ssh: list[str]) -> None:
    data = inventory("sshd")
    assert scene.apply(data, check=True)["changed"]
    assert scene.apply(data)["changed"]
    assert not scene.apply(data)["changed"]
    app = scene.hosts["app"]
    app.popen([*ssh, "-N", "-D", "127.0.0.1:1080"])
    app.wait_for("tcp/1080")
    client = Client(app, ("127.0.0.1", 1080))
    assert client.ask(5002) == GRANTED
    assert client.ask(5003)[1] is False
    said = app.run([*ssh, "id"], check=False)
    assert said.returncode != 0
    assert "uid=" not in said.stdout
    assert app.run([*ssh, "-N", "-R", "9999:127.0.0.1:22"], check=False).returncode != 0

    stranger = scene.hosts["stranger"]
    stranger.popen([*ssh, "-N", "-D", "127.0.0.1:1080"])
    stranger.wait_for("tcp/1080")
    assert Client(stranger, ("127.0.0.1", 1080)).ask(5002)[1] is False

    assert client.ask(5002) == GRANTED
    moved = inventory("sshd", ports=(6001,))
    assert scene.apply(moved, lost=True)["error"] == "not_loaded"
    assert not scene.apply(data)["changed"]
    assert scene.apply(moved)["changed"]
    assert client.still_echoes()
    app.popen([*ssh, "-N", "-D", "127.0.0.1:1081"])
    app.wait_for("tcp/1081")
    newer = Client(app, ("127.0.0.1", 1081))
    assert newer.ask(6002) == GRANTED
    assert newer.ask(5002)[1] is False
    assert scene.apply(moved, state="absent")["changed"]
    assert not scene.read(DROP_IN)


def test_a_host_that_moves_to_the_other_platform_keeps_nothing(scene: Scene, ssh: list[str]) -> None:
    assert ssh
    packaged = scene.read(CONF)
    assert scene.apply(inventory("dante"))["changed"]
    assert scene.apply(inventory("sshd"), exclusive=True)["changed"]
    assert scene.read(CONF) == packaged
    assert not processes(scene)
    assert not scene.apply(inventory("sshd"), exclusive=True)["changed"]
    assert scene.withdraw()["path"] == DROP_IN
    assert not scene.read(DROP_IN)


def test_sshd_that_does_not_read_the_file(scene: Scene, ssh: list[str]) -> None:
    """A file that is not included, and an account whose blocks somebody else wrote first."""
    assert ssh
    host = scene.hosts["bastion"]
    host.run(["tee", "/etc/ssh/sshd_config"], input=SSHD.replace("Include", "# Include"))
    found = scene.apply(inventory("sshd"))
    assert found["error"] == "not_enforced"
    assert "Include /etc/ssh/sshd_config.d/*.conf" in found["text"]
    host.run(["tee", "/etc/ssh/sshd_config"], input=SSHD)
    other = "/etc/ssh/sshd_config.d/00-a.conf"
    host.run(["tee", other], input="Match User relay\n    AllowTcpForwarding yes\n    PermitOpen any\nMatch all\n")
    found = scene.apply(inventory("sshd"))
    assert found["error"] == "not_enforced"
    assert "allowtcpforwarding is yes" in found["text"]
    assert not scene.read(DROP_IN)
    host.run(["rm", other])
