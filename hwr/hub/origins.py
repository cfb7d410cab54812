"""The origins of weights: known data sets with their licences, and what config.json notes of trainings."""

from __future__ import annotations

import re
from typing import Any

ORIGINS = ("data", "init", "teacher")  # settings that are names
ATTRIBUTION = {
    "mnist": "MNIST (LeCun, Cortes and Burges), CC BY-SA 3.0",
    "emnist": "EMNIST (Cohen, Afshar, Tapson and van Schaik 2017), from NIST Special Database 19, public domain",
    "sample": "a sample of EMNIST (Cohen et al. 2017), from NIST Special Database 19, public domain",
    "unipen": "UNIPEN train_r01_v07 (Guyon et al. 1994), Zenodo record 1195803, CC BY 4.0; the README of its "
    "original CD speaks of research use",
    "pendigits": "Pen-Based Recognition of Handwritten Digits (Alpaydin and Alimoglu 1996), UCI, CC BY 4.0",
    "usps": "USPS (Hull 1994)",
    "qmnist": "QMNIST (Yadav and Bottou 2019), BSD",
    "kmnist": "KMNIST (Clanuwat et al. 2018), CC BY-SA 4.0",
    "svhn": "SVHN (Netzer et al. 2011), non-commercial use",
    "cifar10": "CIFAR-10 (Krizhevsky 2009)",
}
LICENSE = "apache-2.0"  # of weights that come from these data sets alone, whose licences allow any use:
FREE = frozenset({"mnist", "emnist", "sample", "unipen", "pendigits", "qmnist", "kmnist"})
NIST = "employees of the U. S. Census Bureau and high-school students, early 1990s"
HANDS: dict[str | None, str] = {
    **dict.fromkeys(("mnist", "emnist", "sample", "qmnist"), NIST),
    "unipen": "volunteers of several, mostly Western institutions and countries, early 1990s",
    "pendigits": "44 writers, on a tablet",
    "usps": "digits on envelopes of the U. S. mail",
    "kmnist": "characters from old Japanese books",
    "svhn": "no hands: house numbers in photos of streets",
    "cifar10": "no hands: photos of animals and vehicles",
    None: "not known to this card",
}
HUB_SET = re.compile(r"(?:hf://datasets/)?([\w.-]+/[\w.-]+)(?:@([\w.-]+))?(?:/.*)?", re.ASCII)
HUB = {"mnist": "ylecun/mnist", "svhn": "ufldl-stanford/svhn", "cifar10": "uoft-cs/cifar10", "usps": "flwrlabs/usps"}
BUNDLED = ("mnist", "emnist", "unipen")  # what hwr/weights was trained on, for those who start from it


def listed(names: Any) -> list[str]:
    """Return names as a list. Older configs hold a single name, or an empty one."""
    several = names if isinstance(names, list | tuple) else [names]
    return [name for name in several if name and isinstance(name, str)]


def in_common(trainings: list[Any]) -> dict[str, Any]:
    """Return the settings that all trainings share, and the origins of all; {} if nothing is noted."""
    ours = [training for training in trainings if isinstance(training, dict)]
    if not ours:
        return {}
    shared = {key: value for key, value in ours[0].items() if all(other.get(key) == value for other in ours[1:])}
    named = {key: [name for training in ours for name in listed(training.get(key))] for key in ORIGINS}
    return shared | {key: list(dict.fromkeys(names)) for key, names in named.items()}


def on_hub(source: str) -> str | None:
    """Return the repository of a data set on the Hub; None if it is not there."""
    hub = HUB_SET.fullmatch(source)
    return hub[1] if hub else HUB.get(source)


def default_license(notes: dict[str, Any]) -> str:
    """Return LICENSE, or "" if weights or data have an unknown or restrictive licence."""
    training = notes.get("training", {})
    starts, teachers = ({*listed(training.get(key))} for key in ("init", "teacher"))
    ours = starts <= {"scratch", "bundled"} and teachers <= {"bundled"}
    known = [known_set(source) for source in sources(notes)]
    return LICENSE if ours and known and FREE.issuperset(known) else ""


def sources(notes: dict[str, Any]) -> list[str]:
    """Return all data behind the weights: of this training, its start and its teachers."""
    training, before = notes.get("training", {}), notes.get("started_from", {})
    named = in_common([training, before])
    shipped = BUNDLED if "bundled" in (*named["init"], *named["teacher"]) else ()
    return [*named["data"], *(key for key in shipped if key not in map(known_set, named["data"]))]


def known_set(source: str) -> str | None:
    """Return the key of ATTRIBUTION for a source's name: emnist-byclass and emnist_part.npz are EMNIST's."""
    name = source.lower().removesuffix(".npz")
    family = re.split("[-_]", name)[0]
    return next((key for key in (name, family) if key in ATTRIBUTION and (key != "sample" or key == name)), None)
