"""Terminals in the C locale, which need not show anything but ASCII."""

from __future__ import annotations

import codecs
import io
import locale
import sys

_PLAIN = "farswitch.plain"
_ASCII = {"µ": "u", "…": "..."}


def plain_in_c_locale() -> None:
    """Write nothing but ASCII to terminals in the C locale; Python writes UTF-8 there, PEP 540."""
    if locale.setlocale(locale.LC_CTYPE) not in {"C", "POSIX"}:
        return
    codecs.register_error(_PLAIN, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            stream.reconfigure(encoding="ascii", errors=_PLAIN)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - for the type checker
    text = error.object[error.start : error.end]
    return "".join(_ASCII.get(char, "?") for char in text), error.end
