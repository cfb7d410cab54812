"""Command lines that nobody should type."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from typing import Any
from unittest.mock import patch

from benchmarks.hostile.running import Case, Refusal
from hwr import __main__ as commands
from hwr import cli
from hwr.training.options import TrainConfig
from hwr.training.recipes import RECIPES

TRAIN = (
    *("--data sample mnist --epochs 3 --lr 0.001 --weights 1 2 --out runs/a", "--recipe fast", "--help"),
    *(
        '--model-args {"stem_width":32} --architecture resnet18',
        "--precision bf16 --no-dedupe --seed 7 --push owner/name",
    ),
    "--validation 0.1 --degrees 20 --image-size 32 --device cpu --batch-size 64 --accumulate 2 --test usps",
)
HWR = (
    *("predict a.png b --top-k 5 --json", "predict - --read --alphabet digits --out rows", "predict --help"),
    *("evaluate --data sample --out report --limit 10 --seed 1", "push runs/mine owner/name --private --branch main"),
    *("deploy-space owner/page --model owner/name@main", "export runs/mine --out a.onnx", "--help"),
)
# What these do they refuse before they look for the Hub: names of repositories are none, and folders are not there.
DONE = ("push {} {}", "export no/{}", "deploy-space {}", "deploy-space a {}", "predict a.png --model {}")
ODD = (
    *(
        "",
        " ",
        "-",
        "--",
        "---",
        "--=",
        "-1",
        "--help=1",
        "--no-such-flag",
        "--epochs",
        "--data",
        "@file",
        "*",
        "%s%n",
        "{}",
    ),
    *(
        "0",
        "-0",
        "1e400",
        "nan",
        "inf",
        "-inf",
        "9" * 400,
        "9" * 5000,
        "1_0",
        "0x10",
        "\u0661",
        "1.5",
        "True",
        "null",
        "2**31",
    ),
    *(
        "[red]a[/red]",
        "[/]",
        "<script>",
        "../../../etc/passwd",
        "/dev/null",
        "~",
        "~nobody/x",
        "a" * 5000,
        "\ud800",
        "\0",
    ),
    *(
        "a\nb",
        "\x1b[2J",
        "\u202e",
        "'; touch ran; '",
        "$(touch ran)",
        "`touch ran`",
        "|touch ran",
        "file:///etc/passwd",
    ),
    *("[" * 100_000, '{"a":' * 1000, '{"in_chans": NaN}', '{"layers": [1e999]}', "[1]", '"a"', "{"),
)


def cases(seed: int, n: int) -> Iterator[Case]:
    """``n`` lines for the parsers, and a few that are carried out."""
    rng = random.Random(seed)
    for i in range(n):
        of_train = i % 2 == 0
        words = spoilt(rng.choice(TRAIN if of_train else HWR).split(), rng)
        name = "train.py" if of_train else "python -m hwr"
        parse = train if of_train else hwr
        yield Case(f"command line: {name}", repr(words)[:300], partial(carry_out, parse, words))
    for line in DONE:
        for word in rng.sample(ODD, max(1, n // 10)) if n < len(ODD) * 10 else ODD:
            words = [part.format(word) for part in line.split()]
            yield Case("command line: carried out", repr(words)[:300], partial(carry_out, _carried_out, words))


def spoilt(words: list[str], rng: random.Random) -> list[str]:
    """The words with one or two odd ones among them, or in the place of others."""
    words = list(words)
    for _ in range(rng.choice((1, 1, 2))):
        at, odd = rng.randrange(len(words) + 1), rng.choice(ODD)
        words[at : at + rng.choice((0, 1, 1, 1))] = rng.choice(([odd], [odd], [odd], [], [f"--out={odd}"], words[:at]))
    return words


def carry_out(command: Callable[[], None], words: list[str]) -> None:
    """As the shell would; a mistake is status 2 and one line."""
    said = StringIO()
    with patch.object(sys, "argv", ["train.py", *words]), redirect_stdout(StringIO()), redirect_stderr(said):
        try:
            command()
        except SystemExit as stop:
            if not stop.code:
                return
            assert stop.code == 2 and said.getvalue().count("\n") == 1, f"status {stop.code}: {said.getvalue()[:300]}"
            raise Refusal(said.getvalue()) from None


def _nothing(_: Any) -> None:
    """The options are all that is wanted."""


def train() -> None:
    cli.run(_nothing, TrainConfig, "", RECIPES)


def hwr() -> None:
    cli.run(_nothing, commands.Command, "")


def _carried_out() -> None:
    cli.run(commands.main, commands.Command, "")
