#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# mypy --strict over the whole collection and the tools of its tests: types.sh VENV_BIN BUILD
# The imports are absolute (ansible_collections.dbports.firewall...), so mypy needs a tree in which they lead here.
set -euo pipefail
bin=$1
tree=$2/types
mkdir -p "$tree/ansible_collections/dbports"
ln -sfn "$PWD" "$tree/ansible_collections/dbports/firewall"
tools=$PWD/tests/tools
settings=$PWD/pyproject.toml
cd "$tree"
export MYPYPATH=$tree:$tools
"$bin/mypy" --config-file "$settings" --strict --cache-dir "$tree/.mypy_cache" \
  ansible_collections/dbports/firewall/plugins "$tools"
