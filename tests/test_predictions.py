"""probabilities.py gives in NumPy what metrics.py gives in PyTorch."""

import numpy as np
import pytest
import torch

from hwr import metrics, predictions

LOGITS = np.random.default_rng(0).normal(0, 5, (9, 4)).astype(np.float32)


def test_softmax_and_the_sum_of_exponentials_are_those_of_pytorch() -> None:
    np.testing.assert_allclose(predictions.softmax(LOGITS), torch.from_numpy(LOGITS).softmax(1), rtol=1e-5)
    np.testing.assert_allclose(predictions.log_sum_exp(LOGITS), torch.from_numpy(LOGITS).logsumexp(1), rtol=1e-5)


@pytest.mark.parametrize("other", [None, 0, 3])
def test_confidence_is_that_of_the_measures(other: int | None) -> None:
    expected = metrics.confidence(torch.from_numpy(LOGITS), other)
    np.testing.assert_allclose(predictions.confidence(LOGITS, other), expected, atol=1e-6)


def test_a_class_that_is_left_out_has_no_probability() -> None:
    logits = LOGITS.copy()
    logits[:, 1] = -np.inf
    assert not predictions.softmax(logits)[:, 1].any()


def test_classes_are_summed_into_answers() -> None:
    found = predictions.sums([("a", (0, 2)), ("b", (1,))], 4)
    assert found.tolist() == [[True, False], [False, True], [True, False], [False, False]]
