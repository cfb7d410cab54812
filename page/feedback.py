"""What visitors say that their drawings are, kept as a dataset: in a folder, and as commits to the Hub.

Off unless whoever runs the page turns it on. Of a sample the drawing, its label, the answer, the model's revision and
the time are kept, and nothing about the visitor.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import sys
import threading
import time
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hwr import labels as naming
from hwr.config import UserError
from hwr.files import local, write_atomically
from hwr.hub import network
from hwr.hub.uploads import EVERY, Uploads
from hwr.ink.picture import Gray, shrink
from page.quota import Limits

LINES = "lines"  # the folder of writing, where every picture has a text beside it
LONGEST_TEXT = 200  # characters of a line of writing
LONGEST_SIDE, LONGEST_LINE = 512, 1024  # pixels of a kept drawing, and of a kept line
MARGIN = 8  # pixels of paper around it
FULL = (errno.ENOSPC, errno.EDQUOT)
CACHE = Path("~/.cache/hwr/feedback")  # where drawings wait for the Hub if no folder is given


class Feedback:
    """Keeps drawings and their labels, from any number of threads.

    ``folder`` holds a folder for each class, as `train.py --data` reads them; LINES with writing and its text, each
    name.png beside name.txt, as `train.py --task lines --data` reads them; and a samples-*.jsonl of each process with a
    line for each picture: file, label, predicted, revision, time.
    """

    def __init__(self, folder: Path, repo: str | None = None) -> None:
        """Use ``opened``, which checks both."""
        self.folder, self.repo = folder, repo
        self._rows = folder / f"samples-{secrets.token_hex(4)}.jsonl"  # its own: commits replace files whole
        self._lock = threading.Lock()
        self._limits = Limits()
        self._uploads: Uploads | None = None

    @classmethod
    def opened(cls, folder: Path | None, repo: str | None) -> Feedback | None:
        """Keep drawings in ``folder``, in the dataset ``repo`` on the Hub, or in both; None if in neither.

        The repository is created, private, if it is not there. Raises UserError for a folder that cannot be written,
        a name that is none, and a token that is missing or refused. A Hub that cannot be reached is asked again later.
        """
        if folder is None and repo is None:
            return None
        if repo is not None:
            network.require_name(repo)
            network.require_token()
        kept = local(folder or CACHE / str(repo).replace("/", "--"))
        _require_writable(kept)
        feedback = cls(kept, repo)
        feedback._connect()
        return feedback

    @property
    def dataset(self) -> str | None:
        """Where drawings are sent, for visitors to know: a dataset, and the Hub that has it; None if nowhere."""
        return self.repo and f"{self.repo} ({network.host()})"

    def keep(self, ink: Gray, label: str, predicted: str, revision: str, visitor: str) -> None:
        """Keep ink, uint8 (H, W), and its label, beside what a model of ``revision`` predicted.

        ``visitor`` is any key of a session: it counts towards the limits, and is not kept. Raises UserError, and keeps
        nothing, for what is no ink or no label, above the limits, and where there is no room.
        """
        name = naming.checked(label)
        self._keep(naming.folder_of(name), cropped(ink), name, predicted, revision, visitor)

    def keep_line(self, ink: Gray, text: str, predicted: str, revision: str, visitor: str) -> None:
        """Keep writing on one line, uint8 (H, W), and its text, as ``keep`` does with a character."""
        said = " ".join(unicodedata.normalize("NFC", text).split())
        if not said or len(said) > LONGEST_TEXT or not said.isprintable():
            raise UserError(f"{said[:20]!r} cannot be a text: expected 1 to {LONGEST_TEXT} printable characters")
        self._keep(LINES, cropped(ink, LONGEST_LINE), said, predicted, revision, visitor, is_line=True)

    def _keep(
        self, folder: str, drawing: Gray, label: str, predicted: str, revision: str, visitor: str, is_line: bool = False
    ) -> None:
        when = datetime.now(UTC)
        file = f"{folder}/{when:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}.png"
        row = {"file": file, "label": label, "predicted": predicted, "revision": revision}
        line = json.dumps(row | {"time": when.isoformat(timespec="seconds")}) + "\n"
        content, now = encoded(drawing, title=file), time.monotonic()
        with self._lock:
            self._limits.require(visitor, len(content), now)
            try:
                self._write(file, content, line, label if is_line else "")
            except OSError as error:
                print(f"feedback cannot be kept in {self.folder}: {error}", file=sys.stderr)
                reason = "there is no room left" if error.errno in FULL else "its folder cannot be written"
                raise UserError(f"your drawing could not be kept: {reason} on this server") from None
            self._limits.count(visitor, len(content), now)

    def close(self) -> None:
        """Send what the Hub has not got yet, before the process ends. What cannot be sent is sent the next time."""
        if self._uploads is not None:
            self._uploads.finish()

    def _write(self, file: str, content: bytes, line: str, text: str) -> None:
        """The text of a line of writing, the picture, then its row; none of them if one fails."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if text:
            write_atomically(path.with_suffix(".txt"), text.encode())
        try:
            write_atomically(path, content)
            append(self._rows, line)
        except OSError:
            for written in (path, path.with_suffix(".txt")):
                written.unlink(missing_ok=True)
            raise

    def _connect(self) -> None:
        """Begin to send drawings to the Hub; later, if it cannot be reached now."""
        if self.repo is None:
            return
        try:
            self._uploads = Uploads.opened(self.repo, self.folder)
        except network.UnavailableError as error:
            print(f"{error}: feedback waits in {self.folder}", file=sys.stderr)
            again = threading.Timer(60 * EVERY, self._reconnect)
            again.daemon = True
            again.start()

    def _reconnect(self) -> None:
        try:
            self._connect()
        except UserError as error:
            print(f"{error}: feedback stays in {self.folder}", file=sys.stderr)


def cropped(ink: Gray, longest: int = LONGEST_SIDE) -> Gray:
    """Ink without the paper around it but a margin, no larger than it need be. Raises UserError for none."""
    if ink.dtype != np.uint8 or ink.ndim != 2:
        raise UserError(f"ink is {ink.dtype} {ink.shape}: expected uint8 (H, W)")
    x, y, width, height = cv2.boundingRect(ink)
    if not width:
        raise UserError("nothing is drawn: there is nothing to keep")
    return np.pad(shrink(ink[y : y + height, x : x + width], longest - 2 * MARGIN), MARGIN)


def encoded(ink: Gray, title: str) -> bytes:
    """As PNG, black on white. By its title no file equals another: those huggingface_hub garbles on their way."""
    file, info = BytesIO(), PngInfo()
    info.add_text("Title", title)
    Image.fromarray(255 - ink).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def append(path: Path, line: str) -> None:
    """Add a line to a file, whole or not at all. Raises OSError."""
    content = line.encode()
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = f"feedback cannot be kept in {folder}: {error.strerror}"
        raise UserError(f"{reason}; give a folder that can be written") from None
