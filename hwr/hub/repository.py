"""Repositories on the Hugging Face Hub: atomic snapshots of one commit, and atomic commits."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import RepositoryNotFoundError

from hwr.config import UserError
from hwr.files import write_atomically
from hwr.hub import network

Kind = Literal["model", "dataset", "space"]
Files = dict[str, Any]  # path in the repository -> huggingface_hub's RepoSibling, with its size and digests
Choose = Callable[[str, Files], Sequence[str]]

COMMIT = re.compile(r"[0-9a-f]{40}")
PROBE = 4.0  # seconds for the Hub's first answer: with one retry a starting app waits less than ten seconds
DOWNLOADS = 8  # files fetched at the same time
ANSWER = 30.0  # seconds for any later answer


class Snapshot(NamedTuple):
    """Files of one commit in the local cache; ``stale`` says why the Hub was not asked, or is empty."""

    folder: Path
    commit: str
    stale: str = ""


def snapshot(
    repo: str,
    choose: Choose,
    needed: Sequence[str],
    kind: Kind = "model",
    revision: str = "main",
    limit: float = 300.0,
) -> Snapshot:
    """Fetch the files of a repository at one commit that ``choose`` selects, and check their digests.

    If the Hub cannot be reached, the cached copy of the last fetched commit of ``revision`` is returned, if it has all
    of ``needed``. Raises UserError, or UnavailableError if there is no copy either, within ``limit`` seconds.
    """
    network.require_name(repo)
    try:
        return network.within(limit, lambda: _fetch(repo, choose, needed, kind, revision), repo)
    except network.UnavailableError as error:
        kept = _cached(repo, needed, kind, revision)
        if kept is None:
            raise network.UnavailableError(f"{error}; there is no cached copy of it: try again later") from None
        print(f"{error}: the cached copy of commit {kept.commit[:7]} is used", file=sys.stderr)
        return kept._replace(stale=str(error))


def _fetch(repo: str, choose: Choose, needed: Sequence[str], kind: Kind, revision: str) -> Snapshot:
    if COMMIT.fullmatch(revision) and (kept := _cached(repo, needed, kind, revision)):
        return kept
    info: Any = network.attempt(
        lambda: HfApi().repo_info(repo, repo_type=kind, revision=revision, files_metadata=True, timeout=PROBE),
        repo,
        patience=2.0,
    )
    commit = str(info.sha)
    files = {file.rfilename: file for file in info.siblings or []}
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        paths = list(pool.map(lambda name: _download(repo, kind, commit, files[name]), choose(repo, files)))
    if not paths:
        raise UserError(f"{repo} has no files that can be used")
    folder = next(parent for parent in paths[0].parents if parent.name == commit)
    if not COMMIT.fullmatch(revision):
        _remember(folder.parents[1] / "refs" / revision, commit)
    return Snapshot(folder, commit)


def _remember(ref: Path, commit: str) -> None:
    """Record the commit of a branch or tag in the cache, after all of its files were fetched."""
    ref.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(ref, commit.encode())


def _download(repo: str, kind: Kind, commit: str, wanted: Any) -> Path:
    """Download one file of a commit, again if its digest is wrong: the client itself compares only sizes."""

    def fetch(again: bool) -> Path:
        name = wanted.rfilename
        found = hf_hub_download(repo, name, repo_type=kind, revision=commit, force_download=again, etag_timeout=PROBE)
        return Path(found)

    for again in (False, True):
        path = network.attempt(lambda again=again: fetch(again), repo)  # type: ignore[misc]
        if _is_intact(path, wanted):
            return path
    path.unlink()  # or the cache would serve it while the Hub is unreachable
    raise UserError(
        f"{repo}: {wanted.rfilename} arrived damaged twice: something on the way from {network.host()} changes it"
    )


def _is_intact(path: Path, wanted: Any) -> bool:
    """Return whether the file has the digest that the Hub lists: sha256 for large files, git's for others."""
    if wanted.lfs:
        with path.open("rb") as file:
            return bool(hashlib.file_digest(file, "sha256").hexdigest() == wanted.lfs.sha256)
    content = path.read_bytes()
    blob = b"blob %d\0%b" % (len(content), content)
    return wanted.blob_id in (None, hashlib.sha1(blob, usedforsecurity=False).hexdigest())


def _cached(repo: str, needed: Sequence[str], kind: Kind, revision: str) -> Snapshot | None:
    """Return the cached snapshot of a revision if it has all needed files."""
    try:
        paths = [
            hf_hub_download(repo, name, repo_type=kind, revision=revision, local_files_only=True) for name in needed
        ]
    except OSError:
        return None
    folder = Path(paths[0]).parent
    return Snapshot(folder, folder.name)


def create(
    repo: str, kind: Kind = "model", private: bool = False, branch: str = "main", create_pr: bool = False, **more: Any
) -> None:
    """Create a repository and a branch if they do not exist. ``more`` goes to huggingface_hub's create_repo."""
    api = HfApi()

    def exists() -> bool:
        try:
            api.repo_info(repo, repo_type=kind, timeout=ANSWER)
        except RepositoryNotFoundError:
            return False
        return True

    if not network.attempt(exists, repo):
        if create_pr:
            raise UserError(f"{repo}: there is no such repository to open a pull request in")
        network.attempt(lambda: api.create_repo(repo, repo_type=kind, private=private, exist_ok=True, **more), repo)
    if branch != "main" and not create_pr:
        network.attempt(lambda: api.create_branch(repo, repo_type=kind, branch=branch, exist_ok=True), repo)


def commit(
    repo: str,
    content: dict[str, bytes],
    message: str,
    branch: str = "main",
    create_pr: bool = False,
    kind: Kind = "model",
) -> str:
    """Commit files on top of the present head of the branch; return the commit's address.

    Readers see the whole commit or nothing. A commit whose confirmation was lost is not repeated: files that the Hub
    already has are left out of the next attempt.
    """

    def ask() -> str:
        api = HfApi()
        done = api.create_commit(
            repo,
            [CommitOperationAdd(name, data) for name, data in content.items()],
            commit_message=message,
            repo_type=kind,
            revision=branch,
            create_pr=create_pr,
            parent_commit=api.repo_info(repo, repo_type=kind, revision=branch, timeout=ANSWER).sha,
        )
        return str(done.pr_url or done.commit_url)

    for _ in range(2):
        try:
            return network.attempt(ask, repo)
        except network.ConflictError:  # somebody else committed first: try again on top of that
            continue
    return network.attempt(ask, repo)
