# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for get-pip.py, which ansible-test wants from a host of its own: pip comes from Python and PyPI instead.

ansible-test runs it with pip's options and ``pip==X`` in a fresh virtual environment, and its own launcher runs this
file in place of pip for every later command too.
"""

from __future__ import annotations

import subprocess
import sys

ASKED = [item for item in sys.argv[1:] if item not in ("--no-setuptools", "--no-wheel")]

subprocess.run([sys.executable, "-m", "ensurepip", "--upgrade", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *ASKED], check=False).returncode)
