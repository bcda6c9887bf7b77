"""A switch of somebody else's package, as docs/switches.md has it: found, validated, built."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from farswitch.errors import ConfigError
from farswitch.model import switch
from farswitch.model.settings import Settings
from farswitch.remote import command
from farswitch.site.loader import load_site
from tests.documented import ROOT, run_by
from tests.netns.built_servers import PROBES, Net, sh, two_servers

pytestmark = pytest.mark.root
BLOCKS = {block.language: block.text for block in run_by(__file__)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package of the document, as pip would install it."""
    folder = tmp_path_factory.mktemp("site-packages")
    (folder / "farswitch_existing.py").write_text(BLOCKS["python"])
    about = folder / "farswitch_existing-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: farswitch-existing\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        BLOCKS["toml"].replace('project.entry-points."', "").replace('"]', "]").replace('"', "")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for cached in (switch.adapters, switch.choices):
            cached.cache_clear()
        yield
    sys.modules.pop("farswitch_existing", None)
    for cached in (switch.adapters, switch.choices):
        cached.cache_clear()


@pytest.fixture(scope="module")
def net(installed, lasting_boxes, tmp_path_factory) -> Net:
    chosen = YAML(typ="safe").load(BLOCKS["yaml"])
    net = two_servers(lasting_boxes, tmp_path_factory.mktemp("own"), apart=True, **chosen)
    sh(net.boxes["server2"], "ip link add br-lab type bridge; ip link set br-lab up")
    return net


def test_a_site_names_it_with_its_settings(installed, site_of):
    settings = load_site(str(site_of(BLOCKS["yaml"]))).settings
    assert (settings.switch.kind, settings.switch.bridge) == ("existing", "br-lab")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("switch: {existing: {bridge: 7}}", "'switch.existing.bridge' is 7, wanted the name"),
        ("switch: {existing: {brige: b}}", "'switch.existing.brige' is no known key, wanted 'br"),
        ("switch: {existing: {}}", "'switch.existing.bridge' is missing"),
        ("switch: existing", "'switch.existing.bridge' is missing"),
        ("switch: existig", "'switch.existig' is no known key, wanted 'existing'"),
        ("switch: {bridge: {}, existing: {bridge: b}}", "'switch' is a mapping, wanted 'bridge'"),
        ("switch: {}", "'switch' is a mapping, wanted 'bridge', or"),
        ("switch: 3", "'switch' is 3, wanted 'bridge', or"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_with_file_and_line(installed, site_of, written, sentence):
    with pytest.raises(ConfigError) as raised:
        load_site(str(site_of(written)))
    assert "defaults.yaml, line 4" in str(raised.value)
    assert sentence in str(raised.value)


def test_a_build_gives_it_the_ports_and_all_checks_pass(net):
    net.build()
    net.plug()
    holder = net.cluster.settings.switch
    server2 = net.context.hosts["server2"]
    ports, owner = net.cluster.switch_ports(1450), net.cluster.owner
    changes = holder.plan(holder.observe(server2, owner), ports, owner)
    assert [str(one) for one in changes] == ["+ port fsv41 of br-lab", "+ port fsv42 of br-lab"]
    holder.apply(server2, owner, changes)
    shown = json.loads(net.boxes["server2"].run(("ip", "-j", "link")).stdout)
    assert {one["ifname"] for one in shown if one.get("master") == "br-lab"} == {"fsv41", "fsv42"}
    assert net.build() == []
    for name in (name for probe in PROBES for name in probe.checks):
        bad = [check for check in net.failed(name) if check.ok is False]
        assert [(name, check.host, check.measured) for check in bad] == []


def test_frames_cross_it(net):
    for number in (1, 2):
        sh(net.boxes[f"node{number}"], f"ip addr replace 10.0.0.1{number}/24 dev data0")
    printed = net.boxes["node1"].run(command("echo", "5", "10.0.0.12")).stdout
    assert json.loads(printed) == ["10.0.0.12"]


def test_one_that_is_not_there_is_named(net):
    gone = Settings(cluster="t", switch={"existing": {"bridge": "br-none"}}).switch
    state = gone.observe(net.context.hosts["server2"], net.cluster.owner)
    assert state.fault == "There is no bridge 'br-none' on 'server2'."
    assert not state.held


@pytest.fixture
def site_of(tmp_path: Path):
    """Make a site with some lines more in its defaults.yaml."""

    def made(lines: str) -> Path:
        folder = tmp_path / "site"
        folder.mkdir()
        for path in (ROOT / "inventory" / "example").glob("*.yaml"):
            (folder / path.name).write_text(path.read_text())
        indented = "".join(f"  {line}\n" for line in lines.splitlines())
        with (folder / "defaults.yaml").open("a") as stream:
            stream.write(indented)
        return folder

    return made
