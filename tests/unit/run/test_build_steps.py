"""What a build is shown to do before it does it is what it does."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace

import pytest

from farswitch.links.underlay import Underlay
from farswitch.run.cli import Options
from farswitch.run.rows import Row
from farswitch.run.session import Session
from workflows.build import STEPS, stages


@pytest.mark.parametrize(
    ("dry_run", "left_out"), [(False, set()), (True, {"image_source", "interfaces", "mpi_smoke"})]
)
def test_the_steps_ahead_are_those_of_the_stages_in_their_order(
    built_site: Path, dry_run: bool, left_out: set[str]
):
    with Session("build", Options(site=str(built_site), dry_run=dry_run), quiet=True) as session:
        session.read_record()
        for server in ("server1", "server2"):
            underlay = Underlay(server, "eth0", IPv4Address("198.51.100.1"), 1500, 50)
            session.recorder.results["preflight", server] = SimpleNamespace(
                underlay=underlay, links=(), processors=2
            )
        session.recorder.results["record", "server1"] = session.record
        session.recorder.rows["record"] = Row("record", 0.0, 1.0, changed=1)
        names = [step.name for stage in stages(session) for step in stage.steps]
    assert tuple(dict.fromkeys(names)) == tuple(step for step in STEPS if step not in left_out)
