"""The bundled model through the public names alone."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from hwr import Recognizer, UserError, metrics
from hwr.config import OTHER, UPPER, Alphabet
from hwr.data import outliers, sources
from hwr.ink import strokes

PENS = Path(__file__).parent / "data" / "pens.npz"
SIZES = (100, 280, 700, 2000)


def drawings() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Three plain digits and a letter, as ink on the sketchpad's canvas."""
    shapes = {
        "1": [[(140, 50), (140, 230)]],
        "7": [[(70, 60), (210, 60), (130, 230)]],
        "L": [[(90, 50), (90, 220), (200, 220)]],
        "Z": [[(80, 60), (205, 60), (80, 220), (205, 220)]],
    }
    for name, shape in shapes.items():
        yield name, strokes.draw([np.array(stroke) for stroke in shape], (280, 280), 18)


def resized(ink: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(ink).resize((side, side), Image.Resampling.LANCZOS))


def variants(ink: NDArray[np.uint8]) -> Iterator[tuple[str, object]]:
    """The same picture in every form that a user might hold it."""
    paper = 255 - ink
    rgba = np.zeros((*ink.shape, 4), np.uint8)
    rgba[..., 3] = ink
    yield "L", paper
    yield "inverted", ink
    yield "RGB", np.dstack([paper] * 3)
    yield "RGBA", np.dstack([paper] * 3 + [np.full_like(paper, 255)])
    yield "transparent", rgba
    yield "PIL", Image.fromarray(paper)
    yield "EditorValue", {"background": None, "layers": [rgba], "composite": None}
    for corner in ("top left", "top right", "bottom left", "bottom right"):
        canvas = np.full((800, 900), 255, np.uint8)
        rows = slice(0, 280) if "top" in corner else slice(-280, None)
        columns = slice(0, 280) if "left" in corner else slice(-280, None)
        canvas[rows, columns] = paper
        yield corner, canvas
    for side in SIZES:
        yield f"{side} pixels", 255 - resized(ink, side)


@pytest.mark.parametrize(
    ("drawing", "alphabet"), [("1", "digits"), ("7", "digits"), ("L", "letters"), ("Z", "letters")]
)
def test_the_same_picture_gives_the_same_answer_in_every_form(
    recognizer: Recognizer, drawing: str, alphabet: Alphabet
) -> None:
    pictures = dict(variants(dict(drawings())[drawing]))
    found = recognizer.probabilities(list(pictures.values()), alphabet)
    assert recognizer.labels(alphabet)[found[0].argmax()] == drawing
    for form, row in zip(pictures, found, strict=True):
        assert row.argmax() == found[0].argmax(), form
        assert np.abs(row - found[0]).max() <= 0.02, (form, np.abs(row - found[0]).max())


def test_real_handwriting_gives_the_same_answer_in_every_form(recognizer: Recognizer) -> None:
    source = sources.read(str(PENS), "test", Path())
    assert source.trajectory is not None
    changes = []
    for i in range(0, len(source), 4):
        ink = strokes.draw(strokes.place(source.trajectory(i), (60, 60, 160)), (280, 280), 16)
        found = recognizer.probabilities([picture for _, picture in variants(ink)])
        changes.append(np.abs(found - found[0]).max())
    assert np.median(changes) <= 0.02
    assert np.quantile(changes, 0.9) <= 0.05, "letters between two classes may tip a little further"


def test_digits_and_letters_that_were_never_trained_on_are_read(recognizer: Recognizer) -> None:
    source = sources.read("sample", "test", Path())
    names = [source.targets[label][0] for label in source.labels]
    images = [source.ink(i) for i in range(len(source))]
    for alphabet, floor in (("digits", 0.985), ("letters", 0.92)):
        labels = recognizer.labels(alphabet)  # type: ignore[arg-type]
        asked = [i for i, name in enumerate(names) if name.upper() in labels]
        found = recognizer.probabilities([images[i] for i in asked], alphabet).argmax(1)  # type: ignore[arg-type]
        right = np.mean([labels[column] == names[i].upper() for i, column in zip(asked, found, strict=True)])
        assert right >= floor, (alphabet, right)


def test_probabilities_are_a_distribution_and_top_k_is_its_head(recognizer: Recognizer) -> None:
    pictures = [255 - ink for _, ink in drawings()]
    for alphabet in recognizer.alphabets:
        rows = recognizer.probabilities(pictures, alphabet)  # type: ignore[arg-type]
        assert rows.shape == (len(pictures), len(recognizer.labels(alphabet)))  # type: ignore[arg-type]
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows.sum(1), 1, atol=1e-5)
        top = recognizer.top_k(pictures[0], 3, alphabet)  # type: ignore[arg-type]
        assert list(top.values()) == pytest.approx(sorted(rows[0], reverse=True)[:3], abs=1e-5)


