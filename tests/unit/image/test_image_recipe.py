"""The digest changes with whatever goes into an image."""

import dataclasses
from pathlib import Path

import pytest

from farswitch.errors import ConfigError
from farswitch.image.recipe import lines, recipe

DEBIAN = 'ID=debian\nVERSION_CODENAME="bookworm"\nPRETTY_NAME="A=B"\n'
UBUNTU = "VERSION_CODENAME=noble\nID=ubuntu\n"


@pytest.fixture
def os_release(tmp_path: Path) -> Path:
    path = tmp_path / "os-release"
    path.write_text(DEBIAN)
    return path


def test_digest_is_the_same_each_time(os_release: Path) -> None:
    assert recipe(os_release, "x86_64").digest == recipe(os_release, "x86_64").digest


@pytest.mark.parametrize(
    "change",
    [
        {"system": "ubuntu"},
        {"suite": "trixie"},
        {"architecture": "aarch64"},
        {"packages": ("one",)},
        {"modules": ("one",)},
        {"masked": ()},
        {"files": (("init", "0"),)},
        {"version": 0},
    ],
)
def test_digest_changes_with_every_field(os_release: Path, change: dict[str, object]) -> None:
    before = recipe(os_release, "x86_64")
    assert dataclasses.replace(before, **change).digest != before.digest


def test_every_field_is_tried() -> None:
    names = {field.name for field in dataclasses.fields(recipe())}
    assert names == {
        *("system", "suite", "architecture", "packages", "modules", "masked", "files", "version")
    }


def test_scripts_are_part_of_the_recipe(os_release: Path) -> None:
    paths = dict(recipe(os_release, "x86_64").files)
    assert {"init", "packages", "fast/etc/systemd/system/ssh.service"} <= set(paths)


def test_kernel_package_follows_the_system(os_release: Path) -> None:
    assert recipe(os_release, "x86_64").packages[0] == "linux-image-cloud-amd64"
    os_release.write_text(UBUNTU)
    ubuntu = recipe(os_release, "x86_64")
    assert (ubuntu.suite, ubuntu.packages[0]) == ("noble", "linux-image-virtual")
    assert ubuntu.components == "main,universe"


@pytest.mark.parametrize(
    ("text", "machine"),
    [(DEBIAN, "aarch64"), ("ID=fedora\nVERSION_CODENAME=x\n", "x86_64"), ("ID=debian\n", "x86_64")],
)
def test_other_systems_are_told_to_bring_an_image(
    os_release: Path, text: str, machine: str
) -> None:
    os_release.write_text(text)
    with pytest.raises(ConfigError, match="No guest image can be made") as caught:
        recipe(os_release, machine)
    assert "image.source" in caught.value.hint


def test_units_that_nfs_needs_are_not_masked() -> None:
    masked = lines("masked")
    assert "system/rpcbind.socket" in masked
    assert not [line for line in masked if "rpc-pipefs" in line or line.endswith("/nfs-server")]


def test_packages_of_the_site_are_added_once_in_any_order(os_release: Path) -> None:
    plain = recipe(os_release, "x86_64")
    one = recipe(os_release, "x86_64", packages=("make", "gfortran", "python3"))
    other = recipe(os_release, "x86_64", packages=("gfortran", "make", "make"))
    assert one == other
    assert one.packages == (*plain.packages, "gfortran", "make")
    assert one.digest != plain.digest
