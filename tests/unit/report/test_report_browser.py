"""The page as a browser shows it: no error, nothing that axe finds, no width overrun."""

from pathlib import Path

import pytest

from farswitch.report.compare import differences
from farswitch.report.page import render, render_comparison
from farswitch.run.run_document import Run
from tests.browser import BROWSER, show
from tests.unit.report.runs import build, report, run, servers, verify
from tests.unit.switch_bench.benches import bench


def comparison() -> str:
    before, after = build(3), verify(3).model_copy(update={"servers": servers(2)})
    return render_comparison(before, after, differences(before, after))


def benched() -> Run:
    return run(report=report("switch-bench", bench=bench()))


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize(
    ("text", "pictures", "width", "dark"),
    [
        pytest.param(render(build(4)), 1, 1280, True, id="build"),
        pytest.param(render(verify(6)), 1, 1280, False, id="verify"),
        pytest.param(render(verify(6)), 1, 400, True, id="verify-narrow"),
        pytest.param(render(build(64)), 1, 400, False, id="build-of-64-narrow"),
        pytest.param(render(benched()), 1, 1280, True, id="switch-bench"),
        pytest.param(render(benched()), 1, 400, False, id="switch-bench-narrow"),
        pytest.param(comparison(), 0, 1280, False, id="comparison"),
        pytest.param(comparison(), 0, 400, True, id="comparison-narrow"),
    ],
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    text: str, pictures: int, width: int, dark: bool, tmp_path: Path
) -> None:
    page = show(text, tmp_path, width=width, dark=dark)
    assert page.passes > 10
    assert (page.errors, page.violations) == ([], [])
    assert page.wide <= 0
    assert page.pictures == [True] * pictures
    assert (page.width, page.dark) == (width, dark)
