"""The complete scripts of docs/as-a-library.md, run as their readers run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs/as-a-library.md"
SCRIPT = re.compile(
    r"^## \((?P<letter>.)\).*?^```python\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


def run_script(
    letter: str, folder: Path, *arguments: str, seconds: float = 120.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the script of a section in a folder of its own, outside of the project's.

    Args:
        letter: The section's.
        folder: Where the script is written, and the current folder of its run.
        arguments: Its command line.
        seconds: After which it is ended.
        environment: Variables beside those of this process.
    """
    texts = {found["letter"]: found["text"] for found in SCRIPT.finditer(DOCUMENT.read_text())}
    (folder / "script.py").write_text(texts[letter])
    return subprocess.run(
        [sys.executable, "script.py", *arguments],
        cwd=folder,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
