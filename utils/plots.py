"""Figures are returned, not shown, and each carries a text for those who cannot see it."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

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
    """Write a PNG in base64 and its alternative text as an HTML image; lesson 00 shows many."""
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


def _picture(title, alt, size, rows=1, columns=1, **options):
    with matplotlib.rc_context(_STYLE):
        figure = Picture(figsize=size)
        figure.alt = alt
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        if title:
            figure.suptitle(title, fontsize=12)
    return figure, axes


def grid(images: np.ndarray, captions: Sequence[str], title: str, columns: int = 6) -> Picture:
    """Show pictures in rows, each with a caption.

    Args:
        images: (n, height, width, 3), 0–255, any number type.
        captions: n short texts.
        title: what to see.
        columns: pictures a row.

    Taught in lesson 00.
    """
    rows = -(-len(images) // columns)
    alt = f"{title}. {len(images)} pictures: {', '.join(captions)}"
    figure, axes = _picture(title, alt, (1.65 * columns, 1.9 * rows + 0.4), rows, columns)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, caption in zip(axes.flat, images, captions, strict=False):
        ax.imshow(np.clip(np.asarray(image), 0, 255).astype("uint8"))
        ax.set_title(caption, fontsize=9)
    return figure


def smooth(values: Sequence[float], factor: float = 0.8) -> list[float]:
    """Give the exponential moving average of a curve, as the book's chapter 5.3 does.

    Args:
        values: numbers, in order.
        factor: in [0, 1): how much of the past is kept at each step; 0 changes nothing.

    Raises:
        ValueError: for a factor outside [0, 1).

    Taught in lesson 02.
    """
    if not 0 <= factor < 1:
        raise ValueError(f"the smoothing factor must be in [0, 1), not {factor}")
    smoothed = []
    for value in values:
        last = smoothed[-1] if smoothed else value
        smoothed.append(last * factor + value * (1 - factor))
    return smoothed


def curves(history: Mapping[str, Sequence[float]], title: str, smoothing: float = 0.0) -> Picture:
    """Show accuracy and loss by epoch, training beside validation.

    Args:
        history: `model.fit(…).history`, with accuracy, loss, val_accuracy and val_loss.
        title: what to see.
        smoothing: factor of `smooth`; the raw curve stays visible, thin.

    Taught in lesson 02.
    """
    n = len(history["loss"])
    last = {key: values[-1] for key, values in history.items()}
    alt = (
        f"{title}. Two curves over {n} epochs. At the end: training accuracy "
        f"{last['accuracy']:.3f}, validation accuracy {last['val_accuracy']:.3f}, training loss "
        f"{last['loss']:.3f}, validation loss {last['val_loss']:.3f}"
    )
    figure, axes = _picture(title, alt, (9.5, 3.4), 1, 2)
    epochs = np.arange(1, n + 1)
    for ax, key in zip(axes[0], ("accuracy", "loss"), strict=True):
        for i, (name, series) in enumerate([("training", key), ("validation", f"val_{key}")]):
            values = history[series]
            if smoothing:
                ax.plot(epochs, values, color=COLOURS[i], alpha=0.25, linewidth=1)
            marker = MARKERS[i] if n <= 30 else None
            shown = smooth(values, smoothing)
            ax.plot(epochs, shown, color=COLOURS[i], marker=marker, markersize=4, label=name)
        ax.set_xlabel("epoch")
        ax.set_ylabel(key)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(frameon=False)
    return figure


def compare(
    series: Mapping[str, Sequence[float]], title: str, ylabel: str, first: int = 1
) -> Picture:
    """Show several curves by epoch in one figure.

    Args:
        series: name → a number an epoch.
        title: what to see.
        ylabel: what the numbers are.
        first: number of the first epoch; 0 for what was there before training.

    Taught in lesson 14.
    """
    ends = "; ".join(
        f"{name}: {values[0]:.3f} to {values[-1]:.3f}" for name, values in series.items()
    )
    figure, axes = _picture(title, f"{title}. {ylabel} from first to last epoch: {ends}", (8, 4))
    ax = axes[0, 0]
    for i, (name, values) in enumerate(series.items()):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        epochs = range(first, first + len(values))
        ax.plot(epochs, values, color=colour, marker=marker, markersize=5, label=name)
    ax.set_xlabel("epoch")
    ax.set_ylabel(ylabel)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))  # beside, not on, the curves
    return figure


def growth(
    series: Mapping[str, Mapping[float, float]], title: str, xlabel: str, ylabel: str
) -> Picture:
    """Show how numbers grow with something, several lines in one figure, both axes from zero.

    Args:
        series: name → {x: y}.
        title: what to see.
        xlabel, ylabel: what the numbers are.

    Taught in lesson 15.
    """
    said = "; ".join(
        f"{name}: " + ", ".join(f"{y:,.0f} at {x:,}" for x, y in points.items())
        for name, points in series.items()
    )
    figure, axes = _picture(title, f"{title}. {ylabel} by {xlabel}: {said}", (8, 3.6))
    ax = axes[0, 0]
    for i, (name, points) in enumerate(series.items()):
        xs, ys = zip(*points.items(), strict=True)
        ax.plot(xs, ys, color=COLOURS[i], marker=MARKERS[i], markersize=5, label=name)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def confusion_matrix(table: np.ndarray, class_names: Sequence[str], title: str) -> Picture:
    """Show who is taken for whom: rows true classes, columns predicted ones, counts written in.

    Args:
        table: int array (classes, classes), from `checks.confusion`.
        class_names: in label order.
        title: what to see.

    Taught in lesson 02.
    """
    rows = [
        f"{true} taken for {guess}: {table[i, j]}"
        for i, true in enumerate(class_names)
        for j, guess in enumerate(class_names)
    ]
    side = max(3.4, 0.6 * len(class_names) + 2)
    figure, axes = _picture(title, f"{title}. {'; '.join(rows)}", (side + 0.6, side))
    ax = axes[0, 0]
    ax.imshow(table, cmap="Blues", vmin=0)
    for (i, j), count in np.ndenumerate(table):
        colour = "white" if count > table.max() / 2 else "black"
        ax.text(j, i, f"{count:,}", ha="center", va="center", color=colour)
    crowded = len(class_names) > 4
    ax.set_xticks(range(len(class_names)), class_names, rotation=90 if crowded else 0)
    ax.set_yticks(range(len(class_names)), class_names)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    return figure


def embedding(
    points: np.ndarray, labels: np.ndarray, class_names: Sequence[str], title: str
) -> Picture:
    """Show features laid out in the plane, a colour and a marker for each class.

    Args:
        points: (n, 2).
        labels: integers (n,).
        class_names: in label order.
        title: what to see.

    Taught in lesson 01.
    """
    alt = f"{title}. {len(points)} points, classes {', '.join(class_names)}"
    figure, axes = _picture(title, alt, (6.2, 4.4))
    ax = axes[0, 0]
    for i, name in enumerate(class_names):
        chosen = points[labels == i]
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        ax.scatter(*chosen.T, s=14, alpha=0.6, color=colour, marker=marker, label=name)
    ax.set_xlabel("first direction")
    ax.set_ylabel("second direction")
    ax.legend(frameon=False)
    return figure


def dots(
    names: Sequence[str],
    values: Sequence[float],
    title: str,
    errors: Sequence[tuple[float, float]] | None = None,
    reference: tuple[str, float] | None = None,
    xlabel: str = "accuracy",
) -> Picture:
    """Compare numbers, one row each, with intervals and a line to compare with.

    Args:
        names: a text a row, from the top.
        values: a number a row.
        title: what to see.
        errors: (low, high) ends of the interval of each row, or None.
        reference: (name, number) of a dashed line, or None.
        xlabel: what the numbers are.

    Taught in lesson 01.
    """
    rows = "; ".join(f"{name}: {value:.3f}" for name, value in zip(names, values, strict=True))
    figure, axes = _picture(title, f"{title}. {rows}", (8, 0.5 * len(names) + 1.5))
    ax, places = axes[0, 0], np.arange(len(names))
    if errors is not None:
        low, high = np.array(errors).T
        ax.hlines(places, low, high, color=COLOURS[0], linewidth=2)
    ax.plot(values, places, "o", color=COLOURS[0], markersize=7)
    for place, value in zip(places, values, strict=True):
        offset = (0, 7)
        ax.annotate(f"{value:.3f}", (value, place), offset, textcoords="offset points", ha="center")
    if reference is not None:
        ax.axvline(reference[1], linestyle="--", color=COLOURS[-1], linewidth=1)
        ax.annotate(
            reference[0], (reference[1], -0.55), (4, 0), textcoords="offset points", fontsize=9
        )
    ax.set_yticks(places, names)
    ax.set_ylim(len(names) - 0.5, -0.8)
    ax.set_xlabel(xlabel)
    return figure
