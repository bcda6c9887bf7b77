"""Odd folders, configurations and options through the commands themselves: 2, and one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from farswitch.__main__ import COMMANDS, main
from farswitch.site.loader import load_site
from tests.unit.run.test_cli_any_site import GOOD, log, nothing_else

__all__ = ["log"]
OURS = pytest.mark.log_tells("^ERROR ")
ADDRESSES = ("--server1", "198.51.100.21", "--server2", "198.51.100.22")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path) -> Iterator[Path]:
    """The current folder, with a right site in it; the log goes elsewhere."""
    place = tmp_path / "here"
    (place / "site").mkdir(parents=True)
    for name, content in GOOD.items():
        (place / "site" / name).write_bytes(content)
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return place


def printed(*arguments: str) -> str:
    """Run a command that must end with 2 before it touches anything; return what it printed."""
    with nothing_else(), pytest.MonkeyPatch.context() as patch:
        if Path("config.yaml").exists():
            patch.setenv("FARSWITCH_CONFIG", "config.yaml")
        done = CliRunner().invoke(main, arguments, prog_name="farswitch")
    assert isinstance(done.exception, SystemExit), done.exception
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert "fault of farswitch" not in done.stderr
    return done.stderr


def sentence(*arguments: str) -> str:
    """Return the only sentence that a command prints, without a hint."""
    text = printed(*arguments)
    assert text.count("Error: ") == 1
    return text.partition("Error: ")[2].splitlines()[0]


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with the words that call it."""
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        if isinstance(command, click.Group):
            yield from (((name, inner), found) for inner, found in command.commands.items())
        elif command is not None:
            yield (name,), command


EMPTY = [
    (words, parameter)
    for words, command in commands()
    for parameter in command.params
    if isinstance(parameter, click.Argument) or not (parameter.is_flag or parameter.count)
]


@pytest.mark.parametrize(
    ("words", "parameter"), EMPTY, ids=["-".join((*words, p.name or "")) for words, p in EMPTY]
)
def test_a_variable_that_is_not_set_is_no_value(words, parameter, here):
    """`--site "$SITE"` is not the default site, nor `--cluster "$NAME"` the site's cluster."""
    if isinstance(parameter, click.Argument):
        wanted = "An argument is empty, wanted a value: is a variable not set?"
        assert sentence(*words, "") == wanted
        return
    option = parameter.opts[0]
    wanted = f"{option} is empty, wanted a value: is a variable not set?"
    assert sentence(*words, option, "") == wanted
    assert sentence(*words, option, "  ") == wanted
    assert sentence(*words, f"{option}=") == wanted


def test_a_new_site_of_variables_that_are_not_set_is_refused(here):
    assert "is empty" in sentence("site", "new", "", "--server1", "", "--server2", "")
    assert not (here / "inventory").exists()


@OURS
@pytest.mark.parametrize("site", ["=", "x=", "-", "--", "~nosuch/x", "$SITE", "a\nb", "x" * 5000])
def test_a_word_that_is_no_site_is_quoted(site, here):
    assert sentence("build", f"--site={site}").startswith("'")


FOLDERS = {
    "missing": (lambda path: path.unlink(), "there is no such file"),
    "another-ending": (
        lambda path: path.rename(path.with_suffix(".yml")),
        "there is no such file, but 'NAME.yml'",
    ),
    "another-case": (
        lambda path: path.rename(path.with_name(path.name.title())),
        "there is no such file, but 'NAME.Yaml'",
    ),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "this is no file"),
    "fifo": (lambda path: (path.unlink(), os.mkfifo(path)), "this is no file"),
    "device": (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), "this is no file"),
    "loop": (lambda path: (path.unlink(), path.symlink_to(path.name)), "there is no such file"),
    "dead-link": (lambda path: (path.unlink(), path.symlink_to("x")), "there is no such file"),
    "huge": (lambda path: os.truncate(path, 1 << 30), "the file is too large"),
    "memory-of-a-process": (
        lambda path: (path.unlink(), path.symlink_to("/proc/self/mem")),
        "the file cannot be read: Input/output error",
    ),
}


