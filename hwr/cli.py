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

FRAME, RULE = "│ ", set("─- ")  # what tyro puts around its messages, and between their parts


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
        print(f"{program}: interrupted", file=sys.stderr)
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


def _one_line(message: str) -> str:
    """What is wrong, and tyro's guess at what was meant. Its messages come framed or, as ASCII, under a title."""
    lines = [line.strip(FRAME) for line in message.splitlines()]
    joined = "\n".join("" if line[:1] in "╭╰" or set(line) <= RULE else line for line in lines)
    parts = [part.strip().split("\n") for part in joined.split("\n\n") if part.strip()]
    said = next((part for part in parts if ":" in part[0]), parts[0])
    guess = next((part[:2] for part in parts if part[0].startswith("Perhaps you meant")), [])
    return ". ".join(" ".join(" ".join(part).split()) for part in (said, guess) if part)
