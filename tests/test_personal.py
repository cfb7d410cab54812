"""A visitor's own recogniser: what was taught is answered, and nobody else notices."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from hwr import Recognizer, UserError, personal
from hwr.config import OTHER
from hwr.data import outliers, sources
from hwr.ink import strokes
from hwr.ink.preprocess import fit
from hwr.personal import Sample
from hwr.predictions import softmax

pytestmark = pytest.mark.numeric

PENS = Path(__file__).parent / "data" / "pens.npz"
Gray = NDArray[np.uint8]


@pytest.fixture(scope="module")
def hand(recognizer: Recognizer) -> list[Sample]:
    """120 real characters."""
    source = sources.read(str(PENS), "test", Path())
    seen = [fit(source.picture(i), recognizer.config, source.is_ink) for i in range(len(source))]
    names = [source.targets[label][0] for label in source.labels]
    return [(picture, name) for picture, name in zip(seen, names, strict=True) if picture is not None]


@pytest.fixture(scope="module")
def plus(recognizer: Recognizer) -> list[Gray]:
    """Four plus signs, each drawn a little differently."""
    arms = [(140, 50, 140, 230, 50, 140, 230, 140), (138, 60, 144, 226, 56, 146, 224, 138)]
    arms += [(146, 54, 136, 232, 48, 134, 236, 142), (140, 40, 142, 238, 60, 150, 220, 146)]
    found = []
    for a in arms:
        ink = strokes.draw([np.array([a[0:2], a[2:4]]), np.array([a[4:6], a[6:8]])], (280, 280), 18)
        seen = recognizer.see(255 - ink)
        assert seen is not None
        found.append(seen)
    return found


def logits(recognizer: Recognizer, pictures: list[Gray]) -> NDArray[np.float32]:
    """Before the temperature."""
    found = recognizer.outputs(np.stack(pictures))
    return found.logits if recognizer.head is None else recognizer.head(*found)


def best(recognizer: Recognizer, seen: Gray) -> str:
    return next(iter(recognizer.answer(seen, 1).probabilities))


def wrong(recognizer: Recognizer, hand: list[Sample]) -> list[Sample]:
    return [(seen, name) for seen, name in hand if best(recognizer, seen) != name]


def test_what_was_read_wrong_is_read_as_taught(recognizer: Recognizer, hand: list[Sample]) -> None:
    mistakes = wrong(recognizer, hand)
    assert len(mistakes) > 5
    own = personal.adapted(recognizer, mistakes)
    assert [best(own, seen) for seen, _ in mistakes] == [name for _, name in mistakes]
    assert all(own.answer(seen).confident for seen, _ in mistakes)


def test_a_single_mistake_is_learnt(recognizer: Recognizer, hand: list[Sample]) -> None:
    for seen, name in wrong(recognizer, hand)[:5]:
        assert best(personal.adapted(recognizer, [(seen, name)]), seen) == name


def test_characters_of_which_nothing_was_taught_keep_their_answers(recognizer: Recognizer, hand: list[Sample]) -> None:
    mistakes = wrong(recognizer, hand)[:5]
    named = {name for _, name in mistakes} | {best(recognizer, seen) for seen, _ in mistakes}
    own = personal.adapted(recognizer, mistakes)
    others = [seen for seen, name in hand if name not in named and best(recognizer, seen) not in named]
    same = [best(own, seen) == best(recognizer, seen) for seen in others]
    assert len(same) > 50
    assert np.mean(same) > 0.97


def test_a_new_character_is_answered_with_confidence(recognizer: Recognizer, plus: list[Gray]) -> None:
    own = personal.adapted(recognizer, [(seen, "+") for seen in plus[:3]])
    assert own.labels("all") == (*recognizer.labels("all"), "+")
    assert own.labels("digits") == recognizer.labels("digits")
    assert own.answer(plus[3], 1).probabilities.keys() == {"+"}
    assert own.answer(plus[3]).confident
    assert "+" not in recognizer.labels("all")


def test_scribbles_are_rejected_as_before(recognizer: Recognizer, hand: list[Sample], plus: list[Gray]) -> None:
    own = personal.adapted(recognizer, [*hand[:60], *((seen, "+") for seen in plus)])
    scribbles = outliers.source(80, 0, np.stack([seen for seen, _ in hand]))
    seen = [fit(scribbles.ink(i), recognizer.config, is_ink=True) for i in range(80)]
    drawn = [picture for picture in seen if picture is not None]
    before = np.mean([recognizer.answer(picture).confident for picture in drawn])
    assert np.mean([own.answer(picture).confident for picture in drawn]) <= before + 0.05


def test_far_from_what_was_taught_the_odds_of_no_character_stay(recognizer: Recognizer, hand: list[Sample]) -> None:
    own = personal.adapted(recognizer, [(seen, name) for seen, name in hand if name == "A"][:2])
    other = recognizer.config.labels.index(OTHER)
    far = [seen for seen, name in hand if name.isdigit()]
    before, after = (softmax(logits(r, far) / r.config.temperature)[:, other] for r in (recognizer, own))
    np.testing.assert_allclose(np.log(after), np.log(before), rtol=0, atol=0.1)


def test_the_general_recognizer_stays_as_it_is_and_shares_its_network(
    recognizer: Recognizer, hand: list[Sample], plus: list[Gray]
) -> None:
    pictures = [seen for seen, _ in hand]
    before = logits(recognizer, pictures)
    config = recognizer.config
    own = personal.adapted(recognizer, [*hand, (plus[0], "+")])
    np.testing.assert_array_equal(logits(recognizer, pictures), before)
    assert recognizer.config is config
    assert own.network is recognizer.network
    assert recognizer.head is None


def test_nothing_taught_is_the_general_model(recognizer: Recognizer, hand: list[Sample]) -> None:
    own = personal.adapted(recognizer, [])
    assert own is not recognizer
    np.testing.assert_array_equal(logits(own, [hand[0][0]]), logits(recognizer, [hand[0][0]]))
    assert own.config == recognizer.config


def test_three_hundred_samples_take_little_memory(recognizer: Recognizer, hand: list[Sample]) -> None:
    samples = [(np.roll(seen, shift, axis=0), name) for shift in range(3) for seen, name in hand][:300]
    own = personal.adapted(recognizer, samples)
    assert isinstance(own.head, personal.PersonalHead)
    assert sum(kept.nbytes for kept in (own.head.delta, own.head.keys, own.head.values)) < 200_000


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_one_class_alone_gives_finite_answers(recognizer: Recognizer, hand: list[Sample], count: int) -> None:
    samples = [(np.roll(hand[i % 100][0], i // 100, axis=1), "7") for i in range(count)]
    own = personal.adapted(recognizer, samples)
    assert np.isfinite(logits(own, [seen for seen, _ in hand])).all()
    if count < 10:
        assert best(own, hand[0][0]) == "7"


def test_of_mistakes_alone_little_is_believed_about_classes_that_were_not_taught(recognizer: Recognizer) -> None:
    head = personal.PersonalHead(recognizer.head, recognizer.config, len(recognizer.config.labels))
    taught = np.array([3, 3, 5])
    right, wrong = (np.eye(head.known, dtype=np.float32)[rows] for rows in (taught, taught + 1))
    (weights, handicap), (doubted, penalty) = head._trusted(right, taught), head._trusted(wrong, taught)
    assert weights.tolist() == [1, 1, 1] and not handicap.any()
    assert doubted.tolist() == [0.25] * 3
    assert penalty[[3, 5]].tolist() == [0, 0]
    np.testing.assert_allclose(penalty[[0, 4, 6]], np.log(0.25))


def test_the_same_taught_twice_is_taught_once(recognizer: Recognizer, hand: list[Sample]) -> None:
    once, often = personal.adapted(recognizer, hand[:5]), personal.adapted(recognizer, hand[:5] * 50)
    np.testing.assert_array_equal(logits(often, [hand[7][0]]), logits(once, [hand[7][0]]))


def test_the_same_picture_with_two_labels_is_one_of_them(recognizer: Recognizer, hand: list[Sample]) -> None:
    own = personal.adapted(recognizer, [(hand[0][0], "x"), (hand[0][0], "β")])
    assert np.isfinite(logits(own, [seen for seen, _ in hand])).all()
    assert own.answer(hand[0][0], 2).probabilities.keys() == {"x", "β"}


def test_an_empty_picture_is_no_trouble(recognizer: Recognizer, hand: list[Sample]) -> None:
    own = personal.adapted(recognizer, [(np.zeros_like(hand[0][0]), "0"), (np.full_like(hand[0][0], 255), "我")])
    assert np.isfinite(logits(own, [seen for seen, _ in hand])).all()


def test_a_model_without_a_class_of_no_characters_learns_too(recognizer: Recognizer, plus: list[Gray]) -> None:
    labels = tuple(label for label in recognizer.config.labels if label != OTHER)
    rows = [recognizer.config.labels.index(label) for label in labels]
    plain = recognizer.with_head(lambda _, logits: logits[:, rows], replace(recognizer.config, labels=labels))
    own = personal.adapted(plain, [(seen, "+") for seen in plus[:3]])
    assert best(own, plus[3]) == "+"


def test_what_was_learnt_can_be_learnt_upon(recognizer: Recognizer, plus: list[Gray], hand: list[Sample]) -> None:
    first = personal.adapted(recognizer, [(plus[0], "+")])
    second = personal.adapted(first, [(hand[0][0], "ß")])
    assert second.labels("all")[-2:] == ("+", "ß")
    assert best(second, plus[0]) == "+"
    assert best(second, hand[0][0]) == "ß"


def test_accents_are_one_label_however_they_are_typed(recognizer: Recognizer, plus: list[Gray]) -> None:
    own = personal.adapted(recognizer, [(plus[0], "é"), (plus[1], " e\u0301 ")])
    assert own.labels("all")[-1] == "é"
    assert len(own.labels("all")) == len(recognizer.labels("all")) + 1


@pytest.mark.parametrize("label", ["", "  ", OTHER, "a\nb", "\x00", "\u202e", "x" * 17])
def test_what_cannot_be_a_label_is_refused(recognizer: Recognizer, plus: list[Gray], label: str) -> None:
    with pytest.raises(UserError, match="cannot be a label"):
        personal.adapted(recognizer, [(plus[0], label)])


@pytest.mark.parametrize("seen", [np.zeros((28, 28), np.uint8), np.zeros((64, 64), np.float32)])
def test_a_picture_that_see_did_not_return_is_refused(recognizer: Recognizer, seen: Gray) -> None:
    with pytest.raises(UserError, match=r"expected uint8 \(64, 64\)"):
        personal.adapted(recognizer, [(seen, "1")])


def test_the_minimum_is_where_scikit_learn_finds_it() -> None:
    random = np.random.default_rng(0)
    features, taught = random.normal(size=(40, 6)), random.integers(0, 3, 40)
    found = personal.fit(features, np.zeros((40, 3)), taught, np.ones(40), 0.5)
    peer = LogisticRegression(C=2, fit_intercept=False, tol=1e-10, max_iter=1000).fit(features, taught)
    np.testing.assert_allclose(found, peer.coef_.T, atol=1e-4)
