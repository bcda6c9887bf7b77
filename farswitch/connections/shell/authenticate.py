"""Which of a login's keys its server takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]

from farswitch.connections.shell.login_keys import LoginKeys
from farswitch.connections.shell.target import Target


class KeysRefusedError(paramiko.AuthenticationException):  # type: ignore[misc]
    """The server took none of the keys, nor a password.

    Attributes:
        shown: How many keys it was shown.
        encrypted: Files whose keys nobody could open.
        hung_up: It ended the login before it was shown all.
        further: What it wants besides a key that it took.
    """

    def __init__(self, cause: str, *, shown: int, encrypted: list[Path]) -> None:
        super().__init__(cause)
        self.shown = shown
        self.encrypted = encrypted
        self.hung_up = False
        self.further: list[str] = []


def authenticate(transport: Any, target: Target, login: LoginKeys) -> None:
    """Log in by the first key that the server takes, and by the password if it wants one.

    Raises:
        KeysRefusedError: It takes none.
        paramiko.SSHException: The login ended.
    """
    refused = KeysRefusedError("there is no key to log in with", shown=0, encrypted=login.encrypted)
    for key in login.keys:
        try:
            further = transport.auth_publickey(target.user, key)
        except paramiko.BadAuthenticationType as error:
            refused.args = (str(error),)
            break
        except paramiko.SSHException as error:
            refused.args = (str(error),)
            refused.shown += 1
            if not transport.is_active():
                refused.hung_up = True
                raise refused from error
            continue
        if not further:
            return
        refused.further = further
        break
    if not target.password:
        raise refused
    try:
        transport.auth_password(target.user, target.password)
    except paramiko.AuthenticationException as error:
        refused.args = (str(error),)
        raise refused from error
