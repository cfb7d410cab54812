"""Check a configuration before any data is read, which may take minutes."""

from __future__ import annotations

from dataclasses import replace

from hwr.data import sources
from hwr.model import verify
from hwr.model.resnet import build
from hwr.training import checkpoint, optim, start
from hwr.training.options import LBFGS, TrainConfig

ANY_TWO = ("0", "1")  # classes of a network that is built for the check alone


def before_reading(config: TrainConfig, begun: start.Start) -> None:
    """Raise UserError if training would fail whatever the data holds.

    The sources, the teachers and the checkpoint to resume from must exist; the network, the optimizer and its schedule
    must be possible.
    """
    for name in (*config.data, *config.test):
        sources.require(name, config.data_dir)
    if config.init == ("imagenet",):
        start.require_pretrained(begun.config)
    model = build(replace(begun.config, labels=ANY_TWO), drop_rate=config.drop_rate, drop_path_rate=config.drop_path)
    if config.optimizer != LBFGS:
        optim.schedule(optim.optimizer(model, config), config, steps=1)
        if config.resume:
            checkpoint.require(config.out)
    for name in config.teacher:
        verify.read_config(start.folder_of(name))
