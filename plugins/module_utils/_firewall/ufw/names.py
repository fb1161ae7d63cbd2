# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the own chains in ufw's filter table, and where ufw loads them from.

The rules are chains of their own, with a block in ``before.rules`` and ``before6.rules``, which ufw has for what its
command line cannot say (ufw-framework(8)). They are no tuples in ``user.rules``, because

- ufw accepts established connections before it asks those: a client that is taken out of the declaration would stay
  connected;
- ``ufw insert`` and ``ufw prepend`` put an administrator's rule before every tuple, ``ufw delete NUMBER`` counts them,
  and ``ufw allow`` takes over a tuple that says the same;
- they have no ICMP.

The own chain is the first rule of ``ufw-before-input``. It returns what is not its business, so that ufw goes on as
without it; it accepts the declared peers, which ufw's default policy would drop, and drops everyone else. So do those
in ``ufw-before-output`` and ``ufw-before-forward``; one in ``FORWARD`` itself would outlive ``ufw disable``.
"""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import Layout

LAYOUT = Layout(
    "ufw-dbports-",
    hooks={
        (4, "in"): "ufw-before-input",
        (6, "in"): "ufw6-before-input",
        (4, "out"): "ufw-before-output",
        (6, "out"): "ufw6-before-output",
        (4, "forward"): "ufw-before-forward",
        (6, "forward"): "ufw6-before-forward",
    },
    needs={4: "ufw-user-input", 6: "ufw6-user-input"},
)
"""Of a host that ufw governs. The chains that it needs are there while ufw is active, and only then."""

FILES = {4: "/etc/ufw/before.rules", 6: "/etc/ufw/before6.rules"}
"""What ufw loads before the user's rules, by family."""
