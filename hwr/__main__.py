"""Use a model on the command line: predict, evaluate, publish, deploy a page, export; prepare data for training.

python -m hwr predict a.png folder "scans/*.tif"
python -m hwr evaluate --data mnist --out report
python -m hwr evaluate-lines --data my_lines --out report
python -m hwr push runs/mine owner/name
python -m hwr deploy-space owner/page --model owner/name
python -m hwr export runs/mine
python -m hwr prepare unipen train_r01_v07.tgz --out data
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from hwr import cli, predict
from hwr.config import Alphabet, UserError
from hwr.data import prepare
from hwr.evaluation.corruptions import LIMIT
from hwr.export import Format
from hwr.files import write_atomically
from hwr.hub import space, transfer
from hwr.model import store
from hwr.training.flags import PublishOptions


@dataclass(frozen=True)
class Predict:
    """Recognise pictures: one row each, on standard output or in a file."""

    pictures: tyro.conf.Positional[tuple[str, ...]]
    """Files, folders, patterns such as "scans/**/*.png", and - for a picture on standard input."""
    model: str = "bundled"
    """A model directory, or owner/name[@revision] on the Hugging Face Hub."""
    alphabet: Alphabet = "all"
    """The possible answers."""
    top_k: int = 3
    """Number of answers for each picture."""
    read: bool = False
    """Read several characters in each picture."""
    json: bool = False
    """Print one JSON object per line."""
    csv: bool = False
    """Print comma-separated values under a line of names."""
    out: Path | None = None
    """New file to write. Default: standard output."""

    def run(self) -> None:
        """Recognise the pictures, and write the rows."""
        task = predict.Task(self.alphabet, self.top_k, self.read, self.json, self.csv)
        predict.predict(self.pictures, self.model, task, self.out)


@dataclass(frozen=True)
class Evaluate:
    """Measure a model on test sets, and write a report: report.html, evaluation.md, evaluation.json and plots."""

    data: tuple[str, ...]
    """Sources of pictures with their classes, as train.py takes them; their test splits are read."""
    out: Path
    """Folder for the report: a new one, or one of an earlier evaluation."""
    model: str = "bundled"
    """A model directory, or owner/name[@revision] on the Hugging Face Hub."""
    limit: int = LIMIT
    """Pictures of each set to test corruptions on, drawn at random; 0: none."""
    seed: int = 0
    """Seed of the random choices."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Folder for downloads."""

    def run(self) -> None:
        """Measure the model, write the report, and print the main figures."""
        from hwr.evaluation import report  # imports matplotlib, which other commands do not need

        found = report.evaluate(self.data, self.model, self.out, self.data_dir, self.limit, self.seed)
        for name, measured in found["sets"].items():
            one = measured["summary"]
            interval = f"{one['accuracy_low']:.2%} to {one['accuracy_high']:.2%}"
            print(f"{name}: {one['accuracy']:.2%} of {one['n']:,} ({interval})")
        print(f"Report written to {self.out / report.REPORT}")


@dataclass(frozen=True)
class EvaluateLines:
    """Measure a line reader: character and word error rates, per writer, and a picture of the lines read worst."""

    data: tuple[str, ...]
    """Lines with their text, as train.py --task lines takes them."""
    out: Path
    """Folder for lines.json, lines.md and worst_lines.png."""
    model: str = "bundled"
    """A model directory, or owner/name[@revision] on the Hugging Face Hub."""
    limit: int = 500
    """Lines of each source, drawn at random; 0: all."""
    held_out: bool = False
    """Only lines of the writers that training holds out by a hash of their names."""
    seed: int = 0
    """Seed of the choice of lines."""
    data_dir: Path = Path("~/.cache/hwr/data")
    """Folder in which files are also looked for."""

    def run(self) -> None:
        """Measure the model, write the report, and print the main figures."""
        from hwr.evaluation import lines  # imports scipy, which other commands do not need

        found = lines.evaluate(self.data, self.model, self.out, self.data_dir, self.limit, self.held_out, self.seed)
        print(f"{found['exact']:.1%} of {found['n']:,} lines exact, ", end="")
        print(f"character error rate {found['character_error_rate']:.1%}, ", end="")
        print(f"word error rate {found['word_error_rate']:.1%}")
        print(f"Report written to {self.out / lines.TABLES}")


@dataclass(frozen=True)
class Push(PublishOptions):
    """Publish a model directory on the Hugging Face Hub, in one commit."""

    folder: tyro.conf.Positional[Path]
    """A model directory that train.py wrote."""
    repo: tyro.conf.Positional[str]
    """owner/name on the Hub, created if it does not exist."""

    def run(self) -> None:
        """Push the model, and print its address."""
        print(f"Published: {transfer.push(self.folder, self.repo, self.private, self.branch, self.create_pr)}")
        if self.restart_space:
            space.restart(self.restart_space)


