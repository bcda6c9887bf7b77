"""Prints the rules of all firewall tools of a server, as JSON.

`missing` is the program that is needed and not there. Else `rules` has what nft lists, and `tables`
and `chains` what it does not; `text` is nft's text of the same; `saved` has what the other tools'
save programs print; `filters` those of tc, by device and hook, `tcx` the programs that tc does not
list, and `links` the devices, where one has an XDP program. `steady` says whether nobody changed a
rule meanwhile. A legacy tool makes its tables by looking at them: it is asked only where the kernel
has some.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from farswitch.remote.nft_kernel import chains, generation, listing, tables
from farswitch.remote.tcx_programs import programs

NFT_TOOLS = ("iptables-nft", "ip6tables-nft", "ebtables-nft")
LEGACY_TOOLS = {
    "iptables-legacy": ("/proc/net/ip_tables_names", ""),
    "ip6tables-legacy": ("/proc/net/ip6_tables_names", ""),
    "ebtables-legacy": ("/proc/modules", "ebtable_"),
}
"""Where the kernel names what each has, and what such a line starts with."""
PLAIN = ("noqueue", "pfifo_fast", "mq", "fq", "fq_codel")
"""Queueing disciplines that have no filters."""


def output(*argv: str) -> str:
    """Return what a program prints."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    return done.stdout.decode(errors="replace")


def saved(tool: str) -> str:
    """Return what a tool saves; end where a legacy one fails, whose other rules nobody knows."""
    done = subprocess.run([f"{tool}-save"], stdout=subprocess.PIPE, check=False)
    if done.returncode and tool in LEGACY_TOOLS:
        sys.exit(f"{tool}-save ended with status {done.returncode}: not all of its rules are known")
    return done.stdout.decode(errors="replace")


def used(place: str, start: str) -> bool:
    """Tell whether a file of the kernel's has such a line."""
    path = Path(place)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return any(line.startswith(start) for line in lines)


def hooks() -> list[list[str]]:
    """Return device and hook wherever filters of tc may be; `root` is where packets leave."""
    found: list[list[str]] = []
    if shutil.which("tc") is None:
        return found
    for line in output("tc", "qdisc", "show").splitlines():
        kind, device = line.split()[1], line.partition(" dev ")[2].split()[0]
        if kind in {"clsact", "ingress"}:
            found.append([device, "ingress"])
        if kind == "clsact":
            found.append([device, "egress"])
        elif kind not in PLAIN and " root " in f"{line} ":
            found.append([device, "root"])
    return found


def filters(device: str, hook: str) -> list[str]:
    """Return device and hook, and their filters as JSON and as text."""
    where = ["filter", "show", "dev", device, *([] if hook == "root" else [hook])]
    return [device, hook, output("tc", "-j", *where), output("tc", *where)]


def main() -> None:
    """Print all."""
    needed = ["nft", *(f"{tool}-save" for tool, lines in LEGACY_TOOLS.items() if used(*lines))]
    missing = [program for program in needed if shutil.which(program) is None]
    if missing:
        print(json.dumps({"missing": missing[0]}))
        return
    before, known = generation(), tables()
    tools = [tool for tool in NFT_TOOLS if shutil.which(f"{tool}-save")]
    tools += [program[: -len("-save")] for program in needed[1:]]
    links = output("ip", "-j", "link", "show")
    print(
        json.dumps(
            {
                "rules": listing(known),
                "tables": known,
                "chains": [chain for chain in chains() if chain[3]],
                "text": output("nft", "-a", "list", "ruleset"),
                "saved": {tool: saved(tool) for tool in tools},
                "filters": [filters(*hook) for hook in hooks()],
                "links": json.loads(links) if '"xdp"' in links else [],
                "tcx": programs(),
                "steady": generation() == before,
            }
        )
    )


if __name__ == "__main__":
    main()
