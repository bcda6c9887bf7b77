"""`farswitch study run` itself, on servers and guests that are namespaces: switches are exchanged.

MPI is the test's own; what verify's `path` counts is judged by the counters of the run's ports.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from farswitch.connections import access
from farswitch.model.cluster import cluster
from farswitch.proof.check import Check
from farswitch.run.cli import Options
from farswitch.run.stages import Stage
from farswitch.site.loader import load_site
from farswitch.state.record import complete, path_of, read, render
from farswitch.study import launch
from farswitch.study.results import read_results, study_folder
from tasks import mpi_program
from tests.netns.built_servers import MTU, Net, pid, sh, two_servers
from tests.netns.inside import NetnsEndpoint
from tests.netns.study_testbed import BIN, ENVIRONMENT, NamespaceTestbed
from tests.schemas import assert_fits
from workflows import study_cells, study_testbed
from workflows.study_plan import plan
from workflows.study_run import run
from workflows.switch_use import use

pytestmark = pytest.mark.root

SCRIPT = str(Path(__file__).parents[2] / "examples/switch.py")
DEFAULTS = f"""\
data:
  cluster: t
  switches:
    mine: {{program: {{file: {SCRIPT}, command: [python3, "{{file}}", "{{ports}}"], ready: ready}}}}
    deaf: {{program: {{command: [sh, -c, echo ready; exec sleep 600], ready: ready}}}}
"""
HOSTS = """\
server1: {hostname: 198.51.100.11, groups: [hypervisor], data: {underlay: 198.51.100.11}}
server2: {hostname: 198.51.100.12, groups: [switch], data: {underlay: 198.51.100.12}}
node[1-2]: {groups: [guest]}
"""
STUDY = """\
cells:
- {path: local, mtu: 1400}
- {switch: bridge}
- {switch: mine, mtu: 1400}
- {switch: bridge, impair: node1 to_guest rate 250Mbit}
events: [{at: 10 ms, port: node2, to_guest: {rate: 500Mbit}, for: 100 ms}]
programs: {kernels: builtin}
repeats: 1
"""


LEAST_AT_RATE = 14_000
"""Microseconds of half a round trip of 1 MB, one way of which goes at 250 Mbit/s."""


class Libvirt:
    """A hypervisor on which both guests run."""

    versions: dict[str, str] = {}  # noqa: RUF012

    def states(self) -> dict[str, str]:
        return {"t-node1": "running", "t-node2": "running"}


@pytest.fixture
def net(lasting_boxes, tmp_path, monkeypatch) -> Net:
    """Two servers and two guests with a record of their cluster, which all connections lead to."""
    net = two_servers(lasting_boxes, tmp_path, apart=True)
    net.build()
    net.plug()
    site = tmp_path / "site"
    (site / "studies").mkdir(parents=True)
    for name, text in {
        "hosts.yaml": HOSTS, "defaults.yaml": DEFAULTS, "studies/two.yaml": STUDY,
        "groups.yaml": "hypervisor: {}\nswitch: {}\nguest: {}\n",
    }.items():  # fmt: skip
        (site / name).write_text(text)
    wanted = cluster(load_site(str(site)))
    record = complete(None, wanted, 2, MTU)
    net.boxes["server1"].write(path_of("t"), render(record), mode=0o600)
    connections: dict[tuple[str, str], object] = {("libvirt", "server1"): Libvirt()}
    for name, box in net.boxes.items():
        connections["shell", name] = box
        connections["netlink", name] = NetnsEndpoint(name, f"/proc/{pid(box)}/ns/net")

    def opened(where, name, **_options) -> object:
        return connections[name, getattr(where, "host", where).name]

    monkeypatch.setattr(access, "_opened", opened)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return net


@pytest.fixture
def own_mpi(net, monkeypatch) -> None:
    """Start MPI by the wheel's launcher, and take the ports' counters for verify's `path`."""
    testbed = NamespaceTestbed(net, lambda _cell: None)
    launcher = (str(BIN / "mpiexec"), "-launcher", "rsh", "-launcher-exec", str(testbed._rsh))
    own = partial(launch.command_of, launcher=launcher, python=sys.executable)
    words = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    path = f"PATH={BIN}:{os.environ['PATH']}"

    def proved(session, chosen, context) -> None:
        sizes = {mtu_of(net, guest.name) for guest in net.cluster.guests}
        names = ["path.counters", *(["mtu.exact"] if "mtu.exact" in chosen else [])]
        checks = [Check(name, "node1", ok=True, measured="", expected="") for name in names]
        session.recorder.judged("path", checks)
        assert sizes == {context.nic_mtu}

    monkeypatch.setattr(study_testbed, "command_of", own)
    monkeypatch.setattr(
        mpi_program, "as_user", lambda _settings, argv: ["env", path, *words, *argv]
    )
    monkeypatch.setattr(study_cells, "make", proved)
    nobody = Stage(lambda _host: False, ())
    monkeypatch.setattr(study_testbed, "preflight_stage", lambda _session: nobody)
    monkeypatch.setattr(study_testbed, "GATE_SECONDS", 0.1)
    monkeypatch.setattr(launch, "SECONDS", 0.02)


