#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Make sure that the system tools of one purpose are here: need.sh demo|test
# Missing ones are installed when this is root on Debian or a relative; otherwise the exact command is printed and the
# answer is 1. Nothing is installed that is not missing.
set -euo pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"  # an ordinary user on Debian has no sbin on PATH

case "${1:-}" in
  demo) wanted=(ip:iproute2 nft:nftables netstat:net-tools unshare:util-linux) ;;
  test) wanted=(ip:iproute2 nft:nftables netstat:net-tools unshare:util-linux git:git ssh:openssh-client
          /usr/sbin/sshd:openssh-server
          ssh-keygen:openssh-client podman:podman crun:crun mmdebstrap:mmdebstrap newuidmap:uidmap iptables:iptables
          /usr/lib/podman/netavark:netavark busybox:busybox ufw:ufw chromium:chromium
          chromedriver:chromium-driver strace:strace tsql:freetds-bin
          pg_createcluster:postgresql psql:postgresql-client mariadbd:mariadb-server mariadb:mariadb-client
          /usr/sbin/firebird:firebird3.0-server isql-fb:firebird3.0-utils danted:dante-server etcd:etcd-server etcdctl:etcd-client)
        [ "$(id -u)" -eq 0 ] || wanted+=(slirp4netns:slirp4netns) ;;  # rootless podman's way out
  *) echo "usage: $0 demo|test" >&2; exit 2 ;;
esac

missing=()
for pair in "${wanted[@]}"; do
  tool=${pair%%:*}
  package=${pair#*:}
  command -v "$tool" >/dev/null || missing+=("$package")
done
# Debian splits venv and its pip off the interpreter; a pyenv or source build has both.
"${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
[ "${#missing[@]}" -gt 0 ] || exit 0

mapfile -t packages < <(printf '%s\n' "${missing[@]}" | sort -u)
install=(apt-get install -y --no-install-recommends "${packages[@]}")
if [ "$(id -u)" -eq 0 ] && [ -e /etc/debian_version ]; then
  echo "need: installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # What is installed for its programs must not start its services: sshd, a firewall.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  if ! { apt-get update && "${install[@]}"; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "need: could not install ${packages[*]}" >&2
    exit 1
  fi
  rm -f "$log"
else
  echo "need: these system packages are missing: ${packages[*]}" >&2
  echo "need: run this once, then make again:" >&2
  echo "    sudo apt-get update && sudo DEBIAN_FRONTEND=noninteractive ${install[*]}" >&2
  exit 1
fi
