"""cases.py: the case of letters that nobody noted, from a teacher and from how often capitals are."""

import numpy as np
import pytest
import torch

from hwr.data.inkset import InkSet
from hwr.evaluation.inference import Labelled
from hwr.training import cases

pytestmark = pytest.mark.numeric

LABELS = ("0", "C", "c", "L", "l")


def labelled(count: int = 400) -> Labelled:
    """Pictures as bright as the teacher below is sure of a capital; half of them are C or c, the others known."""
    rng = np.random.default_rng(0)
    images = np.repeat(rng.integers(0, 256, (count, 1, 1), dtype=np.uint8), 8, axis=1).repeat(8, axis=2)
    labels = np.arange(count) % 4
    targets = (("C", "c"), ("C",), ("0",), ("L", "l"))
    return Labelled.of(
        InkSet("ink", images, labels, targets, np.arange(count), np.zeros(count, bool)), LABELS, torch.device("cpu")
    )


def teacher(pixels: torch.Tensor) -> torch.Tensor:
    capital = pixels.mean((1, 2, 3)) * 0.8
    rest = torch.full_like(capital, 0.1)
    return torch.stack([rest, capital, 0.9 - capital, rest / 2, rest / 2], 1)


def shares(data: Labelled, label: str) -> torch.Tensor:
    return data.prior[data.labels][:, LABELS.index(label)]


def test_the_mean_share_of_capitals_stays_what_it_is_for_the_letter() -> None:
    before, after = labelled(), cases.with_soft_labels(labelled(), teacher, trust=0.7)
    for row, capital in ((0, "C"), (3, "L")):
        mine = before.labels == row
        expected = shares(before, capital)[mine]
        assert shares(after, capital)[mine].mean() == pytest.approx(expected.mean().item(), abs=1e-3)


def test_what_the_teacher_takes_for_a_capital_is_likelier_one_than_what_it_does_not() -> None:
    before, after = labelled(), cases.with_soft_labels(labelled(), teacher, trust=0.7)
    mine = before.labels == 0
    bright = before.pixels(mine.nonzero()[:, 0]).mean((1, 2, 3))
    found = shares(after, "C")[mine]
    assert torch.corrcoef(torch.stack([bright, found]))[0, 1] > 0.9
    assert found.min() < 0.5 < found.max()


def test_without_trust_all_of_a_letter_are_taught_its_share() -> None:
    before, after = labelled(), cases.with_soft_labels(labelled(), teacher, trust=0.0)
    torch.testing.assert_close(before.prior[before.labels], after.prior[after.labels], atol=1e-3, rtol=0)


def test_known_letters_and_the_allowed_classes_stay_as_they_are() -> None:
    before, after = labelled(), cases.with_soft_labels(labelled(), teacher, trust=1.0)
    assert before.allowed[before.labels].equal(after.allowed[after.labels])
    known = before.allowed[before.labels].sum(1) == 1
    assert before.prior[before.labels][known].equal(after.prior[after.labels][known])
    torch.testing.assert_close(after.prior.sum(1), torch.ones(len(after.prior)))
