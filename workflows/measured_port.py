"""A port that is measured between two guests, before and after what it does to frames changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.connections.access import shell
from farswitch.errors import FarswitchError
from farswitch.model.impairment import Impairment
from farswitch.model.machines import Guest
from farswitch.proof.port_figures import Figure, Way
from farswitch.run.session import Session
from farswitch.status.guests import RUNNING, guest_statuses
from workflows.impaired import entries, impaired
from workflows.look import look

MS = 1000
Done = dict[str, Impairment]
"""What is done to frames, by direction."""


@dataclass(frozen=True, slots=True)
class MeasuredPort:
    """The port of a guest, the guest at the other end, and how it was before.

    Attributes:
        before: What was done to frames.
        round_trip: In seconds.
    """

    guest: Guest
    other: Guest
    to_guest: Way
    from_guest: Way
    before: Done
    round_trip: float

    def figures(self, session: Session) -> list[Figure]:
        """Return what was asked for and what is measured; where that fails, note the reason."""
        after = _done(session, self.guest, "impair")
        found: list[Figure] = []
        try:
            asked = sum(one.delay for one in after.values())
            if asked or any(one.delay for one in self.before.values()):
                asked -= sum(one.delay for one in self.before.values())
                grown = self.to_guest.round_trip() - self.round_trip
                found.append(Figure("delay", "both", asked / MS, MS * grown))
            for direction, way in (("to_guest", self.to_guest), ("from_guest", self.from_guest)):
                if (one := after.get(direction)) and one.loss:
                    found.append(way.loss(one, direction))
                if one and one.rate:
                    found.append(way.rate(one, direction))
        except FarswitchError as error:
            session.note(f"The port of '{self.guest.name}' could not be measured: {error}")
        return found


def measured_port(session: Session, chosen: Sequence[Guest]) -> MeasuredPort | None:
    """Return the first of the chosen ports, as it is; None, and the reason noted, where none is."""
    statuses = guest_statuses(session.cluster, look(session))
    up = {one.name for one in statuses if one.state == RUNNING}
    running = [guest for guest in session.cluster.guests if guest.name in up]
    guest = next((guest for guest in chosen if guest in running), None)
    others = [one for one in running if one != guest]
    others.sort(key=lambda one: one in chosen)
    if guest is None or not others:
        session.note("Nothing was measured: fewer than two guests run.")
        return None
    hosts, other = session.nornir.inventory.hosts, others[0]
    try:
        near, far = shell(hosts[guest.name]), shell(hosts[other.name])
        to_guest = Way(far, near, str(guest.data_address.ip))
        from_guest = Way(near, far, str(other.data_address.ip))
        impaired(session)
        before = _done(session, guest, "impairments")
        return MeasuredPort(guest, other, to_guest, from_guest, before, to_guest.round_trip())
    except FarswitchError as error:
        session.note(f"The port of '{guest.name}' could not be measured: {error}")
        return None


def _done(session: Session, guest: Guest, step: str) -> Done:
    """Return what a step found to be done to a guest's frames."""
    return {
        one["direction"]: Impairment.model_validate(
            {key: value for key, value in one["does"].items() if key != "link"}
        )
        for one in entries(session, step)
        if one["guest"] == guest.name
    }
