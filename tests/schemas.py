"""The documents of `--json`, held against the schemas in docs/schemas."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema

SCHEMAS = Path(__file__).parents[1] / "docs/schemas"


@cache
def _validator(command: str) -> Callable[[Any], Any]:
    validate: Callable[[Any], Any] = fastjsonschema.compile(
        json.loads((SCHEMAS / f"{command}.json").read_text(encoding="utf-8"))
    )
    return validate


def assert_fits(command: str, document: dict[str, Any]) -> None:
    """Fail where a document of a command is not what its schema says: a field more or less, too."""
    try:
        _validator(command)(document)
    except fastjsonschema.JsonSchemaValueException as error:
        raise AssertionError(f"docs/schemas/{command}.json: {error.message}") from error
