"""Local files: their names, and atomic writing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

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
