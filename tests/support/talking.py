# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections between lab hosts that are held open, and in which either side speaks when it is told to."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

from lab import LabHost

TALK = """
import socket, sys
role, own, own_port, other, other_port = sys.argv[1:]
family = socket.AF_INET6 if ":" in own else socket.AF_INET
if role == "listens":
    waiting = socket.create_server((own, int(own_port)), family=family)
    print("ready", flush=True)
    peer = waiting.accept()[0]
else:
    peer = socket.socket(family)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    peer.bind((own, int(own_port)))
    peer.settimeout(60)
    peer.connect((other, int(other_port)))
print("connected", flush=True)
for line in sys.stdin:
    word, _, seconds = line.partition(" ")
    try:
        if word.strip() == "say":
            peer.sendall(b"x" * 200_000)
            answer = "said"
        else:
            peer.settimeout(float(seconds))
            count, missing = 0, 200_000
            while missing and (piece := peer.recv(missing)):
                missing -= len(piece)
            answer = "heard" if not missing else "ended"
    except TimeoutError:
        answer = "silence"
    except OSError:
        answer = "ended"
    print(answer, flush=True)
"""
"""One end of a connection that speaks, more than a window without scaling holds, and listens when it is told to."""


class End(NamedTuple):
    """One end of a connection: the host's process."""

    process: subprocess.Popen[str]

    def order(self, text: str) -> None:
        """Tell it to ``say``, or to ``hear SECONDS``."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """Return its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def talk(opener: tuple[LabHost, str, int], listener: tuple[LabHost, str, int]) -> tuple[End, End]:
    """Open a connection from a host, address and port to another; return both ends, the opener's first."""

    def start(host: LabHost, *arguments: str) -> End:
        program = [sys.executable, "-c", TALK, *arguments]
        return End(host.popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    (here, source, source_port), (there, address, port) = opener, listener
    waiting = start(there, "listens", address, str(port), source, str(source_port))
    assert waiting.answer() == "ready"
    opening = start(here, "opens", source, str(source_port), address, str(port))
    assert (opening.answer(), waiting.answer()) == ("connected", "connected")
    return opening, waiting


def passes(speaker: End, hearer: End, seconds: str) -> str:
    """Let one end speak, and return what the other one hears: ``heard``, ``silence`` or ``ended``."""
    hearer.order(f"hear {seconds}")
    speaker.order("say")
    found = hearer.answer()
    if found == "heard":
        assert speaker.answer() == "said"
    return found
