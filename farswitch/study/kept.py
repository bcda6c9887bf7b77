"""The study that a folder of results belongs to, as it was when it began."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from farswitch.errors import ConfigError
from farswitch.model.impairment import PortImpairment, shown_time
from farswitch.model.timeline import ImpairmentEvent
from farswitch.study.document import KERNELS, StudyProgram
from farswitch.study.plan import Cell, Study

KEPT = "study.json"
FREE = ("repeats", "title")
"""What may change while results are kept: more repeats are more blocks of the same order."""


def document(study: Study, cluster: str) -> dict[str, Any]:
    """Return a study as it is kept."""
    programs = {name: one.model_dump(mode="json") for name, one in study.programs.items()}
    return {
        "cluster": cluster,
        "name": study.name,
        "title": study.title,
        "cells": [asdict(cell) for cell in study.cells],
        "programs": {
            name: "builtin" if study.programs[name].builtin else one
            for name, one in programs.items()
        },
        "control": study.control,
        "events": [_event(one) for one in study.events],
        "snapshot": study.snapshot,
        "repeats": study.repeats,
        "seed": study.seed,
    }


def _event(event: ImpairmentEvent) -> dict[str, Any]:
    """Return an event as a study's file writes it."""
    port = PortImpairment(to_guest=event.to_guest, from_guest=event.from_guest, link=event.link)
    length = {} if event.length is None else {"for": shown_time(event.length)}
    return {"at": shown_time(event.at), "port": event.port, **port.written(), **length}


def keep(folder: Path, study: Study, cluster: str) -> None:
    """Keep a study beside its results, whole: a reader never sees a part of it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = folder / f".{KEPT}"
    beside.write_text(f"{json.dumps(document(study, cluster), indent=1)}\n", encoding="utf-8")
    beside.replace(folder / KEPT)


def kept(folder: Path) -> tuple[Study, str]:
    """Return the study whose results are in a folder, and the cluster that it ran on.

    Raises:
        ConfigError: There is none.
    """
    try:
        raw = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        programs = {
            name: KERNELS if one == "builtin" else StudyProgram.model_validate(one)
            for name, one in raw["programs"].items()
        }
        study = Study(
            name=raw["name"],
            title=raw["title"],
            cells=tuple(Cell(**cell) for cell in raw["cells"]),
            programs=programs,
            control=raw["control"],
            events=tuple(ImpairmentEvent.model_validate(one) for one in raw.get("events", ())),
            snapshot=raw.get("snapshot"),
            repeats=raw["repeats"],
            seed=raw["seed"],
        )
        return study, raw["cluster"]
    except FileNotFoundError as error:
        raise ConfigError(
            f"There are no results of a study '{folder.name}' in {folder.parent}.",
            hint=f"farswitch study run {folder.name}",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder / KEPT} is no study as farswitch keeps it: {error}.") from error


def check_same(folder: Path, study: Study, cluster: str) -> None:
    """Refuse results of another study under the same name.

    Raises:
        ConfigError: What decides what is measured was changed since.
    """
    if not (folder / KEPT).exists():
        return
    have, where = kept(folder)
    old, new = document(have, where), document(study, cluster)
    differing = [name for name in old if name not in FREE and old[name] != new[name]]
    if study.repeats < have.repeats:
        differing.append("repeats")
    if differing:
        raise ConfigError(
            f"Study '{study.name}' was begun with other {', '.join(differing)}, in {folder}.",
            hint="Give the changed study another name, or move that folder away.",
        )
