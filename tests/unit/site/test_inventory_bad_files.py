"""Files that are no YAML, or no site: the error names file and line."""

from __future__ import annotations

import pytest

from farswitch.errors import ConfigError
from farswitch.site.loader import load_site

FILES = ["hosts.yaml", "groups.yaml", "defaults.yaml"]
FILES_ROWS = {
    "syntax": (
        4,
        "[guest]}",
        "[guest]",
        "this is no YAML: a { is opened here and not closed.",
    ),
    "no-mapping": (1, None, "- server1\n", "found no mapping, wanted 'key: value' lines."),
    "two-documents": (
        2,
        None,
        "a: 1\n---\nb: 1\n",
        "this is no YAML: expected a single document in the stream but found another document.",
    ),
    "deep": (1, None, "[" * 99, "found more than 16 levels, wanted fewer."),
    "binary": (2, None, "a: 1\nb: \x00\n", "found a control character, wanted text."),
    "not-utf-8": (2, None, b"a: 1\nb: \xff\n", "this is no text, wanted UTF-8."),
}


@pytest.mark.parametrize("case", FILES_ROWS)
def test_a_bad_file_is_one_clear_sentence(refusal, case):
    line, old, new, sentence = FILES_ROWS[case]
    assert f"site/hosts.yaml, line {line}: {sentence}" in refusal("hosts.yaml", old, new)


def test_all_findings_are_told_at_once(site_folder, refusal):
    (site_folder / "defaults.yaml").write_text("data:\n  vni_base: 0\n  memory: x\n")
    lines = refusal("hosts.yaml", "hostname: 198.51.100.11, ", "")
    assert [line.partition(": ")[0] for line in lines] == [
        "site/defaults.yaml, line 1",
        "site/defaults.yaml, line 2",
        "site/defaults.yaml, line 3",
        "site/hosts.yaml, line 2",
    ]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(site_folder, name):
    (site_folder / name).unlink()
    with pytest.raises(ConfigError, match=f"site/{name}: there is no such file, wanted"):
        load_site("site")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_a_loop_of_links_is_named(site_folder, name):
    (site_folder / name).unlink()
    (site_folder / name).symlink_to(name)
    with pytest.raises(ConfigError, match=f"site/{name}: there is no such file, wanted"):
        load_site("site")


@pytest.mark.parametrize("site", ["loop", "loop/x", "loop/x/y", "site/hosts.yaml/x"])
def test_a_site_behind_a_loop_of_links_or_a_file_is_none(site_folder, site):
    (site_folder.parent / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=f"^'{site}' is no site .*, wanted one of: "):
        load_site(site)


def test_a_missing_site_names_those_beside_it(site_folder):
    with pytest.raises(ConfigError) as caught:
        load_site("sit")
    wanted = "'sit' is no site (a folder with hosts.yaml), wanted one of: site."
    assert str(caught.value) == wanted


def test_a_large_file_is_refused_before_it_is_parsed(refusal):
    lines = refusal("hosts.yaml", None, "#\n" * 70000)
    assert lines == ["site/hosts.yaml: the file is too large, wanted 131072 bytes at most."]
