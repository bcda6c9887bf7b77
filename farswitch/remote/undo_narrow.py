"""Removes the rules with a mark from one chain of nft: MARK, FAMILY, TABLE and CHAIN."""

from __future__ import annotations

import json
import subprocess
import sys

ATTEMPTS = 5
"""How often it lists and removes: where another program takes a rule first, nft removes none."""


def main() -> int:
    """Return 0 where none is left, else the status of nft."""
    mark, family, table, name = sys.argv[1:]
    place = {"family": family, "table": table}
    status = 0
    for _ in range(ATTEMPTS):
        listed = nft({"list": {"chain": {**place, "name": name}}})
        if listed.returncode != 0:
            return listed.returncode
        entries = json.loads(listed.stdout.decode())["nftables"]
        rules = [entry["rule"] for entry in entries if "rule" in entry]
        gone = [
            {"delete": {"rule": {**place, "chain": name, "handle": rule["handle"]}}}
            for rule in rules
            if rule.get("comment") == mark
        ]
        status = nft(*gone).returncode if gone else 0
        if status == 0:
            break
    return status


def nft(*commands: object) -> subprocess.CompletedProcess[bytes]:
    """Run one transaction.

    In JSON: as words nft takes no name that is one of its own, such as `log`.
    """
    document = json.dumps({"nftables": commands}).encode()
    argv = ["nft", "-j", "-f", "-"]
    return subprocess.run(argv, input=document, stdout=subprocess.PIPE, check=False)


if __name__ == "__main__":
    sys.exit(main())
