"""docs/inventory.md has one row for every key of the schema: its type, its default, its meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from farswitch.errors import ConfigError
from farswitch.model.field_types import PortRange
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


def documented(section: str) -> dict[str, tuple[str, str, str]]:
    """Return the rows of a section's table by their key."""
    text = (ROOT / "docs/inventory.md").read_text().split(f"\n## {section}\n")[1]
    found = (ROW.fullmatch(line) for line in text.split("\n## ")[0].splitlines())
    return {row[1]: (row[2], row[3], row[4]) for row in found if row}


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every key that has a value of its own."""
    for name, info in model.model_fields.items():
        inner = model_of(info)
        if inner is None:
            yield prefix + name, info
        else:
            yield from leaves(inner, f"{prefix}{name}.")


def shown_default(info: FieldInfo) -> str | None:
    """Return how the table shows a default; None where it is said in words."""
    default = info.get_default()
    if info.is_required():
        return "required"
    if isinstance(default, PortRange):
        return f"`{default.first}-{default.last}`"
    return None if default is None else f"`{str(default).lower()}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_documented_and_nothing_else(section):
    assert set(documented(section)) == {name for name, _ in leaves(SECTIONS[section])}


@pytest.mark.parametrize("section", SECTIONS)
def test_documented_types_and_defaults_are_the_real_ones(section):
    rows = documented(section)
    for name, info in leaves(SECTIONS[section]):
        kind, default, _ = rows[name]
        assert (name, kind) == (name, wanted(info))
        assert (name, default) == (name, shown_default(info) or default)


@pytest.mark.parametrize("section", sorted({*SECTIONS} - {"groups.yaml"}))
def test_every_meaning_is_the_models(section):
    meanings = {name: meaning.strip() for name, (_, _, meaning) in documented(section).items()}
    for name, info in leaves(SECTIONS[section]):
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
