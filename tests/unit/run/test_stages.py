"""Stages of one's own among those of a workflow."""

from __future__ import annotations

import pytest
from nornir.core.task import Result, Task

from farswitch.run.stages import Stage, after, guests, servers, step


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
