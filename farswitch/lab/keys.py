"""The lab's ssh keys: one for the controller, one for each member, all known from the start."""

from __future__ import annotations

from pathlib import Path

from farswitch.lab.addresses import Lab, Member
from farswitch.lab.run import run


def make(lab: Lab) -> bool:
    """Make the keys that are missing, and the file that pins the members' host keys.

    Returns:
        Whether anything was made.
    """
    made = [_make_key(path) for path in (lab.key, *(host_key(lab, m) for m in lab.members))]
    pins = "".join(f"{lab.address(member).ip} {_public(lab, member)}\n" for member in lab.members)
    if lab.known_hosts.exists() and lab.known_hosts.read_text() == pins:
        return any(made)
    lab.known_hosts.write_text(pins)
    return True


def host_key(lab: Lab, member: Member) -> Path:
    """Return where the controller keeps the private host key of a member."""
    return lab.state / f"{member.name}.host_key"


def public(private: Path) -> str:
    """Return the public half of a key as ssh writes it in one line."""
    return private.with_name(f"{private.name}.pub").read_text().strip()


def _public(lab: Lab, member: Member) -> str:
    kind, key, *_ = public(host_key(lab, member)).split()
    return f"{kind} {key}"


def _make_key(path: Path) -> bool:
    beside = path.with_name(f"{path.name}.pub")
    if path.exists() and beside.exists():
        return False
    path.unlink(missing_ok=True)  # a crash left one half of the pair
    beside.unlink(missing_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "farswitch lab", "-f", str(path)])
    return True
