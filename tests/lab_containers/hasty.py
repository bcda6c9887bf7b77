"""A workflow whose timers run for seconds instead of a minute: `python hasty.py WORKFLOW ...`."""

from __future__ import annotations

import importlib
import sys

from farswitch.rollback import confirmed_change as confirmed


def main() -> None:
    confirmed.SECONDS, confirmed.CONFIRM_SECONDS = 12, 2.0
    workflow = importlib.import_module(f"workflows.{sys.argv.pop(1)}")
    workflow.command()


if __name__ == "__main__":
    main()
