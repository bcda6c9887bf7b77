"""What a build says when its MPI job does not end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from farswitch.connections.shell.protocol import CommandTimeoutError
from farswitch.errors import FarswitchError
from farswitch.guests.mpi_launch import ring
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site


def test_a_job_that_does_not_end_leads_to_the_proof():
    def run(argv, *, timeout, check):
        raise CommandTimeoutError("node1", argv, timeout)

    here = cluster(load_site(str(ROOT / "inventory/lab")), 2)
    login = SimpleNamespace(host="node1", run=run)
    with pytest.raises(FarswitchError, match="on 'node1' did not end within 300 s") as caught:
        ring(login, here.settings, here.guests, [1])
    assert caught.value.hint == "Look: farswitch verify"
