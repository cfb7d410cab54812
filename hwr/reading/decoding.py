"""From a line's frames to its likeliest texts: what the ink says, weighed with what words are like."""

from __future__ import annotations

import numpy as np

from hwr.reading import ctc
from hwr.reading.alphabet import LineAlphabet
from hwr.reading.ctc import Frames, Text
from hwr.reading.language import Language


def decode(frames: Frames, alphabet: LineAlphabet, language: Language | None) -> list[tuple[Text, float]]:
    """Return the likeliest texts of frames and their probabilities, best first.

    ``frames`` are folded to the alphabet, (T, A + 1). Without a language the probabilities are the ink's own. With it
    they are shares among the candidates: those of a beam search that follows words, and of one that follows the ink
    alone, so that a code or a rare name is not bent into a word.
    """
    by_ink = dict(ctc.beam_search(frames))
    if language is None:
        return [(text, float(np.exp(score))) for text, score in by_ink.items()]

    def judge(text: Text, column: int) -> float:
        return language.score(alphabet.text(text[-8:]), alphabet.answers[column - 1])

    candidates = dict(ctc.beam_search(frames, language=judge)) | by_ink
    scores = {text: ink + language.score_of(alphabet.text(text)) for text, ink in candidates.items()}
    best = max(scores.values())
    odds = {text: float(np.exp(score - best)) for text, score in scores.items()}
    total = sum(odds.values())
    return sorted(((text, share / total) for text, share in odds.items()), key=lambda pair: -pair[1])
