"""hub_data.py: datasets of a loopback Hub, read by one process that is asked for one source after another."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hub_server import Hub, status
from PIL import Image

from hwr.config import UserError
from hwr.data import hub_data, hub_files, sources

ROOT = Path(__file__).parents[2]
READER = """
import json, sys
from pathlib import Path
from hwr.data import sources
from hwr.config import UserError
for line in sys.stdin:
    try:
        source = sources.read(*json.loads(line), Path("unused"))
        pictures = [source.picture(i) for i in range(len(source))]
        said = {"name": source.name, "labels": [source.targets[i][0] for i in source.labels],
                "corners": [p.convert("L").getpixel((0, 0)) for p in pictures], "ink": source.ink(0) is not None}
    except UserError as error:
        said = {"error": str(error), "status": error.exit_status}
    print(json.dumps(said), flush=True)
"""
Ask = Callable[..., dict[str, Any]]


def png(paper: int = 255) -> bytes:
    """A stroke on paper whose grey tells pictures apart."""
    picture = np.full((40, 40), paper, np.uint8)
    picture[8:32, 18:22] = 0
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def parquet(
    labels: Any, images: list[bytes | None] | None = None, features: Any = None, rows: int | None = None, **columns: Any
) -> bytes:
    """As `datasets` writes it: pictures as a struct, names of classes in the schema's metadata."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pictures = images or [png(255 - i) for i in range(len(labels))]
    struct = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    image = pa.array([{"bytes": picture, "path": None} for picture in pictures], struct)
    table = pa.table(columns or {"image": image, "label": labels})
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file = io.BytesIO()
    pq.write_table(table.slice(0, rows), file)
    return file.getvalue()


def readme(names: dict[str, str], **more: str) -> bytes:
    kind = {"class_label": {"names": names}}
    info = {"features": [{"name": "image", "dtype": "image"}, {"name": "label", "dtype": kind}], **more}
    return f"---\ndataset_info: {json.dumps(info)}\n---\n# A dataset\n".encode()  # JSON is YAML too


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="module")
def ask(hub: Hub) -> Iterator[Ask]:
    """What a source holds, or the error instead."""
    with subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-c", READER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=hub.env(),
        text=True,
    ) as reader:
        assert reader.stdin and reader.stdout

        def answer(name: str, split: str = "train") -> dict[str, Any]:
            print(json.dumps([f"hf://datasets/{name}", split]), file=reader.stdin, flush=True)
            found: dict[str, Any] = json.loads(reader.stdout.readline())  # type: ignore[union-attr]
            return found

        yield answer
        reader.stdin.close()


def dataset(hub: Hub, repo: str, files: Mapping[str, bytes | None]) -> str:
    if ("datasets", repo) not in hub.repos:
        hub.create(repo, repo_type="dataset")
    return hub.commit(repo, dict(files), repo_type="dataset")


def test_class_folders_are_read_by_split_and_nothing_else_is_fetched(hub: Hub, ask: Ask) -> None:
    files = {"train/A/1.png": png(255), "train/b/2.PNG": png(254), "test/A/test_3.png": png(253)}
    commit = dataset(
        hub, "owner/folders", files | {"load.py": b"raise SystemExit", "data.pkl": b"x", "docs/a.png": png()}
    )
    train, test = ask("owner/folders"), ask("owner/folders", "test")
    assert train == {"name": f"owner/folders@{commit[:7]}", "labels": ["A", "b"], "corners": [255, 254], "ink": True}
    assert (test["labels"], test["corners"]) == (["A"], [253])
    fetched = {r.path.rpartition("/")[2] for r in hub.log if "folders" in r.path and "/resolve/" in r.path}
    assert fetched == {"1.png", "2.PNG", "test_3.png"}


