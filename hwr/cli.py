"""Command lines from dataclasses: a user's mistake is one line on standard error and exit status 2."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import field, fields, is_dataclass, make_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from hwr.config import UserError

Options = TypeVar("Options")
Recipes = Mapping[str, Mapping[str, Any]]

TRAINING = ("accelerate", "matplotlib", "onnx", "onnx_ir", "onnxscript", "scipy", "timm", "torch", "torchvision")
INSTALL = "pip install -r requirements.txt -r requirements-train.txt"
LONGEST = 1000  # characters of a message
FRAME, RULE = "│ ", set("─- ")  # around tyro's messages, and between their parts


def run(
    main: Callable[[Options], None],
    options: Any,
    description: str | None,
    recipes: Recipes | None = None,
) -> None:
    """Parse ``options`` from the command line and call ``main``; exit with its status on a UserError, 130 on Ctrl-C.

    The first paragraph of ``description`` heads the help, and the others end it. Options composed of several
    dataclasses by inheritance are shown group by group; a union of dataclasses is a choice of subcommands.
    ``--recipe NAME`` takes its defaults from ``recipes``.
    """
    program = Path(sys.argv[0]).name.replace("__main__.py", "hwr")
    called = f"python -m {program}" if program == "hwr" else program
    try:
        main(_parse(called, options, description or "", recipes or {}))
    except UserError as error:
        print(f"{program}: {_shortened(' '.join(str(error).split()))}", file=sys.stderr)
        sys.exit(error.exit_status)
    except ModuleNotFoundError as error:
        if error.name not in TRAINING:
            raise
        print(f"{program}: {error.name} is not installed: {INSTALL}", file=sys.stderr)
        sys.exit(UserError.exit_status)
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(130)  # 128 + SIGINT, as shells count


@contextmanager
def ignore_broken_pipe() -> Iterator[None]:
    """End quietly if the reader of standard output stops reading, as ``head`` does."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the buffer would raise again at exit


def _shortened(message: str) -> str:
    """Cut the middle out of a message that repeats a very long argument."""
    return message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} ... {message[-LONGEST // 2 :]}"


def _parse(program: str, options: Any, description: str, recipes: Recipes) -> Any:
    shown = io.StringIO()
    groups: list[Any] = [base for base in reversed(getattr(options, "__bases__", ())) if is_dataclass(base)]
    asked = _grouped(options.__name__, groups, recipes) if groups else options
    head, _, tail = description.partition("\n\n")
    try:
        with redirect_stderr(shown), ignore_broken_pipe():
            parsed = tyro.cli(asked, prog=program, description=head)
            return options(**_ungrouped(parsed, groups)) if groups else parsed
    except SystemExit as stop:
        if not stop.code:  # --help
            with ignore_broken_pipe():
                print(f"\n{tail.strip()}" if tail else "")
            raise
        raise UserError(f"{_one_line(shown.getvalue())}; --help lists all flags") from None
    sys.exit()  # the reader of the help has closed the pipe


def _grouped(name: str, groups: list[type[Any]], recipes: Recipes) -> type[Any]:
    """Return the same fields as a dataclass of dataclasses, which tyro shows as groups under their docstrings."""
    chosen = recipes.get(_recipe_named(sys.argv[1:]), {})
    parts: list[Any] = []
    if recipes:
        about = tyro.conf.arg(
            metavar="NAME",
            help=f"A set of flags; flags given beside it win. One of {', '.join(recipes)}, described at the end.",
            help_behavior_hint="",
        )
        named: Any = Literal[tuple(recipes)]
        parts.append(("recipe", Annotated[named | None, about], None))
    for group in groups:
        start = group(**{f.name: chosen[f.name] for f in fields(group) if f.name in chosen})
        unprefixed: Any = tyro.conf.OmitArgPrefixes
        parts.append((_title(group), unprefixed[group], field(default=start)))
    return make_dataclass(name, parts, frozen=True)


def _ungrouped(parsed: Any, groups: list[type[Any]]) -> dict[str, Any]:
    return {f.name: getattr(getattr(parsed, _title(group)), f.name) for group in groups for f in fields(group)}


def _title(group: type[Any]) -> str:
    return group.__name__.removesuffix("Options").lower()


def _recipe_named(arguments: list[str]) -> str:
    """Return the value of --recipe, which must be known before the other flags have defaults."""
    for word, after in pairwise([*arguments, ""]):
        if word == "--recipe":
            return after
        if word.startswith("--recipe="):
            return word.partition("=")[2]
    return ""


def _one_line(message: str) -> str:
    """Return tyro's error and its suggestion as one line. Its messages are framed or, as ASCII, have a title."""
    lines = [line.strip(FRAME) for line in message.splitlines()]
    joined = "\n".join("" if line[:1] in "╭╰" or set(line) <= RULE else line for line in lines)
    parts = [part.strip().split("\n") for part in joined.split("\n\n") if part.strip()]
    said = next((part for part in parts if ":" in part[0] or "--" in part[0]), parts[0])  # not the title
    guess = next((part[:2] for part in parts if part[0].startswith("Perhaps you meant")), [])
    return ". ".join(" ".join(" ".join(part).split()) for part in (said, guess) if part)
