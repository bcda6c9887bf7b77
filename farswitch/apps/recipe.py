"""A recipe: what an application needs, how it is compiled, and what its programs print.

Those that come with farswitch are the files beside this one; another one is named by its path.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from farswitch.errors import ConfigError
from farswitch.home import expand_home
from farswitch.model.field_types import Fields, Nested, refuse_if, text
from farswitch.model.metric import Metric
from farswitch.model.node_names import shown
from farswitch.model.settings import Packages
from farswitch.site.mistakes import Mistakes
from farswitch.site.yaml_lines import read_document

FOLDER = Path(__file__).with_name("recipes")
A_NAME = r"[a-z][a-z0-9-]{0,30}"
"""What an application may be called: it is a folder of the share."""
A_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,30}")
RESERVED = frozenset({"BIN", "HOME", "JOBS", "PATH", "USER"})
"""Variables of a script's that a user sets for none of its choices."""


def _choices(value: dict[str, str]) -> dict[str, str]:
    refuse_if(any(not A_VARIABLE.fullmatch(name) or name in RESERVED for name in value))
    return value


Lines = Annotated[
    tuple[Annotated[str, text(r"[A-Za-z0-9_.+-]+", "the name of a program")], ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    Field(title="a list of names of programs, as [mpicc, make]"),
]


class AppRecipe(Fields):
    """A file of a recipe."""

    about: Annotated[str, Field(min_length=1, max_length=200, title="a line of text")]
    """what it is, and where its sources are had"""
    needs: Lines
    """the programs that the script calls, beside those of every system"""
    packages: Packages
    """the packages that have them, for `image.packages` of the site"""
    choices: Annotated[
        dict[str, str],
        AfterValidator(_choices),
        Field(default_factory=dict, title="a mapping from names of A-Z, 0-9 and '_' to texts"),
    ]
    """variables of the script, with the values that they have by default"""
    script: Annotated[str, Field(min_length=1, max_length=16_384, title="a shell script")]
    """compiles it, in the folder of its sources, and puts its programs into $BIN"""
    programs: Annotated[
        dict[str, Metric],
        Nested(lambda: Metric, named=True),
        Field(default_factory=dict, title="a mapping from names of programs to what they print"),
    ]
    """by the name of a program, in which `*` stands for anything; the first that fits counts"""

    def metric(self, program: str) -> Metric | None:
        """Return what a program of it prints, where the recipe says so."""
        fitting = (one for name, one in self.programs.items() if fnmatchcase(program, name))
        return next(fitting, None)

    def chosen(self, settings: tuple[str, ...]) -> dict[str, str]:
        """Return the variables with the values that a user gives some of them, as NAME=VALUE.

        Raises:
            ConfigError: It has none of that name.
        """
        chosen = dict(self.choices)
        for setting in settings:
            name, equals, value = setting.partition("=")
            if not equals or name not in chosen:
                known = ", ".join(chosen) or "none"
                raise ConfigError(
                    f"{shown(setting)} sets nothing of the recipe, wanted NAME=VALUE; "
                    f"its names: {known}."
                )
            if not value.isprintable():
                raise ConfigError(f"The value of '{name}' is {shown(value)}, wanted one line.")
            chosen[name] = value
        return chosen


def app_folder(share: str, name: str) -> str:
    """Return where an application lies, on all nodes; its programs are in `bin`."""
    return f"{share}/apps/{name}"


def recipe_names() -> list[str]:
    """Return the recipes that come with farswitch."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_recipe(name: str) -> tuple[str, AppRecipe]:
    """Return the application's name and the recipe that a name or a path leads to.

    Raises:
        ConfigError: There is none, or it cannot be meant; each mistake is named with its line.
    """
    path = _path(name)
    if not re.fullmatch(A_NAME, path.stem):
        raise ConfigError(
            f"The file is called {shown(path.name)}, wanted a name of 1 to 31 of a-z, 0-9 and '-' "
            "with a letter first, and .yaml."
        )
    document, mistakes = read_document(path), Mistakes()
    found: Any = mistakes.validate(AppRecipe, document, document.data)
    mistakes.raise_any()
    return path.stem, found


def recipe_text(name: str) -> str:
    """Return a recipe as its file has it.

    Raises:
        ConfigError: There is none.
    """
    return _path(name).read_text(encoding="utf-8")


def _path(name: str) -> Path:
    known = recipe_names()
    path = FOLDER / f"{name}.yaml" if name in known else expand_home(name)
    if path.suffix != ".yaml" or not path.is_file():
        raise ConfigError(
            f"{shown(name)} is no recipe, wanted one of: {', '.join(known)}, or the path of a file "
            "NAME.yaml."
        )
    return path
