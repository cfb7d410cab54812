"""A loopback Hugging Face Hub: the real clients (huggingface_hub, timm, hf_xet) need nothing but ``HF_ENDPOINT``.

    with Hub(tmp_path / "hub") as hub:
        hub.fail("GET", r"/resolve/", status(503), times=2)
        subprocess.run([sys.executable, "-c", script], env=hub.env("hf_write"), check=True)
        assert set(hub.files("owner/model")) == {".gitattributes", "config.json"}

A client reads its environment when it is imported, so it runs in a subprocess. LFS content comes from a second origin.
"""

from __future__ import annotations

import os
import re
import threading
from collections import defaultdict
from pathlib import Path
from types import TracebackType

import hub_routes
from hub_state import GIT_ATTRIBUTES, Commit, HubError, Repo, Space, Store, Xet, wants_lfs
from hub_wire import Fault, Gate, Line, Planted, Request, corrupt, hang, reset, slow, status, truncate

__all__ = ["Hub", "Request", "corrupt", "hang", "reset", "slow", "status", "truncate"]

KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}


class Hub:
    """The server and all it holds. ``folder`` must not exist yet, or be empty; ``port`` 0 is any that is free.

    ``url`` and ``lfs_url`` are the two origins, known inside ``with``. ``tokens`` gives user and role (read or write)
    of a token, ``organizations`` the members of a namespace that is no user. ``spaces`` is by repository id.
    """

    def __init__(self, folder: Path, xet: bool = False, port: int = 0) -> None:
        self.folder = folder
        self.store = Store(folder / "content")
        self.xet = Xet(folder / "xet", self.store) if xet else None
        self.repos: dict[tuple[str, str], Repo] = {}
        self.spaces: defaultdict[str, Space] = defaultdict(Space)
        self.tokens = {"hf_write": ("owner", "write"), "hf_read": ("owner", "read"), "hf_other": ("other", "write")}
        self.organizations: dict[str, set[str]] = {}
        self.log: list[Request] = []
        self.lock = threading.RLock()
        self._faults: list[Planted] = []
        apps = {"hub": hub_routes.hub_app(self), "lfs": hub_routes.lfs_app(self)}
        gates = [Gate(origin, app, self.log, self._faults) for origin, app in apps.items()]
        self._line = Line(gates, [port, 0])

    def __enter__(self) -> Hub:
        self.come_back()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.go_offline()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._line.ports[0]}"

    @property
    def lfs_url(self) -> str:
        return f"http://127.0.0.1:{self._line.ports[1]}"

    def go_offline(self) -> None:
        """Cut all connections and refuse new ones; nothing that is held is lost."""
        if self._online:
            self._line.down()
            self._online = False

    def come_back(self) -> None:
        """Listen, on the same ports as before."""
        if not self._online:
            self._line.up()
            self._online = True

    _online = False

    def fail(
        self, method: str, path: str, how: Fault, times: float = 1, origin: str | None = None, after: int = 0
    ) -> None:
        """Let the next ``times`` requests (``math.inf``: all) whose path matches fail, but not the first ``after``.

        ``method`` may be "*"; ``path`` is a regular expression searched in the decoded path; ``origin`` is "hub", "lfs"
        or either. The fault planted first comes first.
        """
        self._faults.append(Planted(method, re.compile(path), how, times, origin, after))

    def heal(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def clear_log(self) -> None:
        self.log.clear()

    def env(self, token: str | None = None, cache: Path | None = None) -> dict[str, str]:
        """The environment of a client's process: this one's without any ``HF_*`` of its own.

        Also right as ``os.environ | hub.env()``. ``cache`` is HF_HOME, by default one for all clients of this Hub.
        """
        home = cache or self.folder / "home"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "HUGGINGFACE_"))}
        return inherited | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN": token or "",  # empty is none
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_XET": "0" if self.xet else "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def create(self, repo_id: str, repo_type: str = "model", private: bool = False, sdk: str | None = None) -> Repo:
        """A repository with its first commit, which holds .gitattributes as on huggingface.co."""
        repo = Repo(KINDS[repo_type], repo_id, private, sdk)
        with self.lock:
            if (repo.kind, repo.id) in self.repos:
                raise HubError(409, "You already created this repo", url=self.page(repo))
            files = {".gitattributes": self.store.file(GIT_ATTRIBUTES, lfs=False)}
            repo.advance("refs/heads/main", files, "initial commit", repo_id.split("/")[0], None)
            self.repos[repo.kind, repo.id] = repo
        return repo

    def repo(self, repo_id: str, repo_type: str = "model") -> Repo:
        return self.repos[KINDS[repo_type], repo_id]

    def commit(
        self,
        repo_id: str,
        files: dict[str, bytes | None],
        revision: str = "main",
        repo_type: str = "model",
        message: str = "Commit by the server",
        author: str = "someone",
    ) -> str:
        """Put files (None: remove) with no check at all, and return the hash of the commit."""
        with self.lock:
            repo = self.repo(repo_id, repo_type)
            parent = repo.at(revision)
            kept = {path: file for path, file in parent.files.items() if path not in files}
            new = {p: self.store.file(data, wants_lfs(p, len(data))) for p, data in files.items() if data is not None}
            return repo.advance(reference(revision), kept | new, message, author, parent.oid).oid

    def files(self, repo_id: str, revision: str = "main", repo_type: str = "model") -> dict[str, bytes]:
        """The content of all files."""
        with self.lock:
            found = self.repo(repo_id, repo_type).at(revision).files
            return {path: self.store.read(file.sha256) for path, file in found.items()}

    def head(self, repo_id: str, revision: str = "main", repo_type: str = "model") -> str:
        with self.lock:
            return self.repo(repo_id, repo_type).at(revision).oid

    def commits(self, repo_id: str, revision: str = "main", repo_type: str = "model") -> list[Commit]:
        """The history, oldest first."""
        with self.lock:
            return self.repo(repo_id, repo_type).history(revision)[::-1]

    def page(self, repo: Repo) -> str:
        """The address of a repository for people."""
        return f"{self.url}/{'' if repo.kind == 'models' else repo.kind + '/'}{repo.id}"


def reference(revision: str) -> str:
    return revision if revision.startswith("refs/") else f"refs/heads/{revision}"
