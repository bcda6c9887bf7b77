"""What a study says, from what is kept here: its page, its archive, and two side by side."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path

from farswitch.errors import ConfigError
from farswitch.guests.base_image import own_recipe
from farswitch.model.cluster import Site
from farswitch.run.cli import Options, main
from farswitch.run.echo import echo
from farswitch.run.local_files import write_local
from farswitch.run.print_report import console_for
from farswitch.run.session import Session
from farswitch.run.terminal import shown
from farswitch.site.yaml_lines import NAMES
from farswitch.study.compare import Ran, changes, made_differently
from farswitch.study.export import README, write_archive
from farswitch.study.kept import KEPT, kept
from farswitch.study.load import study_path
from farswitch.study.page import render
from farswitch.study.results import RESULTS, read_results, study_folder
from farswitch.study.summary import summarise
from farswitch.study.tables import between, csv_of, document_of, figure, summary_lines

PAGE, VALUES = "report.html", "results.csv"


def ran(name: str) -> Ran:
    """Return a study that has run, at least once.

    Raises:
        ConfigError: There is none of that name.
    """
    folder = study_folder(name)
    study, cluster = kept(folder)
    return Ran(study, cluster, read_results(folder))


def rendered(name: str) -> dict[str, str]:
    """Return the page and the table of all values of a study."""
    one = ran(name)
    page = render(summarise(one.study, one.records), one.records, one.cluster)
    return {PAGE: page, VALUES: csv_of(one.records)}


@main("study-status")
def status(options: Options, name: str) -> int:
    """Print what a study says so far."""
    one = ran(name)
    summary = summarise(one.study, one.records)
    console = console_for(as_json=options.json)
    for line in summary_lines(summary):
        console.print(shown(line))
    if options.json:
        echo(json.dumps(document_of(summary, one.cluster), indent=1))
    return 0


@main("study-report")
def report(options: Options, name: str, output: str) -> int:
    """Write the page and the table of all values."""
    files = rendered(name)
    folder = Path(output) if output else study_folder(name)
    for file, text in files.items():
        write_local(folder / file, text)
    if options.json:
        document = {"workflow": "study-report", "study": name, "ok": True}
        echo(json.dumps(document | {"page": str(folder / PAGE), "values": str(folder / VALUES)}))
    for file in files:
        echo(str((folder / file).resolve()), err=options.json)
    return 0


@main("study-compare")
def compare(options: Options, names: tuple[str, str]) -> int:
    """Print what differs between two studies."""
    first, second = map(ran, names)
    different, changed = list(made_differently(first, second)), list(changes(first, second))
    console = console_for(as_json=options.json)
    for name, before, after in different:
        console.print(shown(f"{name}: {before} -> {after}"))
    if not different:
        console.print(shown("Both were made in the same way."))
    for one in changed:
        row, effect = one.row, one.effect
        console.print(
            shown(
                f"{row.metric:<24} {row.label:<24} {figure(effect.base):>10} -> "
                f"{figure(effect.value)} {row.unit}  x{effect.ratio:.2f} "
                f"{between(effect.interval)} {effect.verdict}"
            )
        )
    if not changed:
        console.print(shown("They have no metric of a cell in common."))
    if options.json:
        document = {
            "workflow": "study-compare",
            "studies": list(names),
            "ok": True,
            "differences": [
                {"what": what, "before": before, "after": after}
                for what, before, after in different
            ],
            "rows": [
                {
                    "metric": one.row.metric,
                    "cell": one.row.cell.key,
                    "before": one.effect.base,
                    "after": one.effect.value,
                    "unit": one.row.unit,
                    "slowdown": one.effect.ratio,
                    "interval": dataclasses.astuple(one.effect.interval)
                    if one.effect.interval
                    else None,
                    "verdict": one.effect.verdict,
                }
                for one in changed
            ],
        }
        echo(json.dumps(document))
    return 0


def _of_site(site: Site) -> list[str]:
    """Return the files of a site, with the programs of its switches that lie in its folder."""
    switches = (site.settings.switch, *dict(site.settings.switches).values())
    programs = {Path(file) for one in switches if (file := getattr(one, "file", None))}
    own = sorted(str(one.relative_to(site.path)) for one in programs if site.path in one.parents)
    return [*NAMES, *own]


@main("study-export")
def export(options: Options, word: str, output: str) -> int:
    """Write an archive from which somebody else reruns a study."""
    with Session("study-export", dataclasses.replace(options, dry_run=True), quiet=True) as session:
        site = session.site
    path = study_path(word, site)
    name, folder = path.stem, study_folder(path.stem)
    files = {file: text.encode() for file, text in rendered(name).items()}
    files[KEPT], files[RESULTS] = (folder / KEPT).read_bytes(), (folder / RESULTS).read_bytes()
    files["study.yaml"] = path.read_bytes()
    files |= {f"site/{file}": (site.path / file).read_bytes() for file in _of_site(site)}
    image = site.settings.image
    about = image.model_dump(mode="json")
    if image.own:
        try:
            own = own_recipe(image)
            about = {"digest": own.digest, "recipe": dataclasses.asdict(own)}
        except ConfigError as error:
            about["recipe"] = str(error)
    files["image.json"] = json.dumps(about, indent=1).encode()
    files["README"] = README.format(name=name, release=version("farswitch")).encode()
    archive = Path(output or f"{name}.tar.gz")
    write_archive(archive, name, files)
    if options.json:
        document = {"workflow": "study-export", "study": name, "ok": True, "file": str(archive)}
        echo(json.dumps(document))
    echo(f"The archive of study '{name}': {archive.resolve()}", err=options.json)
    return 0
