"""Runs of one recipe that differ in their seed alone: what each of them read of its test sets, and their mean.

    for seed in 0 1 2; do python train.py --recipe mnist --seed $seed --out runs/mnist$seed; done
    python -m benchmarks.seeds --runs runs/mnist0 runs/mnist1 runs/mnist2 --write seeds.json

Nothing is measured anew: the figures are those that train.py left in the folders when it looked at the tests. Of runs
that go on from others, each may have a start of its own, whose name ends in its seed.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import results
from hwr import UserError, cli
from hwr.hub import origins
from hwr.training import records

# What may differ: none of it but the seed changes the weights.
OWN = {"seed", "out", "resume", "data_dir", "device", "report"}

Run = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """Which runs."""

    runs: tuple[Path, ...]
    """Their folders."""
    write: Path | None = None
    """JSON file for the results."""


def main(options: Options) -> None:
    runs = [finished(folder) for folder in options.runs]
    require_alike(runs)
    found = collected(runs)
    for name, row in found.items():
        each = ", ".join(f"{one:.2%}" for one in row["accuracies"])
        print(f"{name}: {row['mean']:.3%} on average of {len(runs)} ({each}), n = {row['n']:,}")
    if options.write:
        made = results.report("seeds", results=found, training=command(runs[0]))
        versions = {name: runs[0]["versions"][name] for name in made["versions"]}
        place = runs[0]["platform"]
        machine = results.machine(place["device_name"], place["threads"])
        results.write(options.write, made | {"versions": versions, "machine": machine})


def finished(folder: Path) -> Run:
    """What is on record about a run. Raises UserError where it has no end, or there is none."""
    run = records.read_run(folder)
    if "measured" not in run:
        raise UserError(f"{folder} is no run at its end: finish it with python train.py --resume --out {folder}")
    return run


def require_alike(runs: list[Run]) -> None:
    """Raise UserError where runs differ in more than their seed, or not in that."""
    first, *others = (run["config"] | {"init": starts_of_any_seed(run["config"])} for run in runs)
    for config in others:
        if other := sorted(key for key in first if key not in OWN and config.get(key) != first[key]):
            raise UserError(f"these are runs of several recipes: {', '.join(other)} differ")
    seeds = [run["config"]["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise UserError(f"the runs have the seeds {seeds}: expected each once")


def starts_of_any_seed(config: dict[str, Any]) -> list[str]:
    """What a run started from."""
    return [of_any_seed(name, config["seed"]) for name in origins.listed(config["init"])]


def of_any_seed(start: str, seed: int) -> str:
    """What a run started from, with SEED for the run's own at the end of the name."""
    name = start.removesuffix(str(seed))
    return start if name == start else f"{name}SEED"


def command(run: Run) -> str:
    """How to repeat it with a seed of one's own."""
    kept, words, flag = ["python"], iter(run["command"]), ""
    for word in words:
        if word in ("--seed", "--out", "--data-dir"):
            next(words, None)  # its value
        elif flag == "--init" and not word.startswith("--"):
            kept.append(of_any_seed(word, run["config"]["seed"]))
        else:
            flag = word if word.startswith("--") else flag
            kept.append(word or "''")
    return " ".join([*kept, "--seed", "SEED"])


def collected(runs: list[Run]) -> dict[str, Run]:
    """Of each test set its n, the accuracy by each run in their order, and the mean of those."""
    tests = [run["measured"]["test"] for run in runs]
    return {
        name: {
            "n": first["n"],
            "accuracies": (each := [test[name]["accuracy"] for test in tests]),
            "mean": statistics.fmean(each),
        }
        for name, first in tests[0].items()
    }


if __name__ == "__main__":
    cli.run(main, Options, __doc__)
