"""An archive from which somebody else reruns a study: what was asked, on what, and what came."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from farswitch.errors import ConfigError

README = """\
Study '{name}' of farswitch {release}.

study.yaml      the study, as it was when this archive was made
study.json      the same, as it was run
site/           the servers and the cluster; no keys are in it, paths of key files may be. Programs
                of switches are in it where they lie in the site's folder
image.json      what the guests' image was made from, and its digest
results.jsonl   a line a run: values, environment, counters, proof of the path
results.csv     every value
report.html     the report

Rerun it: put servers of your own into site/hosts.yaml, then
  farswitch build --site site && farswitch study run ./study.yaml --site site
"""


def write_archive(path: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Write files into an archive, below a folder of the study's name.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        with tarfile.open(path, "w:gz") as archive:
            for place, content in files.items():
                entry = tarfile.TarInfo(f"{name}/{place}")
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
    except OSError as error:
        raise ConfigError(
            f"'{path}' cannot be written: {error.strerror}.",
            hint="Choose another file: --output FILE",
        ) from error
