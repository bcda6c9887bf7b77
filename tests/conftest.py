"""Lanes: one for what needs real guests, one a file for the rest; and no unannounced warning."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from farswitch import pace
from tests.own_lab import FAILED

LAB = Path(__file__).parent / "lab"
ALONE = ("test_image_boot.py", "test_cluster_foreign_image.py")
"""Files of real guests that need no cluster of others."""
LAST = ("test_cluster_teardown.py",)
"""Files that end the cluster that the others share."""


def pytest_configure() -> None:
    """Choose what the random moments of tests/soak follow from, for all processes alike."""
    os.environ["RANDOM_SEED"] = os.environ.get("RANDOM_SEED") or str(secrets.randbelow(1_000_000))


def pytest_report_header() -> str:
    """Print the random seed before anything can go wrong."""
    return f"RANDOM_SEED={os.environ['RANDOM_SEED']} (repeats the random moments of tests/soak)"


class Kept(logging.Handler):
    """Keeps the lines of our own log that somebody should look at."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures know of a failure: what the test was in the middle of is no other test's."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def pace_of_its_own() -> None:
    """Let no test's deadlines follow how slow the machine was in another."""
    pace.forget()


@pytest.fixture(autouse=True)
def announced_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test whose log has a WARNING or worse that its marker `log_tells` does not name.

    A line that was announced and did not come is a failure too.
    """
    kept, logger = Kept(), logging.getLogger("farswitch")
    logger.addHandler(kept)
    yield
    logger.removeHandler(kept)
    patterns = [one for marker in request.node.iter_markers("log_tells") for one in marker.args]
    found = {one: [line for line in kept.lines if re.search(one, line)] for one in patterns}
    expected = {line for lines in found.values() for line in lines}
    assert [line for line in kept.lines if line not in expected] == []
    assert [one for one, lines in found.items() if not lines] == []


def lane(path: Path) -> str:
    """Return the name of the group that runs in one process: a fixture is made once in it."""
    if path.parent != LAB:
        return str(path)
    return "image" if path.name in ALONE else "cluster"


class Lanes(LoadScopeScheduling):
    """Gives each process of xdist whole lanes, in their order."""

    def _split_scope(self, nodeid: str) -> str:
        return lane(Path(__file__).parents[1] / nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lanes:
    """Let `make test` share the tests out by lanes."""
    return Lanes(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave trials out unless they are asked for, by `-m trial`; sort the others.

    The longest lanes come first, and what ends the cluster at its end.
    """
    if "trial" not in config.option.markexpr:
        trials = [item for item in items if item.get_closest_marker("trial")]
        config.hook.pytest_deselected(items=trials)
        items[:] = [item for item in items if item not in trials]
    items.sort(key=_order)


def _order(item: pytest.Item) -> tuple[bool, bool, bool]:
    """Return what sorts a test: lab, cluster before image, the cluster's end last."""
    name = lane(item.path)
    return name not in {"cluster", "image"}, name == "image", item.path.name in LAST


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how often the controller was killed, stopped or in a race, when, and from which seed."""
    passed = terminalreporter.stats.get("passed", [])
    noted = [found for one in passed for found in one.user_properties]
    crashes = [str(value) for name, value in noted if name == "crash"]
    for figure in (value for name, value in noted if name == "figure"):
        terminalreporter.line(str(figure))
    if not crashes:
        return
    terminalreporter.section(
        f"{len(crashes)} crashes, races and long runs survived, "
        f"RANDOM_SEED={os.environ['RANDOM_SEED']}"
    )
    for crash in crashes:
        terminalreporter.line(crash)