def test_digits_are_a_softmax_over_ten_classes_and_letters_sum_both_cases(recognizer: Recognizer) -> None:
    picture = next(255 - ink for name, ink in drawings() if name == "Z")
    everything = dict(zip(recognizer.labels(), recognizer.probabilities([picture])[0], strict=True))
    cases_of: dict[Alphabet, Callable[[str], tuple[str, ...]]]
    cases_of = {"digits": lambda c: (c,), "letters": lambda c: (c, c.lower())}
    for alphabet, cases in cases_of.items():
        answers = recognizer.labels(alphabet)
        summed = np.array([sum(everything[case] for case in cases(c)) for c in answers])
        found = recognizer.probabilities([picture], alphabet)[0]
        np.testing.assert_allclose(found, summed / summed.sum(), atol=1e-4)
    assert recognizer.labels("letters") == UPPER


def test_a_blank_picture_has_no_answer(recognizer: Recognizer) -> None:
    blank = np.full((280, 280), 255, np.uint8)
    assert recognizer.top_k(blank) == {}
    assert recognizer.top_k(None) == {}
    rows = recognizer.probabilities([blank, 255 - next(drawings())[1]])
    assert rows[0].sum() == 0
    assert rows[1].sum() == pytest.approx(1, abs=1e-5)
    assert recognizer.probabilities([]).shape == (0, 62)


def test_arrays_of_pictures_are_read_like_lists(recognizer: Recognizer) -> None:
    images = np.stack([ink for _, ink in drawings()])
    np.testing.assert_array_equal(recognizer.probabilities(images), recognizer.probabilities(list(images)))


@pytest.mark.parametrize(
    "single",
    ["picture.png", Path("picture.png"), np.zeros((280, 280), np.uint8), np.zeros((280, 280, 3), np.uint8), {}, None],
)
def test_one_picture_where_several_are_expected_is_refused(recognizer: Recognizer, single: object) -> None:
    with pytest.raises(UserError, match="in a list"):
        recognizer.probabilities(single)  # type: ignore[arg-type]


def test_unknown_alphabets_pictures_and_models_are_named(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"greek.*all, digits, letters"):
        recognizer.labels("greek")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="k is 0"):
        recognizer.top_k(next(drawings())[1], k=0)
    with pytest.raises(UserError, match=r"missing\.png"):
        recognizer.top_k("missing.png")
    with pytest.raises(UserError, match="no such model"):
        Recognizer.from_pretrained(tmp_path / "none")
    with pytest.raises(UserError, match="not a model directory"):
        Recognizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("alphabet", ["digits", "letters", "all"])
def test_the_likeliest_are_those_of_the_answer_best_first(recognizer: Recognizer, alphabet: Alphabet) -> None:
    for _, ink in drawings():
        found = recognizer.top_k(ink, 4, alphabet)
        assert found == recognizer.answer(recognizer.see(ink), 4, alphabet).probabilities
        expected = dict(zip(recognizer.labels(alphabet), recognizer.probabilities([ink], alphabet)[0], strict=True))
        assert list(found) == sorted(expected, key=expected.__getitem__, reverse=True)[:4]
        assert found == pytest.approx({answer: expected[answer] for answer in found})


def test_a_picture_is_confident_from_the_threshold_on(recognizer: Recognizer) -> None:
    ink = next(drawings())[1]
    logits = recognizer._logits(recognizer.see(ink)[None])  # type: ignore[index]
    other = recognizer.labels("all")
    assert OTHER not in other
    found = recognizer.config.labels.index(OTHER) if OTHER in recognizer.config.labels else None
    sure = float(metrics.confidence(torch.from_numpy(logits), found))
    for threshold, expected in ((sure - 1e-3, True), (sure + 1e-3, False)):
        model = Recognizer(recognizer.network, replace(recognizer.config, rejection_threshold=threshold))
        assert model.is_confident(ink) is expected
        assert model.are_confident([ink, np.zeros((9, 9), np.uint8)]).tolist() == [expected, False]
    assert not recognizer.is_confident(None)


def test_most_characters_are_accepted_and_most_scribbles_are_not(recognizer: Recognizer) -> None:
    sample = sources.read("sample", "test", Path())
    characters = [sample.ink(i) for i in range(0, len(sample), 4)]
    assert recognizer.are_confident(characters).mean() > 0.96
    fitted = np.stack([recognizer.see(ink) for ink in characters])  # type: ignore[misc]
    strange = outliers.source(300, 7, fitted, held_out=True)
    assert recognizer.are_confident([strange.ink(i) for i in range(300)]).mean() < 0.4


def test_what_is_no_character_is_never_an_answer(recognizer: Recognizer) -> None:
    scribble = outliers.source(1, 0, np.full((1, 48, 48), 255, np.uint8)).ink(0)
    assert OTHER not in recognizer.top_k(scribble, k=100)
    assert sum(recognizer.top_k(scribble, k=100).values()) == pytest.approx(1, abs=1e-4)


def test_the_bundled_model_is_what_timm_loads_by_itself(recognizer: Recognizer) -> None:
    import timm

    folder = Path(__file__).parents[1] / "hwr" / "weights"
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    size = recognizer.config.image_size
    x = torch.randn(8, 1, size, size)
    with torch.inference_mode():
        expected = model(x)
    np.testing.assert_allclose(recognizer.network(x.numpy()).logits, expected.numpy(), rtol=0, atol=1e-4)
    settings: Any = model.pretrained_cfg
    assert settings["label_names"] == list(recognizer.config.labels)
    assert sum(p.stat().st_size for p in folder.iterdir()) < 25 * 2**20
