"""A site may be the lab of one machine: it is raised when it is needed."""

from __future__ import annotations

from farswitch.errors import FarswitchError
from farswitch.lab import control
from farswitch.lab.addresses import Lab
from farswitch.model.cluster import Site
from farswitch.run.session import Session


def lab_of(site: Site) -> Lab | None:
    """Return the lab that a site stands on; None where its servers are real."""
    lab = site.lab
    return Lab(lab.name, lab.controller_network, lab.underlay_network) if lab else None


def ensure_lab(session: Session) -> None:
    """Raise the lab when the site stands on it; a dry run only reports that it is down.

    Raises:
        FarswitchError: It is down and this is a dry run, or it cannot be raised.
    """
    lab = lab_of(session.site)
    if lab is None:
        return
    if session.options.dry_run:
        check_lab(session)
        return
    session.progress(f"lab '{lab.name}'")
    if control.up(lab):
        session.note(f"Lab '{lab.name}' was raised or repaired on this machine.")


def check_lab(session: Session) -> None:
    """Refuse to go on where the site stands on a lab that is down.

    Raises:
        FarswitchError: It is.
    """
    lab = lab_of(session.site)
    if lab is not None and not control.stands(lab):
        raise FarswitchError(
            f"Lab '{lab.name}' is down, so there is nothing to look at.",
            hint="Raise it: farswitch lab up",
        )


def lab_is_gone(session: Session) -> bool:
    """Whether the site stands on a lab that is not there: nothing can be left on its servers."""
    lab = lab_of(session.site)
    return lab is not None and all(member.pid is None for member in control.status(lab).members)
