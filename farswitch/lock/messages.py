"""What the lock's agent on a server replies, and what it keeps of each run in the lock's file."""

from __future__ import annotations

import os
import socket
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from farswitch.home import user_name
from farswitch.lock.reserved import Reserved

LONGEST = 64
"""Characters that we quote of a word of a server."""


def plain(value: object) -> str:
    """Return a word of a server, cut and without control characters."""
    return "".join(letter for letter in str(value)[:LONGEST] if letter.isprintable())


Word = Annotated[str, BeforeValidator(plain)]


class LockHolder(BaseModel):
    """A run that holds a cluster's lock on a server, as other runs are shown it.

    `reserved` is of a build alone. Its key in the file, `claims`, is what releases before this one
    read, too; they write an empty object for none.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    cluster: Word = "?"
    workflow: Word = "?"
    user: Word = "?"
    host: Word = "?"
    pid: Word = "?"
    since: Word = "?"
    reserved: Annotated[Reserved | None, BeforeValidator(lambda value: value or None)] = Field(
        None, validation_alias="claims", serialization_alias="claims"
    )

    def __str__(self) -> str:
        return f"{self.workflow} of {self.user}@{self.host} (pid {self.pid}) since {self.since}"


class LockReply(BaseModel):
    """The agent's one line: which of the fields is there tells what became of the request.

    Attributes:
        held: We hold the lock.
        busy: Another run does.
        others: The runs that hold other clusters' locks.
    """

    model_config = ConfigDict(frozen=True)

    held: LockHolder | None = None
    busy: LockHolder | None = None
    others: tuple[LockHolder, ...] = ()


def this_run(cluster: str, workflow: str, reserved: Reserved | None = None) -> LockHolder:
    """Return what other runs are shown of this one."""
    return LockHolder(
        cluster=cluster,
        workflow=workflow,
        user=user_name(),
        host=socket.gethostname(),
        pid=str(os.getpid()),
        reserved=reserved,
    )
