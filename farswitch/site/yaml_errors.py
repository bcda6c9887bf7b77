"""Where a file that is no YAML is wrong: often above the line at which a parser gives up."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark
from ruamel.yaml.tokens import (
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    ScalarToken,
    Token,
)

QUOTES = ("'", '"')
OPENING, CLOSING = (
    (FlowMappingStartToken, FlowSequenceStartToken),
    (FlowMappingEndToken, FlowSequenceEndToken),
)
QUOTED = "while scanning a quoted scalar"
NO_COLON = "could not find expected ':'"
NOT_HERE = (
    "mapping values are not allowed here",
    "expected <block end>, but found '<block mapping start>'",
)
_COLON = re.compile(r":(\s|$)")
"""What makes a line one of a mapping (YAML 1.2, section 8.2.2)."""


def explain(error: MarkedYAMLError, text: str) -> tuple[int, str]:
    """Return the line, counted from 1, where a text stopped to be YAML, and how."""
    start, end = error.context_mark, error.problem_mark
    if (line := _open_quote(text)) is not None:
        return line + 1, "a quote is opened here and not closed in this line"
    if end and (bracket := _open_bracket(text, end)) is not None:
        sign = text.splitlines()[bracket.line][bracket.column]
        return bracket.line + 1, f"a {sign} is opened here and not closed"
    if error.problem == NO_COLON and start:
        return start.line + 1, "found text without ': ', wanted 'key: value'"
    if error.problem in NOT_HERE and end and (line := _above(text, end.line)) is not None:
        return line + 1, "found text without ': ', wanted 'key: value'"
    mark = end or start
    reason = " ".join(filter(None, (error.context, error.problem)))
    return (mark.line + 1 if mark else 1), reason


def _tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a text as far as it has any."""
    try:
        yield from YAML(typ="safe", pure=True).scan(text)
    except MarkedYAMLError as error:
        if error.context == QUOTED and error.context_mark and error.problem_mark:
            yield ScalarToken("", False, error.context_mark, error.problem_mark, QUOTES[0])  # noqa: FBT003


def _open_quote(text: str) -> int | None:
    """Return the line, from 0, of the first quote that does not end in it: no value needs that."""
    for token in _tokens(text):
        is_quoted = isinstance(token, ScalarToken) and token.style in QUOTES
        if is_quoted and token.start_mark.line < token.end_mark.line:
            return int(token.start_mark.line)
    return None


def _open_bracket(text: str, end: StreamMark) -> StreamMark | None:
    """Return where the bracket stands that was left open before `end`, if one was.

    What follows such a one is the end of the text, or stands no deeper than the bracket's line.
    """
    opened: list[StreamMark] = []
    for token in _tokens(text):
        if token.start_mark.index >= end.index:
            break
        if isinstance(token, OPENING):
            opened.append(token.start_mark)
        elif isinstance(token, CLOSING) and opened:
            opened.pop()
    at_end = not text[end.index :].strip("\0 \r\n")
    indents = [len(line) - len(line.lstrip()) for line in text.splitlines()]
    for mark in reversed(opened):
        if at_end or (mark.line < end.line and indents[end.line] <= indents[mark.line]):
            return mark
    return None


def _above(text: str, number: int) -> int | None:
    """Return the line above, from 0, that is no `key: value` and began the text of this one."""
    lines = text.splitlines()
    for above in range(number - 1, -1, -1):
        line = lines[above].partition(" #")[0].strip()
        if line and not line.startswith("#"):
            return None if _COLON.search(line) else above
    return None
