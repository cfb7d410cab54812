"""Command lines from dataclasses: a user's mistake is one line on standard error and exit status 2."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import TypeVar

import tyro

from hwr.config import UserError

Options = TypeVar("Options")

BOX = "╭╮╰╯│─"  # tyro frames its messages; a rule of ─ parts them


def run(main: Callable[[Options], None], options: type[Options], description: str | None) -> None:
    """Parse ``options`` from the command line and call ``main``; exit with 2 on a UserError, 130 on Ctrl-C.

    The first paragraph of ``description`` heads the help.
    """
    program = Path(sys.argv[0]).name
    try:
        main(_parse(options, (description or "").partition("\n\n")[0]))
    except UserError as error:
        print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells count


def _parse(options: type[Options], description: str | None) -> Options:
    shown = io.StringIO()
    try:
        with redirect_stderr(shown):
            return tyro.cli(options, description=description)
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise UserError(f"{_one_line(shown.getvalue())}; --help lists all flags") from None


def _one_line(framed: str) -> str:
    """What is wrong, and tyro's guess at what was meant, from its framed message."""
    lines = framed.splitlines()[1:-1]
    parts = "\n".join("" if set(line) <= set(BOX + " ") else line.strip(BOX + " ") for line in lines).split("\n\n")
    guess = [part for part in parts if part.startswith("Perhaps you meant")]
    said = [parts[0], *(" ".join(part.split("\n")[:2]) for part in guess)]
    return ". ".join(" ".join(part.split()) for part in said)