def mtu_of(net: Net, guest: str) -> int:
    return int(sh(net.boxes[guest], "cat /sys/class/net/data0/mtu"))


@pytest.mark.usefixtures("net")
@pytest.mark.usefixtures("own_mpi")
@pytest.mark.log_tells("wants an MTU of 1451")
def test_an_mtu_above_the_clusters_is_refused_before_anything_is_touched(net, tmp_path, capsys):
    (tmp_path / "site/studies/large.yaml").write_text(STUDY.replace("1400", f"{MTU + 1}"))
    sh(net.boxes["node2"], "ip link set dev data0 mtu 1300")
    with pytest.raises(SystemExit) as ended:
        run(Options(site=str(tmp_path / "site")), word="large", resume=False)
    assert ended.value.code == 2
    assert "wants an MTU of 1451, and cluster 't' has 1450." in capsys.readouterr().err
    assert mtu_of(net, "node2") == 1300


@pytest.mark.usefixtures("own_mpi")
def test_a_study_exchanges_switches_and_leaves_the_sites_own(net, tmp_path, capsys):
    options = Options(site=str(tmp_path / "site"), json=True)

    def document_of(command, **asked) -> dict[str, object]:
        with pytest.raises(SystemExit) as ended:
            command(options, word="two", **asked)
        printed = capsys.readouterr()
        assert ended.value.code == 0, printed.err
        return json.loads(printed.out)

    sh(net.boxes["node2"], "ip link set dev data0 mtu 1300")  # what a killed run may leave
    planned = document_of(plan, calibrate=True)
    assert_fits("study", planned)
    assert (planned["left"], planned["unknown"], planned["left_out"]) == (4, 0, [])
    assert planned["seconds"] > 4
    calibrated = read_results(study_folder("two"))
    assert [one.block for one in calibrated] == [0] * 4
    assert document_of(plan, calibrate=True) == planned, "nothing is left to calibrate"
    document = document_of(run, resume=False)
    assert (document["complete"], document["done"], document["left_out"]) == (True, 4, [])
    records = read_results(study_folder("two"))
    assert records[:4] == calibrated, "the first uses are not made again"
    assert [one.error for one in records] == [""] * 8
    kinds = {(one.factors.get("switch"), one.switch.get("kind")) for one in records}
    assert kinds == {("bridge", "bridge"), ("mine", "program"), (None, None)}
    for one in records:
        crossed = [min(port.received, port.sent) for port in one.ports.values()]
        local = one.factors.get("path") == "local"
        assert all((count == 0) if local else (count > 20e6) for count in crossed)
        assert local == (one.proof.conclusion == "0 B crossed the switch")
        assert [event["error"] for event in one.events] == ([] if local else ["", ""])
        carried = one.samples.received if one.samples else {}
        assert local == (one.samples is None)
        assert all(20e6 < sum(into) <= one.ports[name].received for name, into in carried.items())
        slow = one.values["kernels.pingpong-1MB"].value > LEAST_AT_RATE
        assert slow or "impair" not in one.factors
    assert sum("impair" in one.factors for one in records) == 2
    labels = {row["label"] for row in document["rows"]}
    assert labels == {
        "local, MTU 1400", "bridge, the site's impair, the site's mtu",
        "mine, the site's impair, MTU 1400",
        "bridge, node1 to_guest rate 250Mbit, the site's mtu",
    }  # fmt: skip
    assert all(set(one.load) == {"server1", "server2"} for one in records)
    sizes = {(one.factors.get("switch"), one.factors.get("mtu")) for one in records}
    assert sizes == {(None, 1400), ("bridge", None), ("mine", 1400)}
    assert {mtu_of(net, name) for name in ("node1", "node2")} == {MTU}
    assert "tbf" not in sh(net.boxes["server2"], "tc qdisc show")
    masters = json.loads(sh(net.boxes["server2"], "ip -j link show type vxlan"))
    assert {one["master"] for one in masters} == {"fss41"}
    taps = json.loads(sh(net.boxes["server1"], "ip -j link"))
    assert {one["master"] for one in taps if one["ifname"][:3] == "fsd"} == {"fsb41", "fsb42"}
    assert not [one for one in taps if one["ifname"] == "fsl41"]
    assert read(net.boxes["server1"], "t").switch is None


@pytest.mark.log_tells("hears nothing of 10.0.0.12 any more, now that the old one has ended")
def test_a_switch_that_only_the_old_one_forwarded_for_is_told_of(net, tmp_path, capsys):
    def used(name: str) -> int:
        with pytest.raises(SystemExit) as ended:
            use(Options(site=str(tmp_path / "site")), name=name)
        return int(ended.value.code or 0)

    sh(net.boxes["node1"], "ip addr replace 10.0.0.11/24 dev data0")
    sh(net.boxes["node2"], "ip addr replace 10.0.0.12/24 dev data0")
    assert used("mine") == 0
    assert used("deaf") == 1
    said = capsys.readouterr().err
    assert "Across the switch 'deaf', 'node1' hears nothing of 10.0.0.12 any more" in said
    assert used("bridge") == 0
