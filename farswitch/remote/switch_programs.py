"""The programs that are switches on this server: start one, stop one, list what there is.

    list [CLUSTER]           prints what there is of each program, of one cluster or of all
    start CLUSTER ID         reads a document, starts a program and waits until it is ready; one
                             that is not leaves nothing behind. Prints what there was of it
    stop CLUSTER ID SECONDS  ends a program with all that it started, and removes what it left
    end CLUSTER [ID ...]     does that with all programs of a cluster but these

What is printed is one line of JSON. All of a program is in a folder below /run, which a reboot
empties, but for the file that was uploaded: /run may be mounted noexec, as Debian does it.
Python 3.8 or later.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List  # noqa: UP035 - Python 3.8

from farswitch.remote.port_namespace import PortNamespace
from farswitch.remote.switch_program import Json, end, gone, lives, processes, send

STATES = Path("/run/farswitch-switch")
FILES = Path("/var/lib/farswitch/switch")
WORDS = 1000
"""Bytes of its last words that are printed."""
SLACK = 5.0
"""Seconds beyond its own that a supervisor gets to end, or to begin."""
STUBBORN = 75
"""Our status where a program does not end (EX_TEMPFAIL of sysexits.h)."""
NAMESPACE = "namespace"
"""A folder in the place of an id: the cluster has, or is about to have, a namespace of its own."""
MISSES = 100
"""How often a folder is made again that another run's end takes away meanwhile."""


def read(path: Path) -> Json:
    """Return a document; {} where there is none, or half of one."""
    try:
        document: Json = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document


def indexes(devices: List[str]) -> Dict[str, int]:  # noqa: UP006 - Python 3.8
    """Return the index of each interface; 0 where it is not there."""
    found = {}
    for device in devices:
        try:
            found[device] = socket.if_nametoindex(device)
        except OSError:
            found[device] = 0
    return found


def entry(cluster: str, name: str) -> Json:
    """Return what there is of a program."""
    folder = STATES / cluster / name
    until = time.monotonic() + 1
    while True:
        want, state = read(folder / "want.json"), read(folder / "state.json")
        supervised, alive = lives(state.get("supervisor")), lives(state.get("program"))
        known = alive or not supervised or state.get("ended") is not None or "error" in state
        if known or time.monotonic() > until:  # else its end is just being written
            break
        time.sleep(0.02)
    devices, wish = want.get("indexes", {}), want.get("wish") or {}
    now, faults = indexes(list(devices)), []
    if wish.get("container"):
        space = PortNamespace(wish["container"], cluster)
        seen = space.look(wish["ports"], want.get("table", ""))
        same = seen["number"] == want.get("number")
        now = {device: same and seen["indexes"].get(device, 0) for device in devices}
        faults = seen["faults"]
        if same and seen["guard"] != want.get("guard"):
            faults.append(f"the guard's table '{want.get('table')}' is not as it was made")
    words = b""
    for name_of_file in ("output", "supervisor.log"):
        with contextlib.suppress(OSError):
            words = words or (folder / name_of_file).read_bytes()[-WORDS:]
    return {
        "cluster": cluster,
        "id": name,
        "wish": want.get("wish"),
        "supervised": supervised,
        "alive": alive and state.get("ended") is None,
        "pid": (state.get("program") or {}).get("pid", 0),
        "since": state.get("since", 0.0),
        "age": time.monotonic() - state["began"] if "began" in state else 0.0,
        "ready_after": state.get("ready_after"),
        "ended": state.get("ended"),
        "lasted": state.get("lasted", 0.0),
        "error": state.get("error", ""),
        "restarts": state.get("restarts", 0),
        "sha256": state.get("sha256", ""),
        "stale": [device for device, index in devices.items() if now[device] != index],
        "faults": faults,
        "words": words.decode(errors="replace"),
    }


def listed(cluster: str) -> List[Json]:  # noqa: UP006 - Python 3.8
    """Return what there is of each program."""
    pattern = f"{cluster or '*'}/*"
    found = {path.parts[-2:] for root in (STATES, FILES) for path in root.glob(pattern)}
    entries = [entry(*names) for names in sorted(found)]
    used = {one["cluster"] for one in entries if (one["wish"] or {}).get("container") is True}
    return [one for one in entries if one["id"] != NAMESPACE or one["cluster"] not in used]


def start(cluster: str, name: str, document: Json) -> Json:
    """Start a program, and return what there is of it when it is ready or failed."""
    wish, folder = document["wish"], STATES / cluster / name
    space = PortNamespace(wish["container"], cluster)
    refusal = space.make(folder.with_name(NAMESPACE)) or refused(wish, space)
    if refusal:
        return {"cluster": cluster, "id": name, "wish": wish, "error": refusal}
    ready = False
    try:
        make(folder)
        want = {"wish": wish, "argv": document["argv"], "table": document["table"]}
        (folder / "want.json").write_text(json.dumps(want))  # says where the ports are, from now on
        space.take(wish["ports"], document["guard"])
        if wish["file"]:
            place(FILES / cluster / name, wish["file"], base64.b64decode(document["content"]))
        want.update(space.look(wish["ports"], document["table"]) if wish["container"] else {})
        if not wish["container"]:
            want["indexes"] = indexes([port["device"] for port in wish["ports"]])
        (folder / "ports.json").write_text(json.dumps(wish["ports"]))
        (folder / "want.json").write_text(json.dumps(want))
        (folder / "supervisor.py").write_text(document["supervisor"])
        inside = ["nsenter", f"--net={space.path}", "--"] if wish["container"] else []
        launch(f"farswitch-{cluster}-switch-{name}", folder, wish["stop"], inside)
        found = awaited(cluster, name, wish["ready_timeout"])
        ready = found["alive"] and found["ready_after"] is not None
        return found
    finally:
        if not ready:
            stop(cluster, name, wish["stop"])


