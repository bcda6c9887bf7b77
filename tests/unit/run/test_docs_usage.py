"""The words are true of the program: options, checks' names, and links between the documents."""

import re
from pathlib import Path

import click
import pytest

from tasks.checks import probes
from workflows import build, orphans, teardown, verify

ROOT = Path(__file__).parents[3]
USAGE = (ROOT / "docs/usage.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
VERIFY = (ROOT / "docs/verify.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "module", [build, verify, teardown, orphans], ids=lambda module: module.__name__
)
def test_every_option_is_documented(module):
    options = [one for one in module.command.params if isinstance(one, click.Option)]
    names = {name for option in options for name in option.opts}
    assert "--site" in names
    assert {name for name in names if f"`{name}" not in USAGE} == set()


def test_no_documented_option_is_missing_from_the_program():
    table = USAGE.partition("## Options of build")[2].partition("\n`lab` takes")[0]
    documented = set(re.findall(r"`(--[a-z-]+)", table))
    known = {
        name
        for module in (build, verify, teardown, orphans)
        for parameter in module.command.params
        for name in parameter.opts
    }
    assert documented - known == set()


def test_every_check_is_documented_and_every_documented_check_is_made():
    names = {name for probe in probes() for name in probe.checks}
    documented = set(re.findall(r"`([a-z]+\.[a-z0-9_]+)`", VERIFY)) - {"family.what"}
    assert documented == names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_readme_leads_to_every_document():
    links = LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").iterdir()} - set(links) == set()


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    printed = set(re.findall(r'@echo "make ([\w-]+) ', makefile))
    assert printed == targets - {"help", "packages"}
