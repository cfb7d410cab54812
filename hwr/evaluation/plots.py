"""Pictures of an evaluation, each a PNG, from the numbers of `hwr.evaluation.measures`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from hwr.evaluation.curves import DPI, QUIET, TRAINING, VALIDATION, png
from hwr.evaluation.measures import Measures

MANY = 80  # classes; the names of more would not be readable
COUNTED = 12  # classes; up to this many, counts fit into the matrix
NAME = 14  # characters of a class's name that are shown
WORST = 5  # classes with a curve of their own
TILES = 12  # mistakes per row
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")  # Okabe and Ito


def short(name: str) -> str:
    """Shorten a name to one line that fits into a picture."""
    line = "".join(c if c.isprintable() else " " for c in name)
    return line if len(line) <= NAME else line[: NAME - 1] + "…"


def confusion(confusions: Sequence[tuple[str, str, int]], names: Sequence[str]) -> bytes:
    """Draw the confusion matrix: rows are true classes, columns answers, values shares of the row."""
    index = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for truth, answer, n in confusions:
        counts[index[truth], index[answer]] = n

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        image = axes.imshow(shares, cmap="cividis", norm=PowerNorm(0.4, 0, 1))
        figure.colorbar(image, ax=axes, format=PercentFormatter(1.0), ticks=[0, 0.01, 0.05, 0.2, 0.5, 1], shrink=0.8)
        axes.set(xlabel="answer", ylabel="class")
        if len(names) <= MANY:
            _name_ticks(axes, names)
        if len(names) <= COUNTED:
            _write_counts(axes, counts, shares)

    side = min(12.0, 4 + 0.16 * len(names))
    return _picture((side + 1, side), draw)


def _name_ticks(axes: Axes, names: Sequence[str]) -> None:
    shown = [short(name) for name in names]
    size = 9 if len(names) <= 30 else 7
    turned = 90 if max(map(len, shown), default=0) > 2 else 0
    axes.set_xticks(range(len(names)), shown, fontsize=size, rotation=turned)
    axes.set_yticks(range(len(names)), shown, fontsize=size)


def _write_counts(axes: Axes, counts: NDArray[Any], shares: NDArray[Any]) -> None:
    for (row, column), n in np.ndenumerate(counts):
        if n:
            colour = "black" if shares[row, column] > 0.2 else "white"
            axes.text(column, row, f"{n:.0f}", ha="center", va="center", color=colour, fontsize=8)


def roc(measured: Measures) -> bytes:
    """Draw ROC curves of each class against all others on a logarithmic axis, and name the worst."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        rates = measured["false_positive_rates"]
        ranked = sorted(measured["each"].items(), key=lambda item: item[1]["auc"])
        for _, one in ranked[WORST:]:
            axes.plot(rates, one["curve"], color=QUIET, linewidth=0.6, alpha=0.5)
        for (name, one), colour in zip(ranked[:WORST], PALETTE, strict=False):
            axes.plot(rates, one["curve"], color=colour, linewidth=1.8, label=f"{short(name)}  {one['auc']:.4f}")
        axes.set(xscale="log", xlim=(rates[0], 1), ylim=(0, 1.01))
        axes.set(xlabel="false positives", ylabel="true positives")
        _in_percent(axes, "both")
        _legend(axes, "the least areas")

    return _picture((7, 5), draw)


def calibration(bins: Sequence[Measures]) -> bytes:
    """Draw accuracy over confidence, and the histogram of confidences."""
    used = [one for one in bins if one["n"]]

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        above.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":", label="perfect")
        sure, right = [one["confidence"] for one in used], [one["accuracy"] for one in used]
        above.plot(sure, right, color=TRAINING, marker="o", linewidth=1.8, label="the model")
        above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
        below.bar((np.arange(len(bins)) + 0.5) / len(bins), [one["n"] for one in bins], 0.9 / len(bins), color=QUIET)
        below.set(yscale="symlog", ylabel="pictures", xlabel="probability of the answer")
        below.yaxis.set_major_formatter("{x:,.0f}")
        _in_percent(above, "both")
        _legend(above)

    return _picture((6, 6), draw)


