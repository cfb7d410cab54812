"""Command lines from dataclasses: a user's mistake is one line on standard error and exit status 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

from hwr.config import UserError

Options = TypeVar("Options")


def run(main: Callable[[Options], None], options: type[Options], description: str | None) -> None:
    """Parse ``options`` from the command line and call ``main``; exit with 2 on a UserError, 130 on Ctrl-C."""
    try:
        main(tyro.cli(options, description=description))
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells count
