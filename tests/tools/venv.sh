#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Make a virtual environment with exactly the pinned packages: venv.sh FOLDER REQUIREMENTS
# FOLDER/.stamp is written last, so that a broken install is done again.
set -euo pipefail
folder=$1
requirements=$2
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "venv: ansible-core 2.19 needs Python 3.11 or later on the controller, and $python is $("$python" -V 2>&1)." >&2
  echo "venv: name another one: make PYTHON=python3.11 ..." >&2
  exit 1
fi
started=$SECONDS
echo "venv: $folder from $requirements"
rm -rf "$folder"
"$python" -m venv "$folder"
# pip's "Location ... is ignored" lines come from a machine's own index settings and say nothing about this project.
"$folder/bin/python" -m pip install --quiet --requirement "$requirements" --constraint tests/constraints.txt \
  2> >(grep -v 'is ignored: it is neither a file nor a directory' >&2)
"$folder/bin/python" -m pip --version >"$folder/.stamp"
echo "venv: $folder is ready after $((SECONDS - started)) s"
