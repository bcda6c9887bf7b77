"""Stages of one's own among those of a workflow."""

from __future__ import annotations

import logging

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.task import Result, Task
from nornir.plugins.runners import SerialRunner

from farswitch.run.stages import Stage, after, guests, run_stages, servers, step


def one(task: Task) -> Result:
    return Result(task.host)


def other(task: Task) -> Result:
    return Result(task.host)


WORKFLOW = [Stage(servers, (step(one), step(one, "two"))), Stage(guests, (step(one, "three"),))]
OWN = [Stage(servers, (step(other),)), Stage(guests, (step(other, "more"),))]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        pytest.param("one", 1, id="first-step-of-a-stage"),
        pytest.param("two", 1, id="last-step-of-a-stage"),
        pytest.param("three", 2, id="last-stage"),
    ],
)
def test_own_stages_come_right_after_the_one_with_the_step(name: str, place: int):
    assert list(after(WORKFLOW, name, *OWN)) == [*WORKFLOW[:place], *OWN, *WORKFLOW[place:]]


def test_own_stages_run_once_though_the_step_comes_twice():
    assert list(after([*WORKFLOW, *WORKFLOW], "one", *OWN)) == [
        WORKFLOW[0],
        *OWN,
        WORKFLOW[1],
        *WORKFLOW,
    ]


def test_a_step_that_never_comes_is_an_error():
    with pytest.raises(LookupError, match="'four'"):
        list(after(WORKFLOW, "four", *OWN))


def test_a_stage_is_asked_for_only_when_the_one_before_was_taken():
    asked = []

    def workflow():
        for stage in WORKFLOW:
            asked.append(stage)
            yield stage

    stages = after(workflow(), "two", *OWN)
    assert [next(stages), next(stages), next(stages)] == [WORKFLOW[0], *OWN]
    assert asked == WORKFLOW[:1]


def test_a_stage_that_no_host_is_chosen_for_is_passed_over(caplog: pytest.LogCaptureFixture):
    hosts = Hosts({"a": Host("a")})
    nornir = Nornir(Inventory(hosts, Groups(), Defaults()), runner=SerialRunner())
    done: list[str] = []

    def note(task: Task) -> Result:
        done.append(task.host.name)
        return Result(task.host)

    nobody, everybody = (Stage(on, (step(note),)) for on in (lambda _: False, lambda _: True))
    assert run_stages(nornir, [nobody, everybody])
    assert done == ["a"]
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
