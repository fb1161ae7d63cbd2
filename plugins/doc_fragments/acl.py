# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters that write access lists of devices have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The list and the numbers of its lines."""

    DOCUMENTATION = r"""
options:
  origin:
    description:
      - Only packets from this network, as C(from) in the plan's file. A list for one direction of one interface needs
        it.
    type: str
    default: ''
  target:
    description:
      - Only packets to this network, as C(to) in the plan's file.
    type: str
    default: ''
notes:
  - Remarks name the host, the endpoint and the reason. Everything but letters, digits, parentheses and C(._:/,=+-) is
    left out, and what is longer than the device takes is cut off. A list, name or number that the device does not take
    is an error that names the limit.
  - The data are tested with the vendor's own classes, not with a device.
"""

    LIST = r"""
options:
  name:
    description:
      - The name of the list.
    type: str
    required: true
  mode:
    description:
      - V(entries) is a block of entries in a list that has other entries too. Each has a remark or, on Junos, a name
        that begins with C(dbports).
      - V(whole) is a list that has no other entries.
    type: str
    default: entries
    choices: [entries, whole]
"""

    END = r"""
options:
  end:
    description:
      - What happens to all other packets at the end of a whole list. It has to be given with O(mode=whole), and only
        then.
    type: str
    choices: [permit, deny]
"""

    IPV6 = r"""
options:
  ipv6_name:
    description:
      - The name of the list for IPv6. If omitted, it is O(name) followed by C(-v6).
    type: str
"""

    SEQUENCES = r"""
options:
  first:
    description:
      - The sequence number of the first line, the beginning of the reserved block, which has no end.
    type: int
    default: 50000
  step:
    description:
      - The distance between sequence numbers.
    type: int
    default: 10
"""
