"""The Nornir tasks once more, for whoever has a folder `tasks` of their own.

`from farswitch.tasks.bridge import bridge` is `from tasks.bridge import bridge`, but found beside
this package, whatever else is called `tasks` on Python's path.
"""

from __future__ import annotations

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[1] / "tasks")]
"""A module with a path is a package: its modules are the files of that folder."""
