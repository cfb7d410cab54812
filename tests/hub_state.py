"""What the loopback Hub of the tests holds: repositories with their history, the content of files, and Xet storage."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

LFS_SUFFIXES = (".safetensors", ".onnx", ".png", ".parquet", ".npz")
LFS_FROM = 10 * 1024 * 1024  # bytes: what is larger is never a regular file, whatever its name
GIT_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()
BIRTH = datetime.fromisoformat("2026-01-01T00:00:00+00:00")  # commits count seconds from here: tests need no clock


class HubError(Exception):
    """What a handler answers instead: a status, a sentence, and huggingface.co's X-Error-Code where it has one."""

    def __init__(self, status: int, message: str, code: str | None = None, **extra: object) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.extra = status, message, code, extra
        self.headers: dict[str, str] = {}


@dataclass(frozen=True)
class File:
    """A version of a file: its content by sha256, and whether git holds the content or a pointer to it."""

    sha256: str
    size: int
    lfs: bool
    oid: str  # of the git blob, which for LFS is the pointer

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True)
class Commit:
    """A state of a whole repository and what led to it."""

    oid: str
    files: dict[str, File]
    parent: str | None
    message: str
    author: str
    date: str


@dataclass
class Repo:
    """A repository: commits by their oid, oldest first, and what points at them."""

    kind: str  # "models", "datasets" or "spaces", as in addresses
    id: str
    private: bool = False
    sdk: str | None = None
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)

    def at(self, revision: str) -> Commit:
        """The commit of a branch, a tag, a full reference, or a hash of at least seven digits."""
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in self.refs:
                return self.commits[self.refs[name]]
        found = [oid for oid in self.commits if len(revision) >= 7 and oid.startswith(revision)]
        if len(found) == 1:
            return self.commits[found[0]]
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def history(self, revision: str) -> list[Commit]:
        """From the newest to the first."""
        found = [self.at(revision)]
        while (parent := found[-1].parent) is not None:
            found.append(self.commits[parent])
        return found

    def advance(self, ref: str, files: dict[str, File], message: str, author: str, parent: str | None) -> Commit:
        """A commit on top of ``parent``, and ``ref`` moved to it."""
        date = (BIRTH + timedelta(seconds=len(self.commits))).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        seed = json.dumps(
            [self.kind, self.id, parent, message, author, date, sorted((p, f.oid) for p, f in files.items())]
        )
        commit = Commit(hashlib.sha1(seed.encode()).hexdigest(), files, parent, message, author, date)
        self.commits[commit.oid] = commit
        self.refs[ref] = commit.oid
        return commit


@dataclass
class Space:
    """What a Space is set to, besides its files."""

    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    restarts: list[bool] = field(default_factory=list)  # one each, True for a factory reboot
    hardware: str = "cpu-basic"
    sleep_time: int | None = None
    stage: str = "RUNNING"

    def runtime(self) -> dict[str, object]:
        hardware = {"current": self.hardware, "requested": self.hardware}
        return {"stage": self.stage, "hardware": hardware, "gcTimeout": self.sleep_time, "storage": None}


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def wants_lfs(path: str, size: int) -> bool:
    return size > LFS_FROM or path.endswith(LFS_SUFFIXES)


class Store:
    """The content of files, by their sha256, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True)

    def path(self, sha256: str) -> Path:
        return self.folder / sha256

    def __contains__(self, sha256: str) -> bool:
        return self.path(sha256).exists()

    def add(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in self:  # written beside and moved: a reader in another thread finds all or nothing
            beside = self.folder / f".{sha256}"
            beside.write_bytes(data)
            beside.replace(self.path(sha256))
        return sha256

    def read(self, sha256: str) -> bytes:
        return self.path(sha256).read_bytes()

    def file(self, data: bytes, lfs: bool) -> File:
        """The file of this content."""
        return self.pointer(self.add(data)) if lfs else File(self.add(data), len(data), False, git_oid(data))

    def pointer(self, sha256: str) -> File:
        """The LFS file of content that is here already."""
        size = self.path(sha256).stat().st_size
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return File(sha256, size, True, git_oid(text.encode()))


XET_SCRIPT = """
import json, sys, time, hf_xet
todo = json.load(sys.stdin)
where = {"endpoint": "local://" + todo["folder"], "token": "-", "token_expiry_unix_secs": int(time.time()) + 3600}
session = hf_xet.XetSession()
with session.new_upload_commit(**where) as commit:
    for path, sha256 in todo.get("put", {}).items():
        commit.start_upload_file(path, sha256=sha256)
