# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that a built collection holds what its users need, and nothing else.

python tests/tools/check_build.py .build/dbports-firewall-VERSION.tar.gz
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path, PurePosixPath

FILES = {
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "COPYING",
    "FILES.json",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
    "requirements.txt",
}
FOLDERS = {"changelogs", "docs", "meta", "playbooks", "plugins", "roles"}
REQUIRED = FILES | {
    "meta/execution-environment.yml",
    "meta/runtime.yml",
    "plugins/module_utils/_ports.py",
    "plugins/plugin_utils/_output/page/report.html.j2",
    "plugins/plugin_utils/_output/page/report.css",
    "plugins/plugin_utils/_output/page/report.js",
}
LEFTOVERS = {"__pycache__", "dbports-plan"}


def complaints(members: list[tarfile.TarInfo]) -> list[str]:
    """Return a sentence for everything that is wrong with the members of a tarball."""
    found = []
    for member in members:
        path = PurePosixPath(member.name)
        top = path.parts[0]
        known = FOLDERS if member.isdir() or len(path.parts) > 1 else FILES
        if top not in known:
            found.append(f"{path}: users have no need of it; add it to build_ignore in galaxy.yml")
        elif LEFTOVERS & set(path.parts) or path.suffix in {".pyc", ".actual", ".retry"}:
            found.append(f"{path}: a leftover of some run")
        elif any(part.startswith(".") for part in path.parts):
            found.append(f"{path}: a hidden file")
        elif not (member.isfile() or member.isdir()):
            found.append(f"{path}: neither a file nor a folder")
    names = {str(PurePosixPath(member.name)) for member in members}
    found += [f"{name}: missing" for name in sorted(REQUIRED - names)]
    return found


def main() -> int:
    """Judge the tarball named on the command line; return 0 when it is right."""
    tarball = Path(sys.argv[1])
    with tarfile.open(tarball) as archive:
        members = archive.getmembers()
    found = complaints(members)
    for line in found:
        print(f"{tarball.name}: {line}", file=sys.stderr)
    files = sum(member.isfile() for member in members)
    print(f"build: {tarball.name} has {files} files, {tarball.stat().st_size // 1024} KiB, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
