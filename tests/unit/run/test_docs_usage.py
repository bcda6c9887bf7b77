"""The words are true of the program: options, checks' names, and links between the documents."""

import importlib
import re

import click
import pytest

from farswitch.__main__ import COMMANDS
from tasks.checks import probes
from tests.documented import DOCUMENTS, ROOT, run_script

USAGE = (ROOT / "docs/usage.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
VERIFY = (ROOT / "docs/verify.md").read_text(encoding="utf-8")


OF_NO_SITE = {"lab", "site", "runs", "report"}
OF_A_SITE = [name for name in COMMANDS if name not in OF_NO_SITE]


def parameters(name):
    command = importlib.import_module(f"workflows.{name}").command
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    return [one for command in commands for one in command.params]


@pytest.mark.parametrize("name", OF_A_SITE)
def test_every_option_is_documented(name):
    options = [one for one in parameters(name) if isinstance(one, click.Option)]
    names = {name for option in options for name in option.opts}
    assert "--site" in names
    assert {name for name in names if f"`{name}" not in USAGE} == set()


def test_no_documented_option_is_missing_from_the_program():
    table = USAGE.partition("## Options of preflight")[2].partition("\n`lab` takes")[0]
    documented = set(re.findall(r"`(--[a-z0-9-]+)", table))
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


def anchors(document):
    """Return what leads to the headings of a document, as GitHub names them."""
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    headings = (re.sub(r"[^\w -]", "", one.lower()) for one in HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in headings}


def test_a_check_of_ones_own_is_listed_with_the_others(tmp_path):
    listed = run_script("verify_clocks.py", tmp_path, "--list").stdout
    assert re.search("^server.clock +The server's clock agrees", listed, re.MULTILINE)
    assert {line.split()[0] for line in listed.splitlines()} - {"server.clock"} == {
        name for probe in probes() for name in probe.checks
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(document):
    links = LINK.findall(BLOCK.sub("", document.read_text(encoding="utf-8")))
    places = [(document.parent / file if file else document, anchor) for file, anchor in links]
    assert [str(file) for file, _ in places if not file.exists()] == []
    assert [f"{file}#{one}" for file, one in places if one and one not in anchors(file)] == []


def test_readme_leads_to_every_document():
    links = LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    documents = {f"docs/{path.name}" for path in (ROOT / "docs").iterdir()}
    assert documents - {file for file, _ in links} == set()


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    printed = set(re.findall(r'@echo "make ([\w-]+) ', makefile))
    assert printed == targets - {"help", "packages"}
