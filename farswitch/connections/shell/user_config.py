"""What the user's ssh configuration says of a host, as ssh itself reads it (`ssh -G`)."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from farswitch.connections.shell.known_hosts_command import expand, expanded
from farswitch.errors import ConfigError

SECONDS = 20.0
"""For `Match exec`, and names that are looked up (`CanonicalizeHostname`)."""
DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
DEFAULT_KNOWN_HOSTS = (
    *("~/.ssh/known_hosts", "~/.ssh/known_hosts2"),
    *("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"),
)
EXPANDED = ("identityfile", "certificatefile", "revokedhostkeys")
"""Settings that `ssh -G` prints with their tokens; KnownHostsCommand is a further one."""
OF_LOGIN = "HIftK"
"""The tokens of KnownHostsCommand that stand for what a login meets."""
JUMP = ("ssh", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
"""A way through another host is ssh's own affair: its keys, its known hosts, its further jumps."""


@dataclass(frozen=True, slots=True)
class UserConfig:
    """The settings that a login follows; ssh_config(5) has each under its own name.

    Attributes:
        known_hosts: UserKnownHostsFile and GlobalKnownHostsFile; () where both are none.
        alias: HostKeyAlias: the host's name in known_hosts files.
        known_hosts_command: KnownHostsCommand, with those tokens that are its own.
        revoked_host_keys: RevokedHostKeys: a file of keys that are never accepted.
        agent: IdentityAgent: the path of a socket, "none", or "" for `SSH_AUTH_SOCK`.
        proxy: The command whose standard streams lead to the host's sshd.
    """

    hostname: str
    port: int
    user: str
    identity_files: tuple[Path, ...] = ()
    certificate_files: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: str = ""
    known_hosts: tuple[Path, ...] = ()
    alias: str = ""
    known_hosts_command: str = ""
    revoked_host_keys: Path | None = None
    proxy: tuple[str, ...] = ()

    @property
    def own_identity_files(self) -> tuple[Path, ...]:
        """The keys that the configuration names, where they are not ssh's defaults."""
        return () if self.identity_files == _default_identity_files() else self.identity_files

    @property
    def own_known_hosts(self) -> tuple[Path, ...] | None:
        """The known_hosts files; None where they are ssh's defaults."""
        defaults = tuple(Path(path).expanduser() for path in DEFAULT_KNOWN_HOSTS)
        return None if self.known_hosts == defaults else self.known_hosts


def user_config(
    hostname: str, port: int | None = None, user: str | None = None, file: Path | None = None
) -> UserConfig:
    """Return what holds for a host; a port and a user that are given go before the files.

    A `file` is read in the place of the user's and the system's, as with `ssh -F`.

    Raises:
        ConfigError: ssh cannot read its configuration, or is not there.
    """
    given = [*(("-F", str(file)) if file else ())]
    given += [*(("-p", str(port)) if port else ()), *(("-l", user) if user else ())]
    settings = dict(_read(("ssh", "-G", *given, "--", hostname)))
    place = (*given, "--", hostname)
    for name in settings.keys() & EXPANDED:
        settings[name] = [_expanded(text, "", place) for text in settings[name]]
    if commands := settings.get("knownhostscommand"):
        with_login = partial(_expanded, kept=OF_LOGIN, arguments=place)
        settings["knownhostscommand"] = [expanded(text, with_login) for text in commands]
    return parse(settings, hostname, file)


def _expanded(text: str, kept: str, arguments: Sequence[str]) -> str:
    """Let ssh replace its tokens and `${VARIABLE}` in a text, but for some that are kept.

    It takes the same ones everywhere, and `ssh -G` prints them replaced in ControlPath alone.
    """
    if not {"%", "$"} & set(text) or text == "none":
        return text
    if kept:
        text = re.sub(f"%[%{kept}]", lambda token: token[0].replace("%", "%%"), text)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    settings = _read(("ssh", "-G", "-o", f'ControlPath="./{quoted}"', *arguments))
    return settings["controlpath"][0].removeprefix("./")


