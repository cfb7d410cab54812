"""The task of reading lines of writing: batches of similar width, CTC loss, error rates on held-out writers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from hwr.data.lines.sampling import LineSampler, Sample
from hwr.evaluation.text import edit_distance
from hwr.reading import ctc
from hwr.reading.config import BLANK, LineConfig
from hwr.reading.session import frames_of, padded
from hwr.training.options import TrainConfig

CHUNK = 16  # batches that are drawn together and sorted by width, so that little of a batch is padding
EVALUATED = 64  # lines of a forward pass without gradients


class LineTask:
    """Read lines: drawn anew in every epoch, padded to the widest of their batch."""

    def __init__(
        self,
        train: LineSampler,
        val: Sequence[Sample],
        config: TrainConfig,
        line_config: LineConfig,
        device: torch.device,
        world: tuple[int, int] = (0, 1),
    ) -> None:
        """``world`` is the number of this process and of all processes."""
        self.train, self.val, self.config, self.line_config = train, val, config, line_config
        self.device, self.world = device, world
        self.classes = tuple(line_config.characters)
        self.samples = len(train)
        self.code = {character: i + 1 for i, character in enumerate(line_config.characters)}

    def size(self, epoch: int) -> int:
        """Return the height of a line in pixels."""
        return self.line_config.height

    def batches(self, epoch: int, first: int, steps: int, batch: int) -> Iterator[list[Sample]]:
        """Yield batches of lines of similar width, in random order within chunks of CHUNK batches."""
        number, processes = self.world
        seed = (self.config.seed, epoch)
        for start in range(first - first % CHUNK, steps, CHUNK):
            count = min(CHUNK, steps - start)
            mine = range(start * batch + number, (start + count) * batch, processes)
            lines = sorted((self.train.sample(seed, i) for i in mine), key=lambda line: line.picture.shape[1])
            parts = [lines[i * len(lines) // count : (i + 1) * len(lines) // count] for i in range(count)]
            order = np.random.default_rng([*seed, start]).permutation(count)
            yield from (parts[i] for i in order[max(first - start, 0) :].tolist())

    def split(self, batch: list[Sample], parts: int) -> Sequence[list[Sample]]:
        """Cut a batch into parts."""
        return [part for part in (batch[i::parts] for i in range(parts)) if part]

    def loss(
        self, network: torch.nn.Module, part: list[Sample], size: int, precision: AbstractContextManager[Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return CTC's loss for each character of the lines, and the share of lines read without an error."""
        pixels = torch.from_numpy(padded([line.picture for line in part])).to(self.device)
        with precision:
            logits = network(normalised(pixels, self.line_config))
        frames = self._frames(part)
        codes = [[self.code[character] for character in line.text] for line in part]
        lengths = torch.tensor([len(code) for code in codes])
        loss = F.ctc_loss(
            logits.float().log_softmax(2).transpose(0, 1),
            torch.tensor([c for code in codes for c in code], dtype=torch.long, device=self.device),
            frames,
            lengths,
            blank=BLANK,
            reduction="sum",
            zero_infinity=True,
        ) / max(int(lengths.sum()), 1)
        best = logits.detach().argmax(2).cpu().numpy()
        right = [_collapsed(row[:n]) == code for row, n, code in zip(best, frames.tolist(), codes, strict=True)]
        return loss, torch.tensor(float(np.mean(right)), device=self.device)

    def _frames(self, lines: Sequence[Sample]) -> torch.Tensor:
        """How many frames of each line are not padding."""
        return torch.tensor([frames_of(line.picture.shape[1], self.line_config) for line in lines])

    @torch.inference_mode()
    def validate(self, model: torch.nn.Module, size: int) -> dict[str, float]:
        """Return the share of held-out lines read exactly, the character error rate and the loss; case is ignored."""
        if not self.val:
            return {}
        model.eval()
        order = sorted(range(len(self.val)), key=lambda i: self.val[i].picture.shape[1])
        total, read = 0.0, list[tuple[str, str]]()
        for start in range(0, len(order), EVALUATED):
            lines = [self.val[i] for i in order[start : start + EVALUATED]]
            pixels = torch.from_numpy(padded([line.picture for line in lines])).to(self.device)
            logits = model(normalised(pixels, self.line_config)).float().cpu().numpy()
            for line, row, n in zip(lines, logits, self._frames(lines).tolist(), strict=True):
                frames = ctc.probabilities(row[:n])
                total -= float(ctc.log_likelihood(frames, [tuple(self.code[c] for c in line.text)])[0])
                text = "".join(self.line_config.characters[c - 1] for c in ctc.best_path(frames))
                read.append((line.text.lower(), text.lower()))
        characters = max(sum(len(text) for text, _ in read), 1)
        return {
            "val_accuracy": sum(text == found for text, found in read) / len(read),
            "val_loss": total / characters,
            "val_cer": sum(edit_distance(text, found) for text, found in read) / characters,
        }


def normalised(pixels: torch.Tensor, config: LineConfig) -> torch.Tensor:
    """Return uint8 pixels as the network's input, float32."""
    return pixels.float().div_(255).sub_(config.mean).div_(config.std)


def _collapsed(best: NDArray[np.int64]) -> list[int]:
    new = np.concatenate([[True], best[1:] != best[:-1]])
    return [int(c) for c in best[new] if c != BLANK]
