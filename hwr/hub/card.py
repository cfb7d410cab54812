"""The model card, written from measured metrics: card.md filled in, with metadata that the Hub can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from hwr.config import LOWER, OTHER, UPPER, ModelConfig
from hwr.hub import origins

TEMPLATE = Path(__file__).with_name("card.md")
FOLDER, NAME = "path/to/this/folder", "hwr"  # placeholders in examples and metadata, until the repository has a name
LISTED = 200  # classes that are listed at most

DRAWN = "scribbles drawn at random and symbols of the Hershey fonts (A. V. Hershey, U. S. National Bureau of Standards)"
SETTINGS = (
    *("data", "test", "init", "finetune", "teacher", "epochs", "batch_size", "optimizer", "lr"),
    *("scheduler", "outliers", "mixup", "seed"),
)

SPECIAL = re.compile(  # what Markdown or HTML would read: markup; underscores, but not inside of words; links; lists
    r"""[\\`*\[\]<>&|~#$!:@"'{}^=]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.|\A(?:[-+]|\d(?=\d*[.)]))""", re.IGNORECASE
)
Rows = list[tuple[str, dict[str, Any]]]


def write(
    config: ModelConfig,
    notes: dict[str, Any],
    measured: dict[str, Any],
    *,
    repo: str = "",
    license: str = "",  # noqa: A002  the Hub's word for it
    onnx: bool = False,
    plots: Sequence[str] = (),
    reader: Mapping[str, Any] | None = None,
) -> str:
    """Return the card of a model directory as Markdown, from its config, training notes and metrics.

    ``repo`` is the "owner/name" that the examples load from. ``license`` is an identifier of the Hub; without one, here
    or in the notes, weights that come from freely licensed data alone get LICENSE, others none. ``onnx``: there is a
    model.standalone.onnx beside the card. ``plots``: names of pictures beside it. ``reader``: the settings of
    the line reader beside the model and, as "measured", what it reads of held-out lines.
    """
    chosen = license or str(notes.get("license", "")) or origins.default_license(notes)
    card = ModelCard.from_template(
        _metadata(config, notes, measured, chosen),
        template_str=TEMPLATE.read_text(encoding="utf-8"),
        folder=FOLDER,
        onnx=onnx,
        weights_license=inline(chosen) if chosen else "",
        plots=[(inline(Path(name).stem.replace("_", " ")), quote(name)) for name in plots],
        reader=_about_reader(reader) if reader else None,
        **_about_model(config),
        **_about_measurements(measured),
        **_about_training(notes),
    )
    return for_repository(str(card), repo) if repo else str(card)


def for_repository(text: str, repo: str) -> str:
    """Return a card whose examples load from "owner/name" on the Hub; all other text is kept.

    Raises ValueError for a name that the Hub would refuse.
    """
    validate_repo_id(repo)
    local = f'"{FOLDER}/model.standalone.onnx"'
    if local in text:
        text = text.replace(
            "import onnxruntime\n", "import onnxruntime\nfrom huggingface_hub import hf_hub_download\n", 1
        )
    text = text.replace(local, f'hf_hub_download("{repo}", "model.standalone.onnx")')
    text = text.replace(f"local-dir:{FOLDER}", f"hf-hub:{repo}").replace(FOLDER, repo)
    return text.replace(f"model-index:\n- name: {NAME}\n", f'model-index:\n- name: "{repo.rpartition("/")[2]}"\n', 1)


def inline(text: object) -> str:
    """Escape foreign text, such as names of folders, as one line without markup of Markdown or HTML."""
    line = "".join(c if c.isprintable() else " " for c in str(text)).strip()
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", line) or "(blank)"


def attribution(source: str) -> str:
    """Return licence and origin of a known source, or just the name of any other."""
    known = origins.known_set(source)
    return f"{inline(source)}: {origins.ATTRIBUTION[known]}" if known else inline(source)


# --- metadata ---


def _metadata(config: ModelConfig, notes: dict[str, Any], measured: dict[str, Any], license_id: str) -> ModelCardData:
    results = list(_results(measured))
    return ModelCardData(
        license=license_id or None,
        library_name="timm",
        pipeline_tag="image-classification",
        tags=["timm", "hwr", *(("handwriting", "handwriting-recognition", "ocr") if config.ink else ())],
        datasets=list(dict.fromkeys(filter(None, map(origins.on_hub, origins.sources(notes))))) or None,
        metrics=["accuracy"] if results else None,
        model_name=NAME,
        eval_results=results or None,
    )


def _results(measured: dict[str, Any]) -> Iterator[EvalResult]:
    """Return all figures. The Hub distinguishes data sets by type, split and config only; metric names say the rest."""
    for way, rows in (("Recognizer", _through(measured)), ("end of training", _trained(measured))):
        for name, found in rows:
            error = found["calibration_error"]
            yield _result(name, "accuracy", found["accuracy"], f"Accuracy, {name} ({way})")
            yield _result(name, "expected_calibration_error", error, f"Expected calibration error, {name} ({way})")
    for way, found in _rejections(measured):
        yield _result("outliers", "rejection_rate", found["rejected"], f"Rejected of kinds held out ({way})")
        for kind, share in found.get("by_kind", {}).items():
            yield _result("outliers", "rejection_rate", share, f"Rejected of {kind} ({way})")
        for name, share in found.get("accepted", {}).items():
            yield _result(name, "acceptance_rate", share, f"Accepted of {name} ({way})")


def _result(name: str, metric: str, value: float, described: str) -> EvalResult:
    """Return one figure. ``name`` up to a comma is the data set, as in "MNIST test, digits"."""
    hub = origins.HUB_SET.fullmatch(name)
    slug = re.sub(r"\W+", "_", name.split(",")[0].lower()).strip("_") or "unnamed"
    known = re.sub(r"_(train|test)$", "", slug)
    return EvalResult(
        task_type="image-classification",
        dataset_type=hub[1] if hub else origins.HUB.get(known, slug),
        dataset_name=hub[1] if hub else known.upper() if known in origins.HUB else slug.replace("_", " "),
        dataset_revision=hub[2] if hub else None,
        dataset_split=None if known not in origins.HUB else "train" if slug.endswith("_train") else "test",
        metric_type=metric,
        metric_value=round(value, 6),
        metric_name=re.sub(r"[<>\s]+", " ", described),
    )


# --- what the template says ---


def _about_model(config: ModelConfig) -> dict[str, Any]:
    characters = [label for label in config.labels if label != OTHER]
    between = " " if all(len(label) == 1 for label in characters) else ", "
    more = f" and {len(characters) - LISTED:,} more" if len(characters) > LISTED else ""
    return {
        "config": config,
        "architecture": inline(config.architecture),
        "size": config.image_size,
        "side": round(config.ink_fraction * config.image_size),
        "count": len(characters),
        "labels": between.join(map(inline, characters[:LISTED])) + more,
        "alphabets": {name: len(entries) for name, entries in config.alphabets().items()},
        "ambiguous": {*"0O1lI"} <= {*config.labels},
        "cased": any(u in config.labels and low in config.labels for u, low in zip(UPPER, LOWER, strict=True)),
        "other": inline(OTHER) if OTHER in config.labels else "",
    }


def _about_reader(reader: Mapping[str, Any]) -> dict[str, Any]:
    sources = origins.listed(reader.get("training", {}).get("data"))
    known = dict.fromkeys(origins.ATTRIBUTION[key] for key in map(origins.known_set, sources) if key)
    named = ", ".join(map(inline, sources))
    return {
        "characters": len(reader["characters"]),
        "height": reader["height"],
        "measured": reader.get("measured"),
        "data": f"{named}: {'; '.join(known)}" if known else named or "data that is not recorded",
    }


def _about_measurements(measured: dict[str, Any]) -> dict[str, Any]:
    recognizer = measured.get("recognizer", {})
    versions = [f"{name} {version}" for name, version in recognizer.get("versions", {}).items()]
    return {
        "through": [(inline(name), found) for name, found in _through(measured)],
        "trained": [(inline(name), found) for name, found in _trained(measured)],
        "command": inline(recognizer.get("command", "")),
        "conditions": inline(", ".join([*versions, recognizer.get("machine", "")])),
        "validated": bool(measured.get("validation")),
        "rejections": [
            (way, found, _shares(found, "by_kind"), _shares(found, "accepted")) for way, found in _rejections(measured)
        ],
        "removed": {inline(name): n for name, n in measured.get("near_duplicates_removed", {}).items()},
    }


def _through(measured: dict[str, Any]) -> Rows:
    return list(measured.get("recognizer", {}).get("results", {}).items())


def _trained(measured: dict[str, Any]) -> Rows:
    validation = {"validation": measured["validation"]} if measured.get("validation") else {}
    return list((validation | measured.get("test", {})).items())


def _rejections(measured: dict[str, Any]) -> Rows:
    found = [("Recognizer", measured.get("recognizer", {})), ("end of training", measured)]
    return [(way, figures["rejection"]) for way, figures in found if figures.get("rejection")]


def _shares(found: dict[str, Any], key: str) -> str:
    return ", ".join(f"{inline(name)} {share:.1%}" for name, share in found.get(key, {}).items())


def _about_training(notes: dict[str, Any]) -> dict[str, Any]:
    training = notes.get("training", {})
    sources = origins.sources(notes)
    hands = [f"{inline(source)}: {origins.HANDS[origins.known_set(source)]}" for source in sources]
    return {
        "flags": _flags(training),
        "before": _flags(notes.get("started_from", {})),
        "degrees": training.get("degrees"),
        "compared": training.get("dedupe", True),
        "held_out": ", ".join(f"{len(ids)} of {inline(name)}" for name, ids in notes.get("held_out", {}).items()),
        "hands": hands or ["not recorded"],
        "data": [*map(attribution, sources or ["not recorded"]), *([DRAWN] if training.get("outliers") else [])],
    }


def _flags(training: dict[str, Any]) -> str:
    """Return the most informative settings, as flags of train.py."""
    values = {name: training[name] for name in SETTINGS if training.get(name) not in (None, "", [], ())}
    words = {name: value if isinstance(value, (list, tuple)) else [value] for name, value in values.items()}
    return " ".join(f"--{name.replace('_', '-')} {' '.join(map(inline, value))}" for name, value in words.items())
