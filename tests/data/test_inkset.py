"""sources.py, data.py and leakage.py: labelled ink from every kind of source."""

import bz2
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hwr.config import ModelConfig, UserError
from hwr.data import downloads, leakage, sources
from hwr.data import inkset as data
from hwr.data.downloads import Split
from hwr.data.inkset import InkSet
from hwr.ink.preprocess import fit, fit_ink
from hwr.ink.strokes import draw, sketch

PENS = Path(__file__).parents[1] / "data" / "pens.npz"
MODEL = ModelConfig(labels=(), image_size=32)


def load(name: str | Path, split: Split = "train", pens: int = 1) -> InkSet:
    return data.load(str(name), split, MODEL, Path("unused"), pens)


def picture(seed: int) -> NDArray[np.uint8]:
    """A scribble, white on black."""
    rng = np.random.default_rng(seed)
    return sketch([np.cumsum(rng.normal(0, 5, (12, 2)), axis=0)], rng, side=28)[:40, :40]


def write_folder(root: Path, classes: str, count: int) -> None:
    for label in classes:
        (root / label).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(255 - picture(ord(label) * 100 + i)).save(root / label / f"{i}.png")


def test_the_sample_has_digits_and_letters_in_two_splits() -> None:
    train, test = load("sample"), load("sample", "test")
    assert train.classes() == tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    assert train.images.shape == (5960, 32, 32)
    assert len(test) == 1740


def test_letters_of_unknown_case_allow_both_cases() -> None:
    sample = load("sample")
    allowed = sample.membership(sample.classes())
    both = [t for t in sample.targets if len(t) == 2]
    assert ("C", "c") in both
    assert ("A", "a") not in both, "EMNIST's merged classes keep A and a apart"
    assert allowed[sample.targets.index(("C", "c"))].sum() == 2
    assert allowed[sample.targets.index(("A",))].sum() == 1


def test_trajectories_are_drawn_with_several_pens_and_keep_their_writer() -> None:
    once, twice = load(PENS), load(PENS, pens=2)
    assert (len(once), len(twice)) == (120, 240)
    np.testing.assert_array_equal(twice.labels, once.labels.repeat(2))
    np.testing.assert_array_equal(twice.groups, once.groups.repeat(2))
    assert (twice.images[0] != twice.images[1]).any()
    assert len(load(PENS, "test", pens=2)) == 120, "a test set is drawn once"


