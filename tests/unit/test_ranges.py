"""What a parameter may be: the ends of each range, and what is of another kind."""

from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from utils.base.ranges import misfit

pytestmark = pytest.mark.check


@pytest.mark.parametrize(
    ("name", "good", "bad", "said"),
    [
        ("EPOCHS", [1, 500, np.int64(3)], [0, -1, 1.0, True, "3", None],
         "a whole number of at least 1"),
        ("OPEN_BATCH_SIZE", [1], [0], "a whole number of at least 1"),
        ("FAR_PER_CLASS", [0, 9], [-1], "a whole number of at least 0"),
        ("SECOND_SIZE", [16, 2048], [15, 2049], "a whole number from 16 to 2,048"),
        ("SEED", [0, 4_000_000_000], [-1, 2**32], "a whole number from 0 to 4,000,000,000"),
        ("HIGH_LEARNING_RATE", [1e-9, 0.3, 1, 10], [0, -1, 11, nan, inf, "1e-3", True],
         "a number from 1e-09 to 10"),
        ("MARGIN", [0, 1.0], [-0.1, 1.1], "a number from 0 to 1"),
        ("FLATTEN", [True, False], [1, "True"], "True or False"),
        ("DATASET", ["drawn_pets", Path("a")], ["", "  ", 3, None], "a text that is not empty"),
        ("FROM_BLOCKS", [["block9", "stem"], ("a",)], ["block9", [], [3], [""]],
         "a list, each item a text that is not empty"),
        ("SIZES", [[64, 96]], [64, [64, 0]], "a list, each item a whole number from 16 to 2,048"),
    ],
)  # fmt: skip
def test_what_a_parameter_may_be(name, good, bad, said):
    assert [value for value in good if misfit(name, value)] == []
    for value in bad:
        assert misfit(name, value) == f"{name} is {value!r}, but it must be {said}"


def test_other_names_may_be_anything():
    assert [
        name for name in ("OFFSIZE", "EPOCHS_SO_FAR", "SEEDLING", "S") if misfit(name, -1)
    ] == []
