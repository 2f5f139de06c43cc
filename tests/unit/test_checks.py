import time

import numpy as np
import pytest

from utils import checks
from utils.checks import CheckError

pytestmark = pytest.mark.check


def test_unchanged_is_silent_when_nothing_moves(toy, noise):
    toy.trainable = False  # else batch norm would move its averages
    with checks.unchanged(toy):
        toy(noise[0], training=True)


@pytest.mark.parametrize("name", ["block1_conv", "block2_bn"])
def test_unchanged_notices_one_number_in_any_array(toy, name):
    """Every array: kernels, offsets, and the running averages that no gradient touches."""
    for i in range(len(toy.get_layer(name).weights)):
        message = rf"1 of .* weights moved, {name}/"
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
    assert "2 of 12 weights moved" in str(caught.value)
    assert "block1_conv/kernel most (by up to 0.5)" in str(caught.value)


def test_what_is_not_a_number_and_stays_so_has_not_moved(toy):
    weight = toy.get_layer("block1_conv").bias
    weight.assign(np.full(weight.shape, np.nan))
    with checks.unchanged(toy):
        pass


def test_unchanged_lets_other_errors_through(toy):
    with pytest.raises(KeyError), checks.unchanged(toy):
        raise KeyError


def test_unchanged_takes_a_list_of_weights_and_looks_at_no_other(toy):
    kernel, beta = toy.get_layer("block1_conv").kernel, toy.get_layer("block2_bn").beta
    with checks.unchanged([kernel]):
        beta.assign(beta + 1.0)
    with pytest.raises(CheckError, match="1 of 1 weights moved"), checks.unchanged([beta]):
        beta.assign(beta + 1.0)


def test_changed_names_the_one_weight_that_stayed(toy):
    def learn(weights):
        for weight in weights:
            weight.assign(weight + 1e-6)

    with checks.changed(toy):
        learn(toy.trainable_weights)
    for stayed in toy.trainable_weights:
        rest = [weight for weight in toy.trainable_weights if weight is not stayed]
        message = rf"1 of 8 weights did not move, {stayed.path} first"
        with pytest.raises(CheckError, match=message), checks.changed(toy):
            learn(rest)
    with checks.changed([stayed]):
        learn([stayed])


def test_changed_fails_when_nothing_is_trainable(toy):
    toy.trainable = False
    with pytest.raises(CheckError, match="nothing is trainable"), checks.changed(toy):
        toy.get_layer("block2_bn").moving_mean.assign([1, 1, 1, 1])


def test_changed_lets_other_errors_through(toy):
    with pytest.raises(KeyError), checks.changed(toy):
        raise KeyError


LABELS = np.array([0, 0, 1, 1, 1])
SAID = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.2, 0.8], [0.8, 0.2]])


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


def test_peak_memory_sees_what_was_held_for_a_while():
    with checks.peak_memory() as peak:
        held = np.ones(25_000_000)  # 200 MB
        time.sleep(0.2)
        del held
    assert 190 <= peak.added <= 300
    with checks.peak_memory() as quiet:
        time.sleep(0.1)
    assert quiet.added < 50


def test_parameters_out_of_range_are_named_with_the_way_out():
    checks.parameters(
        {"EPOCHS": 1, "PER_CLASS": 0, "LEARNING_RATE": 1, "SEED": 0, "DATASET": "a/b"}
    )
    checks.parameters({"epochs": 0, "OTHER": -1, "In": [""]})  # these are no parameters of a lesson
    with pytest.raises(ValueError) as caught:
        checks.parameters({"SEED": 1, "HEAD_EPOCHS": 0})
    must = "it must be a whole number of at least 1: change it in the cell at the top"
    assert str(caught.value) == f"HEAD_EPOCHS is 0, but {must}"


def test_a_package_that_is_not_installed_is_named_with_the_way_to_it():
    checks.installed("numpy", "keras")
    with pytest.raises(ModuleNotFoundError, match=r"needs no_such_one besides: run `make extras`"):
        checks.installed("numpy", "no_such_one")
