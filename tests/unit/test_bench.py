"""The parts of the benchmarks that can be wrong without taking half an hour."""

import os

import numpy as np
import pytest

from tests.benchmarks import bench, how_many_views, until_target
from utils import backbones, results
from utils.base.folders import cache_dir

pytestmark = pytest.mark.check


def test_the_sums_of_vgg16_are_those_of_its_paper():
    """At 224 px VGG16 takes 15.5 thousand million products and sums, dense layers too."""
    base = backbones.build("vgg16", 224, weights=None)
    dense = 2 * (25088 * 4096 + 4096 * 4096 + 4096 * 1000) / 1e9
    assert bench.gflop(base) + dense == pytest.approx(2 * 15.47, rel=0.01)


def test_the_sums_of_a_small_base_by_hand(toy):
    # 32 px, strides of 4: 8 × 8 × 4 outputs of 3 × 3 × 3 products, then 2 × 2 × 4 of 3 × 3 × 4.
    assert bench.gflop(toy) == pytest.approx(2 * (64 * 4 * 27 + 4 * 4 * 36) / 1e9)


def test_ways_take_turns_and_the_first_turn_does_not_count(monkeypatch):
    turns, clock = [], iter(range(100))
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(clock))
    ways = {name: (lambda name=name: turns.append(name) or 10) for name in ("a", "b")}
    numbers = bench.in_turns(ways, "x")
    assert turns == ["a", "b"] * (bench.ROUNDS + 1)
    assert numbers["x_a_ms"] == 100.0 == numbers["x_b_ms_low"] == numbers["x_b_ms_high"]


def test_a_recipe_is_the_sum_of_its_epochs():
    names = "frozen_epoch tuned_epoch predict_once guide_frozen_epoch guide_open_epoch"
    names += " extract_tensorflow top_forward head_epoch split_epoch"
    ms = {f"vgg16_{name}_ms": 0.0 for name in names.split()}
    assert bench.recipes(ms | {"vgg16_frozen_epoch_ms": 1.0}, 2000, 500)["book"] == 30 * 2
    assert bench.recipes(ms | {"vgg16_tuned_epoch_ms": 1.0}, 2000, 500)["book"] == 100 * 2
    assert bench.recipes(ms | {"vgg16_predict_once_ms": 1.0}, 2000, 500)["book"] == 130 * 0.5
    assert bench.recipes(ms | {"vgg16_guide_open_epoch_ms": 1.0}, 2000, 500)["guide"] == 10 * 2
    assert (
        bench.recipes(ms | {"vgg16_extract_tensorflow_ms": 1.0}, 2000, 500)["ours"] == 4 * 2 + 0.5
    )
    assert bench.recipes(ms | {"vgg16_split_epoch_ms": 1.0}, 2000, 500)["ours"] == 100 * 2


def test_an_empty_cache_is_empty_and_put_back(home):
    before = cache_dir()
    with bench.empty_cache():
        inside = cache_dir()
        assert inside != before and not any(inside.iterdir())
    assert cache_dir() == before and not inside.exists()
    assert os.environ["COURSE_CACHE_DIR"] == str(before)


def test_other_ways_to_run_a_base_see_every_picture(pets, toy):
    assert bench.predict_in_batches(toy, pets.train) == bench.predict_once(toy, pets.train) == 14
    assert bench.extract(toy, pets.train, "tensorflow") == 14


def test_training_stops_where_the_target_is_reached(monkeypatch):
    head = bench.models.head((2, 2, 1), 2)
    head.compile("sgd", bench.models.LOSS, metrics=["accuracy"])
    stop = bench.StopAtTarget()
    values = (np.zeros((4, 2, 2, 1)), np.zeros(4))
    for target, epochs in ((0.0, 1), (1.1, 3)):
        monkeypatch.setattr(bench, "TARGET", target)
        options = {"epochs": 3, "validation_data": values, "callbacks": [stop], "verbose": 0}
        assert len(head.fit(*values, **options).history["loss"]) == epochs


def test_a_model_that_is_restarted_trains_as_it_did_the_first_time():
    layers = bench.layers
    model = bench.keras.Sequential([bench.keras.Input((4,)), layers.Dense(8), layers.Dropout(0.5)])
    model.add(layers.Dense(2, activation="softmax"))
    how_many_views.compiled(model, 0.1)
    start, losses = model.get_weights(), []
    x, y = np.random.default_rng(0).normal(size=(16, 4)), np.arange(16) % 2
    for seed in (3, 3, 4):
        model.set_weights(start)
        how_many_views.restarted(model, seed)
        losses.append(model.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"])
    assert losses[0] == pytest.approx(losses[1]) and losses[0] != pytest.approx(losses[2])


def test_views_are_compared_with_end_to_end_on_the_same_pictures(pets):
    labels, other = pets.train.labels, 1 - pets.train.labels
    predictions = {}
    for seed in (1, 2):
        for way in how_many_views.WAYS:
            answers = labels.copy()
            if way == "views_1":
                answers[: 1 + seed] = other[: 1 + seed]
            predictions[f"{way}_seed{seed}"] = results._wrong(pets.train, answers)
    found, n = how_many_views.against_end_to_end(predictions, (1, 2)), len(labels)
    assert found["views_1_difference"] == pytest.approx(-2.5 / n, abs=1e-6)
    assert found["views_1_low"] <= found["views_1_difference"] <= found["views_1_high"]
    reach = 12.706 * 0.5 / n  # Student's t of one degree of freedom, and half a picture
    assert found["views_1_seeds_high"] == pytest.approx(-2.5 / n + reach, abs=1e-3)
    assert found["views_8_difference"] == 0


def test_the_first_epoch_at_the_target_is_found_on_validation_and_asked_on_test(pets):
    labels = pets.train.labels
    one_wrong = np.where(np.arange(len(labels)) == 0, 1 - labels, labels)
    predicted = [1 - labels, one_wrong, labels]
    numbers, kept = until_target.summary([0.9, 0.97, 0.96], predicted, pets.train)
    assert numbers["epoch"] == 2 and numbers["first_validation_accuracy"] == 0.97
    assert numbers["first_test_accuracy"] == pytest.approx(1 - 1 / len(labels), abs=1e-6)
    assert numbers["last_test_accuracy"] == 1 and set(kept) == {"first", "last"}
    never, kept = until_target.summary([0.9, 0.95], predicted[:2], pets.train)
    assert never["epoch"] == 0 and set(kept) == {"last"}
