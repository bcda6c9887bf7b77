"""What holds of every Nornir task: one a file, documented, plain values in, a `Result` out."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from nornir.core.task import Result, Task

from farswitch.model.cluster import Cluster, Site
from farswitch.proof.context import Context
from farswitch.run.session import Session
from farswitch.site.loader import ROOT

NAMES = sorted(path.stem for path in (ROOT / "tasks").glob("*.py") if path.stem != "__init__")
READ_ONLY = {
    "capture", "find_leftovers", "guest_firewall", "host_state", "image_source", "interfaces",
    "mpi_program", "mpi_smoke", "observe_guest", "preflight", "run_command", "snapshot_look",
    "status", "switch_bench", "switch_look", "trace", "translate_filter", "underlay_udp", "verify",
}  # fmt: skip
"""They leave nothing on a host that another run would have to remove."""
ONE_WAY = {
    "clock", "image_remove", "links_remove", "snapshot_restore", "switch_exchange",
    "switch_remove", "vm_remove", "vm_stop",
}  # fmt: skip
TOO_LARGE = {Cluster, Site, Context, Session}
"""What a task takes is what it needs of them."""


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def task_of(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(importlib.import_module(f"tasks.{name}"), name)
    return function


def test_a_file_has_one_public_function_which_has_its_name(name: str) -> None:
    module = importlib.import_module(f"tasks.{name}")
    public = [
        function
        for function, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not function.startswith("_")
    ]
    assert public == [name]


def test_it_takes_a_task_and_plain_values_and_returns_a_result(name: str) -> None:
    hints = get_type_hints(task_of(name))
    assert hints.pop("return") is Result
    assert next(iter(hints.items())) == ("task", Task)
    taken = {part for hint in hints.values() for part in parts(hint)}
    assert taken & TOO_LARGE == set()


def parts(hint: Any) -> Iterator[Any]:
    if isinstance(hint, list):  # what a callable takes
        for argument in hint:
            yield from parts(argument)
        return
    yield hint
    for argument in get_args(hint):
        yield from parts(argument)


def test_it_is_documented_with_each_of_its_arguments(name: str) -> None:
    text = inspect.getdoc(task_of(name)) or ""
    assert text.splitlines()[0].endswith(".")
    arguments = text.partition("Args:\n")[2]
    missing = [
        one for one in inspect.signature(task_of(name)).parameters if f"{one}: " not in arguments
    ]
    assert missing == []


def test_what_makes_a_state_can_take_it_back_and_only_report(name: str) -> None:
    keywords = {
        parameter.name
        for parameter in inspect.signature(task_of(name)).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    if name in READ_ONLY:
        assert "present" not in keywords
    elif name in ONE_WAY:
        assert "dry_run" in keywords
        assert "present" not in keywords
    else:
        assert {"present", "dry_run"} <= keywords


def test_the_lists_name_no_task_that_is_not_there() -> None:
    assert set(NAMES) >= READ_ONLY | ONE_WAY


def test_a_folder_with_its_own_tasks_can_import_ours(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("")
    (tmp_path / "tasks" / "motd.py").write_text("def motd(task): ...\n")
    script = tmp_path / "run.py"
    script.write_text(
        "from farswitch.tasks.bridge import bridge\n"
        "from farswitch.tasks import vxlan\n"
        "from tasks.motd import motd\n"
        "print(bridge.__module__, vxlan.vxlan.__name__, motd.__module__)\n"
    )
    path = {"PYTHONPATH": str(ROOT)}  # behind the script's own folder, as site-packages is
    done = subprocess.run(
        [sys.executable, script], cwd="/", env=path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("farswitch.tasks.bridge vxlan tasks.motd\n", "")
