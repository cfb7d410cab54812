"""`python -m hwr predict` of folders with a few and with many pictures: pictures a second, and peak memory.

    python -m benchmarks.folder --write benchmarks/folder.json

Each folder is read by a process of its own. Its pictures are characters as PNG files, of EMNIST's sample that ships
with the project, again and again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from benchmarks import results
from hwr import UserError, cli
from hwr.data import sources


@dataclass(frozen=True)
class Options:
    """How many pictures."""

    pictures: tuple[int, ...] = (2_000, 20_000)
    """Of each folder."""
    write: Path | None = None
    """JSON file for the results."""


def main(options: Options) -> None:
    found = {str(n): measure(n) for n in options.pictures}
    for n, row in found.items():
        print(f"{int(n):,} pictures: {row['per_second']:,.0f} a second, peak memory {row['mebibytes']:.0f} MiB")
    if options.write:
        results.write(options.write, results.report("folder", results=found))


def measure(n: int) -> dict[str, float]:
    """Pictures a second, the start of Python included, and the most memory in MiB."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        folder, rows = Path(name) / "pictures", Path(name) / "rows"
        folder.mkdir()
        fill(folder, n)
        begin = time.perf_counter()
        mebibytes = most_memory([sys.executable, "-m", "hwr", "predict", str(folder), "--json", "--out", str(rows)])
        seconds = time.perf_counter() - begin
        written = rows.read_bytes().count(b"\n")
    if written != n:
        raise UserError(f"{written} of {n} pictures have a row")
    return {"per_second": n / seconds, "mebibytes": mebibytes}


def fill(folder: Path, n: int) -> None:
    """``n`` characters, black on white."""
    source = sources.read("sample", "test", Path())
    for i in tqdm(range(n), "pictures", leave=False, disable=None):
        ink = source.ink(i % len(source))
        assert ink is not None
        Image.fromarray(255 - ink).save(folder / f"{i:06}.png")


def most_memory(command: Sequence[str]) -> float:
    """Peak memory of a command that must succeed, in MiB."""
    process = subprocess.Popen(command, cwd=results.ROOT, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    if process.returncode:
        raise UserError(f"{' '.join(command)} ended with status {process.returncode}")
    kibibytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return float(kibibytes / 1024)


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
