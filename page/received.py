"""What comes in: drawings of browsers and programs, and files, which go on as paths."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
from gradio.components.image_editor import EditorData, EditorDataBlobs
from gradio_client.utils import is_file_obj_with_meta
from numpy.typing import NDArray
from PIL import Image

from hwr import UserError
from hwr.ink.picture import Gray, opened

MARGIN = 16  # pixels of paper kept around ink, so that none of it seems to be the rim of a sheet


def sketch_of(pad: gr.Sketchpad, sketch: dict[str, Any] | None) -> Any:
    """What the browser drew, or the files that a client of the API sent.

    A drawing goes on undecoded, since most of it is never looked at, and can be fetched once. Files go on as paths:
    Gradio would refuse huge and damaged ones with a stack trace, the recognizer does so with a sentence.
    """
    data = EditorData(**(sketch or {}))
    if data.id is not None:
        drawn = pad.blob_storage.pop(data.id, None) or EditorDataBlobs(background=None, layers=[], composite=None)
        parts = {"background": _undecoded(drawn.background), "composite": _undecoded(drawn.composite)}
        return parts | {"layers": [_undecoded(layer) for layer in drawn.layers]}
    files = {"background": data.background, "composite": data.composite}
    paths: dict[str, Any] = {name: file and file.path for name, file in files.items()}
    return paths | {"layers": [layer.path for layer in data.layers]}


def _undecoded(drawn: bytes | None) -> Image.Image | None:
    return None if drawn is None else opened(BytesIO(drawn), "the drawing")


def path_of(file: Any) -> Path:
    """Where a file lies that a program sent. Raises UserError for what Gradio did not check, and so may be any file."""
    if not is_file_obj_with_meta(file):
        raise UserError("a picture file is needed: upload it first, as handle_file of gradio_client does")
    return Path(file["path"])


@contextmanager
def refusals(*files: Any) -> Iterator[None]:
    """A visitor's mistake as a message in the page, without the server's folders that ``files`` were uploaded to."""
    try:
        yield
    except UserError as error:
        message = str(error)
        for path in (file["path"] for file in files if is_file_obj_with_meta(file)):
            message = message.replace(path, Path(path).name)
        raise gr.Error(escape(message, quote=False), print_exception=False) from None


def files_of(sketch: dict[str, Any] | None) -> list[Any]:
    """The files that a sketch from a program is made of."""
    value = sketch or {}
    return [value.get("background"), value.get("composite"), *(value.get("layers") or [])]


def cropped(ink: Gray | None) -> Gray | None:
    """Ink with a little paper around it: a visitor's last drawing is kept while the page is open, so it is small."""
    if ink is None:
        return None
    left, top, width, height = cv2.boundingRect(ink)
    return np.pad(ink[top : top + height, left : left + width], MARGIN)


def painted(ink: Gray) -> NDArray[np.uint8]:
    """Ink as paint on nothing, uint8 (H, W, 4), which a recogniser takes as it is."""
    return np.dstack([np.zeros((*ink.shape, 3), np.uint8), ink])
