"""The page as a browser shows it: no error, nothing that axe finds, no width overrun."""

import html
import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from farswitch.report.compare import differences
from farswitch.report.page import render, render_comparison
from tests.unit.report.runs import build, servers, verify

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 120
JUDGE = """
<script>window.errors = []; addEventListener("error", event => errors.push(event.message));</script>
<script>{axe}</script>
<script>
for (const one of document.querySelectorAll("details")) one.open = true;
axe.run().then(found => {{
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const violations = found.violations.map(one => one.id + " " + one.nodes.map(node => node.html));
  const verdict = {{ wide, violations, passes: found.passes.length, errors }};
  verdict.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  verdict.width = innerWidth;
  verdict.pictures = [...document.images].map(one => one.complete && one.naturalWidth > 0);
  parent.postMessage(JSON.stringify(verdict), "*");
}});
</script>
"""
FRAME = """<!doctype html>
<iframe src="page.html" style="width: {width}px; height: 900px; border: 0"></iframe>
<script>addEventListener("message", event => document.body.dataset.verdict = event.data);</script>
"""
"""A window of the browser's cannot be as narrow as a telephone's."""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def comparison() -> str:
    before, after = build(3), verify(3).model_copy(update={"servers": servers(2)})
    return render_comparison(before, after, differences(before, after))


@pytest.mark.parametrize(
    ("text", "pictures", "width", "scheme"),
    [
        pytest.param(render(build(4)), 1, 1280, "dark", id="build"),
        pytest.param(render(verify(6)), 1, 1280, "light", id="verify"),
        pytest.param(render(verify(6)), 1, 400, "dark", id="verify-narrow"),
        pytest.param(render(build(64)), 1, 400, "light", id="build-of-64-narrow"),
        pytest.param(comparison(), 0, 1280, "light", id="comparison"),
        pytest.param(comparison(), 0, 400, "dark", id="comparison-narrow"),
    ],
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    text: str, pictures: int, width: int, scheme: str, tmp_path: Path
) -> None:
    judge = JUDGE.format(axe=files("axe_core_python").joinpath("axe.min.js").read_text("utf-8"))
    page = tmp_path / "page.html"
    page.write_text(text.replace("</body>", f"{judge}</body>"), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width), encoding="utf-8")
    argv = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
        "--virtual-time-budget=60000", "--dump-dom", frame.as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=True)
    found = re.search(r'data-verdict="([^"]*)"', shown.stdout)
    assert found, shown.stderr
    verdict = json.loads(html.unescape(found[1]))
    assert verdict["passes"] > 10
    assert (verdict["errors"], verdict["violations"]) == ([], [])
    assert verdict["wide"] <= 0
    assert verdict["pictures"] == [True] * pictures
    assert (verdict["width"], verdict["dark"]) == (width, scheme == "dark")
