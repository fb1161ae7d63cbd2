# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let atheris look for texts on which a reader of sockets fails: it keeps what reaches new code, and changes that.

    python tests/property/fuzz_sockets.py 10000000

It ends with status 0, or prints the text that failed.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from itertools import product
from pathlib import Path

import atheris

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "support")]
importlib.import_module("conftest")  # makes the checkout importable as the collection
with atheris.instrument_imports(include=["ansible_collections.dbports.firewall.plugins.module_utils._netstat"]):
    import socket_texts

LONGEST = 2048
"""Bytes of a text: some rows."""


def read(data: bytes) -> None:
    """Let one reader, which the first byte names, read the others as a text."""
    number = data[0] if data else 0
    reader = socket_texts.READERS[number % len(socket_texts.READERS)]
    socket_texts.check(data[1:].decode("utf-8", "replace"), reader)


def main() -> None:
    """Read as many texts as the command line says, beginning with each row for each reader."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, (reader, row) in enumerate(product(range(len(socket_texts.READERS)), socket_texts.ROWS)):
            Path(corpus, str(number)).write_bytes(bytes([reader]) + f"{row}\n".encode())
        arguments = [f"-runs={int(sys.argv[1])}", "-seed=1", f"-max_len={LONGEST}", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *arguments, f"-artifact_prefix={corpus}/", corpus], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
