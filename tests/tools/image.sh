#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Have the Molecule image of a Debian release in podman's local storage and print its name: image.sh bookworm|trixie
#
# It holds every firewall that the collection supports, all of them off; a scenario turns its own on.
# The image is made once and kept under a digest of how it is made:
#   DBPORTS_IMAGE_FROM=mmdebstrap   (the default) from Debian's packages, no image registry needed
#   DBPORTS_IMAGE_FROM=registry     from docker.io/library/debian
set -euo pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
from=${DBPORTS_IMAGE_FROM:-mmdebstrap}
suite=${1:?usage: image.sh bookworm|trixie}
packages=(systemd systemd-sysv dbus python3 iproute2 net-tools openssh-server ca-certificates
  nftables firewalld ufw iptables ipset conntrack)
services="nftables.service firewalld.service ufw.service"
if [ "$suite" = bookworm ]; then  # trixie has no Dante
  packages+=(dante-server)
  services+=" danted.service"
fi
podman=${PODMAN:-podman}

digest=$({ cat "$0"; echo "$from $suite"; } | sha256sum | cut -c1-16)
image=localhost/dbports-molecule-$suite:$digest
echo "$image"
exec 9>"${TMPDIR:-/tmp}/dbports-image-$UID.lock"
flock 9  # scenarios that start together build it once
if "$podman" image exists "$image"; then
  exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
list=$(IFS=,; echo "${packages[*]}")
case "$from" in
  mmdebstrap)
    echo "image: building Debian $suite with mmdebstrap" >&2
    mmdebstrap --quiet --variant=minbase --include="$list" "$suite" "$folder/rootfs.tar" >&2
    printf 'FROM scratch\nADD rootfs.tar /\n' >"$folder/Containerfile"
    ;;
  registry)
    echo "image: building from docker.io/library/debian:$suite" >&2
    cat >"$folder/Containerfile" <<END
FROM docker.io/library/debian:$suite
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${packages[*]} \
 && rm -rf /var/lib/apt/lists/*
END
    ;;
  *) echo "image: DBPORTS_IMAGE_FROM is mmdebstrap or registry, not $from" >&2; exit 2 ;;
esac
# What a container has no device for would only wait; sshd makes the host keys of each container at its first start.
echo "RUN systemctl disable $services" >>"$folder/Containerfile"
cat >>"$folder/Containerfile" <<'END'
RUN systemctl mask systemd-udevd.service systemd-modules-load.service systemd-timesyncd.service getty.target \
      console-getty.service systemd-logind.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer \
 && mkdir -p /etc/systemd/system/ssh.service.d && printf '%s\n' '[Service]' 'ExecStartPre=' \
      'ExecStartPre=/usr/bin/ssh-keygen -A' 'ExecStartPre=/usr/sbin/sshd -t' \
      >/etc/systemd/system/ssh.service.d/keys.conf \
 && systemctl enable ssh.service \
 && rm -f /etc/ssh/ssh_host_*_key* /etc/machine-id && touch /etc/machine-id \
 && mkdir -p -m 700 /root/.ssh
CMD ["/sbin/init"]
END
"$podman" build --quiet --network=host --tag "$image" "$folder" >&2
