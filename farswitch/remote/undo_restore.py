"""Takes away again the rules that were given back to nft's chains, in one transaction.

Standard input is [last, after] as JSON: for each chain [family, table, name] the handle of its last
rule from before, and the commands of nft that follow. The kernel numbers the rules of a table
upwards: what came after the last one was given back.
"""

from __future__ import annotations

import json
import subprocess
import sys

from farswitch.remote.nft_kernel import listing, tables


def main() -> int:
    """Return the status of nft."""
    last, after = json.load(sys.stdin)
    handles = {tuple(chain): handle for chain, handle in last}
    gone = []
    for listed in listing(tables()):
        rule = listed.get("rule", {})
        place = {key: rule.get(key) for key in ("family", "table", "chain")}
        if rule and rule["handle"] > handles.get(tuple(place.values()), rule["handle"]):
            gone.append({"delete": {"rule": {**place, "handle": rule["handle"]}}})
    document = json.dumps({"nftables": [*gone, *after]}).encode()
    return subprocess.run(["nft", "-j", "-f", "-"], input=document, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
