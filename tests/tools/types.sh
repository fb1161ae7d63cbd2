#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# mypy --strict over the code that decides: types.sh VENV_BIN BUILD
# The imports are absolute (ansible_collections.dbports.firewall...), so mypy needs a tree in which they lead here.
set -euo pipefail
bin=$1
tree=$2/types
mkdir -p "$tree/ansible_collections/dbports"
ln -sfn "$PWD" "$tree/ansible_collections/dbports/firewall"
cd "$tree"
settings=$OLDPWD/pyproject.toml
base=ansible_collections/dbports/firewall/plugins
roots=("$base/module_utils")
[ -z "$(find "$base/plugin_utils/" -name '*.py')" ] || roots+=("$base/plugin_utils")
MYPYPATH=$tree "$bin/mypy" --config-file "$settings" --strict --cache-dir "$tree/.mypy_cache" "${roots[@]}"
