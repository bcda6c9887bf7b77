"""What is wrong with a site: all of it, each in one sentence with file, line, found and wanted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from farswitch.errors import ConfigError
from farswitch.model.field_types import Nested
from farswitch.model.node_names import SHOWN_LENGTH, shown
from farswitch.site.yaml_lines import Document, Place

Model = TypeVar("Model", bound=BaseModel)
LIKENESS = 0.7
"""Above this, an unknown key is taken for a known one mistyped (a ratio of difflib)."""


@dataclass(slots=True)
class Mistakes:
    """Sentences, collected until `raise_any`."""

    sentences: list[str] = field(default_factory=list)

    def add(self, document: Document, place: Place, sentence: str) -> None:
        """Add what is wrong at a place of a file."""
        self.sentences.append(f"{document.at(place)}: {sentence}")

    def raise_any(self) -> None:
        """Raise a ConfigError that says all that was found, one a line."""
        if self.sentences:
            raise ConfigError("\n".join(dict.fromkeys(self.sentences)))

    def validate(
        self, model: type[Model], document: Document, data: object, place: Place = ()
    ) -> Model | None:
        """Return the data as a model, or add what is wrong with it and return None."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                inner = place + details["loc"]
                self.add(document, inner, _sentence(model, details, inner))
            return None


def explained(model: type[BaseModel], error: ValueError, where: str) -> str:
    """Return what is wrong with a value that was typed at some place, a sentence a line."""
    if not isinstance(error, ValidationError):
        return f"{where} cannot be meant, wanted {wanted_of(model)}."
    sentences = (
        _sentence(model, details, (where, *details["loc"]))
        for details in error.errors(include_url=False)
    )
    return "\n".join(sentences)


def wanted_of(model: type[BaseModel]) -> str:
    """Return the keys of a model, as a message says them."""
    return f"one or more of {', '.join(model.model_fields)}, each once, with its value"


def found(value: Any) -> str:
    """Return how a message shows a value of a YAML file."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    text = json.dumps(value, default=str)
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}..."


def key(place: Place) -> str:
    """Return how a message calls a key: without a `data.`, which means nothing to the reader."""
    names = [name for name in place if isinstance(name, str)]
    *outer, last = names or ["data"]
    return shown(".".join([*(name for name in outer if name != "data"), last]))


def _sentence(model: type[BaseModel], details: ErrorDetails, place: Place) -> str:
    location = details["loc"]
    if details["type"] == "extra_forbidden":
        return _unknown_key(_keys(model, location[:-1]), str(location[-1]), place)
    info = _field(model, location)
    wish = wanted(info) if info else "a mapping"
    if details["type"] == "missing":
        return f"{key(place)} is missing, wanted {wish}."
    return f"{key(place)} is {found(details['input'])}, wanted {wish}."


def wanted(info: FieldInfo) -> str:
    """Return a field's title or docstring; the title of `Kind | None` is in Kind's annotation."""
    inner = (
        note.title
        for kind in get_args(info.annotation)
        for note in getattr(kind, "__metadata__", ())
        if isinstance(note, FieldInfo)
    )
    return info.title or next(filter(None, inner), info.description or "another value")


def _unknown_key(known: list[str], name: str, place: Place) -> str:
    near = get_close_matches(name, known, n=1, cutoff=LIKENESS)
    hint = f"'{near[0]}'" if near else f"one of {', '.join(sorted(known))}"
    return f"{key(place)} is no known key, wanted {hint}."


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    info = _field(model, location)
    inner = model_of(info) if info else model
    return list((inner or model).model_fields)


def _field(model: type[BaseModel], location: tuple[int | str, ...]) -> FieldInfo | None:
    info: FieldInfo | None = None
    inner: type[BaseModel] | None = model
    own_name = False
    for name in location:
        if own_name:
            own_name = False
            continue
        if inner is None or not isinstance(name, str):
            break
        info = inner.model_fields[name]
        inner = model_of(info)
        own_name = any(isinstance(note, Nested) and note.named for note in info.metadata)
    return info


def model_of(info: FieldInfo) -> type[BaseModel] | None:
    """Return the model of the mapping that a field holds, if it holds one."""
    for note in info.metadata:
        if isinstance(note, Nested):
            return note.model()
    kinds = (info.annotation, *get_args(info.annotation))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
