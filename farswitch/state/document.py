"""What all documents that servers keep for us have in common: a version, and how one is refused."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from farswitch.errors import ConfigError


class ServerDocument(BaseModel):
    """A document that a server keeps; an error never quotes its content, which may be a key."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class NewerDocumentError(ConfigError):
    """A newer release of farswitch wrote this document: it is not understood, and not replaced."""

    def __init__(self, where: str, found: int, newest: int) -> None:
        super().__init__(
            f"{where} has version {found}; this release of farswitch reads up to {newest}.",
            hint="Use the newer release that wrote it. Nothing was changed in it.",
        )
        self.where = where
        self.found = found
        self.newest = newest


def load_versioned(content: bytes, newest: int, where: str) -> dict[str, Any]:
    """Return a document's JSON object, once its version is known to be one that we read.

    `newest` is the version that we write; `where`, the document and its place, begins the message.

    Raises:
        NewerDocumentError: A newer release wrote it.
        ValueError: It is no document of ours.
    """
    raw = json.loads(content)
    version = raw.get("version") if isinstance(raw, dict) else None
    if not isinstance(version, int) or version < 1:
        raise ValueError("it has no version")
    if version > newest:
        raise NewerDocumentError(where, version, newest)
    return dict(raw)


def reason(error: Exception) -> str:
    """Return why a document is damaged, without any of its content but the names of its fields."""
    if not isinstance(error, ValidationError):
        return str(error) if type(error) is ValueError else type(error).__name__
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"'{'.'.join(map(str, first['loc']))}': {first['msg']}"
