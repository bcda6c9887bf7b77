"""The switch's server is rebooted while guests run: a build mends it, and they run on."""

import pytest

from farswitch.lab import control
from tasks.checks.mpi import pairs
from tests.lab import foreign
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import settle
from tests.lab.monitors import listening

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

THREE_PAIRS = 3 * 2 * pairs.PAYLOAD


def test_the_guests_run_on_and_server1_is_not_touched(built: ClusterUnderTest) -> None:
    boots = built.boots()
    with listening(built.lab, "server1") as heard:
        control.restart("server2", built.lab)
        foreign.boot(built.lab, "server2")
        settle(built.lab)
        told = built.run("verify", "--only", "server,tunnel.ends,guest.running")
        mended = built.good("build")
    assert (told.status, "Traceback" in told.said) == (1, False)
    assert {check["host"] for check in told.failed_checks()} == {"server2"}
    measured = {check["measured"] for check in told.failed_checks()}
    assert f"fss{built.vni}: it is not there" in measured
    assert mended.changed > 0
    assert heard == []
    assert built.boots() == boots
    assert built.good("build", "--dry-run").changed == 0
    crossed, wanted = built.good("verify", "--only", "path").crossed()
    assert crossed == wanted >= THREE_PAIRS
