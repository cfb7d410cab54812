"""Connectionist temporal classification (CTC) in NumPy: from frame probabilities to texts, their likelihood and place.

After Graves et al., 2006, "Connectionist Temporal Classification". *Frames* are float64 (T, A + 1) probabilities, each
row summing to 1; column 0 is the blank, column i + 1 is answer i.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp

import numpy as np
from numpy.typing import NDArray

BLANK = 0
BEAM = 8  # texts that are kept from frame to frame
LEAST = 1e-3  # answers less probable in a frame are not tried there ...
TRIED = 6  # ... nor are more than so many
TINY = 1e-30  # keeps logarithms finite

Frames = NDArray[np.float64]
Text = tuple[int, ...]  # answers, as columns of the frames


def probabilities(logits: NDArray[np.floating], temperature: float = 1.0) -> Frames:
    """Return the softmax of logits (T, C), divided by a temperature first."""
    scaled = np.asarray(logits, np.float64) / temperature
    odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def fold(frames: Frames, sums: NDArray[np.floating]) -> Frames:
    """Sum classes into answers: the probability of classes outside the alphabet goes to the blank.

    ``sums`` is (C, A), 1 where class c, counted without the blank, is part of answer a.
    """
    answers = frames[:, 1:] @ sums
    return np.concatenate([np.maximum(1 - answers.sum(axis=1, keepdims=True), TINY), answers], axis=1)


def best_path(frames: Frames) -> Text:
    """Return the text of the best class of every frame: repeats merged, blanks left out."""
    best = frames.argmax(axis=1)
    new = np.concatenate([[True], best[1:] != best[:-1]])
    return tuple(best[new & (best != BLANK)].tolist())


def beam_search(
    frames: Frames, width: int = BEAM, language: Callable[[Text, int], float] | None = None, least: float = LEAST
) -> list[tuple[Text, float]]:
    """Return the likeliest texts and their log probabilities, best first, found by a prefix beam search.

    ``language`` gives the weighted log probability of an answer after a text: it takes part in the choice of texts, and
    in their order, but not in their log probabilities.
    Answers less probable than ``least`` in a frame are not tried there.
    """
    beams: dict[Text, tuple[float, float]] = {(): (1.0, 0.0)}  # probability that ends in a blank, and in an answer
    bonus: dict[Text, float] = {(): 0.0}
    scale = 0.0
    for row in frames:
        blank = float(row[BLANK])
        likely = [(int(c), float(row[c])) for c in np.argsort(-row)[: TRIED + 1] if c != BLANK and row[c] > least]
        found: dict[Text, list[float]] = {}
        for text, (in_blank, in_answer) in beams.items():
            entry = found.setdefault(text, [0.0, 0.0])
            entry[0] += (in_blank + in_answer) * blank
            if text:
                entry[1] += in_answer * float(row[text[-1]])
            for c, p in likely:
                longer = (*text, c)
                if longer not in bonus:
                    bonus[longer] = bonus[text] + (language(text, c) if language else 0.0)
                more = found.setdefault(longer, [0.0, 0.0])
                more[1] += p * (in_blank if text and text[-1] == c else in_blank + in_answer)
        scores = {text: (p[0] + p[1]) * exp(bonus[text]) for text, p in found.items()}
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)[:width]
        total = sum(sum(found[text]) for text in ranked) or 1.0
        scale += float(np.log(total))
        beams = {text: (found[text][0] / total, found[text][1] / total) for text in ranked}
    scored = [(text, float(np.log(max(sum(p), TINY)) + scale)) for text, p in beams.items()]
    return sorted(scored, key=lambda pair: -pair[1] - bonus[pair[0]])


def log_likelihood(frames: Frames, texts: Sequence[Text]) -> NDArray[np.float64]:
    """Return the log probability of every text, float64 (N,): the sum over all ways to spread it over the frames."""
    lengths = np.array([len(text) for text in texts])
    states = 2 * int(lengths.max(initial=0)) + 1
    labels = np.zeros((len(texts), states), np.int64)  # blanks between, before and after the answers
    for row, text in zip(labels, texts, strict=True):
        row[1 : 2 * len(text) : 2] = text
    skips = np.zeros(labels.shape, bool)  # a state may follow the one two before it: two different answers
    skips[:, 2:] = (labels[:, 2:] != BLANK) & (labels[:, 2:] != labels[:, :-2])
    alpha = np.zeros(labels.shape)
    alpha[:, :2] = frames[0][labels[:, :2]]
    scale = np.zeros(len(texts))
    for row in frames[1:]:
        total = alpha.copy()
        total[:, 1:] += alpha[:, :-1]
        total[:, 2:] += np.where(skips[:, 2:], alpha[:, :-2], 0)
        alpha = total * row[labels]
        peak = np.maximum(alpha.max(axis=1), TINY)
        alpha /= peak[:, None]
        scale += np.log(peak)
    ends = np.arange(len(texts)), 2 * lengths
    final = alpha[ends] + np.where(lengths > 0, alpha[ends[0], np.maximum(2 * lengths - 1, 0)], 0)
    return np.asarray(np.log(np.maximum(final, TINY)) + scale)


def align(frames: Frames, text: Text) -> list[tuple[int, int]]:
    """Return the frames (first, past the last) of every answer of a text along its likeliest path.

    The blanks between two answers are not part of either. Raises ValueError where the frames are too few.
    """
    labels = np.zeros(2 * len(text) + 1, np.int64)
    labels[1::2] = text
    skips = np.zeros(len(labels), bool)
    skips[2:] = (labels[2:] != BLANK) & (labels[2:] != labels[:-2])
    logs = np.log(np.maximum(frames, TINY))
    score = np.full(len(labels), -np.inf)
    score[:2] = logs[0, labels[:2]]
    steps = np.zeros((len(frames), len(labels)), np.int64)
    for t in range(1, len(frames)):
        options = np.full((3, len(labels)), -np.inf)
        options[0] = score
        options[1, 1:] = score[:-1]
        options[2, 2:] = np.where(skips[2:], score[:-2], -np.inf)
        steps[t] = options.argmax(axis=0)
        score = options.max(axis=0) + logs[t, labels]
    state = len(labels) - 1
    if len(labels) > 1 and score[-2] > score[-1]:
        state -= 1
    if not np.isfinite(score[state]):
        raise ValueError(f"{len(frames)} frames are too few for a text of {len(text)} characters")
    path = [state]
    for t in range(len(frames) - 1, 0, -1):
        state -= int(steps[t, state])
        path.append(state)
    states = np.array(path[::-1])
    spans = []
    for i in range(len(text)):
        there = np.flatnonzero(states == 2 * i + 1)
        spans.append((int(there[0]), int(there[-1]) + 1))
    return spans


def alternatives(frames: Frames, text: Text, spans: Sequence[tuple[int, int]], k: int) -> list[dict[int, float]]:
    """Return the k likeliest answers at every position of a text, each with its probability, the likeliest first.

    An answer's probability is the likelihood of the text with that answer in this place, among all answers there. Only
    the surroundings of a place are looked at: the frames from the neighbour before it to the neighbour after it.
    """
    found: list[dict[int, float]] = []
    for i, (start, end) in enumerate(spans):
        before = spans[i - 1][0] if i else 0
        after = spans[i + 1][1] if i + 1 < len(spans) else len(frames)
        window = frames[before:after]
        near = frames[start:end].max(axis=0)
        near[BLANK] = 0
        candidates = [c for c in np.argsort(-near, kind="stable")[: k + 1].tolist() if near[c] > 0 and c != BLANK]
        candidates = list(dict.fromkeys([text[i], *candidates]))[: max(k, 1) + 1]
        around = [(*text[max(i - 1, 0) : i], c, *text[i + 1 : i + 2]) for c in candidates]
        scores = log_likelihood(window, around)
        odds = np.exp(scores - scores.max())
        shares = odds / odds.sum()
        order = np.argsort(-shares, kind="stable")[:k]
        found.append({candidates[j]: float(shares[j]) for j in order})
    return found
