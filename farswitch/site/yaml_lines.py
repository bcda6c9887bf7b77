"""One YAML file of a site: its plain data, and the line of every key and value."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    ScalarEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode
from ruamel.yaml.reader import ReaderError

from farswitch.errors import ConfigError
from farswitch.model.node_names import escaped, shown
from farswitch.site.yaml_errors import explain

Place = tuple[str | int, ...]
NAMES = ("hosts.yaml", "groups.yaml", "defaults.yaml")
"""The files of a site."""
MAX_BYTES = 128 * 1024
MAX_DEPTH = 16
TEXT_TAG, NULL_TAG, NUMBER_TAG = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "int"))
VERSION = (1, 2)
"""Of YAML: in 1.1 `no` is false and 010 is eight."""
NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+|0o[0-7]+)")
"""A whole number that all readers of YAML take for the same one."""
LINE_ENDS = re.compile("[\x85\u2028\u2029]")
"""What YAML 1.1 takes for the end of a line, and 1.2 and editors do not."""


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
    """Return a path as a message shows it: relative when it lies below the current folder.

    It is whole, however long: at its end stands the file's name.
    """
    here = Path.cwd()
    shorter = path.relative_to(here) if path.is_relative_to(here) else path
    return escaped(str(shorter))


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
        line, reason = explain(error, text)
        raise ConfigError(f"{name}, line {line}: this is no YAML: {reason}.") from error
    except ReaderError as error:
        place = f"{name}, line {text.count(chr(10), 0, error.position) + 1}"
        raise ConfigError(f"{place}: found a control character, wanted text.") from error
    return document


def _read_text(path: Path, name: str) -> str:
    try:
        if not path.is_file():
            wanted = f"wanted {NAMES[0]}, {NAMES[1]} and {NAMES[2]}"
            raise ConfigError(f"{name}: {_what_is_there(path)}, {wanted}.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{name}: the file is too large, wanted {MAX_BYTES} bytes at most.")
        text = content.decode("utf-8")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigError(f"{name}: the file cannot be read: {reason}.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}, line {line}: this is no text, wanted UTF-8.") from error
    if end := LINE_ENDS.search(text):
        line = text.count("\n", 0, end.start()) + 1
        raise ConfigError(f"{name}, line {line}: found {shown(end[0])}, wanted plain line ends.")
    return text


def _what_is_there(path: Path) -> str:
    """Say what stands where a file is wanted, or what has nearly its name."""
    if path.exists():
        return "this is no file"
    others = [entry.name for entry in path.parent.iterdir() if entry.name not in NAMES]
    near = get_close_matches(path.name, others, n=1)
    return f"there is no such file, but {shown(near[0])}" if near else "there is no such file"


def _check_events(text: str, name: str) -> None:
    """Refuse what could cost more than the file is long, or make other things than plain data."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if sentence := _refused(event, depth):
            raise ConfigError(f"{name}, line {event.start_mark.line + 1}: {sentence}")


def _refused(event: Event, depth: int) -> str:
    """Return what is wrong with a part of a file, or nothing."""
    if isinstance(event, AliasEvent):
        return "found an alias (*), wanted the value itself."
    if isinstance(event, CollectionStartEvent | ScalarEvent) and event.tag is not None:
        return f"found the tag {shown(str(event.tag))}, wanted no tags."
    if isinstance(event, DocumentStartEvent) and event.version not in {None, VERSION}:
        return f"found YAML {'.'.join(map(str, event.version))}, wanted 1.2."
    return f"found more than {MAX_DEPTH} levels, wanted fewer." if depth > MAX_DEPTH else ""


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
    """Return the value of a scalar; one that is left out is an empty text, and no `null`."""
    if node.tag == NULL_TAG and not node.value:
        return ""
    if node.tag == NUMBER_TAG and not NUMBER.fullmatch(node.value):
        raise ConfigError(
            f"{document.at(place)}: found the number {shown(node.value)}, which readers of YAML "
            "take for different ones, wanted plain digits."
        )
    try:
        return YAML(typ="safe", pure=True).constructor.construct_object(node, deep=True)
    except ValueError as error:
        raise ConfigError(
            f"{document.at(place)}: found a value that cannot be read, wanted a plain one."
        ) from error
