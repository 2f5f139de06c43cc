"""How sure a number is: intervals, and comparisons picture by picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils import statistics

pytestmark = pytest.mark.check


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, table I: Wilson's method without correction
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_interval_is_the_published_one(right, n, low, high):
    assert statistics.interval(right / n, n) == pytest.approx((low, high), abs=5e-5)


@given(n=st.integers(1, 10_000), share=st.floats(0, 1))
def test_interval_is_wilsons_formula(n, share):
    right, z = round(share * n), 1.959963984540054
    p = right / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert statistics.interval(p, n) == pytest.approx((middle - half, middle + half), abs=1e-9)


def test_interval_holds_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(0)
    drawn = rng.binomial(500, 0.9, 4000) / 500
    held = np.mean(
        [low <= 0.9 <= high for low, high in (statistics.interval(a, 500) for a in drawn)]
    )
    assert 0.935 < held < 0.965


@pytest.mark.parametrize(("accuracy", "n"), [(96.8, 500), (1.5, 5), (-0.1, 5), (0.5, 0)])
def test_interval_refuses_percent_and_nothing(accuracy, n):
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        statistics.interval(accuracy, n)


def test_with_interval():
    assert statistics.with_interval(0.9, 1000) == "0.900 (0.880–0.917, n = 1,000)"


def pair(both, only_first, only_second, neither):
    """Labels and two sets of predictions with these counts."""
    right = [(1, 1)] * both + [(1, 0)] * only_first + [(0, 1)] * only_second + [(0, 0)] * neither
    first, second = np.array(right).T
    return np.ones(len(right), int), first, second


def test_compare_counts_what_only_one_gets_right():
    found = statistics.compare(*pair(400, 6, 20, 74))
    assert (found.n, found.groups, found.only_first, found.only_second) == (500, 500, 6, 20)
    assert found.difference == pytest.approx(0.028)


def test_the_p_value_is_mcnemars_exact_one():
    # Fleiss, Statistical Methods for Rates and Proportions: twice the tail of the binomial.
    assert statistics.compare(*pair(50, 1, 5, 20)).p_value == pytest.approx(2 * 7 / 64)


def test_methods_that_differ_on_the_same_side_are_told_apart_where_intervals_overlap():
    # 27 and 13 errors on the same 500: the two intervals meet, the comparison does not hold 0.
    found = statistics.compare(*pair(471, 2, 16, 11))
    assert statistics.interval(473 / 500, 500)[1] > statistics.interval(487 / 500, 500)[0]
    assert found.low > 0 and found.p_value < 0.01


def test_the_interval_is_the_textbooks_for_many_pictures():
    n, worse, better = 20_000, 400, 600
    found = statistics.compare(*pair(n - 2000, worse, better, 1000))
    wald = 1.96 * np.sqrt(worse + better - (better - worse) ** 2 / n) / n
    assert found.low == pytest.approx(0.01 - wald, abs=2e-4)
    assert found.high == pytest.approx(0.01 + wald, abs=2e-4)


def test_the_interval_holds_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        counts = rng.multinomial(400, [0.8, 0.05, 0.09, 0.06])
        found = statistics.compare(*pair(*counts))
        held += found.low <= 0.04 <= found.high
    assert 0.90 <= held / 100 <= 0.99


def test_groups_that_agree_widen_the_interval():
    labels, first, second = (np.repeat(a, 10) for a in pair(30, 2, 8, 10))
    alone = statistics.compare(labels, first, second)
    grouped = statistics.compare(labels, first, second, np.repeat(np.arange(50), 10))
    assert grouped.groups == 50 and grouped.difference == alone.difference
    ratio = (grouped.high - grouped.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.1)
    # Ten signs of whole groups: 8 or more, or 2 or fewer, of 10.
    assert alone.p_value < 1e-6
    assert grouped.p_value == pytest.approx(0.109, abs=0.02)


def test_groups_of_one_picture_change_little():
    labels, first, second = pair(400, 6, 20, 74)
    alone = statistics.compare(labels, first, second)
    grouped = statistics.compare(labels, first, second, np.arange(500))
    assert (grouped.low, grouped.high) == (alone.low, alone.high)
    assert grouped.p_value == pytest.approx(alone.p_value, abs=0.01)


def test_equal_needs_a_margin_and_enough_pictures():
    labels, first, _ = pair(450, 0, 0, 50)
    assert statistics.compare(labels, first, first).within(0.01)
    assert not statistics.compare(labels[:100], first[:100], first[:100]).within(0.01)
    assert not statistics.compare(labels, first, first, np.arange(500) // 10).within(0.01)
    assert not statistics.compare(*pair(400, 20, 20, 60)).within(0.01)
    assert statistics.compare(*pair(4000, 20, 20, 600)).within(0.01)


def test_compare_swapped_changes_the_sign():
    labels, first, second = pair(400, 6, 20, 74)
    there, back = (statistics.compare(labels, *p) for p in ((first, second), (second, first)))
    assert there.difference == -back.difference and there.p_value == back.p_value
    assert there.low == pytest.approx(-back.high, abs=0.004)


def test_a_comparison_reads_as_one_line():
    shown = str(statistics.compare(*pair(400, 6, 20, 74)))
    assert shown.startswith("+0.028 (+0.0")
    assert shown.endswith("n = 500; only one is right: 6 and 20, p = 0.0094)")
    grouped = str(statistics.compare(*pair(6, 1, 2, 1), np.arange(10) // 2))
    assert "n = 10 in 5 groups" in grouped


def test_compare_refuses_other_lengths_and_a_single_group():
    labels, first, second = pair(5, 1, 1, 1)
    with pytest.raises(ValueError, match="the same pictures"):
        statistics.compare(labels, first, second[:-1])
    with pytest.raises(ValueError, match="the same pictures"):
        statistics.compare(labels, first, second, np.arange(3))
    with pytest.raises(ValueError, match="two groups"):
        statistics.compare(labels, first, second, np.zeros(8))
