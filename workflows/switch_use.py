"""Another switch in the place of the one in use, under running jobs: what `switch use` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from farswitch.connections.access import shell
from farswitch.errors import ConfigError, FarswitchError
from farswitch.firewall.guard_wanted import guard_of_both, wanted_guard
from farswitch.links.wanted import wanted_bridges, wanted_tunnels, wanted_veths
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.model.node_names import shown
from farswitch.model.settings import Settings
from farswitch.model.switch import Switch, adapters, parse_switch, written
from farswitch.proof.datagram_stream import DatagramStream, datagram_stream
from farswitch.run.cli import Options, main
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.stages import Stage, Step, is_switch, step
from farswitch.state.record import SwitchInUse
from farswitch.status.guests import RUNNING, guest_statuses
from farswitch.status.observed import ServerLook
from farswitch.switches.exchange import SwitchSide
from tasks.bridge import bridge
from tasks.guard import guard
from tasks.record import record
from tasks.switch_exchange import SECONDS, Asker, switch_exchange
from tasks.veth import veth
from workflows.build import servers_stage, switch_stage, underlay_device
from workflows.lab_up import ensure_lab
from workflows.look import look


@dataclass(frozen=True, slots=True)
class ChosenSwitch:
    """The switch that is to be used; `site`: it is the one that the site names."""

    name: str
    adapter: Switch
    site: bool

    @property
    def in_record(self) -> SwitchInUse | None:
        """What the cluster's record has of it."""
        return None if self.site else SwitchInUse(name=self.name, adapter=written(self.adapter))


def chosen(settings: Settings, name: str) -> ChosenSwitch:
    """Return the switch that a name means: one of `switches`, the site's own, or a kind.

    Raises:
        ConfigError: It means none.
    """
    named = {settings.switch.kind: settings.switch, **dict(settings.switches)}
    if name not in named and name not in adapters():
        names = ", ".join(f"'{one}'" for one in sorted({*named, *adapters()}))
        raise ConfigError(
            f"There is no switch {shown(name)}, wanted one of {names}.",
            hint="A switch with settings gets a name under 'switches' in defaults.yaml.",
        )
    try:
        adapter = named.get(name) or parse_switch(name)
    except ValueError as error:  # pydantic's are, too
        raise ConfigError(
            f"A switch of the kind '{name}' needs settings.",
            hint=f"Write them under a name of yours: switches: {{mine: {{{name}: …}}}}",
        ) from error
    return ChosenSwitch(name, adapter, adapter == settings.switch)


def stages(
    session: Session, want: ChosenSwitch, asker: Asker | None = None, seconds: int = SECONDS
) -> Iterator[Stage]:
    """Yield the exchange: the new one's interfaces, itself, the record, and the end of the old.

    It is judged by the echoes of an `asker`, and undone by the server itself after the `seconds`.
    """
    old, size = session.cluster, session.built_record.mtu
    new, device = old.with_switch(want.adapter), underlay_device(session, old.switch.name, "status")
    if not session.options.dry_run:
        yield Stage(is_switch, beside_steps(old, new, device, size))
    yield Stage(is_switch, (exchange_step(old, new, device, size, asker=asker, seconds=seconds),))
    session.use_switch(want.adapter)
    kept = session.built_record.model_copy(update={"switch": want.in_record})
    keeping = step(record, owner=old.owner, want=kept, have=session.built_record)
    yield Stage(session.is_head, (keeping,))
    session.take_record(kept)
    if not session.options.dry_run:  # ends the old one at once: frames may come twice until then
        yield switch_stage(session, size)
    yield from converging(session, size)


def converging(session: Session, size: int) -> Iterator[Stage]:
    """Yield what leaves the switch server with the cluster's switch alone."""
    if not session.options.dry_run:
        look(session)  # at what the stages before have made
    yield dataclasses.replace(servers_stage(session, size, looked="status"), on=is_switch)
    yield switch_stage(session, size)


def beside_steps(old: Cluster, new: Cluster, device: str, size: int) -> tuple[Step, ...]:
    """Return what makes the new switch's interfaces beside those of the old one."""
    guards = [wanted_guard(one, one.switch, device) for one in (old, new)]
    bridges = [own for one in (old, new) for own in wanted_bridges(one, one.switch, mtu=size)]
    ends = [own for one in (old, new) for own in wanted_veths(one, one.switch, mtu=size)]
    return (
        step(guard, owner=old.owner, want=guard_of_both(*guards)),
        step(bridge, bridges=list(dict.fromkeys(bridges)), owner=old.owner),
        step(veth, ends=list(dict.fromkeys(ends)), owner=old.owner),
    )


