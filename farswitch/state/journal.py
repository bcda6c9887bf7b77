"""The journal as a file on the server that it describes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from farswitch.connections.shell.protocol import CommandError, Completed, Shell
from farswitch.errors import FarswitchError
from farswitch.state.saved_settings import ABSENT, Claim, Journal, Value

FOLDER = "/var/lib/farswitch"
NAME = "journal.json"
VERSION = 1
LARGEST = 64 << 20
"""Bytes: a server with ten thousand rules journals about two million."""
_CONFLICT = 75
"""EX_TEMPFAIL of sysexits.h: what the script below says when another controller was faster."""

# The lock is on the folder itself, so that nothing is left to remove but the journal. The size is
# compared because a login that dies in the middle looks like the input's end.
_REPLACE = """set -eu
folder=$1 file=$1/$2 before=$3 action=$4 size=$5
[ "$action" = remove ] && [ ! -d "$folder" ] && exit 0
mkdir -p -m 0700 "$folder"
exec 9<"$folder"
flock -w 10 9 || exit 75
now=absent
[ ! -e "$file" ] || { now=$(sha256sum <"$file"); now=${now%% *}; }
[ "$now" = "$before" ] || exit 75
if [ "$action" = remove ]; then
  rm -f "$file" "$file.new"
  sync "$folder"
  rmdir "$folder" 2>/dev/null || :
else
  umask 077
  trap 'rm -f "$file.new"; rmdir "$folder" 2>/dev/null || :' EXIT
  trap 'exit 129' HUP INT TERM PIPE
  cat >"$file.new"
  if [ "$(wc -c <"$file.new")" -ne "$size" ]; then echo "the input was cut" >&2; exit 65; fi
  sync "$file.new"
  mv "$file.new" "$file"
  trap - EXIT
  sync "$folder"
fi
"""


class JournalDamagedError(FarswitchError):
    """The journal of a server cannot be read; it is never replaced."""

    def __init__(self, server: str, path: str, reason: str) -> None:
        super().__init__(
            f"The journal '{path}' on server '{server}' cannot be read: {reason}.",
            hint="It holds the server's settings from before farswitch. Mend it, or restore the "
            "settings by hand and remove it.",
        )
        self.server = server
        self.path = path


class JournalConflictError(FarswitchError):
    """Another controller changed the journal between our reading and our writing."""

    def __init__(self, server: str) -> None:
        super().__init__(
            f"Another controller changes the settings of server '{server}' at the same time.",
            hint="Wait until it is done and run this again.",
        )
        self.server = server


def dump(journal: Journal) -> bytes:
    """Return the journal as the file's content, the same for equal journals."""
    claims = {
        key: {"saved": claim.saved, "ours": claim.ours, "owners": sorted(claim.owners)}
        for key, claim in journal.claims.items()
    }
    return (json.dumps({"version": VERSION, "claims": claims}, indent=1) + "\n").encode()


def stored(journal: Journal) -> bool:
    """Tell whether a journal is what its server's file holds already."""
    digest = hashlib.sha256(dump(journal)).hexdigest() if journal.claims else ABSENT
    return digest == journal.digest


def parse(content: bytes) -> Journal:
    """Return the journal that a file holds.

    Raises:
        ValueError: The content is damaged or of another version.
    """
    document: Any = json.loads(content)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError(f"it is not of version {VERSION}")
    try:
        claims = {
            str(key): Claim(_lines(one["saved"]), _lines(one["ours"]), frozenset(one["owners"]))
            for key, one in document["claims"].items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"a claim is not complete ({error!r})") from error
    return Journal(claims, hashlib.sha256(content).hexdigest())


def load(shell: Shell, *, folder: str = FOLDER) -> Journal:
    """Read the journal of a server; one that is not there is empty.

    Raises:
        JournalDamagedError: It is there, and cannot be understood.
    """
    path = f"{folder}/{NAME}"
    content = shell.read(path, limit=LARGEST)
    if content is None:
        return Journal()
    try:
        return parse(content)
    except ValueError as error:
        raise JournalDamagedError(shell.host, path, str(error)) from error


def store(shell: Shell, journal: Journal, *, folder: str = FOLDER) -> Journal:
    """Replace the journal of a server in one step that survives a crash; remove an empty one.

    Args:
        shell: The server.
        journal: What follows from the journal that `load` or `store` returned last.
        folder: The folder on the server.

    Returns:
        The journal with the digest of the new file.

    Raises:
        JournalConflictError: The file is not the one that was read any more.
    """
    content = dump(journal) if journal.claims else b""
    digest = hashlib.sha256(content).hexdigest() if journal.claims else ABSENT
    if digest == journal.digest:
        return journal
    done = _put(shell, folder, journal.digest, content)
    if done.status == _CONFLICT:
        raise JournalConflictError(shell.host)
    if done.status != 0:
        raise FarswitchError(
            f"The journal '{folder}/{NAME}' on server '{shell.host}' could not be written: "
            f"{done.stderr.strip()}.",
            hint="Nothing was changed. Look for a full or read-only file system.",
        )
    return replace(journal, digest=digest)


def tidy(shell: Shell, *, folder: str = FOLDER) -> None:
    """Remove what a cut left beside a journal that is not there; nothing where there is one."""
    done = _put(shell, folder, ABSENT, b"")
    if done.status not in {0, _CONFLICT}:
        raise CommandError(
            shell.host, ("sh", "-c", "…", "journal", folder), done.status, done.stderr
        )


def _put(shell: Shell, folder: str, before: str, content: bytes) -> Completed:
    """Replace the file that has the digest `before`; remove it where there is no content."""
    action = "replace" if content else "remove"
    argv = ("sh", "-c", _REPLACE, "journal", folder, NAME, before, action, str(len(content)))
    return shell.run(argv, stdin=content, check=False)


def _lines(value: object) -> Value:
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise TypeError(f"{value!r} is not a list of lines")
    return tuple(value)