if "get" in todo:
    with session.new_file_download_group(**where) as group:
        group.start_download_file(hf_xet.XetFileInfo(todo["get"], todo["size"]), todo["to"])
"""


class Xet:
    """Xet storage without a server: hf_xet's own ``local://`` folders.

    A folder is locked by the process that uses it, so each token names a folder of its own. What was uploaded is
    copied out of the folder while its client may still hold the lock; what is to be read is put into a new one.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.hashes: dict[str, str] = {}  # sha256 to Xet hash
        self.views: dict[str, Path] = {}
        self._numbers = count()

    def hash(self, sha256: str) -> str:
        if sha256 not in self.hashes:
            folder = self._put([sha256])
            self.hashes.update({known: xet for known, (xet, _) in shard_files(folder).items()})
            shutil.rmtree(folder)
        return self.hashes[sha256]

    def upload_url(self) -> str:
        return f"local://{self._new('upload')}"

    def download_url(self, commit: Commit) -> str:
        """A folder with the LFS files of a commit."""
        if commit.oid not in self.views:
            self.views[commit.oid] = self._put([file.sha256 for file in commit.files.values() if file.lfs])
        folder = self._new("read")
        shutil.copytree(self.views[commit.oid], folder, dirs_exist_ok=True)
        return f"local://{folder}"

    def receive(self, sha256: str) -> bool:
        """Whether the content was uploaded; it is then in the store."""
        for folder in self.folder.glob("upload-*"):
            if (found := shard_files(folder).get(sha256)) is not None:
                self.store.add(self._get(folder, *found))
                self.hashes[sha256] = found[0]
                return sha256 in self.store
        return False

    def _new(self, purpose: str) -> Path:
        folder = self.folder / f"{purpose}-{next(self._numbers)}"
        folder.mkdir(parents=True)
        return folder

    def _put(self, sha256s: list[str]) -> Path:
        folder = self._new("view")
        self._run(folder, put={str(self.store.path(sha256)): sha256 for sha256 in sha256s})
        return folder

    def _get(self, folder: Path, xet_hash: str, size: int) -> bytes:
        copy = self._new("copy")
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        self._run(copy, get=xet_hash, size=size, to=str(copy / "content"))
        data = (copy / "content").read_bytes()
        shutil.rmtree(copy)
        return data

    def _run(self, folder: Path, **todo: object) -> None:
        """In a process of its own: hf_xet keeps locks, threads and a log of its own for as long as one lives."""
        env = os.environ | {"HF_HOME": str(self.folder / "home")}
        todo["folder"] = str(folder)
        subprocess.run([sys.executable, "-c", XET_SCRIPT], input=json.dumps(todo).encode(), env=env, check=True)


def shard_files(folder: Path) -> dict[str, tuple[str, int]]:
    """Xet hash and size by sha256, of all files in the finished shards of a local Xet folder."""
    found: dict[str, tuple[str, int]] = {}
    for path in folder.glob("xet/xorbs/shards/*.mdb"):
        found |= shard_entries(path.read_bytes())
    return found


def shard_entries(shard: bytes) -> dict[str, tuple[str, int]]:
    """A header, then for each file: itself, its n segments, n verifications, its sha256; all records of 48 bytes."""
    found: dict[str, tuple[str, int]] = {}
    at = 48
    while shard[at : at + 32] != b"\xff" * 32:
        flags, segments = struct.unpack_from("<II", shard, at + 32)
        verified, hashed = flags >> 31 & 1, flags >> 30 & 1
        size = sum(struct.unpack_from("<I", shard, at + 48 * (1 + n) + 36)[0] for n in range(segments))
        end = at + 48 * (1 + segments * (1 + verified))
        if hashed:
            found[xet_hex(shard[end : end + 32])] = (xet_hex(shard[at : at + 32]), size)
        at = end + 48 * hashed
    return found


def xet_hex(raw: bytes) -> str:
    """Xet writes a hash as four little-endian numbers of 64 bits."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))
