"""The cells of a study on a cluster: each is made by exchanges, and its path proved by verify."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from farswitch.connections.access import shell
from farswitch.errors import FarswitchError
from farswitch.impair.plan import PortWish, site_wishes
from farswitch.model.impairment import PortImpairment
from farswitch.model.settings import Settings
from farswitch.model.switch import written
from farswitch.proof.pairing import Pairing
from farswitch.remote import command as remote_command
from farswitch.run.locking import fenced
from farswitch.run.selection import select
from farswitch.run.session import Session
from farswitch.run.stages import Stage, is_switch, servers, step
from farswitch.run.stages import guests as is_guest
from farswitch.study.execute import Entered
from farswitch.study.impairments import ports_of
from farswitch.study.plan import LOCAL, Cell
from farswitch.study.results import PathProof
from tasks.checks import probes
from tasks.checks.control.job import answered
from tasks.checks.path.counters import Count
from tasks.mtu import mtu
from tasks.switch_exchange import SECONDS
from tasks.switch_look import SwitchLook, switch_look
from workflows.build import impair_step, underlay_device
from workflows.local_path import judge, local_steps, remote_steps
from workflows.look import look
from workflows.snapshot_stages import restore_snapshot
from workflows.study_counters import port_counts, states
from workflows.switch_use import ChosenSwitch, chosen, converging, exchange
from workflows.verify import context_of, make

PROOF = "tunnel,path"
"""The families of checks that prove a cell's path."""
EXACT = frozenset({"mtu.exact"})
"""The check that proves a cell's MTU: between each two guests, its size passes and no more."""
ECHO_SECONDS = "5"
"""For the answers of all nodes over a local path."""


