"""Become ovs-vsctl with the arguments that standard input has as JSON.

Those of a thousand ports are more than a login's command line takes (MAX_ARG_STRLEN, 128 KiB).
"""

from __future__ import annotations

import json
import os
import sys

if __name__ == "__main__":
    os.execvp("ovs-vsctl", ["ovs-vsctl", *json.load(sys.stdin)])  # noqa: S606 (no shell is wanted)