def parse(
    settings: Mapping[str, Sequence[str]], given: str, file: Path | None = None
) -> UserConfig:
    """Read the settings that `ssh -G` printed, from a file, of a host that was given by this name.

    Jump hosts are looked up in the same file.
    """
    one = {name: values[0] for name, values in settings.items()}
    hostname, port, user = one["hostname"], int(one["port"]), one["user"]
    tokens = {"%": "%", "h": hostname, "p": str(port), "r": user, "n": given}
    command = one.get("knownhostscommand", "none")
    known = [one.get("userknownhostsfile", ""), one.get("globalknownhostsfile", "")]
    return UserConfig(
        hostname=hostname,
        port=port,
        user=user,
        identity_files=_paths(settings.get("identityfile", ())),
        certificate_files=_paths(settings.get("certificatefile", ())),
        identities_only=one.get("identitiesonly") == "yes",
        agent=_agent(one.get("identityagent", "")),
        known_hosts=tuple(path for text in known for path in _files(text)),
        alias=one.get("hostkeyalias", ""),
        known_hosts_command="" if command == "none" else command,
        revoked_host_keys=next(iter(_paths(settings.get("revokedhostkeys", ()))), None),
        proxy=_proxy(one, tokens, file),
    )


def _default_identity_files() -> tuple[Path, ...]:
    """Return what ssh prints where nothing is configured: the list is another in each release."""
    settings = _read(("ssh", "-G", "-F", "none", "--", "localhost"))
    return parse(settings, "localhost").identity_files


def _paths(texts: Sequence[str]) -> tuple[Path, ...]:
    return tuple(Path(text).expanduser() for text in texts if text != "none")


def _files(text: str) -> Iterator[Path]:
    """Yield the files of a list that ssh prints without quotes: some have blanks in their names."""
    words = text.split(" ") if text else []
    while words:
        ends = range(len(words), 1, -1)
        paths = {end: Path(" ".join(words[:end])).expanduser() for end in ends}
        end = next((end for end in ends if paths[end].is_file()), 1)
        yield from _paths([" ".join(words[:end])])
        words = words[end:]


def _agent(text: str) -> str:
    if text.startswith("$"):
        return os.environ.get(text.strip("${}"), "none")
    return "" if text == "SSH_AUTH_SOCK" else os.path.expanduser(text)  # noqa: PTH111 - or "none"


def _proxy(one: Mapping[str, str], tokens: Mapping[str, str], file: Path | None) -> tuple[str, ...]:
    command, jumps = one.get("proxycommand", "none"), one.get("proxyjump", "none")
    if command != "none":
        quoted = {name: shlex.quote(value) for name, value in tokens.items()}
        return ("sh", "-c", f"exec {expand(command, quoted)}")
    if jumps == "none":
        return ()
    *before, last = expand(jumps, tokens).split(",")
    through = ("-J", ",".join(before)) if before else ()
    target = f"[{tokens['h']}]:{tokens['p']}"
    through = (*(("-F", str(file)) if file else ()), *through)
    return (*JUMP, *through, "-W", target, "--", last if "://" in last else f"ssh://{last}")


@lru_cache(maxsize=256)
def _read(argv: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """Return all values of each setting; a run reads the same files once for a host."""
    hint = f"Look what it prints: {shlex.join(argv)}"
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise ConfigError(
            "This machine has no program 'ssh', which reads your ssh configuration.",
            hint="Install OpenSSH's client: apt install openssh-client",
        ) from None
    except subprocess.TimeoutExpired:
        what = f"ssh does not read its configuration for '{argv[-1]}' within {SECONDS:g} s."
        raise ConfigError(what, hint=hint) from None
    if done.returncode != 0:
        cause = " ".join(done.stderr.split()) or f"status {done.returncode}"
        what = f"ssh cannot read its configuration for '{argv[-1]}': {cause}"
        raise ConfigError(what, hint=hint)
    settings: defaultdict[str, list[str]] = defaultdict(list)
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        settings[name].append(value)
    return settings
