"""The words are true of the program: options, checks' names, and links between the documents."""

import importlib
import re
from pathlib import Path

import click
import pytest

from farswitch.__main__ import COMMANDS
from tasks.checks import probes

ROOT = Path(__file__).parents[3]
USAGE = (ROOT / "docs/usage.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
VERIFY = (ROOT / "docs/verify.md").read_text(encoding="utf-8")


OF_NO_SITE = {"lab", "site", "runs", "report"}
OF_A_SITE = [name for name in COMMANDS if name not in OF_NO_SITE]


def parameters(name):
    return importlib.import_module(f"workflows.{name}").command.params


@pytest.mark.parametrize("name", OF_A_SITE)
def test_every_option_is_documented(name):
    options = [one for one in parameters(name) if isinstance(one, click.Option)]
    names = {name for option in options for name in option.opts}
    assert "--site" in names
    assert {name for name in names if f"`{name}" not in USAGE} == set()


def test_no_documented_option_is_missing_from_the_program():
    table = USAGE.partition("## Options of preflight")[2].partition("\n`lab` takes")[0]
    documented = set(re.findall(r"`(--[a-z-]+)", table))
    known = {
        name
        for command in OF_A_SITE
        for parameter in parameters(command)
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
