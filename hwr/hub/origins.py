"""What weights came of, as config.json notes it: settings of trainings, of this version, older ones or strangers."""

from __future__ import annotations

from typing import Any

ORIGINS = ("data", "init", "teacher")  # settings that are names


def listed(names: Any) -> list[str]:
    """Names as a list. Configs written before there could be several starts and teachers hold one, or an empty one."""
    several = names if isinstance(names, list | tuple) else [names]
    return [name for name in several if name and isinstance(name, str)]


def in_common(trainings: list[Any]) -> dict[str, Any]:
    """The settings that all share, and the origins of all; {} if none is noted as train.py does."""
    ours = [training for training in trainings if isinstance(training, dict)]
    if not ours:
        return {}
    shared = {key: value for key, value in ours[0].items() if all(other.get(key) == value for other in ours[1:])}
    named = {key: [name for training in ours for name in listed(training.get(key))] for key in ORIGINS}
    return shared | {key: list(dict.fromkeys(names)) for key, names in named.items()}
