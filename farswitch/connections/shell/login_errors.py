"""What paramiko's errors mean, and what to do about them."""

from __future__ import annotations

import shlex
from pathlib import Path

import paramiko  # type: ignore[import-untyped]

from farswitch.connections.shell.authenticate import KeysRefusedError
from farswitch.connections.shell.host_keys import (
    RevokedHostKeyError,
    UnknownHostKeyError,
    lookup_name,
)
from farswitch.connections.shell.known_hosts_command import wants_key
from farswitch.connections.shell.protocol import ConnectionLostError, HostKeyError
from farswitch.connections.shell.target import Target
from farswitch.connections.shell.user_config import DEFAULT_KEYS
from farswitch.errors import FarswitchError

NO_BANNER = "protocol banner"
MEANINGS = {
    "No existing session": "its ssh did not answer in time",
    NO_BANNER: "it hung up, or did not answer in time, before it showed an ssh banner",
}
"""Of parts of paramiko's messages."""
HOST_KEYS = "host key"
ALGORITHMS = {
    "kex": ("KexAlgorithms", "curve25519-sha256"),
    "ciphers": ("Ciphers", "aes256-gcm@openssh.com"),
    "macs": ("MACs", "hmac-sha2-512-etm@openssh.com"),
    HOST_KEYS: ("HostKeyAlgorithms", "ssh-ed25519"),
}
"""By parts of paramiko's messages: a setting of sshd_config, and a value that both sides know."""
REVOKED = (
    "Give the host another key; or, if your files err, remove its line with @revoked from "
    "known_hosts, or the key from the file of RevokedHostKeys."
)

NO_KEY = (
    "Your KnownHostsCommand is asked before the host shows its key: %t, %f and %K are NONE then."
)

NO_FILE = (
    "Your ssh configuration lets ssh read no known_hosts file of this host: name one as "
    "UserKnownHostsFile, or let KnownHostsCommand print its key."
)


class ProxyError(paramiko.SSHException):  # type: ignore[misc]
    """The program that leads to a host ended; the text is what it printed."""


def explained(target: Target, error: Exception) -> FarswitchError | None:
    """Return our error for one of paramiko's; None for what is ours, or a mistake of ours."""
    place = lookup_name(target.hostname, target.port)
    match error:
        case paramiko.ssh_exception.IncompatiblePeer():
            return _no_algorithm(target, place, str(error))
        case paramiko.BadHostKeyException() | UnknownHostKeyError():
            return _host_key(target, error)
        case KeysRefusedError():
            return _refused(target, place, error)
        case ProxyError():
            cause = f"{place}: the way that your ssh configuration names ended: {error}"
            return ConnectionLostError(target.host, cause, hint=f"Try it: {ssh_command(target)}")
        case OSError() | EOFError() | paramiko.SSHException():
            words = str(error) or type(error).__name__
            meaning = next((text for part, text in MEANINGS.items() if part in words), words)
            return ConnectionLostError(target.host, f"{place}: {meaning}", hint=_silent(words))
    return None


def _no_algorithm(target: Target, place: str, words: str) -> ConnectionLostError:
    kinds = (kind for part, kind in ALGORITHMS.items() if part in words)
    setting, name = next(kinds, ALGORITHMS[HOST_KEYS])
    return ConnectionLostError(
        target.host,
        f"{place}: its sshd has none of the {setting} that farswitch knows; ssh knows more",
        hint=f"Add {name} to {setting} in /etc/ssh/sshd_config of '{target.host}', and restart its "
        "sshd.",
    )


def _silent(words: str) -> str:
    if NO_BANNER in words:
        return "Look at its sshd's log: MaxStartups, PerSourcePenalties, or a host that hangs."
    return "Look whether the host is up and its sshd answers there."


def ssh_command(target: Target) -> str:
    """Return the command by which the user would log in, to the same files."""
    options = [] if target.given else ["-F", "none"]
    if target.known_hosts is not None:
        files = " ".join(f'"{path}"' for path in target.known_hosts) or "none"
        options += ["-o", f"UserKnownHostsFile={files}", "-o", "GlobalKnownHostsFile=none"]
    if target.key_file:
        options += ["-i", str(target.key_file)]
    user_at = f"{target.user}@{target.given or target.hostname}"
    return shlex.join(["ssh", *options, "-p", str(target.port), user_at])


def _host_key(target: Target, error: Exception) -> HostKeyError:
    match error:
        case paramiko.BadHostKeyException():
            shown, known = error.key.fingerprint, error.expected_key.fingerprint
            return HostKeyError(target.host, shown, known, hint=_changed(target))
        case RevokedHostKeyError():
            shown = f"{error.fingerprint}, which is revoked"
            return HostKeyError(target.host, shown, "", hint=REVOKED)
    hint = f"Compare the fingerprint, then log in once: {ssh_command(target)}"
    if target.known_hosts == ():
        hint = f"Compare the fingerprint. {NO_FILE}"
    if wants_key(target.known_hosts_command):
        hint += f"\n{NO_KEY}"
    why = getattr(error, "certificate", "")
    found = f"{error}, whose certificate {why}" if why else str(error)
    return HostKeyError(target.host, found, "", hint=hint)


def _changed(target: Target) -> str:
    if target.pinned:
        return "Another machine answers at the guest's address; rebuild the guest."
    places = target.host_keys().places
    steps = [
        f"ssh-keygen -R {shlex.quote(name)} -f {shlex.quote(str(path))}"
        if path
        else f"let your KnownHostsCommand print its new key for {name}"
        for name, path in places
    ]
    if any(path for _, path in places):
        steps.append(f"then log in once: {ssh_command(target)}")
    return f"If the host was set up anew: {'; '.join(steps)}"


def _refused(target: Target, place: str, error: KeysRefusedError) -> ConnectionLostError:
    if error.further:
        cause = f"{place} takes the key of '{target.user}', and wants {' or '.join(error.further)}"
        hint = "Let it be content with a key (AuthenticationMethods of sshd_config, Match Address)."
        return ConnectionLostError(target.host, f"{cause} besides", hint=hint)
    if error.hung_up and error.shown > 1:
        cause = f"{place} hung up on '{target.user}' after {error.shown} keys: {error}"
        hint = "Name the key: key_file in the site, or IdentityFile and IdentitiesOnly yes in "
        return ConnectionLostError(target.host, cause, hint=f"{hint}~/.ssh/config.")
    if error.encrypted:
        path, folder = error.encrypted[0], Path("~/.ssh").expanduser()
        default = path.parent == folder and path.name in DEFAULT_KEYS
        name = "your key in ~/.ssh" if default else f"your key '{path}'"
        cause = f"{name} is encrypted, and no key of your agent was accepted"
        hint = "ssh-add" if default else f"ssh-add '{path}'"
        return ConnectionLostError(target.host, cause, hint=hint)
    if not error.shown and not target.password:
        cause = f"there is no key to log in with as '{target.user}'"
        return ConnectionLostError(target.host, cause, hint=_authorize(target))
    cause = f"user '{target.user}' was refused at {place}: {error}"
    return ConnectionLostError(target.host, cause, hint=_authorize(target))


def _authorize(target: Target) -> str:
    if target.private_key:
        key = "`private_key`"
    else:
        key = f"the key '{target.key_file}'" if target.key_file else "a key of your agent or ~/.ssh"
    return (
        f"Put the public half of {key} into ~{target.user}/.ssh/authorized_keys on the host. If it "
        "is there, its sshd's log says why it was refused: PermitRootLogin, AllowUsers, DenyUsers "
        "or PubkeyAcceptedAlgorithms of sshd_config, or who may write to these folders."
    )
