"""Scripts of docs/as-a-library.md and docs/extend.md, against the lab's two servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farswitch.lab import container
from farswitch.lab.addresses import MEMBERS, Lab
from farswitch.model.owner import Owner
from tests.documented import run_script
from tests.lab.clusters import ClusterUnderTest

pytestmark = pytest.mark.root
HOST = """\
{member.name}:
  hostname: {control}
  username: root
  data: {{underlay: {underlay}, peer: {peer}}}
  connection_options:
    shell: {{extras: {{key_file: {lab.key}, known_hosts: {lab.known_hosts}}}}}
"""
FIRST = [
    "+ bridge br-data (farswitch:mylab:br-data) mtu 1450",
    "+ vxlan vx-data (farswitch:mylab:vx-data) mtu 1450",
]


def write_hosts(lab: Lab, folder: Path) -> str:
    """Write the inventory of a Nornir user who never heard of a site."""
    peers = zip(MEMBERS, reversed(MEMBERS), strict=True)
    text = "".join(
        HOST.format(
            member=member, lab=lab, control=lab.address(member).ip,
            underlay=lab.underlay_address(member).ip, peer=lab.underlay_address(peer).ip,
        )
        for member, peer in peers
    )  # fmt: skip
    (folder / "hosts.yaml").write_text(text)
    return "hosts.yaml"


def links_of(lab: Lab, server: str) -> dict[str, dict]:
    said = container.execute(container.find(lab)[server], ["ip", "-j", "-d", "link"])
    return {link["ifname"]: link for link in json.loads(said)}


@pytest.mark.parametrize("own_tasks", [False, True], ids=["no-tasks", "a-tasks-folder-of-ones-own"])
def test_a_bridge_and_a_tunnel_for_any_inventory(lab: Lab, tmp_path: Path, own_tasks: bool):
    hosts, before = (
        write_hosts(lab, tmp_path),
        {one.name: links_of(lab, one.name) for one in MEMBERS},
    )
    if own_tasks:
        (tmp_path / "tasks").mkdir()
        for name in ("__init__", "bridge", "vxlan"):
            (tmp_path / f"tasks/{name}.py").write_text("raise AssertionError('not ours')\n")
    made = run_script("two_servers.py", tmp_path, hosts)
    assert made.returncode == 0, made.stdout + made.stderr
    for member, peer in zip(MEMBERS, reversed(MEMBERS), strict=True):
        assert f"{member.name} bridge: changed" in made.stdout
        links = links_of(lab, member.name)
        data, tunnel = links["br-data"], links["vx-data"]
        ends = tunnel["linkinfo"]["info_data"]
        assert (data["mtu"], data["group"]) == (1450, str(Owner("mylab").link_group))
        assert (tunnel["master"], tunnel["ifalias"]) == ("br-data", "farswitch:mylab:vx-data")
        assert (ends["id"], ends["link"]) == (100, "eth1")
        assert ends["local"] == str(lab.underlay_address(member).ip)
        assert ends["remote"] == str(lab.underlay_address(peer).ip)
    assert [made.stdout.count(line) for line in FIRST] == [2, 2]
    again = run_script("two_servers.py", tmp_path, hosts)
    assert again.returncode == 0, again.stdout + again.stderr
    assert (again.stdout.count("as wanted"), "changed" in again.stdout) == (6, False)
    gone = run_script("two_servers.py", tmp_path, hosts, "remove")
    assert gone.stdout.count("- bridge br-data") == 2, gone.stdout + gone.stderr
    for member in MEMBERS:
        assert links_of(lab, member.name).keys() == before[member.name].keys()
    assert "changed" not in run_script("two_servers.py", tmp_path, hosts, "remove").stdout


def test_a_stage_of_ones_own_runs_where_it_was_put_into_a_build(lab: Lab, tmp_path: Path):
    cluster = ClusterUnderTest("fsl", 8301, "10.92.0", "10.92.1", lab, tmp_path, size=1)
    cluster.write_site()
    before = container.execute(container.find(lab)["server1"], ["sh", "-c", "cat /etc/motd || :"])
    state = {"XDG_STATE_HOME": str(cluster.state)}
    done = run_script("build_and_tell.py", tmp_path, str(cluster.site), "--dry-run", **state)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
    assert rows.index("mtu_servers") < rows.index("motd") < rows.index("image"), done.stdout
    assert done.stdout.count("~ /etc/motd") == 2
    assert (
        container.execute(container.find(lab)["server1"], ["sh", "-c", "cat /etc/motd || :"])
        == before
    )
