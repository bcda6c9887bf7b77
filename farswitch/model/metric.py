"""What is read of a program's output: the figure that it measures itself by."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from farswitch.errors import FarswitchError
from farswitch.model.field_types import Fields, refuse_if


def _groups(pattern: str) -> int:
    """Return how many groups a pattern has; none where it is no pattern."""
    try:
        return re.compile(pattern).groups
    except re.error:
        return -1


def _with_one_group(pattern: str) -> str:
    """Refuse a pattern from which no number can be taken."""
    refuse_if(_groups(pattern) != 1)
    return pattern


def _pattern(pattern: str) -> str:
    refuse_if(_groups(pattern) < 0)
    return pattern


class Metric(Fields):
    """How a program's figure is found, and which of two is the better one."""

    find: Annotated[
        str,
        AfterValidator(_with_one_group),
        Field(title="a regular expression with one group, which is the number"),
    ]
    """finds the figure in what the program prints, on either stream; the last one counts"""
    unit: Annotated[str, Field(min_length=1, max_length=20, title="a unit, as s or Mop/s")]
    better: Annotated[Literal["less", "more"], Field(title="'less' or 'more'")] = "less"
    """`more` for rates: a slowdown is then base ÷ cell"""
    good: Annotated[str, AfterValidator(_pattern), Field(title="a regular expression")] = ""
    """what the program prints where its results are right; without it the exit code alone counts"""

    def read(self, printed: str) -> float:
        """Return the figure that a program printed; exponents may be Fortran's, as in 1.5D+02.

        Raises:
            FarswitchError: It printed none, no finite one, or that its results are wrong.
        """
        if self.good and not re.search(self.good, printed, re.MULTILINE):
            raise FarswitchError(
                f"Nothing in its output says that its results are right: {self.good}"
            )
        found = re.findall(self.find, printed, re.MULTILINE)
        try:
            figure = float(found[-1].replace(",", "").upper().replace("D", "E"))
        except (IndexError, ValueError):
            raise FarswitchError("Nothing in its output matches its pattern.") from None
        if not math.isfinite(figure):
            raise FarswitchError(f"Its figure is '{found[-1]}', wanted a finite number.")
        return figure
