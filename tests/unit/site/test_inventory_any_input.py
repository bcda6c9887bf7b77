"""Whatever stands in a site's files, loading it gives a site or sentences: never a traceback."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from farswitch.errors import ConfigError
from farswitch.model.cluster import cluster
from farswitch.site.loader import load_site

FILES = {
    "hosts.yaml": {
        "server1": {
            "hostname": "198.51.100.11",
            "groups": ["hypervisor"],
            "username": "bob",
            "port": 22,
            "data": {
                "underlay": "203.0.113.11",
                "key_file": "k",
                "known_hosts": "h",
                "local": False,
            },
        },
        "server2": {"hostname": "198.51.100.12", "groups": ["switch"], "data": {}},
        "node[1-3]": {"groups": ["guest"], "data": {"hypervisor": "server1"}},
    },
    "groups.yaml": {
        "hypervisor": {"username": "bob", "data": {"local": False}},
        "guest": {"data": {"hypervisor": "server1"}},
    },
    "defaults.yaml": {
        "data": {
            "cluster": "x",
            "mtu": "auto",
            "data_network": "10.0.0.0/24",
            "image": {"source": "farswitch", "sha256": None},
            "mpi": {"launcher_ports": "20000-20099"},
            "share": "/shared",
            "vni_base": 41,
        }
    },
}
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["10.0.0.0/8", "1-2", "::", "0.0.0.0/0", "http://[", "http://[::1", "~x", "/"]),
    st.sampled_from(["node[1-900]", "@a", "server1", "guest", "127.0.0.1", "auto", "\x85", "."]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=4,
)


@st.composite
def spoiled(draw) -> dict[str, str]:
    files = copy.deepcopy(FILES)
    name = draw(st.sampled_from(sorted(files)))
    inner = files[name]
    while True:
        key = draw(st.sampled_from(sorted(inner)))
        if not (isinstance(inner[key], dict) and inner[key]) or draw(st.integers(0, 3)) == 0:
            break
        inner = inner[key]
    value = draw(VALUES)
    if draw(st.booleans()):
        inner[key] = value
    else:
        inner[draw(TEXTS)] = inner.pop(key)
    return {name: json.dumps(data) for name, data in files.items()}


@settings(max_examples=150, derandomize=True, deadline=None)
@given(spoiled())
def test_any_value_anywhere_gives_a_site_or_sentences(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text)
        try:
            site = load_site(folder)
        except ConfigError as error:
            sentences = str(error).split("\n")
        else:
            assert cluster(site).guests
            return
        for sentence in sentences:
            assert sentence.startswith(folder)
            assert sentence.endswith(".")
            assert sentence.isprintable()
            assert len(sentence) < 600


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@ \n\t0,?<~", max_size=40))
def test_any_text_gives_sentences(text):
    with tempfile.TemporaryDirectory() as folder:
        for name in FILES:
            Path(folder, name).write_text(text)
        try:
            load_site(folder)
        except ConfigError as error:
            told = str(error)
        else:
            told = ""
        assert f"{folder}/hosts.yaml" in told or f"{folder}/defaults.yaml" in told
