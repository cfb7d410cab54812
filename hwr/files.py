"""Files of this machine: their names, and writing them whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hwr.errors import UserError


def local(name: str | os.PathLike[str]) -> Path:
    """A file or folder of this machine, ~ expanded. Raises UserError for what cannot be the name of one."""
    try:
        path = Path(name).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, of a user who is not there, or not of characters
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{str(name)[:100]!r} cannot be the name of a file or folder: {reason}") from None
    return path


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """To a temporary file beside it, then renamed: a reader sees the old file or the new one."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
