# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what is generated: the files of the roles that hold options, a page for each engine and one for findings.

``gen_docs.py`` writes, ``gen_docs.py --check`` names what is out of date and fails.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
importlib.import_module("conftest")  # makes the checkout importable as the collection

from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines

import engine_docs
import findings_docs
import role_docs


def generated() -> dict[str, str]:
    """Return every generated file by its path below the checkout."""
    engines = builtin_engines()
    files = {"docs/engines/README.md": engine_docs.index(engines)}
    files["docs/findings.md"] = findings_docs.page()
    for role in role_docs.ROLES:
        files[f"roles/{role}/meta/argument_specs.yml"] = role_docs.argument_specs(role, engines)
        files[f"roles/{role}/defaults/main.yml"] = role_docs.defaults(role)
        files[f"roles/{role}/README.md"] = role_docs.readme(role, engines)
    for name, engine in engines.items():
        files[f"docs/engines/{name}.md"] = engine_docs.page(engine, f"plugins/module_utils/_engines/{name}.py")
    return files


def main() -> int:
    """Write, or with --check compare; returns the exit status."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, text in generated().items():
        path = ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print("\n".join(f"{'out of date' if check else 'written'}: {name}" for name in stale))
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
