"""Print what Open vSwitch has on this machine, as one line of JSON; change nothing.

Arguments: the name of a bridge, or nothing; `system` where the kernel's datapath is wanted.
Standard input: the flows that the bridge should have, if any.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys

PROGRAMS = ("ovs-vsctl", "ovs-appctl", "ovs-ofctl", "ovsdb-client")
FILE = "/etc/openvswitch/conf.db"
"""Where Debian, Ubuntu, Fedora and RHEL have the database, or a link to it."""
COLUMNS = {
    "Open_vSwitch": ["other_config"],
    "Bridge": [
        *("name", "datapath_type", "fail_mode", "other_config", "external_ids"),
        *("controller", "ports"),
    ],
    "Port": ["_uuid", "name", "external_ids", "interfaces"],
    "Interface": ["_uuid", "name", "ofport", "error", "external_ids"],
    "Controller": ["_uuid", "target", "is_connected"],
}
SECONDS = "5"
NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME = 16, 16, 3, 2
"""Of <linux/netlink.h> and <linux/genetlink.h>."""
NLM_F_REQUEST, NLMSG_ERROR = 1, 2


def run(*argv: str, given: str = "") -> tuple[int, str, str]:
    """Return status, output and errors of a program, without what it logs."""
    quiet = {**os.environ, "LC_ALL": "C"}
    pipe = subprocess.PIPE
    done = subprocess.run(
        argv, input=given, stdout=pipe, stderr=pipe, text=True, env=quiet, check=False
    )
    lines = [line for line in done.stderr.splitlines() if "|" not in line]
    return done.returncode, done.stdout, "\n".join(lines).strip()


def transaction() -> str:
    """Return one that reads (RFC 7047, section 5.2)."""
    selects = [
        {"op": "select", "table": table, "where": [], "columns": columns}
        for table, columns in COLUMNS.items()
    ]
    return json.dumps(["Open_vSwitch", *selects])


def rows(*argv: str) -> tuple[dict[str, object] | None, str]:
    """Return the rows of each table, or none and why."""
    status, printed, errors = run(*argv, transaction())
    if status != 0:
        return None, errors
    return {
        table: part["rows"]
        for table, part in zip(COLUMNS, json.loads(printed))  # noqa: B905
    }, ""


def has_family(name: str) -> bool:
    """Return whether generic netlink has a family; the kernel loads its module where it can."""
    attribute = struct.pack("=HH16s", 20, CTRL_ATTR_FAMILY_NAME, name.encode())
    body = struct.pack("=BBH", CTRL_CMD_GETFAMILY, 1, 0) + attribute
    header = struct.pack("=IHHII", 16 + len(body), GENL_ID_CTRL, NLM_F_REQUEST, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as kernel:
            kernel.settimeout(float(SECONDS))
            kernel.send(header + body)
            kind: int = struct.unpack_from("=4xH", kernel.recv(1 << 16))[0]
    except OSError:
        return False
    return kind != NLMSG_ERROR


def flows(bridge: str, wanted: str) -> tuple[str, str]:
    """Return how the flows of a bridge differ from those that are wanted, and what is no flow."""
    status, _, errors = run("ovs-ofctl", "parse-flows", "-", given=wanted)
    if status != 0:
        return "", errors or "ovs-ofctl does not take them"
    _, differences, errors = run("ovs-ofctl", "diff-flows", bridge, "/dev/stdin", given=wanted)
    return differences or errors, ""


def main() -> None:
    """Print it."""
    (bridge, datapath), wanted = sys.argv[1:], sys.stdin.read()
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    state: dict[str, object] = {"missing": missing}
    if not missing:
        read, refusal = rows("ovsdb-client", f"--timeout={SECONDS}", "query")
        _, version, silence = run("ovs-appctl", "-T", SECONDS, "version")
        state.update(running=read is not None, refusal=refusal, version=version, silence=silence)
        if read is None and os.path.exists(FILE):  # noqa: PTH110
            read, _ = rows("ovsdb-tool", "query", FILE)
        # Where nobody wants it, the question must not load its module.
        state.update(rows=read or {}, kernel=datapath == "system" and has_family("ovs_datapath"))
        state["links"] = {name: index for index, name in socket.if_nameindex()}
        if wanted:
            state["differences"], state["mistake"] = flows(bridge, wanted)
    print(json.dumps(state))


if __name__ == "__main__":
    main()
