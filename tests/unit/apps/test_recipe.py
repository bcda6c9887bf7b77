"""Recipes: those that come with farswitch, what is read of a program, and what a mistake says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from farswitch.apps.recipe import AppRecipe, read_recipe, recipe_names
from farswitch.errors import ConfigError, FarswitchError
from farswitch.model.metric import Metric
from farswitch.model.settings import Image
from tests.documented import ROOT

TIMED = " Time in seconds =                     0.12\n"
IMB = "  #bytes #repetitions t[usec] Mbytes/sec\n     8         1000         1.77         4.52\n"
SIZES = "# Size          Latency (us)\n4      30.10\n8      31.25\n16  32.0\n"
PRINTED = {
    ("npb", "cg.S.2"): (f"{TIMED} Verification    =               SUCCESSFUL\n", 0.12),
    ("osu", "osu_latency"): (SIZES, 31.25),
    ("osu", "osu_bw"): ("# Size  Bandwidth (MB/s)\n1048576  812.40\n2097152  700.00\n", 812.4),
    ("osu", "osu_allreduce"): ("# Size  Avg Latency(us)\n4   60.1\n8   61.2\n", 61.2),
    ("imb", "IMB-MPI1"): (IMB, 1.77),
    ("hpcg", "xhpcg"): ("HPCG result is VALID with a GFLOP/s rating of=0.52\n", 0.52),
    ("lammps", "lmp_mpi"): ("Loop time of 1.25 on 2 procs for 100 steps\n", 1.25),
}


@pytest.mark.parametrize("case", PRINTED)
def test_the_figure_of_a_program_is_found_in_what_it_prints(case):
    name, program = case
    printed, figure = PRINTED[case]
    metric = read_recipe(name)[1].metric(program)
    assert metric is not None
    assert metric.read(printed) == figure
    with pytest.raises(FarswitchError, match="Nothing in its output"):
        metric.read("nothing\n")


def test_every_recipe_is_tried():
    assert {name for name, _ in PRINTED} == set(recipe_names())


def test_a_wrong_result_is_no_figure():
    metric = read_recipe("npb")[1].metric("is.S.2")
    assert metric is not None
    wrong = PRINTED["npb", "cg.S.2"][0].replace("  SUCCESSFUL", "UNSUCCESSFUL")
    with pytest.raises(FarswitchError, match="says that its results are right"):
        metric.read(wrong)


def test_the_last_figure_counts_and_fortrans_exponents_are_read():
    metric = Metric(find="t=(.*)$", unit="s")
    assert metric.read("t=1.0\nt=1.5D+02\n") == 150.0
    assert metric.read("t=1,024.5\n") == 1024.5
    with pytest.raises(FarswitchError, match="matches its pattern"):
        metric.read("t=soon\n")
    for odd in ("inf", "-inf", "nan"):
        with pytest.raises(FarswitchError, match=f"Its figure is '{odd}', wanted a finite number"):
            metric.read(f"t=1.0\nt={odd}\n")


def test_what_a_recipe_needs_can_be_asked_of_an_image():
    for name in recipe_names():
        assert Image(packages=read_recipe(name)[1].packages).packages


def test_choices_are_set_by_name():
    recipe = read_recipe("npb")[1]
    assert recipe.chosen(("CLASSES=A B",)) == {**recipe.choices, "CLASSES": "A B"}
    assert recipe.chosen(()) == recipe.choices


@pytest.mark.parametrize("setting", ["CLASSES", "BIN=/", "classes=A", "=A"])
def test_what_is_no_choice_of_the_recipe_is_refused(setting):
    with pytest.raises(ConfigError, match="its names: BENCHMARKS, CLASSES, RANKS, FLAGS"):
        read_recipe("npb")[1].chosen((setting,))


def test_a_value_of_several_lines_is_refused():
    with pytest.raises(ConfigError, match="wanted one line"):
        read_recipe("npb")[1].chosen(("CLASSES=A\nB",))


GOOD = "about: mine\nneeds: [sh]\npackages: [dash]\nscript: 'true'\n"
BAD = {
    "needs: [sh]": ("needs: sh", 2, "'needs' is \"sh\", wanted a list of names of programs"),
    "script: 'true'": ("script: ''", 4, "'script' is empty, wanted a shell script."),
    "about: mine": ("abuot: mine", 1, "'abuot' is no known key, wanted 'about'."),
    "packages: [dash]": ("packages: ['da sh']", 3, "'packages' is \"da sh\", wanted a list"),
}  # fmt: skip


@pytest.mark.parametrize("good", BAD)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, good):
    bad, line, sentence = BAD[good]
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace(good, bad))
    with pytest.raises(ConfigError) as caught:
        read_recipe(str(file))
    assert f"mine.yaml, line {line}: " in str(caught.value)
    assert sentence in str(caught.value)


PROGRAMS = {
    "find: 't='": "'programs.a.find' is \"t=\", wanted a regular expression with one group",
    "find: '('": "'programs.a.find' is \"(\", wanted a regular expression with one group",
    "better: lower": "'programs.a.better' is \"lower\", wanted 'less' or 'more'",
}


@pytest.mark.parametrize("bad", PROGRAMS)
def test_a_mistake_about_a_program_is_told(tmp_path: Path, bad):
    keys = {"find": "'t=(.)'", "unit": "s", "better": "less"}
    keys[bad.partition(":")[0]] = bad.partition(": ")[2]
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    file = tmp_path / "mine.yaml"
    file.write_text(f"{GOOD}programs:\n  a:\n{lines}")
    with pytest.raises(ConfigError) as caught:
        read_recipe(str(file))
    assert PROGRAMS[bad] in str(caught.value)


@pytest.mark.parametrize("name", ["nosuch", "Mine.yaml", "mine.yml", "folder.yaml"])
def test_what_is_no_recipe_is_refused(tmp_path: Path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("Mine.yaml").write_text(GOOD)
    Path("mine.yml").write_text(GOOD)
    Path("folder.yaml").mkdir()
    with pytest.raises(ConfigError, match="wanted"):
        read_recipe(name)


def test_every_key_is_documented():
    text = (ROOT / "docs/apps.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-zA-Z.]+)` \|", text, re.MULTILINE))
    assert rows == {
        *AppRecipe.model_fields,
        *(f"programs.NAME.{key}" for key in Metric.model_fields),
    }
