"""What paramiko's errors mean, and what to do about them."""

from __future__ import annotations

import paramiko  # type: ignore[import-untyped]

from farswitch.connections.shell.host_keys import UnknownHostKeyError, lookup_name
from farswitch.connections.shell.protocol import ConnectionLostError, HostKeyError
from farswitch.connections.shell.target import Target
from farswitch.errors import FarswitchError

NO_BANNER = "protocol banner"
MEANINGS = {
    "No existing session": "its ssh did not answer in time",
    NO_BANNER: "it hung up, or did not answer in time, before it showed an ssh banner",
}
"""Of parts of paramiko's messages."""


def explained(target: Target, error: Exception) -> FarswitchError | None:
    """Return our error for one of paramiko's; None for what is ours, or a mistake of ours."""
    place = lookup_name(target.hostname, target.port)
    match error:
        case paramiko.BadHostKeyException():
            shown, known = error.key.fingerprint, error.expected_key.fingerprint
            return HostKeyError(target.host, shown, known, hint=_changed(target, place))
        case UnknownHostKeyError():
            return HostKeyError(target.host, error.fingerprint, "", hint=_unknown(target))
        case paramiko.AuthenticationException():
            return _refused(target, place, error)
        case paramiko.SSHException() if "No authentication methods" in str(error):
            cause = f"there is no key to log in with as '{target.user}'"
            return ConnectionLostError(target.host, cause, hint=_authorize(target))
        case OSError() | EOFError() | paramiko.SSHException():
            words = str(error) or type(error).__name__
            meaning = next((text for part, text in MEANINGS.items() if part in words), words)
            return ConnectionLostError(target.host, f"{place}: {meaning}", hint=_silent(words))
    return None


def _silent(words: str) -> str:
    if NO_BANNER in words:
        return "Look at its sshd's log: MaxStartups, PerSourcePenalties, or a host that hangs."
    return "Look whether the host is up and its sshd answers there."


def _changed(target: Target, place: str) -> str:
    if target.pinned:
        return "Another machine answers at the guest's address; rebuild the guest."
    return f"If the host was set up anew: ssh-keygen -R '{place}', then log in once by ssh."


def _unknown(target: Target) -> str:
    return (
        f"Compare the fingerprint, then log in once: ssh -p {target.port} "
        f"{target.user}@{target.hostname}"
    )


def _refused(target: Target, place: str, error: Exception) -> ConnectionLostError:
    if isinstance(error, paramiko.PasswordRequiredException):  # a default key: none was given
        cause = "your key in ~/.ssh is encrypted, and no key of your agent was accepted"
        return ConnectionLostError(target.host, cause, hint="ssh-add")
    cause = f"user '{target.user}' was refused at {place}: {error}"
    return ConnectionLostError(target.host, cause, hint=_authorize(target))


def _authorize(target: Target) -> str:
    if target.private_key:
        key = "`private_key`"
    else:
        key = f"the key '{target.key_file}'" if target.key_file else "a key of your agent or ~/.ssh"
    return f"Put the public half of {key} into ~{target.user}/.ssh/authorized_keys on the host."
