"""A site whose cluster was built, as far as its record says; none of its servers is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.model.cluster import cluster
from farswitch.run import session
from farswitch.site.loader import load_site
from farswitch.state.record import complete

HOSTS = """\
server1: {hostname: 198.51.100.1, groups: [hypervisor], data: {underlay: 198.51.100.1}}
server2: {hostname: 198.51.100.2, groups: [switch], data: {underlay: 198.51.100.2}}
node[1-4]: {groups: [guest]}
"""
DEFAULTS = """\
data:
  cluster: test
  vni_base: 41
  data_network: 10.0.0.0/24
  management_network: 10.10.0.0/24
"""


@pytest.fixture
def built_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return its folder; what is kept of it on this machine is below a folder of the test's."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "hosts.yaml").write_text(HOSTS)
    (folder / "groups.yaml").write_text("hypervisor: {}\nswitch: {}\nguest: {}\n")
    (folder / "defaults.yaml").write_text(DEFAULTS)
    record = complete(None, cluster(load_site(str(folder))), 4, 1450)
    monkeypatch.setattr(session, "shell", lambda _host: None)
    monkeypatch.setattr(session, "read", lambda _login, _name: record)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return folder


@pytest.fixture
def silent_site(tmp_path: Path) -> Path:
    """Return a site whose servers are ports of this machine on which nobody listens."""
    (tmp_path / "hosts.yaml").write_text(
        "server1: {hostname: 127.0.0.1, port: 1, groups: [hypervisor],"
        " data: {underlay: 198.51.100.1}}\n"
        "server2: {hostname: 127.0.0.2, port: 1, groups: [switch],"
        " data: {underlay: 198.51.100.2}}\n"
        "node[1-3]: {groups: [guest]}\n"
    )
    (tmp_path / "groups.yaml").write_text("")
    (tmp_path / "defaults.yaml").write_text(DEFAULTS)
    return tmp_path
