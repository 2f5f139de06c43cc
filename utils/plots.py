"""Figures are returned, not shown, and each carries a text for those who cannot see it."""

import base64
import collections
import html
import io
import itertools
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from utils import statistics

# Wong's palette (Nature Methods 8, 441, 2011): distinct under every common colour blindness.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = ["o", "^", "s", "D", "v", "P", "X"]
_STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
    "figure.constrained_layout.use": True,
}


def image_tag(png: str, alt: str) -> str:
    """Write a PNG in base64 and its alternative text as an HTML image."""
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{png}">'


class Picture(Figure):
    """A figure that a notebook shows once, as PNG, with its alternative text."""

    alt = ""

    def _repr_mimebundle_(self, include=None, exclude=None):
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
        png = base64.b64encode(buffer.getvalue()).decode()
        # JupyterLab drops the alternative text of a PNG output but keeps that of an HTML image;
        # other readers take it from the metadata. Stored notebooks keep the PNG only.
        return (
            {"image/png": png, "text/html": image_tag(png, self.alt), "text/plain": self.alt},
            {"image/png": {"alt": self.alt}},
        )


def _picture(title, alt, size, rows=1, columns=1):
    with matplotlib.rc_context(_STYLE):
        figure = Picture(figsize=size)
        figure.alt = f"{title}: {alt}."
        axes = figure.subplots(rows, columns, squeeze=False)
        figure.suptitle(title, fontsize=12)
    return figure, axes


def grid(images: np.ndarray, captions: Sequence[str], title: str, columns: int = 6) -> Picture:
    """Show pictures, (n, height, width, 3), 0–255, in rows, each with a caption; lesson 00."""
    rows = -(-len(images) // columns)
    counted = collections.Counter(captions).most_common(6)
    kinds = [text if k == 1 else f"{k} {text}" for text, k in counted]
    alt, size = f"{len(images)} pictures, {', '.join(kinds)}", (1.65 * columns, 1.9 * rows + 0.4)
    figure, axes = _picture(title, alt, size, rows, columns)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, caption in zip(axes.flat, images, captions, strict=False):
        ax.imshow(np.clip(np.asarray(image), 0, 255).astype("uint8"))
        ax.set_title(caption, fontsize=9)
    return figure


def smooth(values: Sequence[float], factor: float) -> list[float]:
    """Give the exponential moving average, as the book's notebook 5.3 does; lesson 02.

    `factor`, in [0, 1), says how much of the past is kept at each step; 0 changes nothing.
    """
    return list(itertools.accumulate(values, lambda p, v: p * factor + v * (1 - factor)))


def curves(history: Mapping[str, Sequence[float]], title: str, smoothing: float = 0.0) -> Picture:
    """Show accuracy and loss by epoch, training beside validation; lesson 00.

    `history` is that of `model.fit(…)`; with `smoothing` the raw curve stays visible, thin. A
    ValueError says if there is nothing to show.
    """
    needed = ("loss", "accuracy", "val_loss", "val_accuracy")
    if missing := [name for name in needed if not history.get(name)]:
        raise ValueError(
            f"the history has no {', '.join(missing)}: train for at least one epoch, with "
            'validation_data, and compile with metrics=["accuracy"]'
        )
    n = len(history["loss"])
    last = {key: values[-1] for key, values in history.items()}
    figure, axes = _picture(
        title,
        f"after {n} epochs accuracy is {last['accuracy']:.3f} in training and "
        f"{last['val_accuracy']:.3f} in validation, loss {last['loss']:.3f} and "
        f"{last['val_loss']:.3f}",
        (9.5, 3.4),
        1,
        2,
    )
    for ax, key in zip(axes[0], ("accuracy", "loss"), strict=True):
        for i, (name, series) in enumerate([("training", key), ("validation", f"val_{key}")]):
            marker = MARKERS[i] if n <= 30 else None
            epochs, options = range(1, n + 1), {"color": COLOURS[i], "label": name}
            if smoothing:
                ax.plot(epochs, history[series], COLOURS[i], alpha=0.25, linewidth=1)
            shown = smooth(history[series], smoothing)
            ax.plot(epochs, shown, marker=marker, markersize=4, **options)
        ax.set_xlabel("epoch")
        ax.set_ylabel(key)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(frameon=False)
    return figure


def lines(
    series: Mapping[str, Mapping], title: str, xlabel: str, ylabel: str, xscale: str = "linear"
) -> Picture:
    """Show several curves, name → {x: y}, in one figure; lesson 14.

    Of a list with a number for each epoch, `dict(enumerate(values, 1))` makes such a curve. With
    `xscale="log"` the ticks are 1, 3, 10, 30, ….
    """
    ends = [
        f"{name} from {y[0]:,.4g} to {y[-1]:,.4g}"
        for name, points in series.items()
        for y in [list(points.values())]
    ]
    figure, axes = _picture(title, f"{ylabel} by {xlabel}; {'; '.join(ends)}", (8, 3.8))
    ax = axes[0, 0]
    for i, (name, points) in enumerate(series.items()):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        ax.plot(*zip(*points.items(), strict=True), color=colour, marker=marker, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale)
    if xscale == "log":
        ax.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 3)))
        ax.xaxis.set_major_formatter("{x:,g}")
        ax.minorticks_off()
    else:
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))  # beside, not on, the curves
    return figure