@dataclass(frozen=True)
class DeploySpace:
    """Put the page on a Hugging Face Space, with a model from the Hub or the bundled one."""

    repo: tyro.conf.Positional[str]
    """owner/name of the Space, created if it does not exist."""
    model: str = ""
    """owner/name[@revision] on the Hub. Default: the bundled model."""
    private: bool = False
    """Create a private Space."""
    static: bool = False
    """Deploy the page that needs no server, of `export --format web`, as a static Space."""

    def run(self) -> None:
        """Deploy the page, and print its address."""
        if self.static:
            from hwr.export import web  # imports PyTorch, which other commands do not need

            page, _ = web.proven(transfer.find(self.model or None).folder)
            print(f"Deployed: {space.deploy_static(self.repo, page, self.private)}")
            return
        print(f"Deployed: {space.deploy(self.repo, self.model, self.private)}")


@dataclass(frozen=True)
class Export:
    """Export a model for other runtimes; the result is compared with PyTorch before it is written."""

    folder: tyro.conf.Positional[Path] = store.BUNDLED
    """A model directory. Default: the bundled model."""
    format: Format = "onnx"
    """onnx; int8: ONNX of 8-bit integers; torch: a program of torch.export; litert: TFLite; web: a page without a
    server, in the folder --out."""
    out: Path | None = None
    """File to write. Default: in the directory, such as model.standalone.onnx; model.raw.standalone.onnx with --raw."""
    raw: bool = False
    """Take uint8 pictures and give probabilities: the normalisation is inside."""
    whole: bool = False
    """One ONNX file with the preprocessing, model.whole.onnx: from a canvas of any size to probabilities."""
    runtime: Path | None = None
    """For web: an unpacked onnxruntime-web package, to be copied beside the page. Default: a CDN, by its digest."""

    def run(self) -> None:
        """Export the model, and print how well it agrees with PyTorch."""
        if self.format == "web" or self.whole:
            self._whole()
            return
        from hwr.export import export  # imports PyTorch, which other commands do not need

        untouched = transfer.is_described(self.folder)
        found = export.write(self.folder, self.format, self.raw, self.out)
        if untouched:  # a card that somebody edited stays as it is
            write_atomically(self.folder / store.CARD, transfer.described(self.folder).encode())
        print(f"Agrees with PyTorch on {found.agreement:.2%} of {found.n:,} pictures")
        print(f"Largest difference: {found.largest_difference:.1e}")
        if found.accuracy is not None:
            print(f"Right: {found.found_accuracy:.2%}; PyTorch: {found.accuracy:.2%}")

    def _whole(self) -> None:
        """Export the model with its preprocessing, alone or in a page, and print how well it agrees with Recognizer."""
        from hwr.export import web, whole

        if self.raw or (self.whole and self.format != "onnx"):
            raise UserError("--whole needs --format onnx, and --raw goes with neither --whole nor --format web")
        if self.whole:
            found = whole.write(self.folder, self.out)
        else:
            found = web.write(self.folder, self.out or Path("site"), self.runtime)
        print(f"Agrees with Recognizer on {found.agreement:.2%} of {found.n:,} sketches")
        print(f"Largest difference of a probability: {found.largest_difference:.1e}")


@dataclass(frozen=True)
class Prepare:
    """Turn a public archive of handwriting into the .npz files that train.py reads."""

    kind: tyro.conf.Positional[prepare.Kind]
    """unipen: train_r01_v07 from Zenodo; pendigits, optdigits: from the UCI repository, with their -orig files."""
    source: tyro.conf.Positional[Path]
    """The archive, or the folder that it was unpacked to."""
    out: Path = Path("data")
    """Folder to write the files to."""
    test_share: float = prepare.TEST_SHARE
    """Share of UNIPEN's writers whose samples go to files of their own, for testing."""

    def run(self) -> None:
        """Write the files, and print what each contains."""
        for line in prepare.prepare(self.kind, self.source, self.out, self.test_share):
            print(line)


Command = (
    Annotated[Predict, tyro.conf.subcommand("predict")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[EvaluateLines, tyro.conf.subcommand("evaluate-lines")]
    | Annotated[Push, tyro.conf.subcommand("push")]
    | Annotated[DeploySpace, tyro.conf.subcommand("deploy-space")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Prepare, tyro.conf.subcommand("prepare")]
)


def main(command: Predict | Evaluate | EvaluateLines | Push | DeploySpace | Export | Prepare) -> None:
    """Run a command."""
    command.run()


if __name__ == "__main__":
    cli.run(main, Command, __doc__)
