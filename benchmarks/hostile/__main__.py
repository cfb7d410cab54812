"""What hostile input of every kind gets: a table of answers, refusals, and whatever else there is.

    python -m benchmarks.hostile --n 20000

The inputs are made from a seed: crafted ones, and as many mutated ones as fit into n. Pictures, data sets and model
directories are read in this process, which is watched for programs started, pickles opened, files changed elsewhere
and connections made; requests go to a page of its own. Status 1 if anything was neither answered nor refused.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import serving
from benchmarks.hostile import arrays, datasets, models, pictures, visits, words
from benchmarks.hostile.running import Case, Tally, peak_memory, run
from hwr import Recognizer, cli
from hwr.ink.preprocess import to_ink

SHARES = {"pictures": 0.4, "arrays": 0.15, "npz": 0.1, "models": 0.05, "command lines": 0.05, "requests": 0.03}


@dataclass(frozen=True)
class Options:
    """How much, and from which seed."""

    n: int = 20_000
    """Inputs, about."""
    seed: int = 0
    """Of all that is random."""
    failures: int = 10
    """Lines shown of each kind's inputs that were neither answered nor refused."""


def main(options: Options) -> None:
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder, counts = Path(name), {kind: round(share * options.n) for kind, share in SHARES.items()}
        tallies = run(offline(folder, options.seed, counts), folder)
        for what, content in pictures.bombs().items():
            tallies |= {f"bomb: {what}": bomb(folder, what, content)}
    with serving.served("app.py") as served:
        page = visits.Page(served.url, served.log)
        tallies |= run(visits.cases(page, options.seed, counts["requests"]), served.log.parent, local=False)
    print(table(tallies))
    for kind, tally in tallies.items():
        for line in tally.other[: options.failures]:
            print(f"{kind}: {line}")
    sys.exit(any(tally.other for tally in tallies.values()))


def offline(folder: Path, seed: int, counts: Mapping[str, int]) -> Iterator[Case]:
    """The inputs of all kinds but requests."""
    recognizer = Recognizer.from_pretrained()
    yield from pictures.cases(recognizer, folder, seed, counts["pictures"])
    yield from arrays.cases(recognizer, seed, counts["arrays"])
    yield from datasets.cases(folder, seed, counts["npz"])
    yield from models.cases(folder, seed, counts["models"])
    yield from words.cases(seed, counts["command lines"])


def bomb(folder: Path, what: str, content: bytes) -> Tally:
    """What a bomb got, within MOST_MEMORY."""
    path = folder / "bomb"
    path.write_bytes(content)
    with peak_memory() as grown:
        (tally,) = run([Case("bomb", what, lambda: to_ink(path))], folder).values()
        if grown() > pictures.MOST_MEMORY:
            tally.other.append(f"{what}: took {grown():.0f} MiB")
    return tally


def table(tallies: Mapping[str, Tally]) -> str:
    """In Markdown: a line for each kind, and one for all."""
    every = Tally(
        sum(tally.answered for tally in tallies.values()),
        sum(tally.refused for tally in tallies.values()),
        max((tally.slowest for tally in tallies.values()), default=0.0),
        [line for tally in tallies.values() for line in tally.other],
    )
    lines = ["| kind | inputs | answered | refused | other | slowest |", "|---|---|---|---|---|---|"]
    for kind, tally in {**tallies, "all": every}.items():
        cells = (kind, tally.inputs, tally.answered, tally.refused, len(tally.other), f"{tally.slowest:.2f} s")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
