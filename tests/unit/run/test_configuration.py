"""Where the configuration is looked for, and what holds where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.errors import ConfigError
from farswitch.run import configuration as module
from farswitch.run.configuration import configuration, find
from farswitch.site.loader import ROOT

NAME = "config.yaml"


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder, with no configuration named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FARSWITCH_CONFIG", raising=False)
    return tmp_path


def test_the_current_folder_comes_before_the_packages(away: Path):
    assert find() == ROOT / NAME
    (away / NAME).touch()
    assert find() == away / NAME


def test_the_environment_comes_before_the_current_folder(
    away: Path, monkeypatch: pytest.MonkeyPatch
):
    (away / NAME).touch()
    (away / "other.yaml").write_text("inventory: {options: {site: mine}}")
    monkeypatch.setenv("FARSWITCH_CONFIG", "other.yaml")
    assert find() == away / "other.yaml"
    assert configuration(None, None, None)["inventory"]["options"]["site"] == str(away / "mine")
    assert configuration("lab", None, None)["inventory"]["options"]["site"] == "lab"


def test_a_configuration_that_is_named_must_be_there(away: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARSWITCH_CONFIG", "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"\$FARSWITCH_CONFIG is 'nowhere.yaml'"):
        find()


@pytest.mark.parametrize(("workers", "wanted"), [(None, 32), (5, 5)])
def test_without_any_the_lab_is_the_site(
    away: Path, monkeypatch: pytest.MonkeyPatch, workers: int | None, wanted: int
):
    monkeypatch.setattr(module, "find", lambda: None)
    chosen = configuration(None, 4, workers)
    assert chosen["inventory"]["options"] == {"site": "lab", "nodes": 4}
    assert chosen["runner"]["options"] == {"num_workers": wanted}
