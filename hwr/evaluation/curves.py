"""Learning curves of a training as a picture for the model card."""

from __future__ import annotations

import io
import math
import statistics
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

SIZE, DPI = (12.0, 5.0), 100  # inches and pixels per inch: 1200 x 500 pixels
TRAINING, VALIDATION, QUIET = "#0072B2", "#D55E00", "#595959"  # Okabe and Ito's blue and vermilion; a grey that reads
MANY = 40  # epochs; with more, markers would hide the curve
TITLE = 110  # characters that fit

History = Sequence[Mapping[str, float | None]]


def learning_curves(history: History, title: str) -> bytes:
    """Return a PNG of 1200 x 500 pixels: loss, learning rate and accuracy per epoch, with the best epoch marked.

    ``history`` has one dictionary an epoch, of ``epoch``, ``loss``, ``accuracy``, ``lr``, ``val_loss``,
    ``val_accuracy`` and ``images_per_s``. Whatever is missing, None or not finite is left out of the picture.
    """
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    rows: list[Any] = [["loss", "accuracy"], ["lr", "accuracy"]] if _has(history, "lr") else [["loss", "accuracy"]]
    axes = figure.subplot_mosaic(rows, height_ratios=[4, 1][: len(rows)])
    for panel in axes.values():
        _prepare(panel, history)
    _draw_pair(axes["loss"], history, "loss")
    _draw_pair(axes["accuracy"], history, "accuracy")
    _finish_accuracy(axes["accuracy"], history)
    if "lr" in axes:
        _draw_rate(axes["lr"], axes["loss"], history)
    figure.suptitle(textwrap.shorten(title, TITLE, placeholder=" ..."), fontsize=13, parse_math=False)
    figure.supxlabel(_caption(history), x=0.99, ha="right", fontsize=9, color=QUIET)
    return png(figure)


def best_epoch(history: History) -> int | None:
    """Return the index in ``history`` of the best validation accuracy, ties broken by loss; None without any."""

    def score(position: int) -> tuple[float, float]:
        loss = _value(history[position], "val_loss")
        return _value(history[position], "val_accuracy"), -math.inf if math.isnan(loss) else -loss

    measured = [i for i, line in enumerate(history) if not math.isnan(_value(line, "val_accuracy"))]
    return max(measured, key=score) if measured else None


def _value(line: Mapping[str, float | None], name: str) -> float:
    """Return NaN for missing values: matplotlib leaves a gap there."""
    value = line.get(name)
    return value if value is not None and math.isfinite(value) else math.nan


def _values(history: History, name: str) -> list[float]:
    return [_value(line, name) for line in history]


def _has(history: History, name: str) -> bool:
    return not all(map(math.isnan, _values(history, name)))


def _epochs(history: History) -> list[float]:
    return [line.get("epoch") or number for number, line in enumerate(history, 1)]


def _prepare(panel: Axes, history: History) -> None:
    """Set up a panel: whole epochs on its axis, a faint grid, no frame."""
    first, last = min(_epochs(history), default=1), max(_epochs(history), default=1)
    margin = max(0.5, 0.02 * (last - first))
    panel.set_xlim(first - margin, last + margin)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
    panel.set_xlabel("epoch")
    panel.grid(color="#E5E5E5", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _draw_pair(panel: Axes, history: History, name: str) -> None:
    """Draw training dashed with circles and validation solid with squares, distinct without colour too."""
    panel.set_title(name, loc="left", fontsize=11)
    styles: list[tuple[str, str, dict[str, Any]]] = [
        (name, "training", {"color": TRAINING, "linestyle": "--", "marker": "o"}),
        (f"val_{name}", "validation", {"color": VALIDATION, "linestyle": "-", "marker": "s"}),
    ]
    for key, label, style in styles:
        if _has(history, key):
            marked = style if len(history) <= MANY else style | {"marker": ""}
            panel.plot(_epochs(history), _values(history, key), label=label, linewidth=1.8, markersize=4.5, **marked)
    if panel.lines:
        panel.legend(frameon=False, loc="best")
    if len(history) == 1:
        panel.margins(y=0.5)  # otherwise two points far apart lie on the frame


def _finish_accuracy(panel: Axes, history: History) -> None:
    panel.yaxis.set_major_formatter(PercentFormatter(1.0))
    low, high = panel.get_ylim()
    panel.set_ylim(max(low, -0.02), min(high, 1.02))
    best = best_epoch(history)
    if best is not None:
        _mark(panel, _epochs(history)[best], _value(history[best], "val_accuracy"))


def _mark(panel: Axes, epoch: float, accuracy: float) -> None:
    """Mark the best epoch: a ring, a line down to the axis, and its figures beside the title."""
    panel.axvline(epoch, color=VALIDATION, linewidth=0.8, linestyle=":")
    panel.plot([epoch], [accuracy], "o", markersize=11, markerfacecolor="none", markeredgecolor=VALIDATION)
    text = f"best on validation: {accuracy:.2%}, epoch {epoch:g}"
    panel.set_title(text, loc="right", fontsize=10, color=VALIDATION)


def _draw_rate(panel: Axes, above: Axes, history: History) -> None:
    """Draw the learning rate in a strip under the loss."""
    above.set_xlabel("")
    above.tick_params(labelbottom=False)
    style: dict[str, Any] = {"marker": "."} if len(history) <= MANY else {}
    panel.plot(_epochs(history), _values(history, "lr"), color=QUIET, linewidth=1.2, **style)
    panel.set_title("learning rate", loc="left", fontsize=9, color=QUIET)
    panel.yaxis.set_major_locator(MaxNLocator(2))
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_formatter("{x:g}")


def _caption(history: History) -> str:
    """Return the caption with the median speed: the first epoch warms up, and single epochs may be slowed down."""
    speeds = [speed for speed in _values(history, "images_per_s") if not math.isnan(speed)]
    return f"{statistics.median(speeds):,.0f} images/s" if speeds else ""


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG, reproducible to the byte: without date and version."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a folder named in Chinese shows as boxes
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