def exchange_step(old: Cluster, new: Cluster, device: str, size: int, **judged: Any) -> Step:
    """Return the exchange itself."""
    sides = [side_of(one, device, size) for one in (old, new)]
    return step(switch_exchange, old=sides[0], new=sides[1], owner=old.owner, **judged)


def refuse_apart(old: Cluster, new: Cluster) -> None:
    """Refuse two switches on the same plain ports, which are in one network at a time.

    Raises:
        ConfigError: They are in different ones.
    """
    plain = old.attachment == new.attachment == "plain port"
    if plain and old.port_namespace != new.port_namespace:
        places = (one.port_namespace or "the server's own" for one in (old, new))
        raise ConfigError(
            f"Both switches are on plain ports, in different networks: {' and '.join(places)}.",
            hint="Put another kind between them: farswitch switch use bridge",
        )


def side_of(cluster: Cluster, device: str, size: int) -> SwitchSide:
    """Return a cluster's switch as a side of an exchange; `device` is its server's underlay."""
    tunnels = wanted_tunnels(cluster, cluster.switch, device=device, mtu=size)
    return SwitchSide(cluster.settings.switch, cluster.switch_ports(size), tunnels)


def running(session: Session, looks: Mapping[str, ServerLook]) -> list[Guest]:
    """Return the guests that run."""
    statuses = guest_statuses(session.cluster, looks)
    states = {status.name: status.state for status in statuses}
    return [guest for guest in session.cluster.guests if states[guest.name] == RUNNING]


def asker_of(session: Session, guests: list[Guest]) -> Asker | None:
    """Return the guest by whose echoes the new switch is judged, where there are two."""
    if len(guests) < 2:  # noqa: PLR2004
        return None
    addresses = [str(guest.data_address.ip) for guest in guests[1:]]
    return Asker(session.nornir.inventory.hosts[guests[0].name], addresses)


def streaming(session: Session, guests: list[Guest], until: ExitStack) -> DatagramStream | None:
    """Begin the stream between the first two guests; None, and the reason noted, where none is."""
    why = "" if len(guests) > 1 else "fewer than two guests run"
    if not why:
        hosts = session.nornir.inventory.hosts
        first, second = (hosts[guest.name] for guest in guests[:2])
        address = str(guests[1].data_address.ip)
        try:
            return until.enter_context(datagram_stream(shell(first), shell(second), address))
        except FarswitchError as error:
            why = str(error).rstrip(".")
    session.note(f"Lost frames were not counted: {why}.")
    return None


@main("switch-use")
def use(options: Options, name: str, seconds: int = SECONDS) -> int:
    """Exchange the switch and report."""
    with Session("switch-use", options) as session:
        want = chosen(session.site.settings, name)
        ensure_lab(session)
        with locked(session):
            session.read_record()
            _ = session.built_record
            exchange(session, want, seconds)
        return session.finish()


def exchange(session: Session, want: ChosenSwitch, seconds: int) -> None:
    """Make the exchange, with a stream of datagrams through it.

    Raises:
        FarswitchError: Guests hear each other no more, now that the old switch has ended.
    """
    refuse_apart(session.cluster, session.cluster.with_switch(want.adapter))
    looks, old = look(session), session.cluster
    if len(looks) < len(old.servers):
        return
    guests = [] if session.options.dry_run else running(session, looks)
    asker = asker_of(session, guests)
    with ExitStack() as until:
        stream = None if session.options.dry_run else streaming(session, guests, until)
        heard = asker.heard() if asker else frozenset[str]()
        made = session.run(fenced(session, stages(session, want, asker, seconds)))
        if not made and session.cluster == old:
            _clean(session)
        if session.options.dry_run:
            return
        figures = None
        if stream:
            try:
                figures = stream.end()
                session.note(f"{guests[0].name} to {guests[1].name}: {figures}.")
            except FarswitchError as error:
                session.note(f"Lost frames were not counted: {error}")
    session.recorder.extras["exchange"] = {
        "from": old.settings.switch.kind,
        "to": want.name,
        "order": str(session.recorder.results.get(("switch_exchange", old.switch.name), "")),
        "stream": asdict(figures) if figures else None,
    }
    if made and asker and (lost := heard - asker.heard()):
        raise FarswitchError(
            f"Across the switch '{want.name}', '{asker.host.name}' hears nothing of "
            f"{', '.join(sorted(lost)[:3])} any more, now that the old one has ended.",
            hint="Put another one into its place: farswitch switch use NAME",
        )


def _clean(session: Session) -> None:
    """Take away what the new switch was to have: the old one stands."""
    session.nornir.data.reset_failed_hosts()
    session.run(fenced(session, converging(session, session.built_record.mtu)))