class CellMaker:
    """Who makes one cell after the other, and knows what stands.

    Args:
        session: Of the cluster.
        settings: The site's own, before another switch in use was read from the record.
        seconds: When the server ends a stay in a local cell by itself.
    """

    def __init__(self, session: Session, settings: Settings, seconds: int) -> None:
        self._session, self._settings, self._seconds = session, settings, seconds
        self._local = False
        self._mtu: int | None = None
        self._impaired: dict[str, PortWish] | None = None
        self._chosen = select(probes(), only=PROOF)

    def converge(self) -> None:
        """Bring the servers to the switch in use, whatever a run that was killed has left."""
        session = self._session
        self._set_path(local=False)
        self._set_mtu(session.built_record.mtu)
        session.begin_anew()
        if not session.run(fenced(session, converging(session, session.built_record.mtu))):
            raise FarswitchError(first_failure(session))

    def restore(self, snapshot: str) -> None:
        """Bring all guests to where a snapshot has them.

        Raises:
            FarswitchError: They cannot be.
        """
        session = self._session
        if self._local:
            self._set_path(local=False)
        session.begin_anew()
        self._mtu = self._impaired = None
        restore_snapshot(session, snapshot)
        if session.recorder.failures:
            raise FarswitchError(first_failure(session))

    def enter(self, cell: Cell) -> Entered:
        """Put the cell's switch in use and prove the path.

        Raises:
            FarswitchError: It cannot be put in use.
        """
        session, nodes = self._session, cell.nodes or len(self._session.cluster.guests)
        own: dict[str, Any] = {"nodes": nodes} | ({"mtu": cell.mtu} if cell.mtu else {})
        self._set_mtu(cell.mtu or session.built_record.mtu)
        if self._local:  # also before another local cell: the server counts the time of each anew
            self._set_path(local=False)
        if cell.local:
            self._set_path(local=True)
            return Entered({"path": LOCAL} | own, self._local_proof(cell), {}, {})
        self._impair(site_wishes(session.cluster))  # the path is proved without a cell's own
        want = chosen(self._settings, cell.switch or self._settings.switch.kind)
        made = self._exchange(want)
        proof = self._verified(cell, self._chosen | (EXACT if cell.mtu else frozenset()))
        about = self._about()
        factors = {"switch": want.name, "adapter": written(want.adapter)} | own
        if cell.impair is not None:
            self._impair(self._wishes(cell.impair))
            factors["impair"] = cell.impair
        return Entered(factors, proof, about, made)

    def leave(self) -> None:
        """Put the site's own switch in use again, and give the guests the cluster's MTU.

        Raises:
            FarswitchError: It cannot be.
        """
        if self._local:
            self._set_path(local=False)
        self._set_mtu(self._session.built_record.mtu)
        self._impair(site_wishes(self._session.cluster))
        self._exchange(chosen(self._settings, self._settings.switch.kind))

    def _verified(self, cell: Cell, chosen: frozenset[str]) -> PathProof:
        """Return what verify's checks say of the cell as it stands; each kind must have passed."""
        session = self._session
        session.begin_anew()
        make(session, chosen, context := context_of(session, Pairing(), guest_mtu=cell.mtu))
        checks = session.recorder.checks
        failed = [f"{one.name} of {one.host}: {one.measured}" for one in checks if one.ok is False]
        passed = {one.name for one in checks if one.ok}
        proved = chosen & ({"path.counters"} | EXACT) <= passed
        return PathProof(
            ok=proved and not failed and not session.recorder.failures,
            checks=sum(one.ok is True for one in checks),
            failed=failed or [one.error for one in session.recorder.failures],
            conclusion=context.evidence.conclusion,
        )

    def _local_proof(self, cell: Cell) -> PathProof:
        """Return whether the nodes hear each other, and nothing of it crosses the switch.

        Of a cell with an MTU it is proved after that: its probe sends through the tunnels, too.
        """
        session, guests = self._session, self._session.cluster.guests
        before = states(session, guests)
        addresses = [str(guest.data_address.ip) for guest in guests[1:]]
        heard = answered(
            shell(session.hosts(session.is_first_of(guests))[0])
            .run(remote_command("echo", ECHO_SECONDS, *addresses))
            .stdout
        )
        ports = port_counts(session, guests, before, states(session, guests))
        counted = {
            guest.tunnel: Count(ports[guest.name].received, ports[guest.name].sent)
            for guest in guests
            if guest.name in ports
        }
        silent = [f"{one} does not answer" for one in addresses if one not in heard]
        verdict = judge(session.cluster, counted) if len(counted) == len(guests) else None
        failed = (
            silent
            if verdict and verdict.ok
            else [*silent, verdict.measured if verdict else "not counted"]
        )
        said, count = verdict.measured if verdict else "", 1 + len(addresses)
        if cell.mtu and not failed:
            sized = self._verified(cell, EXACT)
            failed, count = sized.failed, count + sized.checks
            return PathProof(ok=sized.ok, checks=count, failed=failed, conclusion=said)
        return PathProof(ok=not failed, checks=count, failed=failed, conclusion=said)

    def _wishes(self, text: str) -> dict[str, PortWish]:
        """Return what a cell's impairment says of all ports; one that it does not name is clean."""
        named, none = ports_of(text), PortImpairment()
        guests = self._session.cluster.guests
        return {one.name: PortWish.whole(named.get(one.name, none)) for one in guests}

    def _impair(self, wishes: dict[str, PortWish]) -> None:
        """Have the ports do what is wished, where they do not."""
        session = self._session
        if wishes == self._impaired:
            return
        session.begin_anew()
        self._impaired = None
        one = impair_step(session, wishes, session.built_record.mtu)
        if not session.run(fenced(session, [Stage(servers, (one,))])):
            raise FarswitchError(first_failure(session))
        self._impaired = wishes

    def _set_mtu(self, size: int) -> None:
        """Give each guest's data NIC an MTU, in bytes of IP packet, where it has another."""
        if size == self._mtu:
            return
        session = self._session
        session.begin_anew()
        self._mtu = None
        one = Stage(is_guest, (step(mtu, size=size),))
        if not session.run(fenced(session, [one])):
            raise FarswitchError(first_failure(session))
        self._mtu = size

    def _set_path(self, *, local: bool) -> None:
        """Join the guests on one bridge of their hypervisor, or give each its own again."""
        session, cluster = self._session, self._session.cluster
        session.begin_anew()
        look(session)
        home = cluster.head.hypervisor
        device, size = underlay_device(session, home, "status"), session.built_record.mtu
        steps = (
            local_steps(cluster, device, size, seconds=self._seconds)
            if local
            else remote_steps(cluster, device, size)
        )
        self._local = True
        if not session.run(fenced(session, [Stage(lambda host: host.name == home, steps)])):
            raise FarswitchError(first_failure(session))
        self._local = local

    def _exchange(self, want: ChosenSwitch) -> Mapping[str, Any]:
        session = self._session
        if session.cluster.settings.switch == want.adapter:
            return {}
        session.begin_anew()
        began = time.monotonic()
        exchange(session, want, SECONDS)
        if session.recorder.failures:
            raise FarswitchError(first_failure(session))
        return {
            **session.recorder.extras["exchange"],
            "seconds": round(time.monotonic() - began, 1),
        }

    def _about(self) -> Mapping[str, str]:
        """Return what the adapter says of the switch in use."""
        cluster = self._session.cluster
        one = step(switch_look, adapter=cluster.settings.switch, owner=cluster.owner)
        self._session.run([Stage(is_switch, (one,), vital=False)])
        found = self._session.recorder.results.get(("switch_look", cluster.switch.name))
        return found.observed.description if isinstance(found, SwitchLook) else {}


def first_failure(session: Session) -> str:
    """Return where and why something failed first, in a sentence."""
    failures = (f"{one.host}, {one.stage}: {one.error}" for one in session.recorder.failures)
    return next(failures, "A server failed.")
