"""How sure a number is: the interval of an accuracy, and two methods on the same pictures."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, bootstrap, permutation_test


def interval(accuracy: float, n: int) -> tuple[float, float]:
    """Give the 95 % interval of an accuracy measured on n pictures (Wilson's, 1927); lesson 00.

    A ValueError says if the accuracy is not a fraction in [0, 1] or n is below 1.
    """
    if not 0 <= accuracy <= 1 or n < 1:
        raise ValueError(f"accuracy must be in [0, 1] and n at least 1, not {accuracy} and {n}")
    found = binomtest(round(accuracy * n), n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def with_interval(accuracy: float, n: int) -> str:
    """Write an accuracy as the course does: "0.968 (0.949–0.980, n = 500)"; lesson 00."""
    low, high = interval(accuracy, n)
    return f"{accuracy:.3f} ({low:.3f}–{high:.3f}, n = {n:,})"


@dataclass(frozen=True)
class Comparison:
    """What two methods, asked about the same pictures, say of each other; made by `compare`."""

    n: int  # pictures
    groups: int  # as many as pictures, unless pictures come in groups
    only_first: int  # pictures that only the first method got right
    only_second: int
    difference: float  # accuracy of the second less that of the first, in [-1, 1]
    low: float  # its 95 % interval
    high: float
    p_value: float  # how often chance alone would set them at least as far apart

    def within(self, margin: float) -> bool:
        """Say whether the whole 95 % interval lies within a margin set beforehand; lesson 02."""
        return -margin < self.low and self.high < margin

    def __str__(self):
        groups = f" in {self.groups:,} groups" if self.groups < self.n else ""
        return (
            f"{self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f}, n = {self.n:,}{groups}; "
            f"only one is right: {self.only_first} and {self.only_second}, p = {self.p_value:.2g})"
        )


def compare(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray | None = None,
) -> Comparison:
    """Compare two methods on the same pictures, picture by picture; lesson 02.

    Only pictures that one method gets right and the other wrong can tell the two apart. The
    p-value is McNemar's exact one (1947), the interval a percentile bootstrap of 9,999 draws. Where
    pictures come in groups, such as frames of one film (lesson 12), whole groups are drawn, and
    the p-value comes from changing the sign of whole groups. Where the methods never differ, the
    interval is what could have been missed: Wilson's upper bound for 0 of as many groups.

    Args:
        labels: true classes, integers (n,).
        first, second: predicted classes, integers (n,), in the same order.
        groups: a name or number for each picture, (n,), equal within a group.

    The same arguments give the same numbers. A ValueError says if the lengths differ.
    """
    n = len(labels)
    if not n == len(first) == len(second) == len(labels if groups is None else groups):
        raise ValueError("labels, both predictions and groups must be of the same pictures")
    gained = np.equal(second, labels).astype(int) - np.equal(first, labels)  # -1, 0 or 1
    named = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1].ravel()
    sums, sizes = np.bincount(named, gained), np.bincount(named)
    if len(sums) < 2:
        raise ValueError("two pictures, or two groups of them, are the least that can be compared")
    worse, better = int((gained < 0).sum()), int((gained > 0).sum())
    p_value, high = 1.0, interval(0, len(sums))[1]
    low = -high
    if worse + better:
        options = {"n_resamples": 9999, "batch": 500, "rng": 0}
        found = bootstrap((sums, sizes), _share, paired=True, method="percentile", **options)
        low, high = map(float, found.confidence_interval)
        p_value = binomtest(better, worse + better).pvalue
        if groups is not None:
            flipped = permutation_test((sums,), np.sum, permutation_type="samples", **options)
            p_value = float(flipped.pvalue)
    difference = float(gained.mean())
    return Comparison(n, len(sums), worse, better, difference, low, high, p_value)


def _share(sums, sizes, axis=-1):
    return sums.sum(axis) / sizes.sum(axis)
