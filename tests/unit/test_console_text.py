"""What a guest writes to its console is data: bounded, and without escape codes."""

from __future__ import annotations

from tasks.console import LINES, WIDTH, plain


def test_only_the_last_lines_are_kept():
    text = "\n".join(f"line {number}" for number in range(100))
    assert plain(text) == [f"line {number}" for number in range(100 - LINES, 100)]


def test_escape_codes_and_controls_are_stripped():
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07ok\x08\x00\n") == ["red ok"]


def test_long_lines_are_cut_and_empty_ones_dropped():
    assert plain("x" * 1000 + "\r\n\r\n\n") == ["x" * WIDTH]
