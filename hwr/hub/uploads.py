"""Upload a growing folder to a dataset repository on the Hugging Face Hub, commit by commit."""

from __future__ import annotations

import atexit
import sys
from contextlib import suppress
from pathlib import Path

from huggingface_hub import CommitInfo, CommitScheduler, HfApi

from hwr.config import UserError
from hwr.hub import network, repository

EVERY = 5.0  # minutes between commits
PATIENCE = 10.0  # seconds to wait for the Hub when the page starts, and when it stops
CARD = """---
task_categories:
- image-classification
tags:
- handwriting
---
# Drawings of visitors

Each picture was drawn by a visitor of a page that reads handwriting, who then said what it was. The folder of a
picture names its class: a digit or a small letter as it is, all else by its Unicode code points, such as U+0041 for A.
In `samples-*.jsonl` a line for each picture says what the page had answered, by which model, and when.

`lines` has writing, each picture beside a .txt file of the same name that says what it reads.

To train on the characters: `python train.py --data hf://datasets/{repo}`
"""


class Uploads(CommitScheduler):
    """Commit new files of a folder every few minutes; a failed commit is repeated the next time.

    Files from before are sent as well, unless the repository already has them.
    """

    @classmethod
    def opened(cls, repo: str, folder: Path) -> Uploads:
        """Create the repository, private and with a card, if it does not exist, and start committing.

        Raises UserError if the token is refused, and UnavailableError if the Hub cannot be reached.
        """
        network.within(PATIENCE, lambda: _prepare(repo), repo)
        return network.attempt(lambda: cls(repo, folder), repo, PATIENCE)

    def __init__(self, repo: str, folder: Path) -> None:
        super().__init__(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            every=EVERY,
            private=True,
            ignore_patterns=["*.partial", ".*"],
        )
        atexit.unregister(self._push_to_hub)  # at exit no thread can be started, but files are sent by threads

    def push_to_hub(self) -> CommitInfo | None:
        """Commit as the scheduler does, but print one line on failure, and retry temporary ones."""
        try:
            return network.attempt(super().push_to_hub, self.repo_id)
        except UserError as error:
            print(f"{error}: feedback waits in {self.folder_path}", file=sys.stderr)
            return None

    def finish(self) -> None:
        """Commit new files, and stop."""
        with suppress(network.UnavailableError):
            network.within(PATIENCE, lambda: self.trigger().result(), self.repo_id)
        self.stop()


def _prepare(repo: str) -> None:
    repository.create(repo, kind="dataset", private=True)
    if not network.attempt(lambda: HfApi().file_exists(repo, "README.md", repo_type="dataset"), repo):
        repository.commit(repo, {"README.md": CARD.format(repo=repo).encode()}, "Add a card", kind="dataset")
