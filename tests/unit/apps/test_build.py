"""Two builds of one application at once: none takes the other's sources for its own."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from workflows import app
from workflows.app import REPLACED, WantedApp

RECIPE = """\
about: Mine
needs: [sh]
packages: [dash]
script: install -m 755 mine $BIN/mine
"""


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(app, "app_folder", lambda share, name: f"{share}/{name}")
    (tmp_path / "mine.yaml").write_text(RECIPE)
    return tmp_path


def wanted(share: Path, says: str) -> WantedApp:
    folder = share / says
    folder.mkdir()
    (folder / "mine").write_text(f"echo {says}\n")
    return WantedApp.parse(
        str(share / "mine.yaml"), place=str(folder), sha256=None, settings=(), seconds=60.0
    )


def put(one: WantedApp, share: Path) -> Path:
    folder = Path(one.folder(str(share)))
    folder.mkdir(exist_ok=True)
    for name, content in one.files().items():
        (folder / name).write_bytes(content)
    return folder


def build(one: WantedApp, share: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", one.line(str(share))], capture_output=True, text=True, check=False
    )


def test_what_another_build_has_put_there_is_not_taken_for_ones_own(share: Path):
    one, other = wanted(share, "one"), wanted(share, "other")
    put(one, share)
    folder = put(other, share)
    done = build(one, share)
    assert (done.returncode, done.stdout) == (REPLACED, "")
    assert not (folder / "built").exists()
    assert build(other, share).stdout == "mine\n"
    assert (folder / "bin/mine").read_text() == "echo other\n"
    with tarfile.open(folder / "source.tar") as archive:
        assert archive.getnames() == ["mine"]
