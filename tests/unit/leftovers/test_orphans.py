"""Whose is what on a server, what nobody needs, and which options of a teardown go together."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest
from click.testing import CliRunner

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.libvirt.pools import PoolState
from farswitch.connections.libvirt.volumes import VolumeState
from farswitch.connections.netlink.links import Link
from farswitch.errors import ConfigError, ForeignObjectError
from farswitch.firewall.ruleset import Chain, Rule, Ruleset
from farswitch.leftovers.find import ObservedServer, find, in_pools
from farswitch.leftovers.orphans import Leftover, Leftovers, Times, orphans
from farswitch.model.links import VxlanAttrs
from farswitch.model.owner import GROUP_BASE
from farswitch.run.cli import Options
from farswitch.run.teardown_options import TeardownOptions
from farswitch.site.loader import ROOT
from farswitch.site.servers_only import parse_server
from farswitch.state.keys import ResetKey
from farswitch.state.saved_settings import Claim, Journal
from farswitch.sysctl.files import SYSCTL_FILE, render
from workflows import orphans as orphans_command
from workflows import teardown
from workflows.teardown import command

TIMES = Times(now=100_000, boot=90_000, written={"/old": 10_000, "/new": 99_990})
FAR, OWN = IPv4Address("198.51.100.2"), IPv4Address("198.51.100.1")
GROUP = GROUP_BASE | 41
NOTHING = ObservedServer((), (), Ruleset(()), {}, Journal(), frozenset())


def link(name: str, kind: str = "bridge", **more: object) -> Link:
    return Link(7, name, kind=kind, **more)  # type: ignore[arg-type]


def tunnel(name: str, **more: object) -> Link:
    vxlan = VxlanAttrs(vni=41, local=OWN, remote=FAR, port=4789, device="eth0")
    return link(name, "vxlan", vxlan=vxlan, **more)


def domain(name: str, cluster: str | None, disk: str = "/pool/x") -> DomainState:
    xml = f"<domain><devices><disk><source file='{disk}'/></disk></devices></domain>"
    return DomainState(name, "uuid", "running", True, xml, cluster, None)


def pool(name: str, path: str, made: int | None = None, *, active: bool = True) -> PoolState:
    return PoolState(name, path, active, True, made)


def volume(name: str, *, ours: bool = True) -> VolumeState:
    return VolumeState(name, 1, f"/pool/{name}", complete=True, ours=ours)


def rule(table: str, comment: str) -> dict[str, object]:
    return {"rule": {"family": "inet", "table": table, "chain": "c", "comment": comment}}


def chain(*marks: str) -> Ruleset:
    rules = tuple(Rule("accept", mark) for mark in marks)
    return Ruleset((Chain("iptables-nft", "filter", "INPUT", rules, "drop", False),))


def leftovers(observed: ObservedServer, bases: dict[str, int] | None = None) -> Leftovers:
    return find(observed, TIMES, bases or {}, server="server1")


@pytest.mark.parametrize(
    ("observed", "wanted"),
    [
        pytest.param({"links": [link("x", alias="farswitch:a:n1")]}, ("a", "bridge"), id="alias"),
        pytest.param({"links": [link("fsb41", group=GROUP)]}, ("", "bridge"), id="group"),
        pytest.param({"links": [link("fsb41")]}, None, id="name"),
        pytest.param({"links": [link("br0", group=GROUP)]}, None, id="a-group-like-ours"),
        pytest.param({"links": [link("fsb41", group=41)]}, None, id="another-group"),
        pytest.param({"links": [link("eth0", "", alias="farswitch:a:n1")]}, None, id="a-nic"),
        pytest.param({"links": [link("x", alias="farswitch:A b:n1")]}, None, id="no-clusters-name"),
        pytest.param({"domains": [domain("a-n1", "a")]}, ("a", "domain"), id="domain"),
        pytest.param({"domains": [domain("a-n1", None)]}, None, id="domain-without-mark"),
        pytest.param({"volumes": {"p": [volume("a.n1.1.qcow2")]}}, ("a", "volume"), id="volume"),
        pytest.param({"volumes": {"p": [volume("debian.qcow2")]}}, None, id="another-volume"),
        pytest.param(
            {"volumes": {"p": [volume(f"base-own-{'0' * 16}.qcow2")]}}, ("", "image"), id="image"
        ),
        pytest.param(
            {"tables": [rule("farswitch_a", "farswitch:a")]}, ("a", "nft table"), id="guard"
        ),
        pytest.param({"tables": [rule("farswitch_a", "")]}, None, id="a-table-without-mark"),
        pytest.param({"tables": [rule("filter", "farswitch:a")]}, None, id="a-rule-is-no-table"),
        pytest.param({"rules": chain("", "farswitch:a")}, ("a", "rules"), id="rule"),
        pytest.param({"rules": chain("")}, None, id="another-rule"),
        pytest.param({"files": {SYSCTL_FILE: render(frozenset("a"))[SYSCTL_FILE]}}, ("a", "file"),
                     id="file"),
        pytest.param({"journal": Journal({ResetKey(): Claim((), (), frozenset("a"))})},
                     ("a", "journal"), id="journal"),
        pytest.param({"records": frozenset("a")}, ("a", "record"), id="record"),
    ],
)  # fmt: skip
def test_ours_is_what_bears_a_mark(observed, wanted):
    found = [(one.cluster, one.kind) for one in leftovers(replace(NOTHING, **observed)).objects]
    assert found == ([wanted] if wanted else [])


def test_a_file_of_our_name_without_our_mark_is_refused():
    with pytest.raises(ForeignObjectError):
        leftovers(replace(NOTHING, files={SYSCTL_FILE: "net.ipv4.ip_forward = 1\n"}))


def test_a_link_just_made_belongs_to_the_cluster_of_its_group():
    links = [link("fsb41", group=GROUP), link("fsb42", group=GROUP, alias="farswitch:a:n2")]
    found = leftovers(replace(NOTHING, links=links))
    assert [one.cluster for one in found.objects] == ["a", "a"]
    assert (found.strays, found.bases) == ((), {"a": 41})
    told_by_record = leftovers(replace(NOTHING, links=links[:1]), {"b": 41})
    assert [one.cluster for one in told_by_record.objects] == ["b"]
    assert leftovers(replace(NOTHING, links=links[:1])).strays == (41,)


def test_volumes_are_looked_for_in_every_pool():
    pools = [pool("farswitch", "/f"), pool("ours", "/o", made=1), pool("used", "/used"),
             pool("theirs", "/theirs"), pool("stopped", "/s", made=0, active=False)]  # fmt: skip
    disk = volume("a.n1.1.qcow2")
    theirs = volume("a.n2.1.qcow2", ours=False)
    volumes = {"used": [disk, theirs], "theirs": [theirs]}
    found = in_pools(pools, lambda pool: volumes.get(pool.name, []))
    assert found == {"farswitch": [], "ours": [], "used": [disk], "stopped": []}


ORPHAN = leftovers(replace(NOTHING, links=[tunnel("fsv41", alias="farswitch:a:n1")]))
SWITCH = replace(leftovers(NOTHING), addresses=frozenset({FAR}))
RECORDED = leftovers(replace(NOTHING, records=frozenset("a")))


@pytest.mark.parametrize(
    ("servers", "at_work", "why"),
    [
        pytest.param({"s1": ORPHAN, "s2": SWITCH}, (), "", id="nobody-needs-it"),
        pytest.param({"s1": ORPHAN}, (), "its tunnels lead to 198.51.100.2", id="half-seen"),
        pytest.param({"s1": ORPHAN, "s2": SWITCH}, ("a",), "a run works on it", id="at-work"),
        pytest.param({"s1": ORPHAN, "s2": RECORDED}, (), "a record on 's2'", id="recorded"),
    ],
)
def test_a_cluster_stays_where_it_may_be_needed(servers, at_work, why):
    kept = orphans(servers, at_work)
    assert list(kept) == ["a"]
    assert why in kept["a"]
    assert bool(kept["a"]) == bool(why)


@pytest.mark.parametrize(
    ("path", "age"),
    [("/old", "1 d"), ("/new", "10 s"), ("", "at most 2 h"), ("/gone", "unknown")],
)
def test_age_is_that_of_the_file_or_at_most_the_kernels(path, age):
    assert TIMES.age(Leftover("a", "domain", "x", path)) == age


@pytest.mark.parametrize(
    ("text", "user", "hostname", "port"),
    [
        ("server1", "root", "server1", None),
        ("me@10.0.0.1:2222", "me", "10.0.0.1", 2222),
        ("root@[fd00::1]:22", "root", "fd00::1", 22),
        ("local", "root", "local", None),
    ],
)
def test_a_server_is_named_as_for_ssh(text, user, hostname, port):
    server = parse_server(text, key_file=None, known_hosts=None)
    assert (server.user, server.hostname, server.port) == (user, hostname, port)
    assert server.local is (text == "local")


@pytest.mark.parametrize(
    "text", ["", "@x", "a b", "-oProxyCommand=x", "a:0", "a:99999", "a;b", "1.2"]
)
def test_what_is_no_server_is_refused(text):
    with pytest.raises(ConfigError, match="is no server"):
        parse_server(text, key_file=None, known_hosts=None)


def test_addresses_of_a_server_are_known():
    links = [link("eth0", "", addresses=(IPv4Interface("198.51.100.1/24"),))]
    assert leftovers(replace(NOTHING, links=links)).addresses == {OWN}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--cluster", "a", "--orphans"), "exactly one"),
        (("--server", "x"), "exactly one"),
        (("--cluster", "A;b", "--server", "x"), "no name of a cluster"),
        (("--cluster", "a", "--server", "x", "--remove"), "--remove goes with --orphans"),
        (("--orphans", "--server", "x", "--site", "lab"), "only one is wanted"),
        (("--orphans", "--server", "-oProxyCommand=x"), "is no server"),
        (("--orphans", "--server", "a", "--server", "root@a"), "named twice"),
    ],
)
@pytest.mark.log_tells("^ERROR ")
def test_options_that_cannot_be_meant_end_with_2(options, sentence, monkeypatch):
    monkeypatch.setenv("FARSWITCH_CONFIG", str(ROOT / "config.yaml"))
    done = CliRunner().invoke(command, options)
    assert (done.exit_code, sentence in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--remove",),
        ("--remove", "--keep-image", "--server", "a", "--server", "b", "--dry-run"),
    ],
)
def test_orphans_is_a_teardown_of_orphans(options, monkeypatch):
    asked: list[tuple[Options, TeardownOptions]] = []
    for module in (teardown, orphans_command):
        monkeypatch.setattr(module, "teardown", lambda given, wanted: asked.append((given, wanted)))
    CliRunner().invoke(command, ("--orphans", *options), catch_exceptions=False)
    CliRunner().invoke(orphans_command.command, options, catch_exceptions=False)
    assert asked[0] == asked[1]
    assert asked[0][1].orphans
