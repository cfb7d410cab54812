"""Write and read the state of a run: atomically, and as plain tensors and numbers only."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwr.config import UserError
from hwr.files import write_atomically

FILE = "checkpoint.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write the checkpoint. If the process is killed or the disk is full, the one before remains.

    Raises UserError if it cannot be written.
    """
    content = io.BytesIO()
    torch.save(state, content)
    try:
        write_atomically(folder / FILE, content.getbuffer())
    except OSError as error:
        (folder / f"{FILE}.partial").unlink(missing_ok=True)
        raise UserError(
            f"{folder / FILE} cannot be written: {error.strerror}. The checkpoint before it is intact: make room, "
            f"then continue with --resume --out {folder}"
        ) from None


def require(folder: Path) -> None:
    """Raise UserError if there is no checkpoint in the folder."""
    if not (folder / FILE).exists():
        raise UserError(f"nothing to resume: {folder / FILE} does not exist; start without --resume")


def read(folder: Path) -> dict[str, Any]:
    """Return the state in a checkpoint. Raises UserError if there is none or it is damaged."""
    require(folder)
    path = folder / FILE
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged archive fails in many ways
        raise UserError(f"{path} is damaged: {error}; start again without --resume in a new --out") from None


def random_states() -> dict[str, Any]:
    """Return the states of all random generators of this process, as tensors and numbers."""
    name, keys, *rest = np.random.get_state()
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "python": [version, list(internal), gauss],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Set all random generators to states from `random_states`."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
