# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the vendors' collections where the tests look, and nothing else of the package that has them: vendors.py FOLDER.

They are test dependencies only. The PyPI package ``ansible`` holds them; it is downloaded, not installed, because an
installed one shadows the checkout as ``ansible_collections``, and a fiftieth of it is needed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

RELEASES = {
    "12.3.0": (
        "amazon/aws",
        "ansible/netcommon",
        "ansible/utils",
        "arista/eos",
        "azure/azcollection",
        "cisco/ios",
        "cisco/iosxr",
        "cisco/nxos",
        "fortinet/fortios",
        "google/cloud",
        "junipernetworks/junos",
        "openstack/cloud",
    ),
    # The last one that has it.
    "11.13.0": ("cisco/asa",),
}
"""Releases of the package, exactly, and which collections are taken from each."""

KEPT = ("plugins", "meta", "MANIFEST.json")


def wanted(names: list[str], collections: tuple[str, ...]) -> Iterator[str]:
    """Yield the files of some collections that code needs to run."""
    for name in names:
        parts = name.split("/")
        if parts[0] == "ansible_collections" and "/".join(parts[1:3]) in collections and parts[3] in KEPT:
            yield name


def fetch(version: str, collections: tuple[str, ...], folder: Path) -> None:
    """Download one release and unpack what is wanted of it."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", place, f"ansible=={version}"], check=True)
        (wheel,) = Path(place).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, wanted(archive.namelist(), collections))


def main() -> None:
    """Make the folder anew; its stamp is written last, so that a broken download is done again."""
    folder, started = Path(sys.argv[1]), time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    for version, collections in RELEASES.items():
        fetch(version, collections, folder)
    (folder / ".stamp").write_text("", encoding="utf-8")
    print(f"vendors: {sum(map(len, RELEASES.values()))} collections after {time.monotonic() - started:.0f} s")


main()
