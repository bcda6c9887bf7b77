"""Applications from a user's sources: `python -m workflows.app build NAME --from PATH`."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import click
from nornir.core.inventory import Host

from farswitch.apps.recipe import AppRecipe, app_folder, read_recipe, recipe_names, recipe_text
from farswitch.apps.source import AppSource, read_source
from farswitch.errors import FarswitchError
from farswitch.guests.commands import CommandReport
from farswitch.remote import script
from farswitch.run.cli import Options, main, shared
from farswitch.run.command import Command, Group
from farswitch.run.documents import RecipeEntry, RecipesDocument
from farswitch.run.echo import echo
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.report import FAILED, OK
from farswitch.run.session import Session
from farswitch.run.stages import Stage, Step, step
from farswitch.run.terminal import shown
from tasks.copy_file import copy_file
from tasks.run_command import run_command
from workflows.lab_up import check_lab

SECONDS = 3600.0
LOOK_SECONDS = 30.0
MISSING, NOTHING_MADE, REPLACED = 69, 65, 75
"""How app_build.sh ends: programs are missing (EX_UNAVAILABLE); nothing was made (EX_DATAERR);
another build has put its sources there (EX_TEMPFAIL)."""


@dataclass(frozen=True, slots=True)
class WantedApp:
    """An application as it is to be compiled on the head.

    Attributes:
        choices: The variables of its script.
        seconds: How long that may take.
    """

    name: str
    recipe: AppRecipe
    source: AppSource
    choices: tuple[tuple[str, str], ...]
    seconds: float

    @classmethod
    def parse(
        cls, name: str, place: str, sha256: str | None, settings: tuple[str, ...], seconds: float
    ) -> WantedApp:
        """Read what was typed, and the files that it names.

        Raises:
            ConfigError: It cannot be meant.
        """
        called, recipe = read_recipe(name)
        choices = tuple(recipe.chosen(settings).items())
        return cls(called, recipe, read_source(place, sha256), choices, seconds)

    @property
    def digest(self) -> str:
        """The sha256 of all that the programs follow from, but for the compilers."""
        parts = (self.source.digest, self.recipe.script, *map("=".join, self.choices))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def folder(self, share: str) -> str:
        """Return where it lies, on all nodes."""
        return app_folder(share, self.name)

    def line(self, share: str) -> str:
        """Return what compiles it, once its files are there."""
        folder = self.folder(share)
        settings = (f"{name}={value}" for name, value in self.choices)
        needs = " ".join(self.recipe.needs)
        recipe = hashlib.sha256(self.recipe.script.encode()).hexdigest()
        sums = f"{self.source.digest}  source.tar\n{recipe}  recipe.sh"
        words = ["sh", f"{folder}/build.sh", folder, self.digest, sums, needs, *settings]
        return shlex.join(words)

    def files(self) -> dict[str, bytes]:
        """Return the files of its folder, by name."""
        return {
            "source.tar": self.source.content,
            "recipe.sh": self.recipe.script.encode(),
            "build.sh": script("app_build").encode(),
        }


def steps(wanted: WantedApp, share: str, user: str) -> tuple[Step, ...]:
    """Return what is done on the head: the folder, its files, and the build."""
    folder = wanted.folder(share)
    make = step(run_command, "folder", line=f"mkdir -p {shlex.quote(folder)}", user=user,
                seconds=LOOK_SECONDS)  # fmt: skip
    copies = (
        step(
            copy_file, f"copy {name}", content=content, file_name=name, path=f"{folder}/{name}",
            user=user, seconds=wanted.seconds,
        )
        for name, content in wanted.files().items()
    )  # fmt: skip
    build = step(run_command, line=wanted.line(share), user=user, seconds=wanted.seconds)
    return (make, *copies, build)


@main("app-build")
def build(options: Options, typed: dict[str, Any]) -> int:
    """Compile it, unless it is there as it would be made; show its programs."""
    wanted = WantedApp.parse(**typed)
    with Session("app-build", options) as session:
        check_lab(session)
        session.read_record()
        _ = session.built_record
        settings, head = session.cluster.settings, session.cluster.head.name
        folder = wanted.folder(settings.share)

        def on(host: Host) -> bool:
            return host.name == head

        line = f"cat {shlex.quote(folder)}/built && echo && ls {shlex.quote(folder)}/bin"
        look = step(run_command, "look", line=line, user=settings.user, seconds=LOOK_SECONDS)
        session.run([Stage(on, (look,))])
        found: CommandReport = session.result("look", head)
        before = programs = _programs(found, wanted)
        if before is None and not options.dry_run:
            session.run([Stage(on, steps(wanted, settings.share, settings.user))])
            if not session.report().failures:
                programs = _judged(session.result("run_command", head), wanted, folder, head)
        return _end(session, wanted, folder, programs, changed=before is None)


def _programs(found: CommandReport, wanted: WantedApp) -> list[str] | None:
    """Return the programs that are there; None where they were made of something else."""
    digest, *programs = found.stdout.split() or [""]
    return programs if digest == wanted.digest else None


def _judged(found: CommandReport, wanted: WantedApp, folder: str, head: str) -> list[str]:
    """Return the programs that were made.

    Raises:
        FarswitchError: None were.
    """
    if found.status == 0:
        return found.stdout.split()
    name, log = wanted.name, f"All of it: farswitch exec --on {head} 'cat {folder}/build.log'"
    if found.late:
        more = f"'{name}' was not compiled within {wanted.seconds:g} s."
        raise FarswitchError(more, hint=f"More time: --timeout. {log}")
    if found.status == MISSING:
        packages = ", ".join(wanted.recipe.packages)
        raise FarswitchError(
            f"The head '{head}' lacks {', '.join(found.stdout.split())}, which '{name}' needs.",
            hint=f"Set image: {{packages: [{packages}]}} in the site's defaults.yaml, and make the "
            "guests anew: farswitch teardown, farswitch build",
        )
    if found.status == REPLACED:
        raise FarswitchError(
            f"Another build of '{name}' has put its sources into {folder} meanwhile.",
            hint="Wait for its end, and build again.",
        )
    if found.status == NOTHING_MADE:
        raise FarswitchError(f"The recipe '{name}' ended well and put no program into $BIN.",
                             hint=log)  # fmt: skip
    last = found.stderr.strip() or f"status {found.status}, and no word"
    raise FarswitchError(f"'{name}' cannot be compiled on '{head}'; it ended with:\n{last}",
                         hint=log)  # fmt: skip


def _end(
    session: Session, wanted: WantedApp, folder: str, programs: list[str] | None, *, changed: bool
) -> int:
    """Print what came of it; return the exit code."""
    console, report = console_for(as_json=session.options.json), session.report()
    if programs is None and not report.failures:
        console.print(shown(f"'{wanted.name}' would be compiled into {folder}"))
    if programs is not None:
        done = "compiled" if changed else "compiled before, of the same sources"
        console.print(shown(f"{wanted.name}: {done}"))
        for program in programs:
            console.print(shown(f"  {folder}/bin/{program}"))
    failures_on(console, report)
    if session.options.json:
        app = {
            "name": wanted.name,
            "digest": wanted.digest,
            "source": wanted.source.digest,
            "folder": folder,
            "programs": programs or [],
        }
        echo(json.dumps(report.document() | {"changed": int(changed), "app": app}, indent=1))
    return FAILED if report.failures else OK


@click.group(cls=Group)
def command() -> None:
    """Applications: recipes that compile your sources on the head, for all nodes."""


@command.command(name="list", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_command(*, as_json: bool) -> None:
    """List the recipes that come with farswitch."""
    if as_json:
        _print_recipes("app list", recipe_names())
        return
    for name in recipe_names():
        echo(f"{name:<8}{read_recipe(name)[1].about}")


@command.command(name="show", cls=Command)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def show_command(*, name: str, as_json: bool) -> None:
    """Print a recipe, as a file to start one of your own from."""
    show(Options(json=as_json), name=name)


@main("app show")
def show(options: Options, name: str) -> int:
    """Print it."""
    if options.json:
        _print_recipes("app show", [name])
    else:
        echo(recipe_text(name).rstrip("\n"))
    return OK


def _print_recipes(workflow: Literal["app list", "app show"], names: Sequence[str]) -> None:
    """Print recipes as a JSON document."""
    recipes: list[RecipeEntry] = []
    for name, recipe in map(read_recipe, names):
        recipes.append(
            {
                "name": name,
                "about": recipe.about,
                "needs": list(recipe.needs),
                "packages": list(recipe.packages),
                "choices": dict(recipe.choices),
                "script": recipe.script,
            }
        )
    document: RecipesDocument = {"workflow": workflow, "recipes": recipes}
    echo(json.dumps(document, indent=1))


@command.command(name="build", cls=Command)
@click.argument("name")
@click.option("--from", "place", required=True, metavar="PATH",
              help="The sources: a tar archive, or a folder.")  # fmt: skip
@click.option("--sha256", metavar="DIGEST", help="What the archive's digest has to be.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="A choice of the recipe; once for each.")  # fmt: skip
@click.option("--timeout", "seconds", type=click.FloatRange(min=0, min_open=True, max=86400),
              default=SECONDS, show_default=True, metavar="SECONDS",
              help="When the compilers are ended.")  # fmt: skip
@shared
def build_command(
    *, name: str, place: str, sha256: str | None, settings: Sequence[str], seconds: float,
    **options: Any,
) -> None:  # fmt: skip
    """Compile an application on the head into the share, by the recipe NAME or a file of yours.

    What was compiled of the same sources, by the same recipe and choices, is left as it is.
    """
    typed = {"name": name, "place": place, "sha256": sha256, "settings": tuple(settings)}
    build(Options(**options), typed=typed | {"seconds": seconds})


if __name__ == "__main__":
    command(prog_name="python -m workflows.app")
