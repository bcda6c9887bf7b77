"""What the log file has, and what it has not."""

import logging
import os
from logging.handlers import RotatingFileHandler

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.task import Result
from nornir.plugins.runners import SerialRunner

from farswitch.run.logs import LOGGER, log_exception, start_log
from tests.lab.clusters import warnings


@pytest.fixture
def log(tmp_path):
    yield tmp_path / "run.log"
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, RotatingFileHandler)]:
        root.removeHandler(handler)
        handler.close()


@pytest.mark.parametrize("verbose", [False, True])
def test_a_guest_that_does_not_answer_yet_is_no_error_unless_all_is_wanted(log, verbose):
    start_log(log, verbose=verbose)
    logging.getLogger("paramiko.transport").error("Secsh channel 24 open FAILED")
    LOGGER.info("done")
    assert ("FAILED" in log.read_text()) == verbose
    assert "done" in log.read_text()
    assert warnings(log, 0) == []


@pytest.mark.parametrize("verbose", [False, True])
def test_each_step_is_named_and_no_arguments_are_listed(log, verbose):
    start_log(log, verbose=verbose)
    hosts = Hosts({"server1": Host("server1")})
    nornir = Nornir(Inventory(hosts, Groups(), Defaults()), runner=SerialRunner())
    nornir.run(lambda task, cluster: Result(host=task.host), name="sysctl", cluster="x" * 999)
    assert "Host 'server1': running task 'sysctl'" in log.read_text()
    assert "xxx" not in log.read_text()


@pytest.mark.log_tells("^ERROR it broke$")
def test_the_lab_finds_what_is_wrong_in_the_log(log):
    start_log(log, verbose=False)
    before = log.stat().st_size
    LOGGER.info("an ERROR that was mended")
    log_exception(ValueError("it broke"))
    logging.getLogger("nornir.core").error("Host 'node1': task failed")
    found = warnings(log, before)
    assert [line.rpartition(" ")[2] for line in found] == ["broke", "failed"]
    assert warnings(log, log.stat().st_size) == []


def test_the_log_after_a_rotation_is_its_owners_alone_too(log, monkeypatch):
    monkeypatch.setattr("farswitch.run.logs.SIZE", 2000)
    before = os.umask(0o022)
    try:
        start_log(log, verbose=False)
        for number in range(100):
            LOGGER.info("%s", number)
    finally:
        os.umask(before)
    files = list(log.parent.iterdir())
    assert len(files) > 1
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