def refused(wish: Json, space: PortNamespace) -> str:
    """Return why a program cannot be started here; empty where it can."""
    devices = [port["device"] for port in wish["ports"]]
    there = space.has(devices)
    missing = [f"'{device}'" for device in devices if device not in there]
    if missing:
        return f"there is no interface {', '.join(missing)}"
    try:
        re.compile(wish["ready"] or "")
    except re.error as error:  # this Python may be older than the controller's
        return f"Python {sys.version.split()[0]} of the server does not take 'ready': {error}"
    return ""


def make(folder: Path) -> None:
    """Make a folder; whoever ends the last program removes those above it."""
    for miss in range(MISSES):
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileNotFoundError:
            if miss == MISSES - 1:
                raise
        else:
            return


def place(folder: Path, name: str, content: bytes) -> None:
    """Write the file that comes with a program."""
    make(folder)
    (folder / name).write_bytes(content)
    (folder / name).chmod(0o700)


def has_systemd() -> bool:
    """Return whether systemd runs here, and in our network: that of what it starts."""
    try:
        ours = Path("/proc/1/ns/net").samefile("/proc/self/ns/net")
    except OSError:
        return False
    return ours and Path("/run/systemd/system").is_dir()


def launch(unit: str, folder: Path, stop_seconds: float, inside: List[str]) -> None:  # noqa: UP006
    """Start a supervisor that outlives us and our login; `inside` is what enters its network."""
    argv = [*inside, sys.executable, "-IS", f"{folder}/supervisor.py", "run", str(folder)]
    with (folder / "supervisor.log").open("wb") as log:
        if has_systemd():
            options = ("KillMode=mixed", f"TimeoutStopSec={stop_seconds + SLACK:g}")
            begin = ["systemd-run", "--quiet", "--collect", f"--unit={unit}"]
            begin += [f"--property={option}" for option in options]
            if subprocess.run([*begin, *argv], stdin=subprocess.DEVNULL, check=False).returncode:
                raise SystemExit("systemd-run failed")  # and has said why
        else:
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )


def awaited(cluster: str, name: str, seconds: float) -> Json:
    """Return what there is of a program as soon as it is ready, or will not be any more."""
    begin = time.monotonic()
    while True:
        found = entry(cluster, name)
        begun = found["alive"] or found["ended"] is not None or found["error"]
        if found["ready_after"] is not None or (begun and not found["alive"]):
            return found
        late = found["age"] >= seconds if begun else time.monotonic() > begin + seconds + SLACK
        if late:
            return found
        time.sleep(0.05)


def stop(cluster: str, name: str, seconds: float) -> None:
    """End a program with its supervisor and all that it started, and remove what it left."""
    folder = STATES / cluster / name
    want = read(folder / "want.json")
    supervisors, _ = processes(str(folder))
    send(supervisors, signal.SIGTERM)  # it ends the program, then itself
    if supervisors:
        gone(lambda: processes(str(folder))[0], seconds + SLACK)
    for kind in (0, 1):  # the supervisor first: it would start another one
        if not end(lambda: processes(str(folder))[kind], seconds * kind):  # noqa: B023
            sys.exit(STUBBORN)
    leave(cluster, name, want)
    for root in (STATES, FILES):
        shutil.rmtree(root / cluster / name, ignore_errors=True)
        with contextlib.suppress(OSError):
            (root / cluster).rmdir()
            root.rmdir()


def leave(cluster: str, name: str, want: Json) -> None:
    """Give a program's ports back to the server, unless another program has them in its network."""
    wish = want.get("wish") or {}
    container = True if name == NAMESPACE else wish.get("container")
    for other in (STATES / cluster).glob("*/want.json"):
        if other.parent.name != name and container == read(other)["wish"].get("container"):
            return
    if container:
        devices = [port["device"] for port in wish.get("ports", [])]
        PortNamespace(container, cluster).give_back(devices, want.get("table", ""))
    if container is True:
        PortNamespace(container, cluster).unmark(STATES / cluster / NAMESPACE)


def end_others(cluster: str, spared: List[str]) -> None:  # noqa: UP006 - Python 3.8
    """End all programs of a cluster but some; those that take no SIGTERM get less time for it."""
    for found in listed(cluster):
        if found["id"] not in spared:
            stop(cluster, found["id"], min((found["wish"] or {}).get("stop", 0), SLACK))


def main(action: str, *arguments: str) -> None:
    """Do what is asked, and print what there is."""
    found = []
    if action == "list":
        found = listed(*(arguments or ("",)))
    elif action == "start":
        found = [start(*arguments, json.load(sys.stdin))]  # type: ignore[arg-type, call-arg]
    elif action == "end":
        end_others(arguments[0], list(arguments[1:]))
    else:
        cluster, name, seconds = arguments
        stop(cluster, name, float(seconds))
    print(json.dumps({"programs": found}), flush=True)


if __name__ == "__main__":
    os.umask(0o077)
    main(*sys.argv[1:])
