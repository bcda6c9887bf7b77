"""Each row edits a server in hosts.yaml of the lab's site; the sentence is what the user reads."""

from __future__ import annotations

import pytest

A_HOSTNAME = "wanted an IP address of that server, or its DNS name."

SERVERS_ROWS = {
    "no-hostname": (
        2,
        "hostname: 198.51.100.11, ",
        "",
        f"'server1.hostname' is missing, {A_HOSTNAME}",
    ),
    "hostname-option": (
        2,
        "198.51.100.11",
        "-oProxyCommand=x",
        f"'server1.hostname' is \"-oProxyCommand=x\", {A_HOSTNAME}",
    ),
    "hostname-shell": (2, "198.51.100.11", "'a;b'", f"'server1.hostname' is \"a;b\", {A_HOSTNAME}"),
    "hostname-newline": (
        2,
        "198.51.100.11",
        '"a\\n"',
        f"'server1.hostname' is \"a\\n\", {A_HOSTNAME}",
    ),
    "hostname-zone": (
        2,
        "198.51.100.11",
        "'fe80::1%$(x)'",
        f"'server1.hostname' is \"fe80::1%$(x)\", {A_HOSTNAME}",
    ),
    "hostname-mistyped": (
        2,
        "198.51.100.11",
        "198.51.100.311",
        f"'server1.hostname' is \"198.51.100.311\", {A_HOSTNAME}",
    ),
    "username-option": (
        2,
        "groups: [hyp",
        "username: -l, groups: [hyp",
        "'server1.username' is \"-l\", wanted a user name.",
    ),
    "port": (
        2,
        "groups: [hyp",
        "port: 0, groups: [hyp",
        "'server1.port' is 0, wanted a number from 1 to 65535.",
    ),
    "key-file": (
        2,
        "data: {",
        "data: {key_file: 'a b', ",
        "'server1.key_file' is \"a b\", wanted a file's path of letters, digits and _@+=:,./-.",
    ),
    "local": (
        2,
        "data: {",
        "data: {local: 1, ",
        "'server1.local' is 1, wanted true or false.",
    ),
    "underlay-zone": (
        2,
        "203.0.113.11",
        "'fe80::1%e'",
        (
            "'server1.underlay' is \"fe80::1%e\", wanted an IPv4 or IPv6 address of that server, "
            "without a zone."
        ),
    ),
    "underlay-missing": (
        2,
        "198.51.100.11, groups: [hypervisor], data: {underlay: 203.0.113.11}",
        "a.example, groups: [hypervisor]",
        (
            "'server1.underlay' is missing, wanted the address where tunnels end, "
            "as 'hostname' is no address that can be it."
        ),
    ),
    "underlay-in-data-network": (
        2,
        "203.0.113.11",
        "10.0.0.7",
        (
            "the underlay of 'server1' is 10.0.0.7, in 'data_network' 10.0.0.0/24, "
            "wanted one outside of it."
        ),
    ),
    "underlay-outside-of-the-lab": (
        2,
        "203.0.113.11",
        "203.0.114.11",
        (
            "the underlay of 'server1' is 203.0.114.11, "
            "wanted an address of the lab's 203.0.113.0/24 after its first."
        ),
    ),
    "hostname-in-management-network": (
        2,
        "198.51.100.11",
        "10.10.0.1",
        (
            "the hostname of 'server1' is 10.10.0.1, in 'management_network' 10.10.0.0/24, "
            "wanted one outside of it."
        ),
    ),
    "underlay-twice": (
        3,
        "203.0.113.12",
        "203.0.113.11",
        (
            "'server2' has the underlay address 203.0.113.11 of 'server1', "
            "wanted one address a server."
        ),
    ),
    "underlay-of-two-families": (
        3,
        "203.0.113.12",
        "2001:db8::1",
        "the underlay of 'server2' is 2001:db8::1, wanted IPv4 as for 'server1'.",
    ),
    "hostname-twice": (
        3,
        "198.51.100.12",
        "198.51.100.11",
        "'server2' has the hostname 198.51.100.11 of 'server1', wanted two servers.",
    ),
}


@pytest.mark.parametrize("case", SERVERS_ROWS)
def test_a_bad_server_is_one_clear_sentence(refusal, case):
    line, old, new, sentence = SERVERS_ROWS[case]
    assert f"site/hosts.yaml, line {line}: {sentence}" in refusal("hosts.yaml", old, new)
