"""What docs/study.md shows of a site and of studies is read as such."""

from __future__ import annotations

from pathlib import Path

import yaml

from farswitch.site.loader import load_site
from farswitch.study.load import load_study, study_path
from tests.documented import run_by


def test_the_studies_that_are_shown_can_be_meant(site_folder: Path) -> None:
    first, *studies = run_by(__file__)
    have = yaml.safe_load((site_folder / "defaults.yaml").read_text())
    have["data"] |= yaml.safe_load(first.text)["data"] | {"cluster": "lab"}
    (site_folder / "defaults.yaml").write_text(yaml.safe_dump(have))
    (site_folder / "switch.py").write_text("")
    site = load_site("site")
    assert len(studies) == 5
    for block in studies:
        name = Path(block.text.partition("\n")[0].removeprefix("# "))
        name.parent.mkdir(exist_ok=True)
        name.write_text(block.text)
        study = load_study(study_path(name.stem, site), site)
        base = (study.base.switch, study.base.neighbour, study.base.path)
        assert base in {
            ("bridge", None, None), (None, "none", None),
            (None, None, "local"), (None, None, "remote"),
        }  # fmt: skip
        assert study.control == "kernels.compute"
