"""Average the weights of several runs, or of the start and the end of one, which often generalises better."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from tqdm import tqdm

from hwr import metrics
from hwr.config import ModelConfig
from hwr.data.inkset import InkSet
from hwr.evaluation.inference import Labelled, predict

SHARES = tuple(i / 10 for i in range(11))  # candidate shares of the end of the run

Weights = dict[str, torch.Tensor]


def best(
    model: torch.nn.Module, start: Weights, end: Weights, val: InkSet, config: ModelConfig, accelerator: Accelerator
) -> Weights:
    """Return the weighted average of ``start`` and ``end`` that is best on validation, and print its share.

    Chosen by accuracy, then by loss. Both must be weights of ``model``, and ``end`` trained from ``start``: then
    the loss has no barrier between them (Wortsman et al. 2022, robust fine-tuning).
    """
    held = Labelled.of(val, config.labels, accelerator.device)
    scores = {}
    for share in tqdm(SHARES, desc="average", leave=False, disable=not accelerator.is_main_process):
        model.load_state_dict(between(start, end, share))
        logits, allowed = predict(model, held, config)
        scores[share] = (metrics.accuracy(logits, allowed), -metrics.loss(logits, allowed).item())
    chosen = max(SHARES, key=scores.__getitem__)
    said = ", ".join(f"{score[0]:.2%}" for score in (scores[0.0], scores[chosen], scores[1.0]))
    accelerator.print(f"averaged: {chosen:.0%} of this run; of the start, this average and the run, right: {said}")
    return between(start, end, chosen)


def mean(weights: list[Weights]) -> Weights:
    """Return the mean weights of models trained from one start (Wortsman et al. 2022, model soups).

    Integer buffers, which count batches, are those of the last model.
    """
    found = weights[0]
    for i, more in enumerate(weights[1:], 2):
        found = between(found, more, 1 / i)
    return found


def between(start: Weights, end: Weights, share: float) -> Weights:
    """Return ``share`` of ``end`` plus the rest of ``start``; integer buffers are those of ``end``."""
    return {
        name: torch.lerp(start[name].to(tensor), tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in end.items()
    }