def confusion_matrix(table: np.ndarray, class_names: Sequence[str], title: str) -> Picture:
    """Show who is taken for whom, from the table of `checks.confusion`; lesson 00."""
    wrong = table - np.diag(np.diag(table))
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    alt = f"{np.trace(table):,} of {table.sum():,} pictures are on the diagonal"
    if wrong[i, j]:
        alt += f"; most often, {wrong[i, j]} times, {class_names[i]} is taken for {class_names[j]}"
    side = max(3.4, 0.6 * len(class_names) + 2)
    figure, axes = _picture(title, alt, (side + 0.6, side))
    ConfusionMatrixDisplay(table, display_labels=class_names).plot(
        ax=axes[0, 0], cmap="Blues", colorbar=False, values_format=",d",
        xticks_rotation=90 if len(class_names) > 4 else 0,
    )  # fmt: skip
    axes[0, 0].set(xlabel="predicted", ylabel="true")
    return figure


def embedding(
    points: np.ndarray, labels: np.ndarray, class_names: Sequence[str], title: str
) -> Picture:
    """Show features laid out in the plane, (n, 2), a colour and marker a class; lesson 01."""
    shown = ", ".join(class_names[:6]) + (", …" if len(class_names) > 6 else "")
    figure, axes = _picture(title, f"{len(points)} points of the classes {shown}", (6.2, 4.4))
    for i, name in enumerate(class_names):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        chosen = points[labels == i].T
        axes[0, 0].scatter(*chosen, s=14, alpha=0.6, color=colour, marker=marker, label=name)
    axes[0, 0].set(xlabel="first direction", ylabel="second direction")
    axes[0, 0].legend(frameon=False)
    return figure


def dots(
    values: Mapping[str, float | Sequence[float]],
    title: str,
    xlabel: str,
    ranges: Sequence[tuple[float, float]] | None = None,
    baseline: float | None = None,
) -> Picture:
    """Compare numbers, a row each, with (low, high) ranges and a dashed line; lesson 15.

    Where a row has several numbers, such as one of each seed, each is a small dot and their mean a
    large one.
    """
    runs = {name: np.atleast_1d(value) for name, value in values.items()}
    values = {name: float(row.mean()) for name, row in runs.items()}
    low, high = min(values, key=values.get), max(values, key=values.get)
    alt = f"{xlabel} from {values[low]:.3f} ({low}) to {values[high]:.3f} ({high})"
    figure, axes = _picture(title, alt, (8, 0.5 * len(values) + 1.5))
    ax, places = axes[0, 0], np.arange(len(values))
    if ranges is not None:
        ax.hlines(places, *np.array(ranges).T, color=COLOURS[0], linewidth=2)
    for place, row in enumerate(runs.values()):
        if len(row) > 1:
            ax.plot(row, np.full(len(row), place), "o", color=COLOURS[1], markersize=4, alpha=0.6)
    ax.plot(list(values.values()), places, "o", color=COLOURS[0], markersize=7)
    for place, value in enumerate(values.values()):
        ax.annotate(f"{value:.3f}", (value, place), (0, 7), textcoords="offset points", ha="center")
    if baseline is not None:
        ax.axvline(baseline, linestyle="--", color=COLOURS[-1], linewidth=1)
        ax.annotate("baseline", (baseline, -0.55), (4, 0), textcoords="offset points", fontsize=9)
    ax.set_yticks(places, values)
    ax.set_ylim(len(values) - 0.5, -0.8)
    ax.set_xlabel(xlabel)
    return figure


def accuracies(
    values: Mapping[str, float],
    n: int | Sequence[int],
    title: str,
    xlabel: str = "validation accuracy",
    baseline: float | None = None,
) -> Picture:
    """Compare accuracies, one row each, with their 95 % intervals; lesson 01.

    `values` are name → accuracy; `n` says on how many pictures each was measured, one number or one
    a row; `baseline` is the accuracy of always answering the most frequent class.
    """
    counts = [n] * len(values) if isinstance(n, int) else n
    ranges = [statistics.interval(v, k) for v, k in zip(values.values(), counts, strict=True)]
    return dots(values, title, xlabel, ranges, baseline)
