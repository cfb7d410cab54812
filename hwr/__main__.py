"""A model directory on the command line: publish it, put it on a page, turn it into other formats.

python -m hwr push runs/mine owner/name
python -m hwr deploy-space owner/page --model owner/name
python -m hwr export runs/mine
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from hwr import cli, export, hub, space


@dataclass(frozen=True)
class Push:
    """Publish a model directory on the Hugging Face Hub, in one commit."""

    folder: tyro.conf.Positional[Path]
    """A model directory that train.py wrote."""
    repo: tyro.conf.Positional[str]
    """owner/name on the Hub. It is created if it is not there."""
    private: bool = False
    """Create it for its owner alone."""
    branch: str = "main"
    """Branch to commit to."""
    create_pr: bool = False
    """Open a pull request instead."""
    restart_space: str = ""
    """owner/name of a Space to restart, so that it serves the new model."""

    def run(self) -> None:
        """Push, and say where it is."""
        print(f"Published: {hub.push(self.folder, self.repo, self.private, self.branch, self.create_pr)}")
        if self.restart_space:
            space.restart(self.restart_space)


@dataclass(frozen=True)
class DeploySpace:
    """Put the page on a Hugging Face Space, with a model from the Hub or the bundled one."""

    repo: tyro.conf.Positional[str]
    """owner/name of the Space. It is created if it is not there."""
    model: str = ""
    """owner/name[@revision] on the Hub. Default: the bundled model."""
    private: bool = False
    """Create it for its owner alone."""

    def run(self) -> None:
        """Deploy, and say where it is."""
        print(f"Deployed: {space.deploy(self.repo, self.model, self.private)}")


@dataclass(frozen=True)
class Export:
    """Write a model directory's network as ONNX, compared with PyTorch before it counts."""

    folder: tyro.conf.Positional[Path] = hub.BUNDLED
    """A model directory. Default: the bundled model."""
    out: Path | None = None
    """File to write. Default: model.onnx in the directory, model.raw.onnx with --raw."""
    raw: bool = False
    """Take uint8 pictures and give probabilities: the normalisation is inside."""

    def run(self) -> None:
        """Export, and say how well it agrees."""
        untouched = hub.is_described(self.folder)
        found = export.onnx(self.folder, self.out, self.raw)
        if untouched:  # a card that somebody worked on stays as it is
            hub.write(self.folder / hub.CARD, hub.described(self.folder).encode())
        print(f"Agrees with PyTorch on {found.agreement:.2%} of {found.n:,} pictures")
        print(f"Largest difference: {found.largest_difference:.1e}")


Command = (
    Annotated[Push, tyro.conf.subcommand("push")]
    | Annotated[DeploySpace, tyro.conf.subcommand("deploy-space")]
    | Annotated[Export, tyro.conf.subcommand("export")]
)


def main(command: Push | DeploySpace | Export) -> None:
    """Do what was asked."""
    command.run()


if __name__ == "__main__":
    cli.run(main, Command, __doc__)
