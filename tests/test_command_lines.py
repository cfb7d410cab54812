"""Command lines that nobody should type are parsed, or refused in one line with status 2."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr import UserError, cli
from hwr import __main__ as commands
from hwr.training.options import TrainConfig
from hwr.training.recipes import RECIPES

FIXED = settings(derandomize=True, deadline=None, max_examples=20)
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
DONE = ("push {} {}", "export no/{}", "deploy-space {}", "predict a.png --model {}")  # refused before the Hub is asked


def mistake(command: Callable[[], None], words: list[str]) -> str:
    """Run a command as the shell would: "" for success, or the one line of a mistake."""
    said = StringIO()
    with patch.object(sys, "argv", ["train.py", *words]), redirect_stdout(StringIO()), redirect_stderr(said):
        try:
            command()
        except SystemExit as stop:
            assert not stop.code or (stop.code == 2 and said.getvalue().count("\n") == 1), said.getvalue()[:300]
            return said.getvalue() if stop.code else ""
    return ""


def parse_train() -> None:
    cli.run(lambda _: None, TrainConfig, "", RECIPES)


def parse_hwr() -> None:
    cli.run(lambda _: None, commands.Command, "")


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_an_odd_word_is_parsed_or_refused_in_one_line(odd: str) -> None:
    mistake(parse_train, ["--epochs", odd, "--out", odd])
    mistake(parse_hwr, ["predict", odd, "--top-k", odd])
    mistake(parse_hwr, [odd])


@pytest.mark.parametrize("line", DONE)
def test_a_command_with_an_odd_word_is_refused_in_one_line(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in random.Random(0).sample(ODD, 12):
        mistake(lambda: cli.run(commands.main, commands.Command, ""), [part.format(word) for part in line.split()])
    assert list(tmp_path.iterdir()) == []


@FIXED
@given(
    st.lists(
        st.sampled_from(("--data", "--epochs", "--lr", "--out", "predict", "--")) | st.text(max_size=9), max_size=4
    )
)
def test_any_words_are_parsed_or_refused_in_one_line(words: list[str]) -> None:
    for parse in (parse_train, parse_hwr):
        mistake(parse, words)


# --- found by fuzzing ---


@pytest.mark.parametrize("flag", ["--lr", "--degrees", "--weights", "--mixup", "--smoothing"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_number_that_is_none_is_refused_by_its_flag(flag: str, value: str) -> None:
    assert flag in mistake(parse_train, [flag, value])


def test_deep_arguments_are_no_json() -> None:
    with pytest.raises(UserError, match="not JSON"):
        TrainConfig(model_args="[" * 100_000)


def test_a_long_message_loses_its_middle(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train.py", "--data", "a", "--epochs", "b" * 5000])
    with pytest.raises(SystemExit):
        cli.run(lambda options: None, TrainConfig, "")
    said = capsys.readouterr().err
    assert len(said) < cli.LONGEST + 50
    assert said.endswith("--help lists all flags\n")
