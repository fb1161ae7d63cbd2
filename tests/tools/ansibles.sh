#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Make virtual environments with other releases of ansible-core for the first hour: ansibles.sh FOLDER
# FOLDER/RELEASE for each one that a Python at hand can run; the others are named. Made once and kept.
set -euo pipefail
folder=$1
mkdir -p "$folder"
exec 9>"$folder/.lock"
flock 9

# Releases of ansible-core with the oldest and the newest Python (3.N) of a controller.
while read -r release oldest newest; do
  found=
  for python in "${PYTHON:-python3}" python3.{11,12,13,14}; do
    if "$python" -c "import sys, venv; sys.exit(not $oldest <= sys.version_info[1] <= $newest)" 2>/dev/null; then
      found=$python
      break
    fi
  done
  if [[ -z $found ]]; then
    echo "ansibles: no Python 3.$oldest to 3.$newest here for ansible-core $release, which is left out"
  elif [[ ! -e $folder/$release/.stamp ]]; then
    rm -rf "${folder:?}/$release"
    "$found" -m venv "$folder/$release"
    "$folder/$release/bin/python" -m pip install --quiet "ansible-core==$release" netaddr==1.3.0 \
      2> >(grep -v 'is ignored: it is neither a file nor a directory' >&2)
    touch "$folder/$release/.stamp"
    echo "ansibles: ansible-core $release with $("$found" -V)"
  fi
done <<'RELEASES'
2.18.19 11 13
2.20.10 12 14
2.21.5 12 14
RELEASES