@OURS
@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("case", FOLDERS)
def test_a_file_that_is_none_is_named(name, case, here):
    spoil, wanted = FOLDERS[case]
    spoil(here / "site" / name)
    stem = name.partition(".")[0]
    wanted = wanted.replace("NAME", stem.title() if case == "another-case" else stem)
    assert sentence("build", "--site", "site").startswith(f"site/{name}: {wanted}")


@OURS
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_folder_that_others_may_not_enter_is_named(here):
    """The user is nobody: root may enter every folder."""
    (here / "site").chmod(0o700)
    here.chmod(0o755)
    os.seteuid(65534)
    try:
        wanted = "'site' cannot be looked at: Permission denied."
        assert sentence("build", "--site", "site", "--log", "/dev/null") == wanted
    finally:
        os.seteuid(0)


CONFIGURATIONS = {
    "inventory:\n  options:\n    site: ''\n": (3, "'inventory.options.site' is empty"),
    "inventory:\n  options:\n    site:\n": (3, "'inventory.options.site' is empty"),
    "inventory:\n  options:\n    site: 3\n": (3, "'inventory.options.site' is 3"),
    "inventory:\n  options:\n    nodes: x\n": (3, "'inventory.options.nodes' is \"x\""),
    "inventory:\n  options:\n    nodes: 1.5\n": (3, "'inventory.options.nodes' is 1.5"),
    "inventory:\n  options:\n    sites: x\n": (3, "'inventory.options.sites' is no known key"),
    "inventory:\n  options: []\n": (2, "'inventory.options' is [], wanted a mapping"),
    "inventory:\n  plugin: SimpleInventory\n": (2, "'inventory.plugin' is \"SimpleInventory\""),
    "inventory:\n": (1, "'inventory' is empty"),
    "runner:\n  plugin: nosuch\n": (2, "'runner.plugin' is 'nosuch', wanted one of: serial, thr"),
    "runner: {plugin: serial,\n  options: {x: 1}}\n": (2, "'runner.options' do not fit 'serial'"),
    "runner:\n  options:\n    num_workers: 0\n": (3, "'runner.options.num_workers' is 0"),
    "runner:\n  options:\n    num_workers: x\n": (3, "'runner.options.num_workers' is \"x\""),
    "runner:\n  options:\n    num_workers:\n": (3, "'runner.options.num_workers' is empty"),
    "runner:\n  options:\n    workers: 3\n": (3, "'runner.options.workers' is no known key"),
    "core:\n": (1, "'core' is no known key, wanted one of inventory, logging, runner"),
    "- x\n": (1, "found no mapping"),
    "logging:\n  enabled: 'x\nrunner: {}\n": (2, "this is no YAML: a quote is opened here"),
    "a: &a 1\nb: *a\n": (2, "found an alias"),
    "[" * 99: (1, "found more than 16 levels"),
    "inventory: !!python/object:os.system x": (1, "found the tag"),
}


@OURS
@pytest.mark.parametrize("text", CONFIGURATIONS, ids=range(len(CONFIGURATIONS)))
def test_an_odd_configuration_is_refused_at_its_line(text, here):
    (here / "config.yaml").write_text(text)
    line, wanted = CONFIGURATIONS[text]
    assert sentence("build").startswith(f"config.yaml, line {line}: {wanted}")


A_NETWORK = "wanted an IPv4 network from /8 to /28, its first address given, as 10.0.0.0/24."
SUBNETS = ("x", "127.0.0.0/24", "224.0.0.0/24", "240.0.0.0/24", "169.254.0.0/24", "0.0.0.0/0")


