"""Files that are no YAML: the line that is named is the one to edit."""

from __future__ import annotations

import pytest

from farswitch.errors import ConfigError
from farswitch.site.loader import load_site

QUOTE = "a quote is opened here and not closed in this line"
NO_COLON = "found text without ': ', wanted 'key: value'"
CURLY = "a { is opened here and not closed"
SQUARE = "a [ is opened here and not closed"
CASES = {
    "double-quote": (2, 'data:\n  cluster: "x\n  vni_base: 41\n', QUOTE),
    "single-quote": (2, "data:\n  cluster: 'x\n  vni_base: 41\n", QUOTE),
    "quote-at-the-end": (3, "data:\n  cluster: x\n  pool: 'y\n\n\n", QUOTE),
    "quote-then-another": (
        2,
        'data:\n  cluster: "x\n  memory: 512\n  image: {source: "y", sha256: z}\n',
        QUOTE,
    ),
    "quote-in-braces": (3, 'data:\n  cluster: x\n  image: {source: "y}\n  memory: 512\n', QUOTE),
    "quote-before-a-key": (2, 'data:\n  "cluster: x\n  vni_base: 41\n', QUOTE),
    "quote-after-an-apostrophe": (4, "data:\n  # it's\n  pool: it's\n  cluster: 'x\n", QUOTE),
    "quote-over-two-documents": (2, "data:\n  cluster: 'x\n---\na: b\n", QUOTE),
    "brace": (2, "data:\n  image: {source: x\n  cluster: y\n  memory: 512\n", CURLY),
    "brace-at-the-end": (3, "data:\n  cluster: y\n  image: {source: x\n# end\n", CURLY),
    "brace-over-lines": (1, "data: {\n  cluster: x,\n  memory: 512\n", CURLY),
    "bracket": (2, "data:\n  cluster: [x\n  memory: 512\n  disk: 4\n", SQUARE),
    "bracket-in-braces": (2, "data: {\n  cluster: [x, y\n}\n", SQUARE),
    "bracket-alone": (1, "[\n", SQUARE),
    "no-colon": (2, "data:\n  cluster x\n  vni_base: 41\n", NO_COLON),
    "no-colon-later": (3, "data:\n  cluster: x\n  vni_base 41\n  memory: 512\n", NO_COLON),
    "no-space-after-colon": (3, "data:\n  cluster: x\n  vni_base:41\n  memory: 512\n", NO_COLON),
    "no-colon-after-comment": (2, "data:\n  cluster x # name\n\n  # y\n  disk: 4\n", NO_COLON),
    "merge-conflict": (2, "data:\n<<<<<<< HEAD\n  cluster: x\n=======\n", NO_COLON),
    "deeper-than-the-first": (
        3,
        "data:\n  cluster: x\n    vni_base: 41\n",
        "mapping values are not allowed here",
    ),
    "brace-too-many": (
        2,
        "data:\n  image: {source: x}}\n  cluster: y\n",
        "while parsing a block mapping expected <block end>, but found '}'",
    ),
    "tab": (
        2,
        "data:\n\tcluster: x\n",
        r"while scanning for the next token found character '\t' that cannot start any token",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_line_to_edit_is_named(refusal, case, end):
    line, text, reason = CASES[case]
    sentence = f"site/defaults.yaml, line {line}: this is no YAML: {reason}."
    assert refusal("defaults.yaml", None, text.replace("\n", end).encode()) == [sentence]


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("%YAML 1.1\n---\ndata: {cluster: no}\n", 2, "found YAML 1.1, wanted 1.2."),
        ("data:\n  cluster: x\u2028  disk: 4\n", 2, r"found '\u2028', wanted plain line ends."),
        (
            "data:\n  cluster: x\n  memory: 0512\n",
            3,
            (
                "found the number '0512', which readers of YAML take for different ones, "
                "wanted plain digits."
            ),
        ),
        (
            "data:\n  cluster: x\n  <<: {disk: 4}\n",
            3,
            "found a key that is no text, wanted a name.",
        ),
    ],
    ids=["version", "line-separator", "octal", "merge-key"],
)
def test_what_readers_of_yaml_read_differently_is_refused(refusal, text, line, sentence):
    assert refusal("defaults.yaml", None, text) == [f"site/defaults.yaml, line {line}: {sentence}"]


def test_a_value_that_is_left_out_is_no_null(refusal):
    """As a template writes it whose variable is not set; who wants none writes `null`."""
    text = "data:\n  cluster: x\n  image: {source: farswitch, sha256: }\n  lab:\n"
    assert refusal("defaults.yaml", None, text) == [
        f"site/defaults.yaml, line {line}: {sentence}."
        for line, sentence in (
            (3, "'image.sha256' is empty, wanted 64 hexadecimal digits in lower case"),
            (4, "'lab' is empty, wanted a mapping with the lab's two networks"),
        )
    ]


def test_a_file_at_the_end_of_a_long_path_is_named(tmp_path):
    site = tmp_path / ("x" * 200)
    site.mkdir()
    (site / "hosts.yaml").write_text("a: [\n")
    with pytest.raises(ConfigError, match=rf"{site}/hosts.yaml, line 1: this is no YAML"):
        load_site(str(site))
