"""A site's key has one row in the docs: its type, its default, its meaning.

Those of a kind of switch are in docs/switches.md, all others in docs/inventory.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from farswitch.errors import ConfigError
from farswitch.model.field_types import Nested, PortRange
from farswitch.model.switch import adapters
from farswitch.site.loader import ROOT, load_site
from farswitch.site.mistakes import model_of, wanted
from farswitch.site.schema import DefaultsFile, GroupsFile, GuestFields, ServerFields
from tests.documented import run_by

ROW = re.compile(r"\| `([a-z0-9_.]+)` \| (.+?) \| (.+?) \|(.*)\|")
SECTIONS: dict[str, type[BaseModel]] = {
    "Servers in hosts.yaml": ServerFields,
    "Guests in hosts.yaml": GuestFields,
    "groups.yaml": GroupsFile,
    "defaults.yaml": DefaultsFile,
}


SWITCHES = {name: kind for name, kind in adapters().items() if kind.model_fields}


def documented(section: str) -> dict[str, tuple[str, str, str]]:
    """Return the rows of a section's table by their key; a kind of switch has its own."""
    if section in SWITCHES:
        text = (ROOT / "docs/switches.md").read_text()
        lines = [line for line in text.splitlines() if line.startswith(f"| `{section}.")]
    else:
        text = (ROOT / "docs/inventory.md").read_text().split(f"\n## {section}\n")[1]
        lines = text.split("\n## ")[0].splitlines()
    found = (ROW.fullmatch(line) for line in lines)
    return {row[1]: (row[2], row[3], row[4]) for row in found if row}


def keys(section: str) -> Iterator[tuple[str, FieldInfo]]:
    """Yield every key of a section that has a value of its own."""
    if section in SWITCHES:
        return leaves(SWITCHES[section], f"{section}.")
    return leaves(SECTIONS[section])


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield those of a model; the switch is one of many kinds, each with keys of its own."""
    for name, info in model.model_fields.items():
        inner = model_of(info)
        if inner is None or any(isinstance(note, Nested) for note in info.metadata):
            yield prefix + name, info
        else:
            yield from leaves(inner, f"{prefix}{name}.")


def shown_default(info: FieldInfo) -> str | None:
    """Return how the table shows a default; None where it is said in words."""
    default = info.get_default()
    if info.is_required():
        return "required"
    if default == ():
        return None
    if isinstance(default, tuple):
        return f"`{list(default)}`"
    if isinstance(default, PortRange):
        return f"`{default.first}-{default.last}`"
    return None if default is None else f"`{str(default).lower()}`"


@pytest.mark.parametrize("section", [*SECTIONS, *SWITCHES])
def test_every_key_is_documented_and_nothing_else(section):
    assert set(documented(section)) == {name for name, _ in keys(section)}


@pytest.mark.parametrize("section", [*SECTIONS, *SWITCHES])
def test_documented_types_and_defaults_are_the_real_ones(section):
    rows = documented(section)
    for name, info in keys(section):
        kind, default, _ = rows[name]
        assert (name, kind) == (name, wanted(info))
        assert (name, default) == (name, shown_default(info) or default)


@pytest.mark.parametrize("section", sorted({*SECTIONS, *SWITCHES} - {"groups.yaml"}))
def test_every_meaning_is_the_models(section):
    meanings = {name: meaning.strip() for name, (_, _, meaning) in documented(section).items()}
    for name, info in keys(section):
        assert meanings[name] == " ".join((info.description or f"{name} has none").split())


def test_the_mistakes_that_are_shown_are_what_a_run_says(site_folder):
    (block,) = run_by(__file__)
    shown = block.text.replace("inventory/lab/", "site/").splitlines()
    defaults, hosts = site_folder / "defaults.yaml", site_folder / "hosts.yaml"
    defaults.write_text(defaults.read_text().replace("vni_base: 41", "vni_base: 0"))
    with pytest.raises(ConfigError, match=re.escape(shown[0])):
        load_site("site")
    defaults.write_text(defaults.read_text().replace("vni_base: 0", "vni_base: 41"))
    guests = "{groups: [guest], data: {hypervisor: server2}}"
    hosts.write_text(hosts.read_text().replace("{groups: [guest]}", guests))
    with pytest.raises(ConfigError, match=re.escape(shown[1])):
        load_site("site")
