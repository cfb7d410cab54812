"""The origins of weights as config.json notes them: settings of this training and of earlier ones."""

from __future__ import annotations

from typing import Any

ORIGINS = ("data", "init", "teacher")  # settings that are names


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