def test_a_folder_of_pictures_has_its_subfolders_as_classes(tmp_path: Path) -> None:
    write_folder(tmp_path, "AB", 3)
    ink = load(tmp_path)
    assert [t[0] for t in ink.targets] == ["A", "B"]
    assert ink.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_folder_may_bring_its_own_test_split(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", "AB", 3)
    write_folder(tmp_path / "test", "AB", 1)
    assert (len(load(tmp_path)), len(load(tmp_path, "test"))) == (6, 2)
    assert sources.brings_test(str(tmp_path))


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """MNIST's file format, as yann.lecun.com describes it: a magic number, the sizes, the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def test_mnist_files_are_read_white_on_black(tmp_path: Path) -> None:
    images = np.stack([load("sample").images[i] for i in range(3)])
    for split in ("train", "t10k"):
        write_idx(tmp_path / "MNIST" / "raw" / f"{split}-images-idx3-ubyte", images)
        write_idx(tmp_path / "MNIST" / "raw" / f"{split}-labels-idx1-ubyte", np.array([3, 1, 4], np.uint8))
    mnist = sources.read("mnist", "test", tmp_path)
    assert [mnist.targets[label] for label in mnist.labels] == [("3",), ("1",), ("4",)]
    for i, image in enumerate(images):
        np.testing.assert_array_equal(mnist.ink(i), image)


def test_kmnist_has_its_own_class_names(tmp_path: Path) -> None:
    for split in ("train", "t10k"):
        write_idx(tmp_path / "KMNIST" / "raw" / f"{split}-images-idx3-ubyte", load("sample").images[:1])
        write_idx(tmp_path / "KMNIST" / "raw" / f"{split}-labels-idx1-ubyte", np.array([1], np.uint8))
    kmnist = sources.read("kmnist", "train", tmp_path)
    assert kmnist.targets[kmnist.labels[0]] == ("ki",)


def test_usps_files_are_read_white_on_black(tmp_path: Path) -> None:
    ink = np.zeros((16, 16))
    ink[2:14, 7:9] = 1
    values = " ".join(f"{i + 1}:{2 * value - 1:.4f}" for i, value in enumerate(ink.ravel()))  # -1 is paper, 1 is ink
    (tmp_path / "USPS").mkdir()
    (tmp_path / "USPS" / "usps.t.bz2").write_bytes(bz2.compress(f"2 {values}\n".encode()))  # labels count from 1
    usps = sources.read("usps", "test", tmp_path)
    assert usps.targets[usps.labels[0]] == ("1",)
    np.testing.assert_array_equal(usps.ink(0), ink * 255)


def test_svhn_files_are_read_in_grey_and_whole_for_plain_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (32, 32, 3, 5)).astype(np.uint8)  # SVHN keeps the sample's number last
    (tmp_path / "SVHN").mkdir()
    savemat(tmp_path / "SVHN" / "train_32x32.mat", {"X": pictures, "y": np.array([[1], [2], [10], [1], [5]])})
    for module in ("utils", "svhn"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda *_: True)
    svhn = sources.read("svhn", "train", tmp_path)
    assert [svhn.targets[label][0] for label in svhn.labels] == ["1", "2", "0", "1", "5"]
    plain = data.fit_source(svhn, ModelConfig(labels=(), image_size=32, ink=False))
    grey = np.einsum("hwcn,c->nhw", pictures, [0.299, 0.587, 0.114])
    np.testing.assert_allclose(plain.images, grey, atol=1)


def test_cifar10_files_are_read_with_their_class_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    rng = np.random.default_rng(0)
    folder = tmp_path / "CIFAR10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    for i in range(1, 6):
        batch = {"data": rng.integers(0, 256, (2, 3072)).astype(np.uint8), "labels": [i, 9]}
        (folder / f"data_batch_{i}").write_bytes(pickle.dumps(batch))
    monkeypatch.setattr(datasets.cifar, "check_integrity", lambda *_: True)
    cifar = sources.read("cifar10", "train", tmp_path)
    assert len(cifar) == 10
    assert [cifar.targets[label][0] for label in cifar.labels[:2]] == ["automobile", "truck"]
    assert len(data.fit_source(cifar, ModelConfig(labels=(), image_size=32, ink=False))) == 10


def test_plain_pictures_are_taken_whole_and_ink_is_cropped(tmp_path: Path) -> None:
    picture = np.full((60, 80), 200, np.uint8)
    picture[20:30, 30:36] = 20
    Image.fromarray(picture).save(tmp_path / "photo.png")
    size = 30
    whole = fit(tmp_path / "photo.png", ModelConfig(labels=(), image_size=size, ink=False))
    ink = fit(tmp_path / "photo.png", ModelConfig(labels=(), image_size=size))
    assert whole is not None and ink is not None
    assert whole.shape == ink.shape == (size, size)
    assert whole[0, 0] == 200, "paper stays as bright as it was"
    assert (whole < 100).sum() < 30 < (ink > 200).sum()


@pytest.mark.parametrize(("split", "label", "target"), [("letters", 3, ("C", "c")), ("bymerge", 12, ("C", "c"))])
def test_emnist_files_are_turned_upright_and_merged_cases_allow_both(
    tmp_path: Path, split: str, label: int, target: tuple[str, ...]
) -> None:
    image = load("sample").images[:1]
    for part in ("train", "test"):
        stem = tmp_path / "EMNIST" / "raw" / f"emnist-{split}-{part}"
        write_idx(stem.with_name(f"{stem.name}-images-idx3-ubyte"), image.transpose(0, 2, 1).copy())
        write_idx(stem.with_name(f"{stem.name}-labels-idx1-ubyte"), np.array([label], np.uint8))
    emnist = sources.read(f"emnist-{split}", "train", tmp_path)
    np.testing.assert_array_equal(emnist.ink(0), image[0])
    assert emnist.targets[emnist.labels[0]] == target


def test_a_missing_download_says_what_where_and_what_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    mirrors = [f"http://127.0.0.1:{port}/" for port in (9, 19)]  # nobody listens there
    monkeypatch.setattr(datasets.MNIST, "mirrors", mirrors)
    with pytest.raises(UserError) as caught:
        sources.read("mnist", "train", tmp_path)
    for words in ("train-images-idx3-ubyte.gz", mirrors[0], str(tmp_path), "--data sample"):
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nonsense", "missing.npz"])
def test_unknown_sources_are_named(name: str) -> None:
    with pytest.raises(UserError, match=name):
        load(name)


def test_a_file_is_also_found_beside_the_downloads(tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(PENS.read_bytes())
    assert len(sources.read("mine.npz", "test", tmp_path)) == len(sources.read(str(PENS), "test", Path()))


def test_of_alternatives_the_first_that_can_be_had_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(downloads, "read", offline)
    pens = str(Path(__file__).parent / "pens.npz")
    assert sources.read(f"emnist-byclass|{pens}", "train", tmp_path).name == "pens"
    assert f"Instead of emnist-byclass: {pens}" in capsys.readouterr().out
    with pytest.raises(UserError, match="could not be downloaded"):
        sources.read("mnist", "train", tmp_path)


def test_files_that_share_writers_hold_out_the_same_ones_by_name(tmp_path: Path) -> None:
    names = np.array([f"abc/{i}" for i in range(40)])
    held = []
    for file, order in (("one", np.arange(40)), ("two", np.arange(40)[::-1])):
        arrays = {
            "xy": np.tile([[0, 0], [9, 9]], (40, 1)),
            "stroke_offsets": np.arange(41) * 2,
            "sample_offsets": np.arange(41),
            "labels": np.arange(40) % 2,
            "classes": np.array(["a", "b"]),
            "writer": np.arange(40),
            "writer_names": names[order],
        }
        np.savez(tmp_path / f"{file}.npz", **arrays)  # type: ignore[arg-type]
        _, val = data.hold_out(load(tmp_path / f"{file}.npz"), 0.2, 0)
        assert val is not None
        held.append({names[order][i] for i in val.writers()})
    assert held[0] == held[1]
    assert 2 < len(held[0]) < 16


def test_empty_folders_and_damaged_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pictures"):
        load(tmp_path)
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"bad\.png"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": np.zeros(3)}, "lacks images, labels, classes"),
        ({"xy": np.zeros((3, 2))}, "lacks stroke_offsets"),
        ({"images": np.zeros((2, 8, 8)), "labels": np.zeros(2, int), "classes": np.array(["a"])}, "uint8"),
        ({"images": np.zeros((2, 8, 8), np.uint8), "labels": np.zeros(3, int), "classes": np.array(["a"])}, "one per"),
        ({"images": np.zeros((2, 8, 8), np.uint8), "labels": np.array([0, 7]), "classes": np.array(["a"])}, "indices"),
        ({"images": np.zeros((2, 8, 8), np.uint8), "labels": np.array([0, 0]), "classes": np.array(["a"])}, "blank"),
    ],
)
def test_npz_files_without_the_right_arrays_are_named(tmp_path: Path, arrays: dict[str, object], words: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=words):
        load(path)


def test_pickles_inside_an_npz_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "pickle.npz"
    np.savez(path, images=np.array([{"a": 1}], dtype=object), labels=np.zeros(1, int), classes=np.array(["a"]))
    with pytest.raises(UserError, match="plain arrays"):
        load(path)
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match="cannot be read"):
        load(path)


def test_sources_merge_by_class_name(tmp_path: Path) -> None:
    write_folder(tmp_path / "one", "BA", 2)
    write_folder(tmp_path / "two", "CB", 2)
    merged = data.merge([load(tmp_path / "one"), load(tmp_path / "two")])
    assert [merged.targets[i][0] for i in merged.labels] == list("AABBBBCC")
    assert merged.classes() == ("A", "B", "C")
    assert len(np.unique(merged.groups)) == 8
    assert not merged.writers()


def test_writers_are_those_that_a_file_names(tmp_path: Path) -> None:
    pens = load(PENS)
    assert pens.writers() == np.unique(pens.groups).tolist()
    with np.load(PENS) as file:
        np.savez(tmp_path / "nameless.npz", **{key: file[key] for key in file.files if key != "writer"})
    nameless = load(tmp_path / "nameless.npz", pens=2)
    assert nameless.writers() == []
    merged = data.merge([nameless, pens])
    assert merged.of_writers.tolist() == [False] * len(nameless) + [True] * len(pens)
    assert len(merged.writers()) == len(pens.writers())


def test_validation_is_fixed_by_seed_and_never_shares_a_writer() -> None:
    pens = load(PENS)
    train, val = data.hold_out(pens, 0.2, seed=1)
    again, _ = data.hold_out(pens, 0.2, seed=1)
    other, _ = data.hold_out(pens, 0.2, seed=2)
    assert val is not None
    assert len(train) + len(val) == len(pens)
    assert not set(train.groups) & set(val.groups)
    np.testing.assert_array_equal(train.images, again.images)
    assert set(other.groups) != set(train.groups)


def test_a_sample_stays_on_its_side_when_others_are_removed() -> None:
    sample = load("sample")
    _, val = data.hold_out(sample, 0.1, seed=3)
    fewer = sample.take(np.arange(len(sample)) % 7 != 0)
    _, val_of_fewer = data.hold_out(fewer, 0.1, seed=3)
    assert val is not None and val_of_fewer is not None
    assert set(val_of_fewer.groups) == set(val.groups) & set(fewer.groups)


def test_one_writers_samples_are_split_singly_and_nothing_is_held_out_unless_asked() -> None:
    pens = load(PENS)
    one = pens.take(pens.groups == pens.groups[0])
    train, val = data.hold_out(one, 0.3, seed=0)
    assert val is not None and len(train) + len(val) == len(one) and len(val) > 0
    assert not val.writers(), "who is learnt from as well counts as a writer held out"
    assert data.hold_out(one, 0.0, seed=0) == (one, None)
    with pytest.raises(UserError, match="--validation 0"):
        data.hold_out(one.take(np.array([0])), 0.3, seed=0)


def test_letters_of_unknown_case_have_emnists_share_of_capitals() -> None:
    ink = load("sample").take(np.arange(3))
    ink = replace(ink, targets=(("C", "c"), ("L", "l"), ("A",)), labels=np.array([0, 1, 2]))
    prior = ink.prior(("A", "C", "L", "c", "l"))
    expected = ([0, 0.79, 0, 0.21, 0], [0, 0, 0.15, 0, 0.85], [1, 0, 0, 0, 0])
    assert prior.tolist() == [pytest.approx(row) for row in expected]


def test_classes_unknown_to_the_model_are_named() -> None:
    with pytest.raises(UserError, match="does not know: A"):
        load("sample").membership(tuple("0123456789"))


def ink_set(images: NDArray[np.uint8], names: str, name: str = "mine") -> InkSet:
    """Pictures with a class each, a letter of ``names``; "?" is a C of unknown case."""
    targets = tuple(dict.fromkeys(names))
    labels = np.array([targets.index(letter) for letter in names])
    classes = tuple(("C", "c") if target == "?" else (target,) for target in targets)
    return InkSet(name, images, labels, classes, np.arange(len(labels)), np.zeros(len(labels), bool))


def bars(count: int, seed: int) -> NDArray[np.uint8]:
    """Upright strokes, which all look alike."""
    rng = np.random.default_rng(seed)
    drawn = [
        draw([np.array([[32, 8], [32 + rng.normal(0, 1.5), 32], [32, 56]])], (64, 64), rng.uniform(6, 8))
        for _ in range(count)
    ]
    return np.stack([fit_ink(ink, 32, MODEL.ink_fraction) for ink in drawn])  # type: ignore[misc]


def test_near_duplicates_are_found_and_others_kept() -> None:
    originals = data.fit_source(sources.read("sample", "test", Path()), MODEL)
    source = sources.read("sample", "test", Path())
    rng = np.random.default_rng(0)

    def copied(i: int) -> NDArray[np.uint8]:  # the same scan, moved, a little larger and noisier
        image = source.ink(i)
        assert image is not None
        bigger = np.asarray(Image.fromarray(np.pad(image, 3)).resize((41, 41)), np.int64)
        return (bigger + rng.integers(0, 6, bigger.shape)).clip(0, 255).astype(np.uint8)

    rows = np.flatnonzero(source.labels == 8)[:30]  # eights are rich in detail: no two hands write the same
    copies = np.stack([np.asarray(fit_ink(copied(i), 32, MODEL.ink_fraction)) for i in rows])
    others = originals.images[source.labels == 8][30:]
    ink = ink_set(np.concatenate([copies, others]), "8" * (len(copies) + len(others)))
    near = leakage.near_duplicates(ink, originals.take(rows))
    assert near[:30].all()
    assert near[30:].mean() < 0.05


def test_near_duplicates_agree_with_correlation_pair_by_pair() -> None:
    sample = load("sample")
    mine, theirs = sample.take(np.arange(300)), sample.take(np.arange(250, 500))
    small = [
        np.asarray(Image.fromarray(i).resize((24, 24), Image.Resampling.BOX), float).ravel() for i in sample.images
    ]
    expected = []
    for i in range(300):
        alike = [j for j in range(250, 500) if sample.labels[i] == sample.labels[j]]
        expected.append(max(np.corrcoef(small[i], small[j])[0, 1] for j in alike) > leakage.CORRELATION)
    near = leakage.near_duplicates(mine, theirs)
    assert (near == np.array(expected)).mean() > 0.95  # Pillow's box filter rounds differently
    assert near[250:].all()


def test_of_bars_that_all_look_alike_the_nearest_alone_are_taken_for_copies() -> None:
    mine, theirs = bars(60, seed=0), bars(3, seed=1)
    correlations = leakage._signatures(mine) @ leakage._signatures(theirs).T
    unsure = (correlations < leakage.CERTAIN).all(1)
    assert ((correlations > leakage.CORRELATION).all(1) & unsure).sum() > 3 * leakage.NEAREST, "look like all tests"
    near = leakage.near_duplicates(ink_set(mine, "1" * 60), ink_set(theirs, "1" * 3))
    assert near[~unsure.numpy()].all()
    assert near[unsure.numpy()].sum() <= 3 * leakage.NEAREST
    assert set(correlations.argmax(0).tolist()) <= set(np.flatnonzero(near).tolist())


def test_a_copy_has_the_class_of_its_original_or_one_of_unknown_case() -> None:
    image = load("sample").images[:1]
    mine = ink_set(np.repeat(image, 4, axis=0), "Cc?0")
    assert leakage.near_duplicates(mine, ink_set(image, "C")).tolist() == [True, False, True, False]
    assert leakage.near_duplicates(mine, ink_set(image, "?")).tolist() == [True, True, True, False]


def test_within_one_collection_only_equal_pictures_are_copies() -> None:
    mine, theirs = bars(20, seed=0), bars(20, seed=0)
    theirs[:10] = bars(10, seed=1)
    alike = leakage.near_duplicates(ink_set(mine, "1" * 20, "emnist_part"), ink_set(theirs, "1" * 20, "emnist-byclass"))
    certain = leakage._signatures(mine) @ leakage._signatures(theirs).T > leakage.CERTAIN
    assert alike.tolist() == certain.any(1).tolist()
    assert alike[10:].all() and not alike[:10].all()


def test_removal_counts_and_leaves_drawn_trajectories_alone() -> None:
    sample, pens = load("sample"), load(PENS)
    test = sample.take(np.arange(100))
    (left, drawn), removed = leakage.remove([sample, pens], [test])
    assert removed == {"sample": len(sample) - len(left)}
    assert removed["sample"] >= 100
    assert len(drawn) == len(pens)


def test_classes_that_lost_samples_are_sampled_as_often_as_before() -> None:
    sample = load("sample").weighted(0.5)
    one = sample.labels == sample.labels[0]
    keep = ~one
    keep[np.flatnonzero(one)[: one.sum() // 4]] = True  # a quarter of that class stays
    left = sample.drop_and_reweight(keep)
    assert left.weights is not None
    now, before = (s.sampled_per_epoch for s in (left, sample))
    assert len(left) == keep.sum() and now == before
    np.testing.assert_allclose(left.weights[left.labels == sample.labels[0]].sum(), one.sum() / 2, rtol=1e-5)
    np.testing.assert_array_equal(left.weights[left.labels != sample.labels[0]], 0.5)


def test_a_class_of_which_next_to_nothing_is_left_is_not_learnt_by_heart() -> None:
    sample = load("sample")
    keep = sample.labels != sample.labels[0]
    keep[0] = True
    left = sample.drop_and_reweight(keep)
    assert left.weights is not None
    assert left.weights.max() == data.MAX_OVERSAMPLING
    assert sample.drop_and_reweight(np.ones(len(sample), bool)) is sample
