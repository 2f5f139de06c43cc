import base64

import numpy as np
import pytest

from utils import plots, statistics

pytestmark = pytest.mark.check

HISTORY = {
    "accuracy": [0.5, 0.8],
    "loss": [0.7, 0.3],
    "val_accuracy": [0.5, 0.6],
    "val_loss": [0.7, 0.9],
}
FIGURES = {
    "grid": lambda: plots.grid(np.zeros((7, 8, 8, 3)), list("abcdaaa"), "Seven pictures"),
    "curves": lambda: plots.curves(HISTORY, "Curves", smoothing=0.5),
    "confusion": lambda: plots.confusion_matrix(np.array([[9, 1], [2, 8]]), ["cat", "dog"], "Who"),
    "embedding": lambda: plots.embedding(
        np.eye(4)[:, :2], np.array([0, 1, 0, 1]), ["cat", "dog"], "Map"
    ),
    "lines": lambda: plots.lines({"ours": {1: 2, 8: 16.4}}, "Cost", "views", "seconds"),
    "dots": lambda: plots.dots({"a": 0.5, "b": 0.9}, "Dots", "hours", [(0.4, 0.6), (0.8, 1)]),
    "accuracies": lambda: plots.accuracies({"a": 0.5, "b": 0.9}, 50, "Right", baseline=0.4),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_returned_with_a_title_a_png_and_a_text(name):
    figure = FIGURES[name]()
    bundle, metadata = figure._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == figure.alt == bundle["text/plain"]
    assert f'alt="{figure.alt}"' in bundle["text/html"]
    title = figure.get_suptitle()
    assert title and figure.alt.startswith(title)


@pytest.mark.parametrize("name", ["curves", "confusion", "embedding", "lines", "dots"])
def test_axes_are_labelled(name):
    for ax in FIGURES[name]().axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel() or name == "dots"


def test_a_logarithmic_axis_counts_in_threes_and_tens():
    figure = plots.lines({"a": {10: 1, 1000: 3}, "b": {25.4: 2}}, "Log", "views", "s", "log")
    (ax,) = figure.axes
    figure.draw_without_rendering()
    low, high = ax.get_xlim()
    texts = [t.get_text() for t in ax.get_xticklabels() if low <= t.get_position()[0] <= high]
    assert (ax.get_xscale(), texts) == ("log", ["10", "30", "100", "300", "1,000"])
    assert plots.lines({"a": {1: 2}}, "Log", "views", "s").axes[0].get_xscale() == "linear"


@pytest.mark.parametrize(
    ("name", "alt"),
    [
        ("grid", "Seven pictures: 7 pictures, 4 a, b, c, d."),
        ("confusion", "Who: 17 of 20 pictures are on the diagonal; most often, 2 times, dog is "
         "taken for cat."),
        ("curves", "Curves: after 2 epochs accuracy is 0.800 in training and 0.600 in validation, "
         "loss 0.300 and 0.900."),
        ("lines", "Cost: seconds by views; ours from 2 to 16.4."),
        ("dots", "Dots: hours from 0.500 (a) to 0.900 (b)."),
        ("accuracies", "Right: validation accuracy from 0.500 (a) to 0.900 (b)."),
    ],
)  # fmt: skip
def test_the_text_says_in_a_sentence_what_to_take_from_it(name, alt):
    assert FIGURES[name]().alt == alt


def test_a_large_matrix_is_a_sentence_too_with_its_names_upright():
    names = [f"class {i}" for i in range(12)]
    figure = plots.confusion_matrix(np.eye(12, dtype=int), names, "Twelve")
    assert figure.alt == "Twelve: 12 of 12 pictures are on the diagonal."
    assert {label.get_rotation() for label in figure.axes[0].get_xticklabels()} == {90.0}
    counts = {(t.get_position(), t.get_text()) for t in figure.axes[0].texts}
    assert ((3, 3), "1") in counts and ((3, 4), "0") in counts


def test_accuracies_carry_their_intervals():
    figure = plots.accuracies({"a": 0.5, "b": 0.9}, [50, 500], "Right")
    drawn = [path.vertices[:, 0].tolist() for path in figure.axes[0].collections[0].get_paths()]
    expected = [statistics.interval(0.5, 50), statistics.interval(0.9, 500)]
    np.testing.assert_allclose(drawn, expected)


def test_the_baseline_is_drawn_where_it_was_said():
    drawn = [line.get_xdata()[0] for line in FIGURES["accuracies"]().axes[0].lines[1:]]
    assert drawn == [0.4]
    assert len(FIGURES["dots"]().axes[0].lines) == 1  # none was asked for


def test_a_smoothed_curve_lies_over_the_raw_one():
    for smoothing, expected in ((0, [0.8]), (0.5, [0.8, 0.65])):
        lines = plots.curves(HISTORY, "Curves", smoothing).axes[0].lines
        ends = [line.get_ydata()[-1] for line in lines[: len(lines) // 2]]
        assert ends == pytest.approx(expected)


@pytest.mark.parametrize(
    ("history", "missing"),
    [
        ({}, "loss, accuracy, val_loss, val_accuracy"),
        ({name: [] for name in HISTORY}, "loss, accuracy, val_loss, val_accuracy"),
        ({"loss": [0.7], "accuracy": [0.5]}, "val_loss, val_accuracy"),
    ],
)
def test_a_history_without_an_epoch_is_said_to_have_none(history, missing):
    with pytest.raises(ValueError, match=f"^the history has no {missing}: train for at least one"):
        plots.curves(history, "Nothing")


def test_markup_in_a_class_name_is_escaped():
    figure = plots.grid(np.zeros((1, 4, 4, 3)), ['"><b>'], "One")
    assert "<b>" not in figure._repr_mimebundle_()[0]["text/html"]


def test_nothing_is_shown_behind_the_notebooks_back():
    import matplotlib.pyplot as plt

    for make in FIGURES.values():
        make()
    assert plt.get_fignums() == []


def test_smooth_is_the_books():
    assert plots.smooth([1, 0, 0], 0.8) == pytest.approx([1, 0.8, 0.64])
    assert plots.smooth([3, 1, 2], 0) == [3, 1, 2]
    assert plots.smooth([], 0.8) == []


def test_each_run_is_a_dot_beside_their_mean():
    ax = plots.dots({"one": 0.5, "three": [0.6, 0.7, 0.8]}, "Runs", "accuracy").axes[0]
    runs, means = ax.lines
    assert runs.get_xdata().tolist() == [0.6, 0.7, 0.8] and set(runs.get_ydata()) == {1}
    assert list(means.get_xdata()) == pytest.approx([0.5, 0.7])
