"""A study's file: what it means, and the sentence for each mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.errors import ConfigError
from farswitch.site.loader import load_site
from farswitch.study.load import load_study, study_path
from farswitch.study.plan import Cell

GOOD = """\
title: What does it cost?
over: {switch: [bridge, openvswitch], nodes: [2, 3]}
programs:
  kernels: builtin
  cg: {run: /shared/cg -x, ranks: 4, metric: {find: 'Mop/s = *([0-9.]+)', unit: M, better: more}}
repeats: 6
seed: 7
"""
A_PROGRAM = "a mapping with 'run' and 'metric', or 'builtin' for farswitch's own kernels"
ROWS = {
    "no-programs": (
        "over: {switch: [bridge, program]}",
        "line 1: 'programs' is missing, wanted names, each with " + A_PROGRAM + ".",
    ),
    "a-mistyped-key": (GOOD + "repeat: 3", "line 8: 'repeat' is no known key, wanted 'repeats'."),
    "a-number-of-repeats": (
        GOOD.replace("repeats: 6", "repeats: 0"),
        "line 6: 'repeats' is 0, wanted a number from 1 to 1000.",
    ),
    "an-unknown-switch": (
        GOOD.replace("openvswitch", "mine"),
        "line 2: there is no switch 'mine', wanted one of: bridge, openvswitch, program.",
    ),
    "a-snapshot-of-no-name": (
        GOOD + "snapshot: a/b",
        (
            "line 8: 'snapshot' is \"a/b\", wanted 1 to 64 of letters, digits, '-' and '_', with a "
            "letter or digit first."
        ),
    ),
    "a-text-for-a-number": (
        GOOD.replace("[2, 3]", "[2, three]"),
        "line 2: 'over.nodes' is \"three\", wanted a list of numbers from 2.",
    ),
    "too-many-nodes": (
        GOOD.replace("[2, 3]", "[2, 800]"),
        "line 2: 'nodes' is 800, wanted 244 at most: 10.0.0.0/24 has addresses for no more.",
    ),
    "one-cell": (
        GOOD.replace("[bridge, openvswitch], nodes: [2, 3]", "[bridge]"),
        "line 2: there are 1 cells, wanted 2 to 200.",
    ),
    "a-cell-twice": (
        GOOD.replace("[2, 3]", "[2, 2]"),
        "line 2: two cells are the same, wanted each once.",
    ),
    "both-ways": (
        GOOD + "cells: [{switch: bridge}, {switch: program}]",
        "line 2: wanted either 'over' or 'cells', one of both.",
    ),
    "a-pattern-without-a-group": (
        GOOD.replace("([0-9.]+)", "[0-9.]+"),
        (
            "line 5: 'programs.cg.metric.find' is \"Mop/s = *[0-9.]+\", wanted a regular "
            "expression with one group, which is the number."
        ),
    ),
    "an-unknown-control": (
        GOOD + "control: kernels.computer",
        (
            "line 8: 'control' is 'kernels.computer', wanted one of: kernels.pingpong-8B, "
            "kernels.pingpong-1MB, kernels.allreduce-8B, kernels.allreduce-1MB, "
            "kernels.alltoall-8kB, kernels.halo-8kB, kernels.compute, cg."
        ),
    ),
    "no-control": (
        GOOD.replace("  kernels: builtin\n", ""),
        "line 1: 'control' is missing, wanted one of: cg.",
    ),
    "a-program-of-nothing": (
        GOOD.replace("kernels: builtin", "kernels: {}"),
        "line 4: 'programs.kernels.run' is missing, wanted a command, as on a shell.",
    ),
    "a-program-without-a-metric": (
        GOOD.replace("repeats", "  mine: {run: /shared/mine}\nrepeats"),
        "line 6: 'programs.mine.metric' is missing, wanted a mapping with 'find' and 'unit'.",
    ),
    "an-unknown-application": (
        GOOD.replace("kernels: builtin", "mine: {app: nbp, run: cg.S.2}"),
        (
            "line 4: 'programs.mine.app' is \"nbp\", wanted a recipe of `farswitch app list`, or "
            "the path of one."
        ),
    ),
    "an-application-that-says-nothing-of-it": (
        GOOD.replace("repeats", "  mine: {app: hpcg, run: other}\nrepeats"),
        "line 6: 'programs.mine.metric' is missing, wanted a mapping with 'find' and 'unit'.",
    ),
    "pairs-of-no-program": (
        GOOD + "pairs: [kernels, ft]",
        "line 8: there is no program 'ft', wanted one of: none, kernels, cg.",
    ),
    "pairs-twice": (
        GOOD.replace("nodes: [2, 3]", "neighbour: [none, cg]") + "pairs: [kernels]",
        "line 8: wanted either 'pairs' or 'over.neighbour', one of both.",
    ),
    "a-neighbour-without-the-program-alone": (
        GOOD.replace("nodes: [2, 3]", "neighbour: [kernels, cg]"),
        (
            "line 2: 'switch=bridge neighbour=kernels' has no cell with 'neighbour: none' to "
            "compare with."
        ),
    ),
    "a-switch-of-a-local-cell": (
        GOOD.replace(
            "over: {switch: [bridge, openvswitch], nodes: [2, 3]}",
            "cells: [{switch: bridge}, {switch: bridge, path: local}]",
        ),
        "line 2: a cell with 'path: local' has no 'switch'.",
    ),
    "an-impairment-of-nothing": (
        GOOD.replace("nodes: [2, 3]", "impair: [none, node2 to_guest 2ms]"),
        (
            "line 2: 'over.impair' is \"node2 to_guest 2ms\", wanted a list of 'none' and texts as "
            "'node2 to_guest delay 2ms'."
        ),
    ),
    "an-event-without-a-unit": (
        GOOD + "events: [{at: 10, port: node3, link: down, for: 1 s}]",
        "line 8: 'events.at' is 10, wanted a list of mappings with 'at', 'port' and what is done.",
    ),
    "an-mtu-below-ip's": (
        GOOD.replace("nodes: [2, 3]", "mtu: [1400, 200]"),
        "line 2: 'over.mtu' is 200, wanted a list of numbers from 576 to 65485.",
    ),
    "pins-of-the-site": (
        GOOD + "pin: {vcpus: [1]}",
        (
            "line 8: 'pin' is no key of a study: it is a key of the site, which a build follows "
            "and each run records."
        ),
    ),
    "an-unclosed-quote": (
        GOOD.replace("unit: M,", "unit: 'M,"),
        "line 5: this is no YAML: a quote is opened here and not closed in this line.",
    ),
    "a-control-character": (
        GOOD + "title: \x07",
        "line 8: found a control character, wanted text.",
    ),
}


@pytest.fixture
def folder(site_folder: Path) -> Path:
    made = site_folder / "studies"
    made.mkdir(exist_ok=True)
    return made


def test_pairs_are_every_program_beside_each_and_alone(folder: Path) -> None:
    pairs = GOOD.replace(GOOD.splitlines()[1], "pairs: [kernels, cg]")
    (folder / "one.yaml").write_text(pairs)
    study = load_study(folder / "one.yaml", load_site("site"))
    assert [cell.neighbour for cell in study.cells] == ["none", "kernels", "cg"]
    assert [study.label(cell) for cell in study.cells] == ["alone", "beside kernels", "beside cg"]
    assert study.shared


def test_a_program_of_an_application_is_known_by_its_recipe(folder: Path) -> None:
    more = "  is: {app: npb, run: is.S.2}\nrepeats"
    (folder / "one.yaml").write_text(GOOD.replace("repeats", more))
    program = load_study(folder / "one.yaml", load_site("site")).programs["is"]
    assert program.run == "/shared/apps/npb/bin/is.S.2"
    assert program.metric is not None
    assert program.metric.good == "Verification *= *SUCCESSFUL"


def test_the_cells_are_the_product_of_the_factors(folder: Path) -> None:
    (folder / "one.yaml").write_text(GOOD)
    site = load_site("site")
    study = load_study(study_path("one", site), site)
    assert study.name == "one"
    assert study.cells == (
        Cell("bridge", 2), Cell("bridge", 3), Cell("openvswitch", 2), Cell("openvswitch", 3),
    )  # fmt: skip
    assert [study.label(cell) for cell in study.cells][:2] == ["bridge, 2 nodes", "bridge, 3 nodes"]
    assert study.control == "kernels.compute"
    assert study.programs["kernels"].builtin
    assert study.programs["cg"].ranks == 4


def test_a_local_path_has_no_switch_and_stands_once(folder: Path) -> None:
    (folder / "one.yaml").write_text(GOOD.replace("nodes: [2, 3]", "path: [remote, local]"))
    site = load_site("site")
    study = load_study(study_path("one", site), site)
    assert study.cells == (
        Cell("bridge", path="remote"), Cell(path="local"), Cell("openvswitch", path="remote"),
    )  # fmt: skip
    assert [study.label(cell) for cell in study.cells] == ["bridge", "local", "openvswitch"]


def test_an_mtu_is_a_factor_up_to_the_sites_own(folder: Path) -> None:
    (folder / "one.yaml").write_text(GOOD.replace("nodes: [2, 3]", "mtu: [1450, 1400]"))
    study = load_study(folder / "one.yaml", load_site("site"))
    assert study.cells[:2] == (Cell("bridge", mtu=1450), Cell("bridge", mtu=1400))
    assert study.label(study.cells[1]) == "bridge, MTU 1400"
    defaults = folder.parent / "defaults.yaml"
    defaults.write_text(defaults.read_text().replace("data:\n", "data:\n  mtu: 1420\n"))
    with pytest.raises(ConfigError) as caught:
        load_study(folder / "one.yaml", load_site("site"))
    assert str(caught.value) == (
        "site/studies/one.yaml, line 2: 'mtu' is 1450, wanted 1420 at most: the site's 'mtu'."
    )


def test_a_snapshot_is_taken_over_and_none_is_none(folder: Path) -> None:
    site = load_site("inventory/lab")
    for more, found in (("", None), ("snapshot: fresh\n", "fresh")):
        path = folder / "one.yaml"
        path.write_text(GOOD + more)
        assert load_study(path, site).snapshot == found


def test_events_and_impairments_are_taken_over(folder: Path) -> None:
    text = GOOD.replace("nodes: [2, 3]", "impair: [none, node2 to_guest delay 2ms]")
    more = "events: [{at: 2 s, port: node3, to_guest: {loss: 1 %}, for: 500 ms}]\n"
    (folder / "one.yaml").write_text(text + more)
    site = load_site("site")
    study = load_study(study_path("one", site), site)
    assert study.cells[1] == Cell("bridge", impair="node2 to_guest delay 2ms")
    assert study.label(study.cells[1]) == "bridge, node2 to_guest delay 2ms"
    assert [(one.at, one.port, one.length) for one in study.events] == [
        (2_000_000, "node3", 500_000)
    ]


def test_a_list_of_cells_is_taken_as_it_is(folder: Path) -> None:
    text = GOOD.splitlines(keepends=True)
    text[1] = "cells: [{}, {switch: openvswitch}]\n"
    (folder / "one.yaml").write_text("".join(text))
    site = load_site("site")
    study = load_study(study_path("one", site), site)
    assert study.cells == (Cell(), Cell("openvswitch"))
    assert [study.label(cell) for cell in study.cells] == ["the site's switch", "openvswitch"]


@pytest.mark.parametrize("row", ROWS)
def test_a_mistake_is_a_sentence_with_its_line(folder: Path, row: str) -> None:
    text, *sentences = ROWS[row]
    (folder / "one.yaml").write_text(text)
    site = load_site("site")
    with pytest.raises(ConfigError) as caught:
        load_study(study_path("one", site), site)
    assert str(caught.value).splitlines() == [f"site/studies/one.yaml, {one}" for one in sentences]


def test_a_study_that_is_not_there_is_named_with_those_that_are(folder: Path) -> None:
    (folder / "one.yaml").write_text(GOOD)
    site = load_site("site")
    with pytest.raises(ConfigError, match=r"There is no study 'two' in .*, wanted one of: .*one"):
        study_path("two", site)


@pytest.mark.parametrize("word", ["./own.yaml", "own.yaml"])
def test_a_study_may_be_a_path(site_folder: Path, word: str) -> None:
    Path("own.yaml").write_text(GOOD)
    site = load_site("site")
    assert load_study(study_path(word, site), site).name == "own"
