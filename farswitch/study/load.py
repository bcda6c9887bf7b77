"""From a study's file to a `Study`, or to one error that says all that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.home import expand_home
from farswitch.model.cluster import Site, most_guests
from farswitch.model.node_names import shown
from farswitch.model.switch import adapters
from farswitch.site.mistakes import Mistakes
from farswitch.site.yaml_lines import Document, Place, read_document, shown_path
from farswitch.study.document import ALONE, MOST_CELLS, StudyFile
from farswitch.study.kernels import CONTROL, KERNEL_NAMES
from farswitch.study.plan import LOCAL, OF_PORTS, Cell, Study, cells_of

FOLDER = "studies"
SUFFIX = ".yaml"
OF_SITE = {
    "pin": "it is a key of the site, which a build follows and each run records",
}
"""What a study cannot ask for, and where it is had."""


def study_path(word: str, site: Site) -> Path:
    """Return the file that a word means: a path, or the name of one in a folder `studies`.

    Raises:
        ConfigError: There is none; the message names those that there are.
    """
    if os.sep in word or word.endswith(SUFFIX):
        return expand_home(word)
    folders = [Path(FOLDER), site.path / FOLDER, site.path.parent / FOLDER]
    for folder in folders:
        if (path := folder / f"{word}{SUFFIX}").is_file():
            return path
    names = sorted({path.stem for folder in folders for path in folder.glob(f"*{SUFFIX}")})
    places = " or ".join(dict.fromkeys(shown_path(folder.absolute()) for folder in folders))
    raise ConfigError(
        f"There is no study {shown(word)} in {places}"
        + (f", wanted one of: {', '.join(names)}." if names else ".")
    )


def load_study(path: Path, site: Site) -> Study:
    """Read and validate a study of a site.

    Raises:
        ConfigError: What is wrong, one sentence a line, with file, line, found and wanted.
    """
    document = read_document(path)
    mistakes = Mistakes()
    known = _without_the_sites(document, mistakes)
    file = mistakes.validate(StudyFile, document, known)
    if file is None:
        mistakes.raise_any()
        raise AssertionError
    cells = cells_of(file)
    control = file.control or _own_control(file)
    for place, sentence in _wrong(file, cells, control, site):
        mistakes.add(document, place, sentence)
    mistakes.raise_any()
    return Study(
        name=path.stem,
        cells=cells,
        programs={name: one.on(site.settings.share) for name, one in file.programs.items()},
        control=control,
        repeats=file.repeats,
        seed=file.seed,
        title=file.title,
        events=tuple(file.events or ()),
        snapshot=file.snapshot,
    )


def _without_the_sites(document: Document, mistakes: Mistakes) -> dict[str, object]:
    """Return what is known of a file; what is the site's is a mistake of its own."""
    data = dict(document.data)
    for name, what in OF_SITE.items():
        if data.pop(name, None) is not None:
            mistakes.add(document, (name,), f"'{name}' is no key of a study: {what}.")
    mistakes.raise_any()
    return data


def _own_control(file: StudyFile) -> str:
    """Return the control of the built-in kernels, where they are among the programs."""
    named = (name for name, program in file.programs.items() if program.builtin)
    return next((f"{name}.{CONTROL}" for name in named), "")


