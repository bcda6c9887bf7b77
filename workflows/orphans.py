"""Teardown without a site: what is on servers is found by its marks, listed, and removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nornir import InitNornir
from nornir.core import Nornir
from nornir.core.inventory import Host

from farswitch.connections import access
from farswitch.errors import ConfigError
from farswitch.leftovers.find import DEFAULT_POOL
from farswitch.leftovers.found import UNNAMED, Seen, named, orphans
from farswitch.lock.agent import held_by
from farswitch.lock.messages import plain
from farswitch.model.machines import Server
from farswitch.model.owner import Owner
from farswitch.model.settings import LabNetworks, Settings
from farswitch.run.cli import Options
from farswitch.run.configuration import configuration
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.ssh_config import forget
from farswitch.run.stages import PerHost, Stage, servers, step
from farswitch.site import servers_only
from farswitch.site.loader import load_site
from farswitch.site.nornir_data import cluster_of
from tasks.find_leftovers import remains, seen_of
from tasks.firewall_reset import firewall_reset
from tasks.guard import guard
from tasks.image_remove import image_remove
from tasks.links_remove import links_remove
from tasks.record import record
from tasks.sysctl import sysctl
from tasks.vm_remove import vm_remove
from workflows.lab_up import lab_is_gone

NOBODY = "(nobody)"
"""No cluster can have this name."""
_OWNER = PerHost(lambda host: cluster_of(host).owner)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, and on which servers."""

    cluster: str = ""
    server: Sequence[str] = ()
    key_file: Path | None = None
    known_hosts: Path | None = None
    orphans: bool = False
    remove: bool = False
    keep_image: bool = False

    @property
    def by_marks(self) -> bool:
        """Whether it is not the site's own cluster that goes."""
        return bool(self.cluster or self.server or self.orphans or self.remove)

    def check(self, site: str | None) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: Options that exclude each other, or that lack another.
        """
        if bool(self.cluster) == self.orphans:
            raise ConfigError("Of --cluster NAME and --orphans exactly one is wanted here.")
        if self.cluster and not named(self.cluster):
            raise ConfigError(f"--cluster: '{self.cluster}' is no name of a cluster.")
        if self.remove and not self.orphans:
            raise ConfigError("--remove goes with --orphans.")
        if self.server and site:
            raise ConfigError("Of --server and --site only one is wanted.")

    def servers(self, options: Options) -> tuple[tuple[Server, ...], LabNetworks | None]:
        """Return the servers that were named, else the site's with its lab.

        Raises:
            ConfigError: One is no server or named twice; or there is no such site.
        """
        if not self.server:
            chosen = configuration(options.site, None, None)["inventory"]["options"]["site"]
            site = load_site(chosen)
            return site.servers, site.lab
        given = {"key_file": self.key_file, "known_hosts": self.known_hosts}
        found = tuple(servers_only.parse_server(one, **given) for one in self.server)
        if len({one.name for one in found}) < len(found):
            raise ConfigError("--server: a server is named twice.")
        return found, None


class Remains(Session):
    """A run on servers of which only their addresses are known."""

    def __init__(self, options: Options, wanted: Wanted) -> None:
        """Take the servers; nothing is touched yet.

        Raises:
            ConfigError: The options cannot be meant.
        """
        wanted.check(options.site)
        self._servers, self._lab = wanted.servers(options)
        self._name = wanted.cluster
        super().__init__("teardown", options)

    def _nornir(self) -> Nornir:
        servers_only.register()
        chosen = configuration(None, None, self.options.workers)
        chosen["inventory"] = {
            "plugin": servers_only.NAME,
            "options": {"servers": self._servers, "cluster": self._name, "lab": self._lab},
        }
        nornir = InitNornir(dry_run=self.options.dry_run, **chosen)
        return nornir.with_processors([self.recorder])

    @property
    def head_host(self) -> Host:
        """The server with the cluster's record, where one was seen: its lock comes first."""
        hosts = list(self.nornir.inventory.hosts.values())
        name = cluster_of(hosts[0]).name
        kept = (host for host in hosts if (seen := seen_of(host)) and name in seen.records)
        return next(kept, hosts[0])

    def adopt(self, cluster: str, pool: str = DEFAULT_POOL, base: int = 0) -> None:
        """Make it the run of one cluster, of which each server's link group tells the first VNI."""
        for host in self.nornir.inventory.hosts.values():
            seen = seen_of(host)
            first = base or (seen.bases.get(cluster, 0) if seen else 0)
            servers_only.adopt(
                host, Settings.model_construct(cluster=cluster, vni_base=first, pool=pool)
            )

    def look(self) -> Mapping[str, Seen]:
        """Look at every server and return what was seen of those that could be looked at."""
        self.run([Stage(servers, (step(remains),))], on_failed=True)
        found = {host.name: seen_of(host) for host in self.hosts(servers)}
        return {name: seen for name, seen in found.items() if seen}

    def at_work(self) -> frozenset[str]:
        """Return the clusters on which a run works now."""
        seen = [host for host in self.hosts(servers) if seen_of(host)]
        return frozenset(holder.cluster for host in seen for holder in held_by(access.shell(host)))


