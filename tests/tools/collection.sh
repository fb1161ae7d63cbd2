#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the collection and install it where the tests look: collection.sh VENV_BIN BUILD
# ansible-galaxy knows nothing of .gitignore: galaxy.yml's build_ignore decides, and check_build.py judges the result.
set -euo pipefail
bin=$1
build=$2
mkdir -p "$build"
exec 9>"$build/.lock"
flock 9  # parts of `make test` run side by side and may all come here
started=$SECONDS
rm -f "$build"/dbports-firewall-*.tar.gz
"$bin/ansible-galaxy" collection build --force --output-path "$build" >"$build/build.log" 2>&1 \
  || { cat "$build/build.log" >&2; exit 1; }
"$bin/ansible-galaxy" collection install --force --no-deps --offline --collections-path "$build/collections" \
  "$build"/dbports-firewall-*.tar.gz >>"$build/build.log" 2>&1 || { cat "$build/build.log" >&2; exit 1; }
touch "$build/collections/.stamp"
echo "collection: built and installed under ${build#"$PWD"/} in $((SECONDS - started)) s"
