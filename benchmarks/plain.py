"""A page as a tutorial would have it: torch, timm and Gradio, a sketchpad, and the bare network of the bundled model.

    GRADIO_SERVER_PORT=7861 python -m benchmarks.plain

Nothing is cropped to the ink, checked or fused: it is there to compare the start and the memory of app.py with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import timm
import torch
from PIL import Image

WEIGHTS = Path(__file__).parents[1] / "hwr" / "weights"


def build() -> gr.Blocks:
    """The page, not yet launched."""
    network = timm.create_model(f"local-dir:{WEIGHTS}", pretrained=True).eval()
    page = gr.Blocks(analytics_enabled=False)
    with page:
        pad, answer = gr.Sketchpad(), gr.Label()
        pad.change(lambda sketch: predict(network, sketch), pad, answer, api_name="predict")
    return page


def predict(network: Any, sketch: dict[str, Any]) -> dict[str, float]:
    """What the network says of the whole pad, scaled to its size."""
    config = network.pretrained_cfg
    small = Image.fromarray(sketch["composite"]).convert("L").resize(config["input_size"][:0:-1])
    ink = 1 - np.asarray(small, np.float32) / 255
    with torch.inference_mode():
        found = network(torch.from_numpy((ink - config["mean"][0]) / config["std"][0])[None, None])[0].softmax(0)
    return dict(zip(config["label_names"], found.tolist(), strict=True))


if __name__ == "__main__":
    build().launch(ssr_mode=False)