def stages(session: Remains, name: str, *, keep_image: bool) -> Iterator[Stage]:
    """Yield what removes one cluster, in the order of a teardown with its site."""
    before = len(session.recorder.failures)
    found = session.look()
    cluster = PerHost(cluster_of)
    for pool in sorted({DEFAULT_POOL, *(pool for one in found.values() for pool in one.pools)}):
        session.adopt(name, pool)
        yield Stage(_libvirt, (step(vm_remove, owner=Owner(name), pool=pool),))
        if not keep_image:
            yield Stage(_libvirt, (step(image_remove, pool=pool, without=name),))
    yield Stage(_seen, (step(links_remove, name="links", owner=_OWNER),))
    yield Stage(_seen, (step(firewall_reset, cluster=cluster, present=False),))
    yield Stage(_seen, (step(guard, cluster=cluster, device="", present=False),))
    yield Stage(_seen, (step(sysctl, cluster=cluster, present=False),))
    if len(session.recorder.failures) == before:
        owner = PerHost(lambda host: cluster_of(host).owner)
        yield Stage(_seen, (step(record, owner=owner, present=False),))


def nameless(session: Remains, found: Mapping[str, Seen]) -> Iterator[Stage]:
    """Yield what removes base images that no guest needs, and links of no known cluster."""
    for pool in sorted({pool for one in found.values() for pool in one.pools}):
        session.adopt(UNNAMED, pool)
        yield Stage(_libvirt, (step(image_remove, pool=pool),))
    for base in sorted({base for one in found.values() for base in one.strays}):
        session.adopt(NOBODY, base=base)
        yield Stage(_seen, (step(links_remove, name="links", owner=_OWNER),))


def teardown_by_marks(options: Options, wanted: Wanted) -> int:
    """Remove one cluster, or list and remove what no cluster needs; return the exit code.

    Raises:
        ConfigError: The options cannot be meant.
    """
    with Remains(options, wanted) as session:
        if lab_is_gone(session):
            session.note("The lab is down: nothing is left on it.")
            return session.finish()
        found = session.look()
        if wanted.orphans:
            _orphans(session, found, wanted)
        elif any(one.of(wanted.cluster) for one in found.values()):
            _remove(session, wanted.cluster, keep_image=wanted.keep_image)
        elif not session.recorder.failures:
            session.adopt(wanted.cluster)
            with locked(session):  # what a killed run left of its lock goes with ours
                where = ", ".join(found)
                session.note(f"Nothing of cluster '{wanted.cluster}' was found on {where}.")
        if wanted.cluster and not options.dry_run and not session.recorder.failures:
            forget(wanted.cluster)
        session.adopt(wanted.cluster)
        return session.finish()


def _orphans(session: Remains, found: Mapping[str, Seen], wanted: Wanted) -> None:
    """List what is there, cluster by cluster, and remove what nobody needs if that is wanted."""
    at_work = session.at_work()
    kept = orphans(found, at_work)
    if at_work or len(found) < len(session.hosts(servers)):
        nameless_kept = "a run is at work, or a server could not be looked at"
    else:
        nameless_kept = ""
    _list(session, found, {**kept, UNNAMED: nameless_kept})
    if not wanted.remove:
        return
    if session.recorder.failures:
        session.note("Nothing was removed: each server has to be looked at first.")
        return
    for name in [one for one, why in kept.items() if not why]:
        _remove(session, name, keep_image=wanted.keep_image)
    if not (nameless_kept or wanted.keep_image):
        session.run(nameless(session, found), on_failed=True)


def _remove(session: Remains, name: str, *, keep_image: bool) -> None:
    session.adopt(name)
    with locked(session, reach_all=False):
        doing = stages(session, name, keep_image=keep_image)
        session.run(fenced(session, doing), on_failed=True)


def _list(session: Remains, found: Mapping[str, Seen], kept: Mapping[str, str]) -> None:
    listed = [
        (remain.cluster, server, remain, seen.times.age(remain))
        for server, seen in found.items()
        for remain in seen.remains
    ]
    for name, why in kept.items():
        mine = [one for one in listed if one[0] == name]
        if not mine:
            continue
        title = f"Cluster '{plain(name)}'" if name else "Of no cluster"
        verdict = f"stays: {why}" if why else "needed by nobody" if name else "where not needed"
        session.note(f"\n{title}, {verdict}")
        for _, server, remain, age in mine:
            session.note(f"  {server}  {remain.kind}  {plain(remain.name)}  {age}")
    session.recorder.extras["remains"] = [
        {
            "cluster": name,
            "server": server,
            "kind": remain.kind,
            "name": remain.name,
            "age": age,
            "kept": kept.get(name, ""),
        }
        for name, server, remain, age in listed
    ]
    if not listed:
        session.note(f"Nothing of farswitch was found on {', '.join(found)}.")


def _seen(host: Host) -> bool:
    return seen_of(host) is not None


def _libvirt(host: Host) -> bool:
    seen = seen_of(host)
    return seen is not None and seen.libvirt
