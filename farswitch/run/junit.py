"""Verify's checks as JUnit XML, for people's CI: a suite a family, a case a check."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from farswitch.errors import ConfigError
from farswitch.proof.check import Check
from farswitch.run.logs import check_opens
from farswitch.run.rows import Failure

_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write (section 2.2, Char)."""


def render(checks: Sequence[Check], failures: Sequence[Failure] = (), seconds: float = 0.0) -> str:
    """Return the document; `seconds` is the time of the whole run.

    Each of the failures, hosts that ended the run before their checks, is an error of its stage.
    """
    suites = ET.Element("testsuites", name="farswitch", time=f"{seconds:.1f}")
    for family in dict.fromkeys(check.family for check in checks):
        alike = [check for check in checks if check.family == family]
        suite = _suite(suites, family, len(alike))
        suite.set("failures", str(sum(check.ok is False for check in alike)))
        suite.set("skipped", str(sum(check.ok is None for check in alike)))
        for check in alike:
            _case(suite, check)
    if failures:
        suite = _suite(suites, "run", len(failures))
        suite.set("errors", str(len(failures)))
        for failure in failures:
            case = ET.SubElement(suite, "testcase", classname="run", name=failure.stage)
            case.set("classname", f"run.{failure.host}")
            error = ET.SubElement(case, "error", message=_legal(failure.error))
            error.text = _legal(failure.hint)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _suite(suites: ET.Element, name: str, count: int) -> ET.Element:
    return ET.SubElement(suites, "testsuite", name=name, tests=str(count))


def _case(suite: ET.Element, check: Check) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=f"{check.name}.{check.host}", name=_legal(check.expected)
    )
    if check.ok is False:
        failure = ET.SubElement(case, "failure", message=_legal(check.measured))
        failure.text = _legal(f"expected: {check.expected}\n{check.hint}")
    elif check.ok is None:
        ET.SubElement(case, "skipped", message=_legal(check.measured))
    else:
        ET.SubElement(case, "system-out").text = _legal(check.measured)


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written at the end; empty it, before anything is measured.

    What an earlier run wrote must not be read as the result of one that ended early.

    Raises:
        ConfigError: Its folder is not there, or not ours to write.
    """
    try:
        check_opens(path)
        path.open("w").close()
    except OSError as error:
        raise ConfigError(
            f"The file '{path}' of --junit cannot be written: {error.strerror}."
        ) from error