@pytest.mark.parametrize("subnet", [*SUBNETS, "198.51.100.1/24", "198.51.100.0", "::/64"])
@pytest.mark.parametrize("option", ["--control", "--underlay"])
def test_an_odd_subnet_of_the_lab_is_refused(option, subnet, here):
    assert printed("lab", "up", option, subnet) == f"{option} is '{subnet}', {A_NETWORK}\n"


OPTIONS = {
    ("build", "--log", "site"): "The log file 'site' cannot be written: Is a directory.",
    ("build", "--log", "fifo"): "The log file 'fifo' cannot be written: No such device or address.",
    ("verify", "--junit", "fifo"): "The file 'fifo' of --junit cannot be written: No such device",
    ("verify", "--junit", "no/x"): "The file 'no/x' of --junit cannot be written: No such file",
    ("verify", "--only", ","): "--only and --skip leave no check.",
    ("verify", "--only", "nosuch"): "--only: there is no check or family 'nosuch'",
    ("teardown", "--cluster", "x", "--server", "0.0.0.0"): "--server: '0.0.0.0' is no server",
    ("teardown", "--cluster", "x", "--server", "224.0.0.1"): "--server: '224.0.0.1' is no server",
    ("teardown", "--cluster", "x", "--server", "[fe80::1]"): "--server: '[fe80::1]' is no server",
    ("teardown", "--cluster", "X"): "--cluster: 'X' is no name of a cluster.",
    ("teardown", "--known-hosts", "site/hosts.yaml"): "--key-file and --known-hosts go with --ser",
    ("orphans", "--key-file", "site/hosts.yaml"): "--key-file and --known-hosts go with --server.",
    ("site", "new", "x-", *ADDRESSES): "'name' is 'x-', wanted a name",
    ("site", "new", "x", *ADDRESSES, "--user", "a b"): "'user' is 'a b', wanted a user name.",
    ("site", "new", "x", *ADDRESSES, "--below", "b" * 300): f"'{'b' * 80}...' cannot be written: ",
    ("site", "new", "x", *ADDRESSES[:3], "255.255.255.255"): "'server2' is '255.255.255.255'",
    ("site", "new", "x", *ADDRESSES[:3], "::ffff:198.51.100.1"): "'server2' is '::ffff:198.51",
}


@OURS
@pytest.mark.parametrize("arguments", OPTIONS, ids=range(len(OPTIONS)))
def test_an_odd_option_is_refused(arguments, here):
    os.mkfifo(here / "fifo")
    more = ("--site", "site") if arguments[0] in {"build", "verify"} else ()
    assert sentence(*arguments, *more).startswith(OPTIONS[arguments])


@OURS
def test_a_user_without_a_home_is_told_so(here, monkeypatch):
    """As in a container that runs under a number of its own."""
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(os, "getuid", lambda: 987_654)
    assert sentence("build").startswith("There is no home folder: $HOME is empty, or not set")


@OURS
def test_an_empty_home_is_no_folder(here, monkeypatch):
    """And no root of the file system, where the log would be written."""
    monkeypatch.setenv("HOME", "")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert sentence("build").startswith("There is no home folder: $HOME is empty")


@OURS
def test_a_relative_folder_of_state_is_passed_over(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    sentence("build", "--site", "nowhere")
    assert (here / ".local/state/farswitch/build.log").is_file()
    assert not (here / "state").exists()


@OURS
def test_a_current_folder_that_is_gone_is_told(here, monkeypatch):
    (here / "gone").mkdir()
    monkeypatch.chdir(here / "gone")
    (here / "gone").rmdir()
    assert sentence("build") == "The current folder is gone: somebody removed it."


@OURS
def test_a_home_that_is_written_out_is_the_users(here, monkeypatch):
    """`--log=~/x` is not expanded by the shell."""
    monkeypatch.setenv("HOME", str(here))
    with nothing_else():
        CliRunner().invoke(main, ["build", "--site=~/site", "--log=~/build.log"])
    assert "The servers were asked for." in (here / "build.log").read_text()
    assert load_site("~/site").path == here / "site"
