"""Every fenced block of the documents is run, here or by a test that it names, or says why not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from nornir import InitNornir
from nornir.core.plugins.connections import ConnectionPluginRegister

from farswitch.__main__ import COMMANDS
from farswitch.site.loader import load_site
from tests.documented import (
    DOCUMENTS,
    ROOT,
    Block,
    Command,
    blocks,
    script_name,
    type_in,
    words,
)
from tests.schemas import assert_fits

ALL = blocks()
SITE_FILES = ("hosts.yaml", "groups.yaml", "defaults.yaml")
OF_NORNIR = "# hosts.yaml of Nornir's SimpleInventory"
REASON_WORDS = 3
"""What a reason has at least."""


def of(kind: str, *, marked: str = "") -> list[Block]:
    return [block for block in ALL if block.language == kind and block.mark == marked]


def wanted(block: Block) -> list[str]:
    """Return what a test that runs the block has to have."""
    if block.language == "python":
        return [f'"{script_name(block.text)}"']
    typed = [word for command in block.commands() for word in words(command.line)]
    return typed or block.text.split()[:1]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_block_is_passed_over(document: Path):
    fences = re.findall(r"^\s*(?:```|~~~)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * sum(block.document == document for block in ALL)


@pytest.mark.parametrize("block", ALL, ids=str)
def test_a_block_is_run_or_says_why_not(block: Block):
    """Where this fails, see the marks in tests/documented.py."""
    if block.mark == "not run":
        assert len(block.value.split()) >= REASON_WORDS
    elif block.mark == "run by":
        text = "".join((ROOT / file).read_text(encoding="utf-8") for file in block.files)
        assert "run_by(" in text or [word for word in wanted(block) if word not in text] == []
    else:
        assert block.mark in {"", "on"}
        assert block.commands() or block.language in {"yaml", "json"}


@pytest.mark.parametrize("block", [block for block in ALL if block.of_no_cluster], ids=str)
def test_commands_that_need_no_server_do_what_is_shown(block: Block, tmp_path: Path):
    for command in block.commands():
        done = type_in(
            command, tmp_path, HOME=str(tmp_path), XDG_STATE_HOME=str(tmp_path / "state")
        )
        assert done.returncode == command.status, f"{command.line}: {done.stdout}{done.stderr}"
        assert command.printed is None or command.has_printed(done.stdout), done.stdout


@pytest.mark.parametrize("document", sorted({block.document for block in of("yaml")}), ids=str)
def test_what_is_shown_of_a_site_is_a_site(document: Path, tmp_path: Path):
    """The files of a document, one after the other, are laid over those of the example."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "inventory/example", site)
    for block in of("yaml"):
        first = block.text.partition("\n")[0]
        if block.document != document or first == OF_NORNIR:
            continue
        name = first.removeprefix("# ")
        assert name in SITE_FILES, f"{block} begins with none of # {', # '.join(SITE_FILES)}"
        have, shown = yaml.safe_load((site / name).read_text()) or {}, yaml.safe_load(block.text)
        if name == "hosts.yaml":  # all hosts of a role are shown, or none
            roles = [host["groups"] for host in shown.values()]
            have = {key: host for key, host in have.items() if host["groups"] not in roles}
        (site / name).write_text(yaml.safe_dump(have | shown))
        load_site(str(site))


@pytest.mark.parametrize(
    "block", [block for block in of("yaml") if block.text.startswith(OF_NORNIR)], ids=str
)
def test_what_is_shown_of_a_nornir_inventory_is_one(block: Block, tmp_path: Path):
    (tmp_path / "hosts.yaml").write_text(block.text)
    options = {"host_file": str(tmp_path / "hosts.yaml")}
    inventory = {"plugin": "SimpleInventory", "options": options}
    with InitNornir(inventory=inventory, logging={"enabled": False}) as nr:
        assert set(nr.inventory.hosts) == set(yaml.safe_load(block.text))
        for host in nr.inventory.hosts.values():
            assert host.hostname
            assert set(host.connection_options) <= set(ConnectionPluginRegister.available)


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_a_document_that_is_shown_fits_its_schema(block: Block):
    document = json.loads(block.text)
    assert_fits(document["workflow"], document)


def test_every_command_has_an_example():
    lines = [
        command.line
        for block in ALL
        if block.document.name == "usage.md" and block.mark != "not run"
        for command in block.commands()
    ]
    assert [name for name in COMMANDS if f"farswitch {name}" not in "\n".join(lines)] == []


@pytest.mark.parametrize(
    ("shown", "printed", "figures", "right"),
    [
        (["a  b"], "a b\n", True, True),
        (["a b"], "a c\n", True, False),
        (["a ... d"], "a b c d\n", True, True),
        (["a", "..."], "a\nb\nc\n", True, True),
        (["...", "c"], "a\nb\nc\n", True, True),
        (["a"], "a\nb\n", True, False),
        (["a"], "a\nSlow: a command took up to 0.4 s\n", True, True),
        (["20 of 20"], "19 of 20\n", True, False),
        (["20 of 20"], "19 of 20\n", False, True),
        (["1.1 MB"], "350.2 kB\n", False, True),
        (["node1 0:03:21"], "node2 0:03:21\n", False, False),
        ([" Guest ", "───", "node1"], "Guest\n──────\nnode1\n", True, True),
    ],
)
def test_what_is_shown_is_compared_but_for_what_varies(shown, printed, figures, right):
    assert Command("x", tuple(shown)).has_printed(printed, figures=figures) == right


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("farswitch build --nodes 4  # one more", ['"build"', "--nodes"]),
        ("farswitch lab restart server2", ['"restart"']),
        ("make demo", ['"demo"']),
        ("virsh list --all", ['"virsh', "--all"]),
    ],
)
def test_a_named_test_has_the_name_and_the_options_of_a_command(line, wanted):
    assert list(words(line)) == wanted
