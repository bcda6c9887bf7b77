"""What a server lacks, by what it printed: one row a case."""

from __future__ import annotations

import pytest

from farswitch.links.requirements import has_python, lacks, system

GOOD = "uid 0\nsystem debian \npython 3.11\nrelease 6.1.0-9-amd64\n"
NO_VXLAN = "kernel vxlan Error: Unknown device type.\n"


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        pytest.param(
            "system ubuntu debian \nmissing ip\nmissing nft\n",
            "Programs are missing on 'server1': ip, nft.",
            "On Debian and Ubuntu: apt install iproute2 nftables",
            id="ubuntu",
        ),
        pytest.param(
            "system rhel centos fedora \nmissing qemu-img\nmissing sysctl\n",
            "qemu-img, sysctl",
            "On RHEL and Fedora: dnf install qemu-img qemu-kvm procps-ng",
            id="rhel",
        ),
        pytest.param(
            "system \nmissing unshare\n",
            "unshare",
            "On Debian and Ubuntu: apt install util-linux. On RHEL and Fedora: dnf install",
            id="unknown-distribution",
        ),
        pytest.param(
            "system rhel fedora \npython 3.6\npython-elsewhere /usr/libexec/platform-python\n",
            "'python3' on 'server1' is 3.6, wanted at least 3.8.",
            "alternatives --set python3 /usr/bin/python3.11 (RHEL keeps /usr/libexec/platform",
            id="rhel-8",
        ),
        pytest.param(
            f"{NO_VXLAN}modules disabled\n",
            "it loads no more modules (kernel.modules_disabled is 1)",
            "echo vxlan >>/etc/modules-load.d/farswitch.conf, and reboot 'server1'",
            id="modules-disabled",
        ),
        pytest.param(
            f"{NO_VXLAN}forbidden vxlan /etc/modprobe.d/cis.conf:install vxlan /bin/true\n",
            "'/etc/modprobe.d/cis.conf' forbids its module: install vxlan /bin/true",
            "Take that line out of /etc/modprobe.d/cis.conf there, and run: modprobe vxlan",
            id="forbidden",
        ),
        pytest.param(
            f"{NO_VXLAN}modules away\n",
            "/lib/modules/6.1.0-9-amd64 is not there",
            "Reboot 'server1'",
            id="upgraded-without-a-reboot",
        ),
        pytest.param(
            NO_VXLAN,
            "The kernel of 'server1' (6.1.0-9-amd64) makes no vxlan: Error: Unknown device type.",
            "linux-modules-extra-6.1.0-9-amd64",
            id="a-package-is-missing",
        ),
        pytest.param(
            f"system fedora \n{NO_VXLAN}",
            "makes no vxlan",
            "dnf install kernel-modules-6.1.0-9-amd64",
            id="a-package-is-missing-on-fedora",
        ),
        pytest.param(
            "kernel nftables Error: Could not process rule: Operation not supported\n",
            "makes no nftables",
            "modprobe nf_tables",
            id="no-nftables",
        ),
    ],
)
def test_what_is_missing_is_named_with_what_brings_it(text: str, what: str, remedy: str):
    (found,) = lacks("server1", system(GOOD + text))
    assert what in found.what
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("python 3.8\n", True),
        ("python 3.13\n", True),
        ("python 3.7\n", False),
        ("python sh: 1: python3: not found\nmissing python3\n", False),
    ],
)
def test_our_programs_run_on_a_python_that_is_new_enough(text: str, fit: bool):
    have = system(GOOD + text)
    assert has_python(have) is fit
    assert len(list(lacks("server1", have))) == (not fit)


def test_a_login_without_privilege_is_not_taken_for_a_kernel_that_lacks_something():
    assert list(lacks("server1", system(GOOD.replace("uid 0", "uid 1000") + NO_VXLAN))) == []


def test_modules_that_are_built_in_need_no_folder():
    assert list(lacks("server1", system(f"{GOOD}modules away\nmodules disabled\n"))) == []
