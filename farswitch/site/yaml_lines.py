"""One YAML file of a site: its plain data, and the line of every key and value."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode
from ruamel.yaml.reader import ReaderError

from farswitch.errors import ConfigError
from farswitch.model.node_names import shown

Place = tuple[str | int, ...]
MAX_BYTES = 128 * 1024
MAX_DEPTH = 16
TEXT_TAG = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says; `name` is how messages call it."""

    name: str
    data: dict[str, Any]
    lines: dict[Place, int] = field(default_factory=dict)

    def at(self, place: Place) -> str:
        """Return "file, line n" of a place, or of the nearest one around it that is in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.name}, line {self.lines.get(place, 1)}"


def shown_path(path: Path) -> str:
    """Return a path as a message shows it: relative when it lies below the current folder."""
    here = Path.cwd()
    shorter = path.relative_to(here) if path.is_relative_to(here) else path
    return shown(str(shorter))[1:-1]


def read_document(path: Path) -> Document:
    """Read a YAML file of plain mappings, lists, texts and numbers.

    Aliases, tags, several documents, deep nesting and large files are refused before anything is
    built of them. An empty file is an empty mapping.

    Raises:
        ConfigError: The file cannot be read, or is no such YAML.
    """
    name = shown_path(path)
    text = _read_text(path, name)
    try:
        _check_events(text, name)
        document = Document(name, {})
        node = YAML(typ="safe", pure=True).compose(text)
        if node is not None:
            document.data.update(_mapping(node, document))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}, line {mark.line + 1}" if mark else name
        reason = " ".join(filter(None, (error.context, error.problem)))
        raise ConfigError(f"{place}: this is no YAML: {reason}.") from error
    except ReaderError as error:
        place = f"{name}, line {text.count(chr(10), 0, error.position) + 1}"
        raise ConfigError(f"{place}: found a control character, wanted text.") from error
    return document


def _read_text(path: Path, name: str) -> str:
    if not path.is_file():
        raise ConfigError(
            f"{name}: there is no such file, wanted hosts.yaml, groups.yaml and defaults.yaml."
        )
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{name}: the file is too large, wanted {MAX_BYTES} bytes at most.")
        return content.decode("utf-8")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigError(f"{name}: the file cannot be read: {reason}.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}, line {line}: this is no text, wanted UTF-8.") from error


def _check_events(text: str, name: str) -> None:
    """Refuse what could cost more than the file is long, or make other things than plain data."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        place = f"{name}, line {event.start_mark.line + 1}"
        if isinstance(event, AliasEvent):
            raise ConfigError(f"{place}: found an alias (*), wanted the value itself.")
        if isinstance(event, CollectionStartEvent | ScalarEvent) and event.tag is not None:
            raise ConfigError(f"{place}: found the tag {shown(str(event.tag))}, wanted no tags.")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{place}: found more than {MAX_DEPTH} levels, wanted fewer.")


def _mapping(node: Node, document: Document) -> dict[str, Any]:
    plain = _plain(node, (), document)
    if plain is None:
        return {}
    if not isinstance(plain, dict):
        raise ConfigError(f"{document.at(())}: found no mapping, wanted 'key: value' lines.")
    return plain


def _plain(node: Node, place: Place, document: Document) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, SequenceNode):
        return [_plain(item, (*place, at), document) for at, item in enumerate(node.value)]
    if not isinstance(node, MappingNode):
        return _scalar(node, place, document)
    plain: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag != TEXT_TAG:
            raise ConfigError(
                f"{document.name}, line {line}: found a key that is no text, wanted a name."
            )
        inner = (*place, key.value)
        if key.value in plain:
            raise ConfigError(
                f"{document.name}, line {line}: found the key {shown(key.value)} twice, "
                f"wanted it once (it is in line {document.lines[inner]} too)."
            )
        document.lines[inner] = line
        plain[key.value] = _plain(value, inner, document)
    return plain


def _scalar(node: Node, place: Place, document: Document) -> Any:
    try:
        return YAML(typ="safe", pure=True).constructor.construct_object(node, deep=True)
    except ValueError as error:
        raise ConfigError(
            f"{document.at(place)}: found a value that cannot be read, wanted a plain one."
        ) from error
