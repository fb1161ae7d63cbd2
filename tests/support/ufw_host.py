# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a lab host gets a ufw of its own."""

INSTALL = """
set -e
rm -rf /etc/ufw /etc/default /etc/alternatives
mkdir -p /etc/ufw/applications.d /etc/default
cp -a /run/etc-below/alternatives /etc/alternatives
cp /usr/share/ufw/iptables/*.rules /usr/share/ufw/ufw.conf /etc/ufw
chmod 640 /etc/ufw/*.rules
sed 's/^IPT_SYSCTL=/#&/' /run/etc-below/default/ufw >/etc/default/ufw
printf '[App]\\ntitle=App\\ndescription=App\\nports=8080,8443/tcp\\n' >/etc/ufw/applications.d/app
for program in iptables ip6tables; do
  for part in "" -save -restore; do
    ln -sf "$(command -v "$program-$1$part")" "/etc/alternatives/$program$part"
  done
done
ufw default reject incoming
ufw allow 22/tcp
ufw allow 1433
ufw allow 53/udp
ufw limit 2222/tcp comment limited
ufw allow App
ufw route allow proto tcp from 192.0.2.0/24 to any port 8080
ufw deny from 198.51.100.0/24 to any port 1433 proto tcp
ufw --force enable
"""
"""What an administrator does, as ufw's package and a manual page tell it; ``$1`` is the variant of iptables."""