def test_without_splits_everything_is_either(hub: Hub, ask: Ask) -> None:
    dataset(hub, "owner/plain", {"A/test.png": png(), "B/2.png": png(), "figure.png": png()})
    assert ask("owner/plain")["labels"] == ask("owner/plain", "test")["labels"] == ["A", "B"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_metadata_name_the_classes_of_pictures(hub: Hub, ask: Ask, form: str) -> None:
    rows = [("train/a.png", "7"), ("./train/b.png", "?"), ("test/c.png", "8")]
    described = {
        "csv": "file_name,label,when\n" + "".join(f"{file},{label},now\n" for file, label in rows),
        "jsonl": "".join(json.dumps({"file_name": file, "label": label}) + "\n" for file, label in rows),
    }[form]
    files = {"train/a.png": png(255), "train/b.png": png(254), "test/c.png": png(253)}
    dataset(hub, f"owner/{form}", files | {f"metadata.{form}": described.encode()})
    assert (ask(f"owner/{form}")["labels"], ask(f"owner/{form}")["corners"]) == (["7", "?"], [255, 254])
    assert ask(f"owner/{form}", "test")["labels"] == ["8"]


def test_parquet_has_the_names_of_its_schema_and_of_the_readme(hub: Hub, ask: Ask) -> None:
    features = {"label": {"names": ["zero", "A"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    files = {
        "data/train-00000-of-00002.parquet": parquet([1, 0], [png(255), png(254)], features),
        "data/train-00001-of-00002.parquet": parquet(["C"], [png(253)]),
        "data/test-00000-of-00001.parquet": parquet([1]),
        "data/validation-00000-of-00001.parquet": parquet(["never"]),
        "README.md": readme({"0": "first", "1": "second"}),
    }
    dataset(hub, "owner/tables", files)
    train, test = ask("owner/tables"), ask("owner/tables", "test")
    assert (train["labels"], train["corners"]) == (["A", "zero", "C"], [255, 254, 253])
    assert train["ink"]
    assert test["labels"] == ["second"], "the schema has none: the README's"


def test_long_tables_keep_rows_and_labels_together(hub: Hub, ask: Ask) -> None:
    count = 2 * hub_data.ROWS + 7
    few = [png(255 - i) for i in range(5)]
    columns: dict[str, Any] = {
        "picture": [few[i % 5] for i in range(count)],
        "character": [str(i % 5) for i in range(count)],
    }
    dataset(hub, "owner/long", {"all.parquet": parquet([], **columns)})
    found = ask("owner/long")
    assert found["labels"] == [str(i % 5) for i in range(count)]
    assert found["corners"] == [255 - i % 5 for i in range(count)], "a plain binary column of another name"


def test_one_of_several_datasets_in_a_repository_is_named_by_its_folder(hub: Hub, ask: Ask) -> None:
    files = {f"{part}/{split}-0.parquet": parquet([part]) for part in ("big", "small") for split in ("train", "test")}
    dataset(hub, "owner/several", files)
    assert "big, small" in ask("owner/several")["error"]
    assert ask("owner/several@main/small", "test")["labels"] == ["small"]


def test_a_revision_stays_what_it_was_and_a_copy_serves_without_the_hub(hub: Hub, ask: Ask) -> None:
    first = dataset(hub, "owner/moving", {"A/1.png": png()})
    assert ask("owner/moving")["labels"] == ["A"]
    second = dataset(hub, "owner/moving", {"B/1.png": png(), "A/1.png": None})
    dataset(hub, "owner/new", {"B/1.png": png()})
    assert ask("owner/moving")["labels"] == ["B"]
    try:
        hub.go_offline()
        assert ask("owner/moving")["name"] == f"owner/moving@{second[:7]}"
        assert ask(f"owner/moving@{first}")["labels"] == ["A"]
        missing = ask("owner/new")
    finally:
        hub.come_back()
    assert "owner/new" in missing["error"] and missing["status"] == 75
    assert ask(f"owner/moving@{first}")["labels"] == ["A"], "pinned"
    assert "no such revision" in ask("owner/moving@elsewhere")["error"]


def test_half_a_copy_does_not_pass_for_a_whole_one(hub: Hub, ask: Ask) -> None:
    commit = dataset(hub, "owner/half", {"A/1.png": png(), "B/2.png": png(), "README.md": b"# Half"})
    hub.fail("*", r"half/resolve/.*2\.png", status(403), times=9)
    assert "may not do this" in ask(f"owner/half@{commit}")["error"]
    hub.heal()
    assert ask(f"owner/half@{commit}")["labels"] == ["A", "B"]


@pytest.mark.parametrize(
    ("files", "split", "words"),
    [
        ({"load.py": b"print()", "data.pkl": b"x", "figure.png": png()}, "train", ["no pictures", "never run"]),
        ({"../A/1.png": png()}, "train", ["outside", "../A/1.png"]),
        ({"train/A/1.png": png(), "val/A/1.png": png()}, "test", ["no test split", "train, validation"]),
        ({"A/bad.png": b"no picture"}, "train", ["A/bad.png", "damaged"]),
        ({"A/cut.png": png()[:60]}, "train", ["A/cut.png", "damaged"]),
        ({"A/eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"}, "train", ["A/eps.png"]),
        ({"a.png": png(), "metadata.csv": b"file,label\na.png,A\n"}, "train", ["metadata.csv, row 1", "file_name"]),
        ({"a.png": png(), "metadata.csv": b"file_name,label\n../a.png,A\n"}, "train", ["row 1", "../a.png"]),
        ({"a.png": png(), "metadata.csv": b"file_name,label\na.png,\n"}, "train", ["row 1", "label ''"]),
        ({"a.png": png(), "metadata.csv": b"file_name,label\n"}, "train", ["metadata.csv", "no pictures"]),
        ({"a.png": png(), "metadata.jsonl": b"{"}, "train", ["metadata.jsonl", "cannot be read"]),
        ({"a.png": png(), "metadata.jsonl": b'{"file_name": "a.png", "label": [1]}'}, "train", ["[1]", "list"]),
    ],
)
def test_what_is_wrong_with_folders_is_named(
    hub: Hub, ask: Ask, files: dict[str, bytes], split: str, words: list[str]
) -> None:
    repo = f"owner/wrong{len(hub.repos)}"
    dataset(hub, repo, files)
    said = ask(repo, split)["error"]
    assert repo in said and "\n" not in said
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (lambda: b"PAR1 cut off", ["cannot be read as parquet"]),
        (lambda: parquet(["A"])[:-9], ["cannot be read as parquet"]),
        (lambda: parquet(["A", "B"], [png(), b"no picture"]), ["row 2", "damaged"]),
        (lambda: parquet(["A"], [None]), ["row 1", "damaged"]),
        (lambda: parquet([], image=[png()], name=["A"]), ["no column of labels", "image, name"]),
        (lambda: parquet([], text=["A"], label=["A"]), ["no column of encoded pictures", "text, label"]),
        (lambda: parquet([3]), ["row 1", "label 3", "dataset_info"]),
        (lambda: parquet([0, -1], features={"label": {"names": ["A"]}}), ["row 2", "label -1", "0 to 0"]),
        (lambda: parquet(["A", None]), ["row 2", "label None"]),
        (lambda: parquet([0.5]), ["label is double"]),
        (lambda: parquet([True]), ["label is bool"]),
        (lambda: parquet(["A"], rows=0), ["no rows"]),
    ],
)
def test_what_is_wrong_with_tables_is_named(hub: Hub, ask: Ask, table: Callable[[], bytes], words: list[str]) -> None:
    repo = f"owner/wrong{len(hub.repos)}"
    dataset(hub, repo, {"data/train-00000-of-00001.parquet": table()})
    said = ask(repo)["error"]
    assert repo in said and "\n" not in said
    for word in words:
        assert word in said


def test_a_missing_repository_is_named(ask: Ask) -> None:
    assert "no such repository" in ask("owner/nowhere")["error"]


@pytest.mark.parametrize(
    "name", ["", "owner", "owner/", "owner/a@", "owner/..", "owner/a@../b", "owner/a/../b", "ow ner/a"]
)
def test_bad_names_are_refused_before_anything_is_asked(name: str) -> None:
    with pytest.raises(UserError, match="not a valid name of a"):
        sources.read(f"hf://datasets/{name}", "train", Path("unused"))


def test_names_may_carry_a_revision_and_a_folder() -> None:
    parse = hub_files.parse
    assert parse("hf://datasets/owner/a") == ("owner/a", "main", "")
    assert parse("hf://datasets/owner/a@v1.0/sub/folder/") == ("owner/a", "v1.0", "sub/folder/")
    assert parse("hf://datasets/owner/a@refs/convert/parquet/x") == ("owner/a", "refs/convert/parquet", "x/")


def test_too_much_is_refused_before_it_is_fetched() -> None:
    files = {f"A/{i}.png": SimpleNamespace(size=hub_files.MAX_BYTES // 2 + 1) for i in range(2)}
    with pytest.raises(UserError, match=r"owner/a: .* 20\.0 GB, more than 20 GB"):
        hub_files.select("owner/a", files, "train")


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match="pip install pyarrow"):
        hub_files.select("owner/a", {"train.parquet": SimpleNamespace(size=1)}, "train")


def test_the_hubs_test_split_has_to_be_asked_for() -> None:
    assert not sources.brings_test("hf://datasets/owner/a")
