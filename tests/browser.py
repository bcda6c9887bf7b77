"""A page as headless Chromium shows it: errors, what axe finds, and its width."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

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
  verdict.text = document.body.innerText;
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


@dataclass(frozen=True, slots=True)
class Shown:
    """What a browser made of a page.

    `wide` are the pixels by which it is wider than its window; `pictures`, whether each is drawn.
    """

    wide: int
    width: int
    dark: bool
    passes: int
    violations: list[str]
    errors: list[str]
    text: str
    pictures: list[bool]


def show(page: str, folder: Path, *, width: int = 1280, dark: bool = False) -> Shown:
    """Show the text of a page, and let axe judge it; the folder is the browser's."""
    judge = JUDGE.format(axe=files("axe_core_python").joinpath("axe.min.js").read_text("utf-8"))
    (folder / "page.html").write_text(page.replace("</body>", f"{judge}</body>"), encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width), encoding="utf-8")
    argv = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--virtual-time-budget=60000", "--dump-dom", frame.as_uri(),
    ]  # fmt: skip
    printed = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=True)
    found = re.search(r'data-verdict="([^"]*)"', printed.stdout)
    assert found, printed.stderr
    verdict: dict[str, Any] = json.loads(html.unescape(found[1]))
    return Shown(**verdict)
