import base64
import re

import numpy as np
import pytest

from utils import plots

pytestmark = pytest.mark.check

HISTORY = {
    "accuracy": [0.5, 0.8],
    "loss": [0.7, 0.3],
    "val_accuracy": [0.5, 0.6],
    "val_loss": [0.7, 0.9],
}
FIGURES = {
    "grid": lambda: plots.grid(np.zeros((7, 8, 8, 3)), list("abcdefg"), "Seven pictures"),
    "curves": lambda: plots.curves(HISTORY, "Curves", smoothing=0.5),
    "confusion": lambda: plots.confusion_matrix(np.array([[9, 1], [2, 8]]), ["cat", "dog"], "Who"),
    "embedding": lambda: plots.embedding(
        np.eye(4)[:, :2], np.array([0, 1, 0, 1]), ["cat", "dog"], "Map"
    ),
    "growth": lambda: plots.growth({"ours": {1: 2, 8: 16.4}}, "Cost", "views", "seconds"),
    "dots": lambda: plots.dots(["a", "b"], [0.5, 0.9], "Dots", [(0.4, 0.6), (0.8, 1)], ("x", 0.5)),
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


@pytest.mark.parametrize("name", ["curves", "confusion", "embedding", "growth", "dots"])
def test_axes_are_labelled(name):
    for ax in FIGURES[name]().axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel() or name == "dots"


def test_the_text_says_the_numbers():
    assert "cat taken for dog: 1" in FIGURES["confusion"]().alt
    assert "validation accuracy 0.600" in FIGURES["curves"]().alt
    assert FIGURES["growth"]().alt == "Cost. seconds by views: ours: 2 at 1, 16 at 8"
    assert "b: 0.900" in FIGURES["dots"]().alt


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
    assert plots.smooth([]) == []


@pytest.mark.parametrize("factor", [1, -0.1, 80])
def test_smooth_refuses_other_factors(factor):
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        plots.smooth([1], factor)


def test_colours_are_words_of_css():
    assert all(re.fullmatch(r"#[0-9A-F]{6}", colour) for colour in plots.COLOURS)
    assert len(plots.COLOURS) == len(set(plots.COLOURS)) == len(plots.MARKERS)


def test_several_curves_in_one_figure_with_their_ends_in_the_text():
    series = {"kept": [0.5, 0.75], "batch": [0.5, 0.25, 0.125]}
    figure = plots.compare(series, "Four ways", "validation accuracy", first=0)
    assert figure.alt == (
        "Four ways. validation accuracy from first to last epoch: "
        "kept: 0.500 to 0.750; batch: 0.500 to 0.125"
    )
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["kept", "batch"]
    assert lines[1].get_xdata().tolist() == [0, 1, 2]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 2


def test_many_class_names_are_written_upright():
    names = [f"class {i}" for i in range(12)]
    figure = plots.confusion_matrix(np.eye(12, dtype=int), names, "Twelve")
    assert {label.get_rotation() for label in figure.axes[0].get_xticklabels()} == {90.0}
