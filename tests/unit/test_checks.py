import time
from dataclasses import replace

import numpy as np
import pytest

from utils import checks
from utils.base.framework import keras
from utils.checks import CheckError

pytestmark = pytest.mark.check


def test_unchanged_is_silent_when_nothing_moves(toy, noise):
    with checks.unchanged(toy):
        toy(noise[0], training=True)


@pytest.mark.parametrize("name", ["block1_conv", "block2_bn"])
def test_unchanged_notices_one_number_in_any_array(toy, name):
    """Every array: kernels, offsets, and the running averages that no gradient touches."""
    for i in range(len(toy.get_layer(name).weights)):
        message = rf"1 of .* weights of toy moved, {name}/"
        with pytest.raises(CheckError, match=message), checks.unchanged(toy):
            weight = toy.get_layer(name).weights[i]
            value = weight.numpy()
            value.flat[-1] = np.nextafter(value.flat[-1], np.float32(9))
            weight.assign(value)


def test_unchanged_names_what_moved_most_and_how_far(toy):
    kernel, beta = toy.get_layer("block1_conv").kernel, toy.get_layer("block2_bn").beta
    kernel.assign(kernel - 0.25)
    beta.assign(beta + 3.0)
    with pytest.raises(CheckError) as caught, checks.unchanged(toy):
        kernel.assign(kernel - 0.5)
        beta.assign(beta - 0.125)
    assert "2 of 12 weights of toy moved" in str(caught.value)
    assert "block1_conv/kernel most (by up to 0.5)" in str(caught.value)


def test_what_is_not_a_number_and_stays_so_has_not_moved(toy):
    weight = toy.get_layer("block1_conv").bias
    weight.assign(np.full(weight.shape, np.nan))
    with checks.unchanged(toy):
        pass


def test_unchanged_lets_other_errors_through(toy):
    with pytest.raises(KeyError), checks.unchanged(toy):
        raise KeyError


def test_trainable_names(toy):
    toy.get_layer("block1_conv").trainable = False
    names = checks.trainable_names(toy)
    assert "block2_conv/kernel" in names
    assert not [n for n in names if n.startswith("block1_conv") or "moving" in n]


def test_same_predictions(toy, noise):
    same = keras.models.clone_model(toy)
    same.set_weights(toy.get_weights())
    checks.same_predictions(toy, same, noise[0])
    same.get_layer("block2_bn").beta.assign([0.01, 0, 0, 0])
    with pytest.raises(CheckError, match="differ by up to"):
        checks.same_predictions(toy, same, noise[0])
    checks.same_predictions(toy, same, noise[0], tolerance=0.1)


def test_a_difference_as_large_as_the_tolerance_is_allowed():
    one, other = (keras.Sequential([keras.layers.Rescaling(1.0, by)]) for by in (0.0, 0.5))
    checks.same_predictions(one, other, np.ones((1, 1), "float32"), tolerance=0.5)
    with pytest.raises(CheckError, match=r"by up to 0\.5, more than 0\.4"):
        checks.same_predictions(one, other, np.ones((1, 1), "float32"), tolerance=0.4)


def test_predictions_are_compared_in_inference_mode(noise):
    """Dropout would make two calls differ."""
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dropout(0.5)])
    checks.same_predictions(model, model, noise[0])


def test_not_a_number_is_not_the_same(toy, noise):
    with pytest.raises(CheckError, match="nan"):
        checks.same_predictions(toy, toy, np.full_like(noise[0], np.nan))


def test_other_shapes_are_not_the_same(toy, noise):
    lower = keras.Model(toy.input, toy.get_layer("block1_conv").output)
    with pytest.raises(CheckError, match="shapes"):
        checks.same_predictions(toy, lower, noise[0])


@pytest.mark.parametrize(
    "pair", [("train", "test"), ("train", "validation"), ("validation", "test")]
)
def test_disjoint_notices_one_copy_between_any_two_splits(pets, pair):
    checks.disjoint(pets)
    one, other = (getattr(pets, name) for name in pair)
    leaky = replace(other, digests=(*other.digests[:-1], one.digests[0]))
    with pytest.raises(CheckError, match="the same picture") as caught:
        checks.disjoint(replace(pets, **{pair[1]: leaky}))
    assert one.paths[0].name in str(caught.value)


def test_disjoint_allows_copies_within_a_split(pets):
    twice = replace(pets.train, digests=(pets.train.digests[0],) * len(pets.train))
    checks.disjoint(replace(pets, train=twice))


def test_predicted_classes():
    assert checks.predicted_classes(np.array([[0.2], [0.8], [0.5]])).tolist() == [0, 1, 0]
    assert checks.predicted_classes(np.array([[0.2, 0.7, 0.1], [0.5, 0.1, 0.4]])).tolist() == [1, 0]


LABELS = np.array([0, 0, 1, 1, 1])
SAID = np.array([[0.1], [0.9], [0.9], [0.8], [0.2]])


def test_confusion_counts_rows_true_columns_predicted():
    assert checks.confusion(LABELS, SAID, 0.6).tolist() == [[1, 1], [1, 2]]
    three = checks.confusion(np.array([0, 2]), np.eye(3)[[1, 2]], 0.5)
    assert three.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("said", [np.roll(SAID, 1), 1 - SAID])
def test_confusion_notices_another_order(said):
    with pytest.raises(CheckError, match="same order"):
        checks.confusion(LABELS, said, 0.6)


def test_confusion_notices_another_accuracy():
    with pytest.raises(CheckError, match=r"evaluate says 0\.6010 but the predictions say 0\.6000"):
        checks.confusion(LABELS, SAID, 0.601)


@pytest.mark.parametrize(
    ("accuracy", "n", "low", "high"),
    [  # Wilson's interval, from the formula worked by hand for these
        (0.5, 100, 0.4038, 0.5962),
        (0.9, 1000, 0.8798, 0.9171),
        (1.0, 10, 0.7225, 1.0),
        (0.0, 10, 0.0, 0.2775),
    ],
)
def test_interval(accuracy, n, low, high):
    assert checks.interval(accuracy, n) == pytest.approx((low, high), abs=5e-5)


def test_interval_holds_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(0)
    drawn = rng.binomial(500, 0.9, 4000) / 500
    held = np.mean([low <= 0.9 <= high for low, high in (checks.interval(a, 500) for a in drawn)])
    assert 0.935 < held < 0.965


@pytest.mark.parametrize(("accuracy", "n"), [(96.8, 500), (1.5, 5), (-0.1, 5), (0.5, 0)])
def test_interval_refuses_percent_and_nothing(accuracy, n):
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        checks.interval(accuracy, n)


def test_with_interval():
    assert checks.with_interval(0.9, 1000) == "0.900 (0.880–0.917, n = 1,000)"


def test_peak_memory_sees_what_was_held_for_a_while():
    with checks.peak_memory() as peak:
        held = np.ones(25_000_000)  # 200 MB
        time.sleep(0.2)
        del held
    assert 190 <= peak.added <= 300
    with checks.peak_memory() as quiet:
        time.sleep(0.1)
    assert quiet.added < 50