def rejection(measured: Measures) -> bytes:
    """Draw the risk-coverage curve and mark the model's own threshold."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        coverage, risk = ([point[name] for point in measured["curve"]] for name in ("coverage", "risk"))
        axes.plot(coverage, risk, color=TRAINING, linewidth=1.8)
        if measured["accuracy_of_accepted"] is not None:
            here = measured["accepted"], 1 - measured["accuracy_of_accepted"]
            axes.plot(
                *here, "o", color=VALIDATION, markersize=8, label=f"the model's threshold: {here[0]:.1%} answered"
            )
        axes.set(xlabel="pictures answered", ylabel="errors among them", xlim=(0, 1.01), ylim=(0, None))
        _in_percent(axes, "both")
        _legend(axes)

    return _picture((6, 4.5), draw)


def mistakes(found: Sequence[Measures], images: NDArray[np.uint8]) -> bytes:
    """Draw the worst mistakes with true class and answer, most confident first."""
    rows = max(1, math.ceil(len(found) / TILES))

    def draw(figure: Figure) -> None:
        for axes in np.atleast_1d(figure.subplots(rows, TILES, squeeze=False)).flat:
            axes.set_axis_off()
        for axes, one in zip(figure.axes, found, strict=False):
            axes.imshow(255 - images[one["row"]], cmap="gray", vmin=0, vmax=255)
            truth = " or ".join(map(short, one["truth"]))
            axes.set_title(f"{truth} → {short(one['answer'])}\n{one['probability']:.1%}", fontsize=8)

    return _picture((12, 1.35 * rows), draw)


def writers(measured: Measures) -> bytes:
    """Draw the accuracy of each writer, from worst to best; larger dots have more pictures."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        each = measured["each"]
        sizes = np.sqrt([one["n"] for one in each])
        shares = [one["accuracy"] for one in each]
        axes.scatter(range(1, len(each) + 1), shares, sizes * 40 / sizes.max() + 4, color=TRAINING, alpha=0.6)
        axes.axhline(measured["mean"], color=VALIDATION, linewidth=1, label=f"mean {measured['mean']:.1%}")
        axes.set(xlabel="writers, worst first", ylabel="accuracy", ylim=(None, 1.02))
        _in_percent(axes, "y")
        _legend(axes)

    return _picture((8, 4), draw)


def corruptions(measured: Measures) -> bytes:
    """Draw accuracy with its 95 % interval over severity, a panel for each corruption."""
    columns = 3
    rows = math.ceil(len(measured) / columns)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
        for axes, (name, one) in zip(panels, measured.items(), strict=False):
            points = one["points"]
            severity, shares, low, high = (
                [point[key] for point in points] for key in ("severity", "accuracy", "low", "high")
            )
            axes.plot(severity, shares, color=TRAINING, marker="o", markersize=4, linewidth=1.8)
            axes.fill_between(severity, low, high, color=TRAINING, alpha=0.15, linewidth=0)
            axes.set_title(name, loc="left", fontsize=11)
            axes.set(xlabel=one["unit"], ylim=(0, 1.02))
            _in_percent(axes, "y")
        for axes in list(panels):
            axes.set_axis_off()
        figure.supylabel("accuracy", fontsize=10)

    return _picture((12, 3 * rows), draw)


# --- what they share ---


def _picture(size: tuple[float, float], draw: Callable[[Figure], None]) -> bytes:
    with rc_context({"text.parse_math": False, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        return png(figure)


def _in_percent(axes: Axes, which: str) -> None:
    axes.grid(color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis)[0 if which == "both" else 1 :]:
        axis.set_major_formatter(PercentFormatter(1.0))


def _legend(axes: Axes, title: str = "") -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, title=title or None, fontsize=9)
