"""One word means one thing in the whole tree: no two classes of the product share a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]


def places() -> dict[str, list[str]]:
    """Return where each name is a class."""
    found: dict[str, list[str]] = defaultdict(list)
    for room in ("bench", "farswitch", "tasks", "workflows"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_a_class_has_a_name_of_its_own():
    found = places()
    assert "Cluster" in found
    assert {name: where for name, where in found.items() if len(where) > 1} == {}
