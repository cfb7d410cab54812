"""The model card, written from measured metrics."""

from __future__ import annotations

from typing import Any

from hwr.config import OTHER, ModelConfig

ATTRIBUTION = {
    "mnist": "MNIST (LeCun, Cortes and Burges), CC BY-SA 3.0",
    "emnist": "EMNIST (Cohen, Afshar, Tapson and van Schaik 2017), from NIST Special Database 19, public domain",
    "sample": "a sample of EMNIST (Cohen et al. 2017), from NIST Special Database 19, public domain",
    "unipen": "UNIPEN train_r01_v07 (Guyon et al. 1994), Zenodo record 1195803, CC BY 4.0",
    "pendigits": "Pen-Based Recognition of Handwritten Digits (Alpaydin and Alimoglu 1996), UCI, CC BY 4.0",
    "usps": "USPS (Hull 1994)",
    "qmnist": "QMNIST (Yadav and Bottou 2019), BSD",
    "kmnist": "KMNIST (Clanuwat et al. 2018), CC BY-SA 4.0",
    "svhn": "SVHN (Netzer et al. 2011), non-commercial use",
    "cifar10": "CIFAR-10 (Krizhevsky 2009)",
}

TEMPLATE = """\
---
library_name: timm
pipeline_tag: image-classification
tags:
- handwriting
- ocr
---
# A handwriting recogniser

A `{architecture}` of timm with a 1-channel stem, {size} x {size} pixels, {count} classes: {labels}.
{other}
```python
from hwr import Recognizer

recognizer = Recognizer.from_pretrained("path/to/this/folder")
recognizer.top_k("picture.png", k=5)
```

{seen} `timm.create_model("local-dir:path/to/this/folder", pretrained=True)` loads
the network alone.

## Measured

Accuracy among the classes that each test set has; 95 % intervals (Wilson); expected calibration error in 15 bins.
{removed}
| set | n | accuracy | interval | calibration error |
|---|---:|---:|---|---:|
{rows}
{rejection}
## Limits

One isolated character a picture, upright within some 15 degrees. Size is normalised, so letters whose capital and
small form differ in size alone (C and c, O and o, S and s, ...) cannot be told apart. Hands that differ from those in
the training data below, children's and other schools' above all, are read less well.

## Training data

{data}
"""


INK = """Pictures are cropped to the ink, scaled to {share:.0%} of the side and centred, white on black, before the
network sees them; `hwr.image` does that."""
OTHERS = f"""One class more, `{OTHER}`, is what is no character: `Recognizer` never answers it, and is unsure instead.
"""
DRAWN = (
    "- scribbles drawn at random and symbols of the Hershey fonts (A. V. Hershey, U. S. National Bureau of Standards)"
)
PLAIN = "Pictures are plain: the middle square, in grey, scaled; `hwr.image` does that."


def write(config: ModelConfig, notes: dict[str, Any], measured: dict[str, Any]) -> str:
    """The card of a model directory as Markdown, from its config, training notes and metrics."""
    sets = {k: measured[k] for k in ("validation",) if k in measured} | measured["test"]
    removed = [
        f"{n:,} near-duplicates of {name} were removed from training."
        for name, n in measured["near_duplicates_removed"].items()
    ]
    training = notes["training"]
    drawn = [DRAWN] if training.get("outliers") else []
    characters = [label for label in config.labels if label != OTHER]
    return TEMPLATE.format(
        architecture=config.architecture,
        size=config.image_size,
        seen=INK.format(share=config.ink_fraction) if config.ink else PLAIN,
        count=len(characters),
        labels=" ".join(characters),
        other=OTHERS if OTHER in config.labels else "",
        rejection=_rejection(measured),
        removed="\n".join(removed) + "\n" if removed else "",
        rows="\n".join(_row(name, result) for name, result in sets.items()),
        data="\n".join([*(f"- {attribution(source)}" for source in training["data"]), *drawn]),
    )


def _rejection(measured: dict[str, Any]) -> str:
    if "rejection" not in measured:
        return ""
    found = measured["rejection"]
    return (
        f"\nAt the threshold that accepts 99 % of validation, {found['rejected']:.1%} of {found['n']:,} scribbles and "
        "symbols of kinds that were not trained on are rejected.\n"
    )


def _row(name: str, result: dict[str, float]) -> str:
    interval = f"{result['accuracy_low']:.2%} to {result['accuracy_high']:.2%}"
    return f"| {name} | {result['n']:,} | {result['accuracy']:.2%} | {interval} | {result['calibration_error']:.2%} |"


def attribution(source: str) -> str:
    """Licence and origin of a known source; the name alone of any other."""
    known = next((text for key, text in ATTRIBUTION.items() if source.lower().startswith(key)), None)
    return f"`{source}`: {known}" if known else f"`{source}`"
