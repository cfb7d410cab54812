"""The line network: a timm ResNet over the whole line, a bidirectional LSTM over its columns, CTC classes.

After CRNN (Shi, Bai and Yao, 2015, "An End-to-End Trainable Neural Network for Image-based Sequence Recognition").
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import nn

from hwr.config import UserError
from hwr.reading.config import BLANK, STRIDE, LineConfig

STAGE = 3  # the stage of the ResNet whose feature map becomes the columns


class LineNetwork(nn.Module):
    """Turn lines into CTC logits.

    Takes normalised pixels, float32 (N, 1, height, W), W a multiple of 8, and returns logits, float32 (N, T, classes)
    with T = W / 8 * frames_per_column. Lines narrower than W are padded on the right.
    """

    def __init__(self, config: LineConfig, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.body = timm.create_model(
            config.architecture, features_only=True, out_indices=(STAGE,), **config.model_args
        )
        info: Any = self.body.feature_info
        channels = info.channels()[-1]
        self.columns = nn.Sequential(
            nn.Conv2d(channels, config.column_channels, (config.height // STRIDE, 1), bias=False),
            nn.BatchNorm2d(config.column_channels),
            nn.ReLU(inplace=True),
        )
        self.lstm = nn.LSTM(
            config.column_channels,
            config.lstm_size,
            config.lstm_layers,
            batch_first=True,
            bidirectional=True,
            dropout=drop_rate if config.lstm_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(drop_rate)
        self.head = nn.Linear(2 * config.lstm_size, config.frames_per_column * config.classes)
        self.classes = config.classes

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return logits (N, T, classes) of lines (N, 1, height, W)."""
        features = self.columns(self.body(pixels)[0]).squeeze(2).transpose(1, 2)
        logits: torch.Tensor = self.head(self.dropout(self._sequence(features)))
        return logits.reshape(logits.shape[0], -1, self.classes)

    def _sequence(self, features: torch.Tensor) -> torch.Tensor:
        """What the LSTM makes of features (N, T, D); in float32, since in bfloat16 it fails on some processors."""
        if not torch.is_autocast_enabled(features.device.type):
            return self.lstm(features)[0]  # type: ignore[no-any-return]
        with torch.autocast(features.device.type, enabled=False):
            return self.lstm(features.float())[0]  # type: ignore[no-any-return]


def build(config: LineConfig, drop_rate: float = 0.0) -> LineNetwork:
    """Return the network of a config with random weights. Raises UserError for one that cannot be built."""
    try:
        network = LineNetwork(config, drop_rate)
    except Exception as error:  # timm and torch raise whatever they stumble over
        raise UserError(f"the line network cannot be built from its config: {str(error)[:200]}") from None
    with torch.no_grad():  # the blank is the likeliest class of most frames: training need not find that out
        network.head.bias.view(config.frames_per_column, config.classes)[:, BLANK] = 1.0
    return network


def load_body(network: LineNetwork, characters: dict[str, Any]) -> list[str]:
    """Copy the weights of a character model into the columns, and return the names of those that did not fit.

    ``characters`` is the state of a timm ResNet; its classifier and later stages are left out.
    """
    wanted = network.body.state_dict()
    fitting = {k: characters[k] for k in wanted if k in characters and characters[k].shape == wanted[k].shape}
    network.body.load_state_dict(fitting, strict=False)
    return sorted(wanted.keys() - fitting.keys())
