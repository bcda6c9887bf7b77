"""Long trials: each runs only where it is asked for, by `make trial-NAME`."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the trials out unless they are asked for: `-m trial`."""
    if "trial" in config.option.markexpr:
        return
    trials = [item for item in items if item.get_closest_marker("trial")]
    config.hook.pytest_deselected(items=trials)
    items[:] = [item for item in items if item not in trials]