def _wrong(
    file: StudyFile, cells: tuple[Cell, ...], control: str, site: Site
) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong between the keys of a file, and between it and its site."""
    if (file.over is None and file.pairs is None) == (file.cells is None):
        yield ("over",), "wanted either 'over' or 'cells', one of both."
        return
    yield from _wrong_neighbours(file, cells)
    yield from _without_metric(file)
    yield from _ports_of_local(file)
    yield from _unknown_switches(file, site)
    yield from _too_many_nodes(file, site)
    yield from _too_large(file, site)
    if not 2 <= len(set(cells)) <= MOST_CELLS:  # noqa: PLR2004 - a base and one more
        yield _place(file), f"there are {len(set(cells))} cells, wanted 2 to {MOST_CELLS}."
    elif len(set(cells)) < len(cells):
        yield _place(file), "two cells are the same, wanted each once."
    if control not in set(metrics(file)):
        wanted = ", ".join(metrics(file))
        found = f"'control' is {shown(control)}" if control else "'control' is missing"
        yield ("control",), f"{found}, wanted one of: {wanted}."


def metrics(file: StudyFile) -> Iterator[str]:
    """Yield the metrics of a file's programs, as `control` names them."""
    for name, program in file.programs.items():
        yield from (f"{name}.{one}" for one in KERNEL_NAMES) if program.builtin else (name,)


def _place(file: StudyFile) -> Place:
    return ("over",) if file.cells is None else ("cells",)


def _values(file: StudyFile, factor: str) -> Iterator[tuple[Place, object]]:
    """Yield the values of a factor, each with its place."""
    if file.over is not None:
        for at, value in enumerate(getattr(file.over, factor) or ()):
            yield ("over", factor, at), value
    for at, cell in enumerate(file.cells or ()):
        if (value := getattr(cell, factor)) is not None:
            yield ("cells", at, factor), value


def _without_metric(file: StudyFile) -> Iterator[tuple[Place, str]]:
    for name, program in file.programs.items():
        if not program.builtin and program.known_metric is None:
            wanted = f"'programs.{name}.metric' is missing, wanted a mapping with 'find' and 'unit'"
            yield ("programs", name), f"{wanted}."


def _unknown_switches(file: StudyFile, site: Site) -> Iterator[tuple[Place, str]]:
    names = {site.settings.switch.kind, *dict(site.settings.switches), *adapters()}
    wanted = ", ".join(sorted(names))
    for place, name in _values(file, "switch"):
        if name not in names:
            yield place, f"there is no switch {shown(str(name))}, wanted one of: {wanted}."


def _ports_of_local(file: StudyFile) -> Iterator[tuple[Place, str]]:
    for at, cell in enumerate(file.cells or ()):
        for factor in OF_PORTS if cell.path == LOCAL else ():
            if getattr(cell, factor) is not None:
                yield ("cells", at, factor), f"a cell with 'path: local' has no '{factor}'."


def _wrong_neighbours(file: StudyFile, cells: tuple[Cell, ...]) -> Iterator[tuple[Place, str]]:
    """Yield what is no program, and what has nothing to be compared with."""
    named = [
        *_values(file, "neighbour"),
        *((("pairs", at), n) for at, n in enumerate(file.pairs or ())),
    ]
    for place, name in named:
        if name not in {ALONE, *file.programs}:
            wanted = ", ".join((ALONE, *file.programs))
            yield place, f"there is no program {shown(str(name))}, wanted one of: {wanted}."
    if file.pairs and file.over and file.over.neighbour:
        yield ("pairs",), "wanted either 'pairs' or 'over.neighbour', one of both."
    for cell in cells:
        if not cell.alone and replace(cell, neighbour=ALONE) not in cells:
            yield (
                _place(file),
                f"'{cell.key}' has no cell with 'neighbour: {ALONE}' to compare with.",
            )
            return


def _too_many_nodes(file: StudyFile, site: Site) -> Iterator[tuple[Place, str]]:
    most, why = most_guests(site.settings)
    for place, count in _values(file, "nodes"):
        if isinstance(count, int) and count > most:
            yield place, f"'nodes' is {count}, wanted {most} at most: {why}."


def _too_large(file: StudyFile, site: Site) -> Iterator[tuple[Place, str]]:
    """Yield an MTU that the site's own, where it names one, has no room for."""
    most = site.settings.mtu
    for place, size in _values(file, "mtu"):
        if most is not None and isinstance(size, int) and size > most:
            yield place, f"'mtu' is {size}, wanted {most} at most: the site's 'mtu'."
