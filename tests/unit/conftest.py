from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from farswitch.errors import ConfigError
from farswitch.site.loader import ROOT, load_site

Refusal = Callable[[str, str | None, str | bytes], list[str]]


@pytest.fixture
def site_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the lab's site that a test may spoil; it is `site` in the current folder."""
    shutil.copytree(ROOT / "inventory/lab", tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "site"


@pytest.fixture
def refusal(site_folder: Path) -> Refusal:
    """Edit a file of the site, and return the lines of the error that loading it raises."""

    def refuse(file: str, old: str | None, new: str | bytes) -> list[str]:
        path = site_folder / file
        before = path.read_text()
        assert old is None or old in before
        if isinstance(new, bytes):
            path.write_bytes(new)
        else:
            path.write_text(new if old is None else before.replace(old, new, 1))
        with pytest.raises(ConfigError) as caught:
            load_site("site")
        return str(caught.value).splitlines()

    return refuse
