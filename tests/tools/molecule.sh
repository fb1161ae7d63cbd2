#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run a scenario of Molecule with podman in a network of its own: molecule.sh nftables [test]
#
# The bridge between the containers, and whatever podman does to a firewall for it, live in a private network
# namespace: nothing is changed in the machine's own, and no packet leaves the documentation networks.
# That namespace ends with this script, so a whole sequence (`test`) belongs into one call.
set -euo pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
root=$(cd "$(dirname "$0")/../.." && pwd)
scenario=${1:?usage: molecule.sh SCENARIO [COMMAND]}
command=${2:-test}
stage=${DBPORTS_MOLECULE_STAGE:-outside}

# Say whether crun would refuse these cgroups: in the hybrid layout v2 hangs below v1; without that mount it sees v1.
hybrid() {
  mountpoint -q /sys/fs/cgroup/unified
}

case "$stage" in
  outside)
    export DBPORTS_MOLECULE_STAGE=mounts
    [ "$(id -u)" -ne 0 ] || exec unshare --mount "$0" "$@"
    if hybrid; then
      echo "molecule: with hybrid cgroups podman runs systemd only for root" >&2
      exit 1
    fi
    exec "$0" "$@"
    ;;
  mounts)
    export DBPORTS_MOLECULE_STAGE=network DBPORTS_IMAGE_BOOKWORM DBPORTS_IMAGE_TRIXIE
    ! hybrid || umount /sys/fs/cgroup/unified
    if [ "$(id -u)" -eq 0 ]; then
      # Networks, addresses in use and network namespaces are noted here. Scenarios that run at once have the same
      # addresses, each in a network namespace of its own, and the notes of a run that was killed would outlive it.
      for notes in /etc/containers/networks /run/containers/networks /run/netns; do
        mkdir -p "$notes"
        mount -t tmpfs tmpfs "$notes"
      done
    fi
    # Here, where packages can be fetched.
    DBPORTS_IMAGE_BOOKWORM=$("$root/tests/tools/image.sh" bookworm)
    DBPORTS_IMAGE_TRIXIE=$("$root/tests/tools/image.sh" trixie)
    [ "$(id -u)" -ne 0 ] || exec unshare --net "$0" "$@"
    exec 8>"${TMPDIR:-/tmp}/dbports-molecule-$UID.lock"
    flock 8  # without root podman has one network namespace for all scenarios
    exec podman unshare --rootless-netns "$0" "$@"
    ;;
  network)
    ip link set lo up
    ;;
esac

# podman asks for more than a machine without CAP_SYS_RESOURCE may give.
DBPORTS_ULIMITS=
capabilities=$((16#$(awk '/^CapEff:/{print $2}' /proc/self/status)))
if [ $((capabilities >> 24 & 1)) -eq 0 ]; then
  DBPORTS_ULIMITS='--ulimit=nofile=4096:4096 --ulimit=nproc=4096:4096'
fi
export DBPORTS_ULIMITS
export ANSIBLE_HOME=${ANSIBLE_HOME:-$root/.build/ansible}
export ANSIBLE_COLLECTIONS_PATH=${ANSIBLE_COLLECTIONS_PATH:-$root/.build/collections}
export MOLECULE_EPHEMERAL_DIRECTORY=$root/.build/molecule/$scenario
cd "$root"

# A connection that an earlier run left open leads into containers that are gone: every run keeps to its own.
ANSIBLE_SSH_CONTROL_PATH_DIR=$(mktemp -d)
export ANSIBLE_SSH_CONTROL_PATH_DIR
log=$(mktemp)

# The collection as it is now: a build in the meantime must not change it under a run.
if [ -d "$root/.build/collections" ]; then
  mkdir -p "$MOLECULE_EPHEMERAL_DIRECTORY"
  rm -rf "$MOLECULE_EPHEMERAL_DIRECTORY/collections"
  cp -a "$root/.build/collections" "$MOLECULE_EPHEMERAL_DIRECTORY/collections"
  export ANSIBLE_COLLECTIONS_PATH=$MOLECULE_EPHEMERAL_DIRECTORY/collections
fi

# A run that stands still ends after a while, and its ansible-playbook processes say where they stood.
export PYTHONFAULTHANDLER=1
limit=${DBPORTS_MOLECULE_LIMIT:-1200}
(
  sleep "$limit" &
  trap 'kill $!; exit' TERM
  wait
  echo "molecule: no end after $limit s" >&2
  pkill -ABRT -f "ansible-playbook --inventory $MOLECULE_EPHEMERAL_DIRECTORY" || true
) &
watchdog=$!

finish() {
  kill "$watchdog" 2>/dev/null || true
  for master in "$ANSIBLE_SSH_CONTROL_PATH_DIR"/*; do
    [ ! -S "$master" ] || ssh -O exit -o ControlPath="$master" nobody 2>/dev/null || true
  done
  rm -rf "$log" "$ANSIBLE_SSH_CONTROL_PATH_DIR"
}
trap finish EXIT
molecule --base-config molecule/shared/base.yml "$command" -s "$scenario" 2>&1 | tee "$log"

# Molecule passes over a step that has no playbook or no tests, and calls that a success.
if sed 's/\x1b\[[0-9;]*m//g' "$log" \
  | grep -E '(predict|converge|idempotence|side_effect|verify): .*(Missing|Skipped|Disabled)|Skipping, no tests found'; then
  echo "molecule: steps were passed over, which counts as failed" >&2
  exit 1
fi
