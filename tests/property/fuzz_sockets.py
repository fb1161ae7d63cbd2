# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let atheris look for texts on which a reader of sockets fails: it keeps what reaches new code, and changes that.

    python tests/property/fuzz_sockets.py 10000000 [--keep FOLDER] [--jobs 2]

Reads the texts in parts, each a process with a seed of its own. With --keep, what reached new code and which parts are
done stays in a folder, so that an interrupted run goes on where it was, unless a reader has changed since. Ends with
status 0, or with 1 and the text that failed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
LONGEST = 2048
"""Bytes of a text: some rows."""

PART = 500_000
"""Texts that one process reads: half a minute."""

READERS = TESTS.parent / "plugins" / "module_utils" / "_netstat"
_READ = re.compile(r"^stat::number_of_executed_units: (\d+)$", re.MULTILINE)


def run_part(count: int, seed: int, corpus: Path) -> None:
    """Read so many texts in this process, and end it."""
    import atheris  # instruments what is imported next

    sys.path[:0] = [str(TESTS), str(TESTS / "support")]
    importlib.import_module("conftest")  # makes the checkout importable as the collection
    with atheris.instrument_imports(include=["ansible_collections.dbports.firewall.plugins.module_utils._netstat"]):
        import socket_texts

    readers = socket_texts.READERS

    def read(data: bytes) -> None:
        """Let one reader, which the first byte names, read the others as a text."""
        number = data[0] if data else 0
        socket_texts.check(data[1:].decode("utf-8", "replace"), readers[number % len(readers)])

    for number, (reader, row) in enumerate(product(range(len(readers)), socket_texts.ROWS)):
        (corpus / str(number)).write_bytes(bytes([reader]) + f"{row}\n".encode())
    arguments = [f"-runs={count}", f"-seed={seed}", f"-max_len={LONGEST}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *arguments, f"-artifact_prefix={corpus}/", str(corpus)], read)
    atheris.Fuzz()


def run_parts(count: int, folder: Path, jobs: int) -> int:
    """Read so many texts, those of parts that are done included, and return the status."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    sizes = dict(enumerate([PART] * (count // PART) + [count % PART] * bool(count % PART), start=1))
    sources = sorted([*READERS.glob("*.py"), TESTS / "support" / "socket_texts.py"])
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    done = {seed: folder / f"done-{version}-{seed}-{size}" for seed, size in sizes.items()}

    def one(seed: int) -> str:
        command = [sys.executable, __file__, str(sizes[seed]), "--part", str(seed), "--keep", str(corpus)]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        found = _READ.search(run.stderr)
        if run.returncode or not found:
            return run.stderr
        done[seed].touch()
        print(f"part {seed} of {len(sizes)}: {found[1]} texts", flush=True)
        return ""

    with ThreadPoolExecutor(jobs) as pool:
        failed = [said for said in pool.map(one, [seed for seed in sizes if not done[seed].exists()]) if said]
    for said in failed:
        print(said[-4000:], file=sys.stderr)
    if not failed:
        print(f"{count} texts were read or refused; {len(list(corpus.iterdir()))} of them each reach code of their own")
    return bool(failed)


def main() -> int:
    """Read as many texts as the command line says, beginning with each row for each reader."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--part", type=int, default=0, help="for the processes of the parts: the seed")
    options = parser.parse_args()
    if options.part:
        run_part(options.count, options.part, options.keep)
    with tempfile.TemporaryDirectory() as place:
        return run_parts(options.count, options.keep or Path(place), options.jobs)


if __name__ == "__main__":
    sys.exit(main())
