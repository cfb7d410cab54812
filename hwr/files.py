"""Local files: their names, JSON, digests, verified reading and atomic writing."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from hwr.errors import UserError


def local(name: str | os.PathLike[str]) -> Path:
    """Return the path of a local file or folder, with ~ expanded. Raises UserError for an impossible name."""
    try:
        path = Path(name).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, an unknown ~user, or a lone surrogate
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{str(name)[:100]!r} cannot be the name of a file or folder: {reason}") from None
    return path


def sha256(content: bytes) -> str:
    """Return the SHA-256 digest of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def to_json(value: Any) -> bytes:
    """Return a value as indented JSON that ends with a line feed."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def read_verified(path: Path, expected: str, limit: int, error: type[UserError] = UserError) -> bytes:
    """Return the content of a file of at most ``limit`` bytes whose SHA-256 digest is ``expected``.

    Raises ``error`` if the file is missing, larger or another one: config.json, which names the digest, was not
    written for it.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise error(f"{path} is larger than any such file that is read: {size:,} bytes, at most {limit:,}")
        content = path.read_bytes()
    except OSError:
        raise error(f"{path} cannot be read: the model directory needs {path.name}") from None
    found = sha256(content)
    if found != expected:
        raise error(f"{path} is not what config.json was written for: its sha256 is {found}, expected {expected}")
    return content


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a temporary file beside ``path`` and rename it, so that readers see the old file or the new one."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
