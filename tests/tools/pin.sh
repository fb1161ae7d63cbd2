#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Write tests/constraints.txt: every package that tests/requirements.txt leads to today, with its exact version.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --requirement tests/requirements.txt
{
  echo "# Written by \`make pin\`: every package of the test environment, direct or not, on Python 3.11."
  "$folder/venv/bin/python" -m pip freeze
} >"$folder/constraints.txt"
mv "$folder/constraints.txt" tests/constraints.txt
